/* A small blocking WebSocket client for the test programs; C11 and C++17. */
#ifndef CLIENT_H
#define CLIENT_H
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: CHECK(%s)\n", __FILE__, __LINE__, #condition);        \
      abort();                                                                      \
    }                                                                               \
  } while (0)

/* A connected socket, or -1. */
static inline int client_connect_to(const void *address, socklen_t len) {
  const struct sockaddr *to = (const struct sockaddr *)address;
  const int s = socket(to->sa_family, SOCK_STREAM, 0);
  CHECK(s >= 0);
  const struct timeval patience = {10, 0};
  CHECK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  CHECK(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
  if (connect(s, to, len) == 0) return s;
  close(s);
  return -1;
}

static inline int client_connect(uint16_t port) {
  struct sockaddr_in to;
  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return client_connect_to(&to, sizeof to);
}

static inline int client_write(int s, const void *data, size_t len) {
  const char *at = (const char *)data;
  while (len > 0) {
    const ssize_t n = send(s, at, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

static inline int client_read(int s, void *data, size_t len) {
  char *at = (char *)data;
  while (len > 0) {
    const ssize_t n = recv(s, at, len, 0);
    if (n < 0 && errno == EINTR) continue; /* with SO_RCVTIMEO it is not restarted */
    if (n <= 0) return -1;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

/* Asks for an upgrade, with more header lines if any; the head of the answer goes into head.
 * Returns the status, or -1. */
static inline int client_upgrade(int s, const char *path, const char *more, char *head,
                                 size_t size) {
  char request[2048];
  const int n = snprintf(request, sizeof request,
                         "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                         path, more);
  CHECK(n > 0 && (size_t)n < sizeof request);
  if (client_write(s, request, (size_t)n) < 0) return -1;
  size_t len = 0;
  while (len + 1 < size) {
    if (client_read(s, head + len, 1) < 0) return -1;
    head[++len] = 0;
    if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0) return atoi(head + 9);
  }
  return -1;
}

/* A connection with the handshake done, or -1. */
static inline int client_open(uint16_t port) {
  char head[1024];
  const int s = client_connect(port);
  if (s < 0) return -1;
  if (client_upgrade(s, "/", "", head, sizeof head) == 101) return s;
  close(s);
  return -1;
}

/* One masked frame; its first byte has FIN and the opcode. */
static inline int client_frame(int s, unsigned first, const void *data, size_t len) {
  unsigned char *frame = (unsigned char *)malloc(len + 14);
  CHECK(frame != NULL);
  size_t at = 0;
  frame[at++] = (unsigned char)first;
  if (len < 126) {
    frame[at++] = (unsigned char)(0x80u | len);
  } else if (len < 65536) {
    frame[at++] = 0x80 | 126;
    frame[at++] = (unsigned char)(len >> 8);
    frame[at++] = (unsigned char)len;
  } else {
    frame[at++] = 0x80 | 127;
    for (int shift = 56; shift >= 0; shift -= 8) frame[at++] = (unsigned char)((uint64_t)len >> shift);
  }
  const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
  memcpy(frame + at, mask, 4);
  at += 4;
  for (size_t i = 0; i < len; i++)
    frame[at + i] = (unsigned char)(((const unsigned char *)data)[i] ^ mask[i & 3]);
  const int done = client_write(s, frame, at + len);
  free(frame);
  return done;
}

static inline int client_send(int s, unsigned opcode, const void *data, size_t len) {
  return client_frame(s, 0x80u | opcode, data, len);
}

/* One frame: its length, with its first byte in *first and its payload in data; -1 at the end. */
static inline long client_receive(int s, unsigned char *first, void *data, size_t size) {
  unsigned char head[10];
  if (client_read(s, head, 2) < 0) return -1;
  *first = head[0];
  CHECK((head[1] & 0x80) == 0);
  uint64_t len = head[1];
  const size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;
  if (client_read(s, head + 2, more) < 0) return -1;
  if (more > 0) len = 0;
  for (size_t i = 0; i < more; i++) len = len << 8 | head[2 + i];
  CHECK(len <= size);
  return client_read(s, data, (size_t)len) < 0 ? -1 : (long)len;
}
#endif
