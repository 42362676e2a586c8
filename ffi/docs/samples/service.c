/* An echo as it is run in production: the program that the unit, the manifests and the proxies of this folder are for.
 * usage: ringws-echo [port, 0: any]     on the socket "ws" of systemd if there is one, else on the port
 * environment: PROXY_FROM               the proxies in front of it, which must speak the PROXY protocol
 *              LEAVE_MS                 for how long /readyz says 503 before the drain begins; 5000
 *              DRAIN_MS                 over how long the Closes of a drain are spread; 20000
 *              GREET                    whoever connects is told from where: to see whether proxies tell it */
#include <poll.h>
#include <ringws.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int draining;

static int is(rws_bytes a, const char *b) { return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0; }

static void on_request(rws_reactor *r, rws_request *q, void *user) {
  (void)user;
  const rws_bytes path = rws_request_path(q);
  const int drains = atomic_load(&draining);
  rws_response a = RWS_INIT(rws_response);
  a.headers = "Content-Type: text/plain";
  if (is(path, "/metrics")) {
    rws_request_metrics(r, q);
  } else if (is(path, "/livez") || is(path, "/readyz")) {
    a.status = drains && is(path, "/readyz") ? 503 : 200;
    rws_request_answer(q, &a);
  } /* all else: 404 */
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL) rws_pause(r, c);
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  rws_address peer;
  char text[64];
  if (getenv("GREET") && rws_peer(r, c, &peer) == RWS_OK)
    rws_send(r, c, RWS_TEXT, text, rws_address_text(&peer, text, sizeof text), 0);
}
static void on_log(int level, rws_bytes line, void *user) {
  (void)user;
  const int priority = level == RWS_LOG_ERROR ? 3 : level == RWS_LOG_WARN ? 4 : 6;
  fprintf(stderr, "<%d>%.*s\n", priority, (int)line.len, (const char *)line.data); /* as journald reads it */
}
static void on_drained(rws_engine *e, const rws_drained *n, void *user) {
  (void)e, (void)user;
  printf("drained: %llu closed, %llu silent, %llu cut off\n", (unsigned long long)n->closed,
         (unsigned long long)n->timed_out, (unsigned long long)n->aborted);
}

int main(int argc, char **argv) {
  sigset_t ends; /* blocked before there is another thread */
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);

  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  cb.on_request = on_request;
  rws_options options = RWS_INIT(rws_options);
  options.message_max = 256 << 10;
  options.send_queue_max = 256 << 10;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.callbacks = &cb;
  at.options = &options;
  at.proxy_from = getenv("PROXY_FROM");
  if (getenv("LISTEN_FDS")) at.address = "systemd:ws";
  else at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  rws_config config = RWS_INIT(rws_config);
  config.on_log = on_log;

  rws_engine *engine;
  rws_error err;
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 || rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "<3>%s: %s\n", rws_strerror(err.status), err.text), 1;
  printf("listening on %u\n", port);
  fflush(stdout);

  int sig;
  sigwait(&ends, &sig);
  atomic_store(&draining, 1);
  const char *leave = getenv("LEAVE_MS"), *spread = getenv("DRAIN_MS");
  poll(NULL, 0, leave ? atoi(leave) : 5000); /* served as ever, until the load balancer has seen it */
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;
  how.spread_ms = spread ? (uint32_t)atoi(spread) : 20000;
  how.deadline_ms = how.spread_ms + 15000;
  how.on_drained = on_drained;
  rws_engine_drain(engine, &how);
  const rws_status ended = rws_engine_wait(engine);
  rws_engine_free(engine);
  return ended < 0;
}
