/* An echo server.  usage: echo [port, 0: any] [largest message in bytes] */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL)
    rws_pause(r, c);                            /* slow reader: stop reading from it */
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  rws_options options = RWS_INIT(rws_options);  /* zero: the default */
  if (argc > 2) {
    options.message_max = options.send_queue_max = (uint32_t)atoi(argv[2]);
    options.fragments_max = 1 << 17;            /* even if its pieces are small */
  }
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;
  at.options = &options;

  rws_error err;
  uint16_t port;
  if (rws_engine_new(NULL, &engine, &err) < 0 ||        /* one reactor per CPU */
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status ended = rws_engine_wait(engine);
  signal(SIGINT, SIG_DFL);                      /* the engine goes: nothing to stop any more */
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  return ended < 0;
}
