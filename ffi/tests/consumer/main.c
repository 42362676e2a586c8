/* What a user of the installed library builds: an echo server, and a client that is answered. */
#include <ringws.h>
#include <stdio.h>
#include <string.h>

static rws_engine *engine;
static int failed = 1;
#ifdef RACE
static int racy;                                /* what ThreadSanitizer must see */
#endif

static void echo(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  rws_send(r, c, m->opcode, m->data, m->len, 0);
}

static void on_open(rws_reactor *r, rws_conn c, void *text) {
#ifdef RACE
  racy++;
#endif
  rws_send(r, c, RWS_TEXT, text, strlen(text), 0);
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *text) {
  if (m->len == strlen(text) && memcmp(m->data, text, m->len) == 0) failed = 0;
  rws_close(r, c, RWS_CLOSE_NORMAL, (rws_bytes){NULL, 0});
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)info, (void)user;
  rws_engine_stop(engine, 1000);
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  fprintf(stderr, "%s\n", why->error.text);
  rws_engine_stop(engine, 0);
}

int main(void) {
  char text[] = "round", url[64];
  rws_callbacks server = RWS_INIT(rws_callbacks), client = RWS_INIT(rws_callbacks);
  server.on_message = echo;
  client.on_open = on_open;
  client.on_message = on_message;
  client.on_close = on_close;
  client.on_refused = on_refused;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &server;

  rws_error err;
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 || rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s\n", err.text), 1;
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port);
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  to.callbacks = &client;
  to.user = text;
  if (rws_engine_connect(engine, &to, NULL, &err) < 0) return fprintf(stderr, "%s\n", err.text), 1;
#ifdef RACE
  racy++;
#endif
  if (rws_engine_wait(engine) < 0) failed = 1;
  rws_engine_free(engine);
  if (!failed) puts("round trip");
  return failed;
}
