/* Sends every message to every open connection.  usage: broadcast [port, 0: any] [reactors] */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

static const rws_bytes all = {(const uint8_t *)"all", 3};

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  if (rws_join(r, c, all) < 0)                  /* it leaves by itself when it ends */
    rws_abort(r, c);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)c, (void)user;
  static const rws_conn nobody;                 /* the sender hears it, too */
  rws_buf *b;                                   /* framed once, for all of them */
  if (rws_buf_new(m->opcode, m->data, m->len, 0, &b, NULL) < 0)
    return;
  if (rws_publish(r, all, b, nobody) < 0)
    rws_close(r, c, RWS_CLOSE_TRY_AGAIN, (rws_bytes){NULL, 0});
  rws_buf_release(b);
}

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  rws_config config = RWS_INIT(rws_config);     /* zero: the default */
  config.reactors = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;

  rws_error err;
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
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
