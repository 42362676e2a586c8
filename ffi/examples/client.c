/* Says something to an echo server and prints the answer.  usage: client [URL] [text] */
#include <ringws.h>
#include <stdio.h>
#include <string.h>

static rws_engine *engine;
static int failed = 1;

static void on_open(rws_reactor *r, rws_conn c, void *text) {
  rws_send(r, c, RWS_TEXT, text, strlen(text), 0);
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  failed = 0;
  printf("%.*s\n", (int)m->len, (const char *)m->data);
  rws_close(r, c, RWS_CLOSE_NORMAL, (rws_bytes){NULL, 0});
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)info, (void)user;
  rws_engine_stop(engine, 0);
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  fprintf(stderr, "%s\n", why->error.text);
  if (why->retry_ms == 0) rws_engine_stop(engine, 0);
}

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_close = on_close;
  cb.on_refused = on_refused;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws_target to = RWS_INIT(rws_target);         /* zero: the default */
  to.url = argc > 1 ? argv[1] : "ws://localhost:9001/";
  to.callbacks = &cb;
  to.user = argc > 2 ? argv[2] : "hello";

  rws_error err;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_start(engine, &err) < 0 ||
      rws_engine_connect(engine, &to, NULL, &err) < 0) {
    fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text);
    rws_engine_free(engine);
    return 1;
  }
  if (rws_engine_wait(engine) < 0) failed = 1;
  rws_engine_free(engine);
  return failed;
}
