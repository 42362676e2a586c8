/* Accepts by itself and hands over: before the upgrade and behind it, and what is none. */
#include "client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <ringws.h>
#include <stdatomic.h>
#include <sys/socket.h>

static rws_engine *engine;
static rws_error err;
static atomic_int opened, closed, unopened, endpoints_own;
static int mine;

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  CHECK(rws_get_user(r, c) == user && (user == &mine || user == &endpoints_own));
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
static void on_unopened(rws_reactor *r, void *user) {
  CHECK(rws_reactor_index(r) == 1 && user == &mine);
  unopened++;
}

static rws_status give(rws_adopt *a) {
  const rws_status status = rws_engine_adopt(engine, a, &err);
  CHECK(status == RWS_OK || (status == err.status && fcntl(a->fd, F_GETFD) >= 0));
  return status;
}

static const char request[] =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/* "hi", masked with zeros */
static const uint8_t frame[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};

static void reads(int fd, const void *expected, size_t len) {
  uint8_t got[512];
  CHECK(len <= sizeof got && recv(fd, got, len, MSG_WAITALL) == (ssize_t)len);
  CHECK(memcmp(got, expected, len) == 0);
}

static void pair(int fds[2]) { CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0); }

static rws_adopt of(int fd) {
  rws_adopt a = RWS_INIT(rws_adopt);
  a.fd = fd;
  return a;
}

static void before_the_upgrade(void) {
  int fds[2];
  pair(fds);
  rws_adopt a = of(fds[0]);
  a.early = (rws_bytes){(const uint8_t *)request, 20};
  CHECK(give(&a) == RWS_OK);
  CHECK(write(fds[1], request + 20, sizeof request - 21) == (ssize_t)sizeof request - 21);
  CHECK(write(fds[1], frame, sizeof frame) == sizeof frame);
  reads(fds[1], "HTTP/1.1 101 ", 13);
  char last[5] = "";
  while (memcmp(last, "\r\n\r\n", 4) != 0) {
    memmove(last, last + 1, 3);
    CHECK(read(fds[1], last + 3, 1) == 1);
  }
  reads(fds[1], "\x81\x02hi", 4);
  close(fds[1]);
}

static void behind_the_upgrade(void) {
  int fds[2];
  pair(fds);
  CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
  rws_adopt a = of(fds[0]);
  a.flags = RWS_ADOPT_UPGRADED | RWS_ADOPT_REACTOR;
  a.reactor = 1;
  a.user = &mine;
  a.early = (rws_bytes){frame, 3};
  a.on_unopened = on_unopened;
  CHECK(give(&a) == RWS_OK);
  CHECK(write(fds[1], frame + 3, sizeof frame - 3) == (ssize_t)sizeof frame - 3);
  reads(fds[1], "\x81\x02hi", 4);
  close(fds[1]);
}

static void never_open(void) {
  int fds[2];
  char rest[256];
  pair(fds);
  rws_adopt a = of(fds[0]);
  a.flags = RWS_ADOPT_REACTOR;
  a.reactor = 1;
  a.user = &mine;
  a.early = (rws_bytes){(const uint8_t *)"nonsense\r\n\r\n", 12};
  a.on_unopened = on_unopened;
  CHECK(give(&a) == RWS_OK);
  reads(fds[1], "HTTP/1.1 400 ", 13);
  CHECK(shutdown(fds[1], SHUT_WR) == 0);
  while (read(fds[1], rest, sizeof rest) > 0) {
  }
  close(fds[1]);
}

static void what_is_refused_stays_ours(void) {
  int fds[2];
  pair(fds);
  rws_adopt a = of(fds[0]);
  CHECK(rws_engine_adopt(NULL, &a, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_adopt(engine, NULL, NULL) == RWS_E_INVALID);
  a.endpoint = 1;
  CHECK(give(&a) == RWS_E_INVALID && strstr(err.text, "endpoint") != NULL);
  a = of(fds[0]);
  a.reactor = 1; /* without the flag */
  CHECK(give(&a) == RWS_E_INVALID);
  a.flags = RWS_ADOPT_REACTOR;
  a.reactor = 2;
  CHECK(give(&a) == RWS_E_INVALID && strstr(err.text, "reactor") != NULL);
  a = of(fds[0]);
  a.flags = 1u << 31;
  CHECK(give(&a) == RWS_E_UNSUPPORTED);
  a = of(fds[0]);
  a.early.len = 5;
  CHECK(give(&a) == RWS_E_INVALID);
  static const uint8_t much[(1 << 20) + 1];
  a.early = (rws_bytes){much, sizeof much};
  CHECK(give(&a) == RWS_E_TOO_BIG);
  const int none = open("/dev/null", O_RDONLY);
  a = of(none);
  CHECK(give(&a) == RWS_E_INVALID);
  close(none);
  CHECK(rws_engine_adopt(engine, &a, &err) == RWS_E_INVALID); /* not open any more */
  a = of(-1);
  CHECK(rws_engine_adopt(engine, &a, &err) == RWS_E_INVALID);
  const int alone = socket(AF_INET, SOCK_STREAM, 0);
  a = of(alone);
  CHECK(give(&a) == RWS_E_GONE);
  struct sockaddr_in any = {.sin_family = AF_INET};
  CHECK(bind(alone, (struct sockaddr *)&any, sizeof any) == 0 && listen(alone, 1) == 0);
  CHECK(give(&a) == RWS_E_INVALID);
  close(alone);
  CHECK(write(fds[0], "x", 1) == 1);
  reads(fds[1], "x", 1);
  rws_engine_stop(engine, 0);
  a = of(fds[0]);
  CHECK(give(&a) == RWS_E_STATE);
  close(fds[0]), close(fds[1]);
}

int main(void) {
  rws_callbacks callbacks = RWS_INIT(rws_callbacks);
  callbacks.on_open = on_open;
  callbacks.on_message = on_message;
  callbacks.on_close = on_close;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  rws_endpoint nowhere = RWS_INIT(rws_endpoint);
  nowhere.callbacks = &callbacks;
  nowhere.user = &endpoints_own;
  nowhere.flags = RWS_ENDPOINT_NO_SOCKET;
  nowhere.address = "127.0.0.1";
  CHECK(rws_engine_listen(engine, &nowhere, NULL, &err) == RWS_E_INVALID);
  nowhere.address = NULL;
  nowhere.port = 80;
  CHECK(rws_engine_listen(engine, &nowhere, NULL, &err) == RWS_E_INVALID);
  nowhere.port = 0;
  uint16_t port = 7;
  CHECK(rws_engine_listen(engine, &nowhere, &port, &err) == RWS_OK && port == 0);
  int early[2];
  pair(early);
  rws_adopt a = of(early[0]);
  CHECK(give(&a) == RWS_E_STATE); /* not started */
  close(early[0]), close(early[1]);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  before_the_upgrade();
  behind_the_upgrade();
  never_open();
  what_is_refused_stays_ours();
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(opened == 2 && closed == 2 && unopened == 1);
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
