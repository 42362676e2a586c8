/* Connections that the engine makes: what is refused, what is asked and answered, retries. */
#include <ringws.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#define CHECK(x) \
  do { if (!(x)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); exit(1); } } while (0)

static rws_engine *engine;
static int opened, echoed, closed, refused, tries;

static int is(rws_bytes b, const char *text) {
  return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}
static void over(void) {
  if (closed == 1 && refused == 1 && tries == 3) rws_engine_stop(engine, 1000);
}

/* The server. */
static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r, (void)user;
  if (is(rws_upgrade_target(up), "/no")) {
    rws_upgrade_add_header(up, "X-Why", (rws_bytes){(const uint8_t *)"no", 2});
    return 403;
  }
  CHECK(is(rws_upgrade_target(up), "/chat?x=1") && is(rws_upgrade_path(up), "/chat"));
  CHECK(is(rws_upgrade_header(up, "Authorization"), "Bearer x"));
  CHECK(is(rws_upgrade_header(up, "X-Two"), "2"));
  CHECK(is(rws_upgrade_header(up, "Sec-WebSocket-Protocol"), "v1, v2"));
  CHECK(rws_upgrade_protocol(up, "v2") == RWS_OK);
  CHECK(rws_upgrade_add_header(up, "X-Shard", (rws_bytes){(const uint8_t *)"7", 1}) == RWS_OK);
  return 101;
}
static void echo(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_OK);
}

/* The client. */
static void on_open(rws_reactor *r, rws_conn c, void *user) {
  CHECK(user == &opened);
  opened++;
  CHECK(is(rws_answer_header(r, c, "sec-websocket-protocol"), "v2"));
  CHECK(is(rws_answer_header(r, c, "X-SHARD"), "7"));
  CHECK(rws_answer_header(r, c, "X-Other").data == NULL);
  CHECK(rws_answer_header(r, c, NULL).data == NULL);
  CHECK(rws_answer_header(r, (rws_conn){c.id + 1}, "X-Shard").data == NULL);
  rws_address peer;
  CHECK(rws_peer(r, c, &peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4);
  CHECK(rws_send(r, c, RWS_BINARY, "hello", 5, 0) == RWS_OK);
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  echoed++;
  CHECK(m->opcode == RWS_BINARY && m->len == 5 && memcmp(m->data, "hello", 5) == 0);
  CHECK(rws_answer_header(r, c, "X-Shard").data == NULL); /* only inside on_open */
  CHECK(rws_close(r, c, 3001, (rws_bytes){(const uint8_t *)"bye", 3}) == RWS_OK);
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)user;
  CHECK(info->code == 3001 && info->sent_code == 3001 && info->error.status == RWS_OK);
  closed++;
  over();
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r;
  CHECK(user == &refused);
  CHECK(why->error.status == RWS_E_REFUSED && why->http_status == 403 && why->retry_ms == 0);
  CHECK(is(why->body, "403 Forbidden\n"));
  CHECK(is(rws_refusal_header(why, "x-WHY"), "no"));
  CHECK(is(rws_refusal_header(why, "Content-Type"), "text/plain"));
  CHECK(rws_refusal_header(why, "X-Other").data == NULL);
  CHECK(rws_refusal_header(why, NULL).data == NULL && rws_refusal_header(NULL, "X").data == NULL);
  refused++;
  over();
}
static void on_nobody(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  CHECK(why->error.status == RWS_E_SYSTEM && why->error.sys_errno == ECONNREFUSED);
  CHECK(why->http_status == 0 && why->body.len == 0 && why->answer == NULL);
  CHECK(rws_refusal_header(why, "X-Why").data == NULL);
  CHECK(why->retry_ms >= 1 && why->retry_ms <= (tries ? 8u : 4u));
  if (++tries == 3) why->retry_ms = 0;
  over();
}

static rws_status fails(rws_target to) {
  rws_error err = {0};
  rws_dial dial = {7};
  const rws_status status = rws_engine_connect(engine, &to, &dial, &err);
  CHECK(dial.id == 7);
  CHECK(status < 0 && err.status == status && err.text[0] != 0);
  CHECK(rws_engine_connect(engine, &to, NULL, NULL) == status);
  return status;
}

