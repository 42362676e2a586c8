/* An echo server that is emptied, and not cut off, when it is told to end: SIGTERM or SIGINT.
 * usage: drain [port, 0: any] [milliseconds over which the Closes are spread] */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL)
    rws_pause(r, c);
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

static void on_drained(rws_engine *e, const rws_drained *counts, void *user) {
  (void)e, (void)user;
  printf("%llu closed, %llu cut off\n", (unsigned long long)counts->closed,
         (unsigned long long)counts->aborted);
}

int main(int argc, char **argv) {
  /* Blocked here before there is another thread, so in all of them: they wait for sigwait. */
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);

  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;

  rws_engine *engine;
  rws_error err;
  uint16_t port;
  if (rws_engine_new(NULL, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  printf("listening on %u\n", port);
  fflush(stdout);

  int sig;
  sigwait(&ends, &sig);
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;
  how.spread_ms = argc > 2 ? (uint32_t)atoi(argv[2]) : 5000;
  how.on_drained = on_drained;
  rws_engine_drain(engine, &how);               /* whoever is left 30 s later is cut off */
  const rws_status ended = rws_engine_wait(engine);
  rws_engine_free(engine);
  return ended < 0;
}
