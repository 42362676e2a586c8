/* A room per reactor: each upgrade moves to that of its room, once. */
#include "client.h"
#include <ringws.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { REACTORS = 3, ALL = 60 };

static rws_engine *engine;
static rws_error err;
static atomic_int moves, opened, closed;
static int rooms[REACTORS];

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  CHECK(user == &engine && rws_upgrade_move(NULL, 0) == RWS_E_INVALID && rws_upgrade_moved(NULL) == 0);
  const rws_bytes path = rws_upgrade_path(up);
  CHECK(path.len == 2);
  const uint32_t room = path.data[1] - '0';
  CHECK(rws_upgrade_move(up, REACTORS) == (rws_upgrade_moved(up) ? RWS_E_STATE : RWS_E_INVALID));
  if (rws_reactor_index(r) != room) {
    rws_later later;
    CHECK(!rws_upgrade_moved(up) && rws_upgrade_move(up, room) == RWS_OK);
    CHECK(rws_upgrade_move(up, room) == RWS_E_STATE && rws_upgrade_later(up, &later) == RWS_E_STATE);
    moves++;
    return 403; /* ignored */
  }
  CHECK(rws_upgrade_move(up, room) == RWS_E_STATE);
  rws_upgrade_set_user(up, &rooms[room]);
  return 101;
}
static void on_open(rws_reactor *r, rws_conn c, void *user) {
  CHECK(user == &rooms[rws_reactor_index(r)] && rws_conn_reactor(c) == rws_reactor_index(r));
  opened++;
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_OK);
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *why, void *user) {
  (void)r, (void)c, (void)why, (void)user;
  closed++;
}

static void reads(int fd, const void *expected, size_t len) {
  uint8_t got[512];
  CHECK(len <= sizeof got && recv(fd, got, len, MSG_WAITALL) == (ssize_t)len);
  CHECK(memcmp(got, expected, len) == 0);
}

/* The request and "hi" in one, to the host's half of a pair. */
static void joins(int at) {
  char request[512];
  int fds[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const int len = snprintf(request, sizeof request,
                           "GET /%d HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                           at % REACTORS);
  memcpy(request + len, "\x81\x82\0\0\0\0hi", 8);
  CHECK(write(fds[1], request, (size_t)len + 8) == len + 8);
  rws_adopt a = RWS_INIT(rws_adopt);
  a.fd = fds[0];
  CHECK(rws_engine_adopt(engine, &a, &err) == RWS_OK);
  reads(fds[1], "HTTP/1.1 101 ", 13);
  char last[5] = "";
  while (memcmp(last, "\r\n\r\n", 4) != 0) {
    memmove(last, last + 1, 3);
    CHECK(read(fds[1], last + 3, 1) == 1);
  }
  reads(fds[1], "\x81\x02hi", 4);
  close(fds[1]);
}

int main(void) {
  rws_callbacks callbacks = RWS_INIT(rws_callbacks);
  callbacks.on_upgrade = on_upgrade;
  callbacks.on_open = on_open;
  callbacks.on_message = on_message;
  callbacks.on_close = on_close;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = REACTORS;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  rws_endpoint nowhere = RWS_INIT(rws_endpoint);
  nowhere.callbacks = &callbacks;
  nowhere.user = &engine;
  nowhere.flags = RWS_ENDPOINT_NO_SOCKET;
  CHECK(rws_engine_listen(engine, &nowhere, NULL, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  for (int at = 0; at < ALL; at++) joins(at);
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  CHECK(moves > 0 && stats.upgraded == ALL && stats.accepted == ALL);
  rws_engine_stop(engine, 1000);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(opened == ALL && closed == ALL);
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