static void arguments(const rws_callbacks *cb) {
  rws_target good = RWS_INIT(rws_target);
  good.url = "ws://127.0.0.1:1/";
  good.callbacks = cb;
  rws_target to = good;
  static const char *const urls[] = {NULL, "", "http://a/", "ws://", "ws://a#b", "ws://u@a/", "ws://a:0/",
                                     "ws://a/\r\n"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    to.url = urls[i];
    CHECK(fails(to) == RWS_E_INVALID);
  }
  static const char *const headers[] = {"Host: a", "X", "X: a\rY: b", "Sec-WebSocket-Key: x", ": x"};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    to = good;
    to.headers = headers[i];
    CHECK(fails(to) == RWS_E_INVALID);
  }
  to = good, to.protocols = "a, a";
  CHECK(fails(to) == RWS_E_INVALID);
  to = good, to.protocols = "";
  CHECK(fails(to) == RWS_E_INVALID);
  to = good, to.proxy = "socks://a";
  CHECK(fails(to) == RWS_E_INVALID);
  static const char *const hosts[] = {"", "a b", "a\r\nX: y", "a/b", "u@a", "a:0", ":80"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    to = good, to.host = hosts[i];
    CHECK(fails(to) == RWS_E_INVALID);
    to = good, to.tls_name = hosts[i];
    CHECK(fails(to) == RWS_E_INVALID);
  }
  to = good, to.tls_name = "a:443";
  CHECK(fails(to) == RWS_E_INVALID);
  to = good, to.callbacks = NULL;
  CHECK(fails(to) == RWS_E_INVALID);
  to = good, to.reactor = 1, to.flags = RWS_TARGET_REACTOR; /* there is only 0 */
  CHECK(fails(to) == RWS_E_INVALID);
  to = good, to.reactor = 1; /* means nothing without the flag */
  CHECK(fails(to) == RWS_E_INVALID);
  to = good, to.flags = 2;
  CHECK(fails(to) == RWS_E_UNSUPPORTED);
  to = good, to.size = 3;
  CHECK(fails(to) == RWS_E_INVALID);
  CHECK(rws_engine_connect(NULL, &good, NULL, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_connect(engine, NULL, NULL, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_connect_cancel(NULL, (rws_dial){1}) == RWS_E_INVALID);
  CHECK(rws_engine_connect_cancel(engine, (rws_dial){0}) == RWS_E_GONE);
  CHECK(rws_engine_connect_cancel(engine, (rws_dial){UINT64_MAX}) == RWS_E_GONE);
  CHECK(rws_engine_connect_cancel(engine, (rws_dial){99}) == RWS_OK); /* harmless */
}

int main(void) {
  rws_callbacks server = RWS_INIT(rws_callbacks);
  server.on_upgrade = on_upgrade;
  server.on_message = echo;
  rws_callbacks client = RWS_INIT(rws_callbacks);
  client.on_open = on_open;
  client.on_message = on_message;
  client.on_close = on_close;
  client.on_refused = on_refused;
  rws_callbacks nobody = RWS_INIT(rws_callbacks);
  nobody.on_refused = on_nobody;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1; /* the counters above belong to one thread */
  config.recv_buffers = 64;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &server;
  uint16_t port = 0;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_engine_listen(engine, &at, &port, NULL) == RWS_OK);

  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/chat?x=1", port);
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  to.callbacks = &client;
  to.user = &opened;
  to.protocols = "v1, v2";
  to.headers = "Authorization: Bearer x\r\nX-Two:2\n";
  CHECK(fails(to) == RWS_E_STATE); /* not started */
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
  arguments(&client);
  CHECK(rws_engine_connect(engine, &to, NULL, NULL) == RWS_OK);

  snprintf(url, sizeof url, "ws://127.0.0.1:%u/no", port);
  rws_target no = RWS_INIT(rws_target);
  no.url = url; /* copied before */
  no.callbacks = &client;
  no.user = &refused;
  no.flags = RWS_TARGET_REACTOR;
  no.reactor = 0;
  CHECK(rws_engine_connect(engine, &no, NULL, NULL) == RWS_OK);

  rws_target gone = RWS_INIT(rws_target);
  gone.url = "ws://127.0.0.1:1/";
  gone.callbacks = &nobody;
  gone.retry_min_ms = 4;
  gone.retry_max_ms = 8;
  CHECK(rws_engine_connect(engine, &gone, NULL, NULL) == RWS_OK);

  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(opened == 1 && echoed == 1 && closed == 1 && refused == 1 && tries == 3);
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  CHECK(stats.connected == 2 && stats.connect_failed == 4);
  CHECK(fails(to) == RWS_E_STATE); /* stopped */
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
