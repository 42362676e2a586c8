/* Calls of threads, and of callbacks by the engine: their order, what waits, what is dropped, and
 * that this is told; timers of other reactors; and a reactor whose ring fails. */
#include "client.h"
#include <pthread.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <ringws.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static rws_engine *engine;
static rws_conn conn; /* the latest that was opened */
static rws_timer timer;
static uint32_t timer_reactor;
static atomic_int opens, closes, jobs, cancels, failures;

static void nothing(rws_reactor *r, void *arg) { (void)r; (void)arg; CHECK(0); }
static void count(rws_reactor *r, void *arg) { (void)r; (void)arg; atomic_fetch_add(&jobs, 1); }

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)r; (void)user;
  conn = c;
  atomic_fetch_add(&opens, 1);
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r; (void)c; (void)info; (void)user;
  atomic_fetch_add(&closes, 1);
}

static void mixed(rws_reactor *r, rws_conn c) {
  static const char large[9000];
  CHECK(rws_engine_send(engine, c, RWS_TEXT, "1", 1, 0) == RWS_OK);
  CHECK(rws_send(r, c, RWS_TEXT, "2", 1, 0) == RWS_OK);
  CHECK(rws_send(r, c, RWS_TEXT, "3", 1, 0) == RWS_OK);
  CHECK(rws_engine_send(engine, c, RWS_TEXT, "4", 1, 0) == RWS_OK);
  CHECK(rws_send(r, c, RWS_BINARY, large, sizeof large, 0) == RWS_OK);
  CHECK(rws_engine_send(engine, c, RWS_BINARY, large, sizeof large, 0) == RWS_OK);
  CHECK(rws_engine_send(engine, c, RWS_TEXT, "7", 1, 0) == RWS_OK);
  CHECK(rws_send(r, c, RWS_TEXT, "8", 1, 0) == RWS_OK);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  switch (*(const char *)m->data) {
    case 'm': mixed(r, c); break;
    case '(': CHECK(rws_send(r, c, RWS_TEXT, "(", 1, RWS_MORE) == RWS_OK); break;
    case ')': CHECK(rws_send(r, c, RWS_CONTINUATION, ")", 1, 0) == RWS_OK); break;
    case 't':
      CHECK(rws_timer_start(r, 3600000, nothing, NULL, &timer) == RWS_OK);
      timer_reactor = rws_reactor_index(r);
      CHECK(rws_send(r, c, RWS_TEXT, "t", 1, 0) == RWS_OK);
      break;
    default: CHECK(0);
  }
}

static void cancel(rws_reactor *r, void *arg) {
  (void)arg;
  const int ours = rws_reactor_index(r) == timer_reactor;
  /* The first timer of a reactor: without its number in the name it would be that of the other. */
  rws_timer own;
  CHECK(rws_timer_start(r, 3600000, nothing, NULL, &own) == RWS_OK && own.id != timer.id);
  CHECK(rws_timer_cancel(r, timer) == (ours ? RWS_OK : RWS_E_STATE));
  CHECK(rws_timer_cancel(r, own) == RWS_OK);
  /* What is not forwarded says so: the connection is there, but not here. */
  rws_address peer;
  CHECK(rws_conn_reactor(conn) == timer_reactor);
  CHECK(rws_peer(r, conn, &peer) == (ours ? RWS_OK : RWS_E_STATE));
  CHECK(rws_set_user(r, conn, NULL) == (ours ? RWS_OK : RWS_E_STATE));
  CHECK(rws_get_user(r, conn) == NULL && (ours || rws_buffered(r, conn) == 0));
  atomic_fetch_add(&cancels, 1);
}

static void until(atomic_int *what, int value) {
  for (int i = 0; i < 2000 && atomic_load(what) < value; i++) usleep(5000);
  CHECK(atomic_load(what) == value);
}

/* All that was asked for before has been done. */
static void settle(void) {
  const int before = atomic_load(&jobs);
  for (uint32_t i = 0; i < 2; i++) CHECK(rws_engine_post(engine, i, count, NULL) == RWS_OK);
  until(&jobs, before + 2);
}

static uint64_t dropped(void) {
  rws_stats all = RWS_INIT(rws_stats), parts[2] = {RWS_INIT(rws_stats), RWS_INIT(rws_stats)};
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &all) == RWS_OK);
  for (uint32_t i = 0; i < 2; i++) CHECK(rws_engine_stats(engine, i, &parts[i]) == RWS_OK);
  CHECK(all.forward_dropped == parts[0].forward_dropped + parts[1].forward_dropped);
  return all.forward_dropped;
}

static void expect(int s, unsigned char first, const char *text) {
  static char data[16384];
  unsigned char is;
  const long len = client_receive(s, &is, data, sizeof data);
  CHECK(len >= 0 && is == first);
  if (first != 0x82) CHECK((size_t)len == strlen(text) && memcmp(data, text, (size_t)len) == 0);
}

static void one_order(int s) {
  for (int i = 0; i < 3; i++) CHECK(client_send(s, RWS_TEXT, "m", 1) == 0);
  for (int i = 0; i < 3; i++) {
    for (const char *next = "1234--78"; *next != 0; next++) {
      const char text[2] = {*next, 0};
      expect(s, *next == '-' ? 0x82 : 0x81, text);
    }
  }
}

