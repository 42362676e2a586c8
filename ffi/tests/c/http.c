/* Answers HTTP requests with what they are, and says what it has seen.  Stops at /stop. */
#include "client.h"
#include <ringws.h>

static rws_engine *engine;

static int is(rws_bytes b, const char *text) {
  return b.data != NULL && b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static void wrong_calls(rws_request *q) {
  rws_bytes name = {NULL, 7};
  rws_address peer;
  rws_response a = RWS_INIT(rws_response);
  CHECK(rws_request_method(NULL).data == NULL && rws_request_path(NULL).data == NULL);
  CHECK(rws_request_target(NULL).data == NULL && rws_request_query(NULL).data == NULL);
  CHECK(rws_request_query_param(q, NULL).data == NULL && rws_request_header(q, NULL, 0).data == NULL);
  CHECK(rws_request_body(NULL).data == NULL && rws_request_server_name(q).data == NULL);
  CHECK(rws_request_peer_certificate(q).data == NULL);
  CHECK(rws_request_peer(q, NULL) == RWS_E_INVALID && rws_request_peer(NULL, &peer) == RWS_E_INVALID);
  CHECK(rws_request_header_at(q, 1000, &name, &name) == RWS_E_INVALID && name.len == 7);
  CHECK(rws_request_answer(q, NULL) == RWS_E_INVALID && rws_request_answer(NULL, &a) == RWS_E_INVALID);
  CHECK(rws_request_answer(q, &a) == RWS_E_INVALID); /* no status */
  a.status = 101;
  CHECK(rws_request_answer(q, &a) == RWS_E_INVALID);
  a.status = 200;
  const char *const bad[] = {"Content-Length: 5", "Connection: x", "a b: c", "X", "X: \x01", "Sec-WebSocket-Key: x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    a.headers = bad[i];
    CHECK(rws_request_answer(q, &a) == RWS_E_INVALID);
  }
  a.headers = NULL;
  a.body.len = 5;
  CHECK(rws_request_answer(q, &a) == RWS_E_INVALID);
}

static void on_request(rws_reactor *r, rws_request *q, void *user) {
  CHECK(r != NULL && user == &engine);
  static char text[65536];
  size_t len = 0;
  rws_bytes name, value;
  rws_address peer;
  wrong_calls(q);
  CHECK(rws_request_peer(q, &peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4 && peer.port != 0);
  const rws_bytes path = rws_request_path(q), query = rws_request_query(q);
  if (is(path, "/absent")) return;
  if (is(path, "/metrics")) {
    CHECK(rws_request_metrics(NULL, q) == RWS_E_INVALID && rws_request_metrics(r, NULL) == RWS_E_INVALID);
    CHECK(rws_request_metrics(r, q) == RWS_OK && rws_request_metrics(r, q) == RWS_E_STATE);
    return;
  }
  if (is(path, "/stop")) rws_engine_stop(engine, 10000);
#define SAY(...) len += (size_t)snprintf(text + len, sizeof text - len, __VA_ARGS__)
#define BYTES(b) (int)(b).len, (b).data == NULL ? "" : (const char *)(b).data
  const rws_bytes method = rws_request_method(q), target = rws_request_target(q);
  SAY("%.*s %.*s %.*s %.*s", BYTES(method), BYTES(target), BYTES(path), BYTES(query));
  const rws_bytes a = rws_request_query_param(q, "a"), b = rws_request_query_param(q, "b");
  const rws_bytes none = rws_request_query_param(q, "none");
  SAY(" %.*s %.*s %d", BYTES(a), BYTES(b), none.data == NULL);
  const rws_bytes one = rws_request_header(q, "x", 0), two = rws_request_header(q, "X", 1);
  SAY(" %.*s %.*s %d\n", BYTES(one), BYTES(two), rws_request_header(q, "x", 2).data == NULL);
  for (size_t i = 0; rws_request_header_at(q, i, &name, &value) == RWS_OK; i++)
    SAY("%.*s=%.*s\n", BYTES(name), BYTES(value));
  CHECK(rws_request_header_at(q, 0, NULL, NULL) == RWS_OK);
  const rws_bytes body = rws_request_body(q);
  SAY("%.*s", BYTES(body));
  rws_response answer = RWS_INIT(rws_response);
  answer.status = 201;
  answer.headers = "Content-Type: text/plain\r\n\nX-More:  b \r\n";
  answer.body = (rws_bytes){(const uint8_t *)text, len};
  CHECK(rws_request_answer(q, &answer) == RWS_OK);
  CHECK(rws_request_answer(q, &answer) == RWS_E_STATE);
}

static int here, there;

static int on_routed(rws_reactor *r, rws_upgrade *up, void *user) {
  const rws_request *q = rws_upgrade_request(up);
  const rws_bytes body = {(const uint8_t *)"there", 5}, location = {(const uint8_t *)"/there/x", 8};
  (void)r;
  CHECK(rws_request_param(q, "absent").data == NULL && rws_request_param(NULL, "to").data == NULL);
  CHECK(is(rws_request_param(q, "to"), user == &here ? "a/b" : "x"));
  CHECK(rws_upgrade_body(NULL, body) == RWS_E_INVALID);
  CHECK(rws_upgrade_body(up, (rws_bytes){NULL, 5}) == RWS_E_INVALID);
  if (user == &there) return 101;
  CHECK(user == &here && rws_upgrade_body(up, body) == RWS_OK);
  CHECK(rws_upgrade_add_header(up, "Location", location) == RWS_OK);
  return 303;
}

static void wrong_routes(rws_endpoint at) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  rws_options options = RWS_INIT(rws_options);
  rws_route routes[2] = {{0}, {0}};
  rws_error err;
  at.routes = NULL;
  at.routes_len = 1;
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID);
  at.routes = routes;
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID); /* no path */
  routes[0].path = "/x";
  routes[1].path = "/x";
  at.routes_len = 2;
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID); /* twice the same */
  at.routes_len = 1;
  options.unsent_max = 1000;
  routes[0].options = &options;
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID);
  CHECK(strstr(err.text, "/x") != NULL);
  routes[0].options = NULL;
  cb.size = 3;
  routes[0].callbacks = &cb;
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID);
  routes[0].callbacks = NULL;
  routes[0].origins = "a b";
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID);
}

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r, (void)user;
  rws_response answer = RWS_INIT(rws_response);
  const rws_request *q = rws_upgrade_request(up);
  CHECK(rws_upgrade_request(NULL) == NULL);
  CHECK(is(rws_request_method(q), "GET") && is(rws_request_path(q), "/a b"));
  CHECK(is(rws_request_query_param(q, "token"), "x y") && rws_request_body(q).data == NULL);
  CHECK(is(rws_request_header(q, "upgrade", 0), "websocket"));
  answer.status = 200;
  CHECK(rws_request_answer((rws_request *)(uintptr_t)q, &answer) == RWS_E_STATE);
  return 101;
}

int main(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_request = on_request;
  cb.on_upgrade = on_upgrade;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws_options options = RWS_INIT(rws_options);
  options.body_max = 1000;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.options = &options;
  at.user = &engine;
  rws_callbacks routed = RWS_INIT(rws_callbacks);
  routed.on_upgrade = on_routed;
  const rws_route routes[] = {
    {.path = "/here/{*to}", .callbacks = &routed, .user = &here},
    {.path = "/there/{to}", .callbacks = &routed, .user = &there, .origins = "*"},
    {.path = "/routed", .user = &engine},
  };
  at.routes = routes;
  at.routes_len = sizeof routes / sizeof *routes;
  rws_error err;
  uint16_t port;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  wrong_routes(at);
  CHECK(rws_engine_listen(engine, &at, &port, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  printf("listening on %u\n", port);
  fflush(stdout);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  CHECK(stats.requests == 5 && stats.requests_refused == 1 && stats.upgraded == 2);
  rws_engine_free(engine);
  return 0;
}
