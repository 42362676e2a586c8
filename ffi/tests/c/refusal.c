/* One connect: prints what comes of it.  usage: refusal URL HOST CANCEL_MS; HOST may be empty,
 * CANCEL_MS negative: not cancelled. What opens is closed without a status. */
#include "client.h"
#include <ringws.h>

static rws_engine *engine;
static rws_dial dial;
static int opened, refused;

static void say(const char *what, rws_bytes b) {
  printf(" %s=%.*s", what, (int)b.len, b.data == NULL ? "" : (const char *)b.data);
}
static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  printf("open\n");
  CHECK(++opened == 1 && refused == 0);
  CHECK(rws_close(r, c, RWS_CLOSE_NO_STATUS, (rws_bytes){NULL, 0}) == RWS_OK);
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)user;
  printf("closed %u %u\n", info->code, info->sent_code);
  rws_engine_stop(engine, 0);
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  CHECK(++refused == 1 && opened == 0);
  printf("refused %d %d", why->error.status, why->http_status);
  say("body", why->body);
  say("location", rws_refusal_header(why, "Location"));
  say("retry-after", rws_refusal_header(why, "retry-after"));
  printf(" %s\n", why->error.text);
  rws_engine_stop(engine, 0);
}
static void cancel(rws_reactor *r, void *arg) {
  (void)r, (void)arg;
  CHECK(rws_engine_connect_cancel(engine, dial) == RWS_OK);
}
static void later(rws_reactor *r, void *arg) {
  CHECK(rws_timer_start(r, *(const uint32_t *)arg, cancel, NULL, NULL) == RWS_OK);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_close = on_close;
  cb.on_refused = on_refused;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.recv_buffers = 64;
  rws_error err;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  rws_target to = RWS_INIT(rws_target);
  to.url = argv[1];
  to.host = argv[2][0] == 0 ? NULL : argv[2];
  to.callbacks = &cb;
  if (rws_engine_connect(engine, &to, &dial, &err) < 0) {
    printf("%s\n", err.text);
    rws_engine_free(engine);
    return 0;
  }
  CHECK(dial.id != 0);
  const int ms = atoi(argv[3]);
  uint32_t after = (uint32_t)ms;
  if (ms >= 0) CHECK(rws_engine_post(engine, 0, later, &after) == RWS_OK);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  rws_engine_free(engine);
  return 0;
}
