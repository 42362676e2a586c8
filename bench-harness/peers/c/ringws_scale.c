/* What is measured at scale: an echo on one port, a topic with all members on another, and the
 * counters by GET on the first; of /heap, the bytes that are allocated, whatever of the heap is
 * resident besides.
 * usage: ringws_scale [port, 0: any] members_port reactors connections_max(per reactor)
 *                     idle_timeout_ms admitted_per_second(members, 0: all)
 *                     [tls_port certificate key] */
#include <malloc.h>
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 0); }

static const rws_bytes all = {(const uint8_t *)"all", 3};

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL) rws_pause(r, c);
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }
static void on_request(rws_reactor *r, rws_request *q, void *user) {
  (void)user;
  const rws_bytes path = rws_request_path(q);
  if (path.len != 5 || memcmp(path.data, "/heap", 5) != 0) {
    rws_request_metrics(r, q);
    return;
  }
  const struct mallinfo2 heap = mallinfo2();
  char text[64];
  const int len = snprintf(text, sizeof text, "ringws_heap_bytes %zu\n", heap.uordblks + heap.hblkhd);
  rws_response answer = RWS_INIT(rws_response);
  answer.status = 200;
  answer.body = (rws_bytes){(const uint8_t *)text, (size_t)len};
  rws_request_answer(q, &answer);
}

static void on_member(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  if (rws_join(r, c, all) < 0) rws_abort(r, c);
}
static void on_publish(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  rws_buf *b;
  if (rws_buf_new(m->opcode, m->data, m->len, 0, &b, NULL) < 0) return;
  if (rws_publish(r, all, b, c) < 0) rws_close(r, c, RWS_CLOSE_TRY_AGAIN, (rws_bytes){NULL, 0});
  rws_buf_release(b);
}

static int fail(const rws_error *err) {
  fprintf(stderr, "%s: %s\n", rws_strerror(err->status), err->text);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 7 && argc != 10) return fprintf(stderr, "six arguments, or nine\n"), 2;
  rws_callbacks echo = RWS_INIT(rws_callbacks), member = RWS_INIT(rws_callbacks);
  echo.on_message = on_message;
  echo.on_drain = on_drain;
  echo.on_request = on_request;
  member.on_open = on_member;
  member.on_message = on_publish;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = (uint32_t)atoi(argv[3]);
  config.connections_max = (uint32_t)atoi(argv[4]);
  rws_options options = RWS_INIT(rws_options);
  options.flags = RWS_OPT_DEFLATE;              /* for those who offer it */
  options.idle_timeout_ms = (uint32_t)atoi(argv[5]);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = (uint32_t)atoi(argv[1]);
  at.callbacks = &echo;
  at.options = &options;
  rws_endpoint members = at;
  members.port = (uint32_t)atoi(argv[2]);
  members.callbacks = &member;
  members.admitted_per_second = (uint32_t)atoi(argv[6]);
  members.admitted_burst = members.admitted_per_second / 10;

  rws_endpoint secure = at;
  rws_error err;
  if (argc == 10) {
    const rws_identity identity = {{NULL, 0}, {NULL, 0}, argv[8], argv[9]};
    rws_tls_config tls = RWS_INIT(rws_tls_config);
    tls.identities = &identity;
    tls.identities_len = 1;
    secure.port = (uint32_t)atoi(argv[7]);
    if (rws_tls_server_new(&tls, &secure.tls, &err) < 0) return fail(&err);
  }
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_listen(engine, &members, NULL, &err) < 0 ||
      (secure.tls && rws_engine_listen(engine, &secure, NULL, &err) < 0) ||
      rws_engine_start(engine, &err) < 0)
    return fail(&err);
  if (secure.tls) rws_tls_release(secure.tls);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status ended = rws_engine_wait(engine);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  return ended < 0;
}