static void *other(void *arg) {
  (void)arg;
  CHECK(rws_engine_send(engine, conn, RWS_TEXT, "[", 1, RWS_MORE) == RWS_OK);
  CHECK(rws_engine_send(engine, conn, RWS_CONTINUATION, "]", 1, 0) == RWS_OK);
  return NULL;
}

static void turns(int s) {
  CHECK(client_send(s, RWS_TEXT, "(", 1) == 0);
  expect(s, 0x01, "(");
  CHECK(rws_engine_send(engine, conn, RWS_TEXT, "mail", 4, 0) == RWS_OK);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, other, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(rws_engine_send(engine, conn, RWS_PING, "now", 3, 0) == RWS_OK);
  expect(s, 0x89, "now");
  CHECK(rws_engine_buffered(engine, conn) > 0 && dropped() == 0);
  CHECK(client_send(s, RWS_TEXT, ")", 1) == 0);
  expect(s, 0x80, ")");
  expect(s, 0x81, "mail");
  expect(s, 0x01, "[");
  expect(s, 0x80, "]");
}

/* To a peer that does not read. */
static void too_much(int s) {
  enum { PART = 1 << 20 };
  static char part[PART];
  int sent = 0;
  while (rws_engine_buffered(engine, conn) <= 4 * PART) {
    CHECK(rws_engine_send(engine, conn, RWS_BINARY, part, PART, 0) == RWS_OK);
    settle();
    CHECK(++sent < 64);
  }
  CHECK(dropped() == 0);
  CHECK(rws_engine_send(engine, conn, RWS_BINARY, part, PART, 0) == RWS_OK);
  settle();
  CHECK(dropped() == 1);
  for (uint64_t left = (uint64_t)sent * (PART + 10); left > 0;) {
    const ssize_t n = recv(s, part, left < PART ? left : PART, 0);
    CHECK(n > 0);
    left -= (uint64_t)n;
  }
  for (int i = 0; i < 2000 && rws_engine_buffered(engine, conn) > 0; i++) usleep(5000);
  CHECK(rws_engine_buffered(engine, conn) == 0);
}

/* From this thread, and in the order of its calls: what comes meanwhile waits, and is not lost. */
static void held_back(int s) {
  const rws_conn none = {UINT64_MAX};
  CHECK(rws_engine_pause(engine, none) == RWS_E_GONE && rws_engine_resume(engine, none) == RWS_E_GONE);
  CHECK(rws_engine_pause(engine, conn) == RWS_OK && rws_engine_pause(engine, conn) == RWS_OK);
  settle();
  CHECK(client_send(s, RWS_TEXT, "m", 1) == 0);
  usleep(100000);
  CHECK(rws_engine_send(engine, conn, RWS_TEXT, "first", 5, 0) == RWS_OK);
  CHECK(rws_engine_resume(engine, conn) == RWS_OK);
  expect(s, 0x81, "first");
  for (const char *next = "1234--78"; *next != 0; next++) {
    const char text[2] = {*next, 0};
    expect(s, *next == '-' ? 0x82 : 0x81, text);
  }
  CHECK(rws_engine_resume(engine, conn) == RWS_OK);
  CHECK(dropped() == 0);
}

/* This thread's ring cannot be entered any more. */
static void break_ring(rws_reactor *r, void *arg) {
  (void)r; (void)arg;
  struct sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, __NR_io_uring_enter},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const struct sock_fprog filter = {sizeof code / sizeof *code, code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0);
}

static void on_log(int level, rws_bytes line, void *user) {
  (void)user;
  const char start[] = "reactor 1: ";
  if (level != RWS_LOG_ERROR) return;
  CHECK(line.len > sizeof start && memcmp(line.data, start, sizeof start - 1) == 0);
  atomic_fetch_add(&failures, 1);
}

int main(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_close = on_close;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  config.recv_buffers = 64;
  config.on_log = on_log;
  rws_options options = RWS_INIT(rws_options);
  options.send_queue_max = 4 << 20;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.options = &options;
  uint16_t port = 0;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_engine_listen(engine, &at, &port, NULL) == RWS_OK);
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
  int clients[24];
  for (int i = 0; i < 24; i++) {
    clients[i] = client_open(port);
    CHECK(clients[i] >= 0);
    until(&opens, i + 1);
  }
  const int s = clients[23];
  one_order(s);
  held_back(s);
  turns(s);
  too_much(s);
  CHECK(client_send(s, RWS_TEXT, "t", 1) == 0);
  expect(s, 0x81, "t");
  CHECK(rws_engine_post(engine, 1 - timer_reactor, cancel, NULL) == RWS_OK);
  until(&cancels, 1);
  CHECK(rws_engine_post(engine, timer_reactor, cancel, NULL) == RWS_OK);
  until(&cancels, 2);
  for (int i = 0; i < 4; i++) CHECK(rws_engine_post(engine, RWS_ANY_REACTOR, count, NULL) == RWS_OK);
  CHECK(atomic_load(&closes) == 0);

  CHECK(rws_engine_post(engine, 1, break_ring, NULL) == RWS_OK);
  CHECK(rws_engine_wait(engine) == RWS_E_SYSTEM);
  CHECK(atomic_load(&closes) == 24 && atomic_load(&failures) == 1);
  for (int i = 0; i < 24; i++) close(clients[i]);
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
