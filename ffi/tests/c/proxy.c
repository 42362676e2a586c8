/* Says what a proxy has told of a connection: in on_upgrade by a header, then by rws_peer.  Stops
 * at "/stop". */
#include "client.h"
#include <ringws.h>

static rws_engine *engine;
static uint16_t direct, strangers;

static int is(rws_bytes b, const char *text) {
  return b.data != NULL && b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  const rws_request *q = rws_upgrade_request(up);
  rws_address peer, same, proxy;
  char text[64], own[64], said[512];
  (void)r, (void)user;
  CHECK(rws_upgrade_peer(up, &peer) == RWS_OK && rws_request_peer(q, &same) == RWS_OK);
  CHECK(memcmp(&peer, &same, sizeof peer) == 0);
  CHECK(rws_request_proxy(q, NULL) == RWS_E_INVALID && rws_request_proxy(NULL, &proxy) == RWS_E_INVALID);
  CHECK(rws_request_proxy_tlv(NULL, RWS_TLV_ALPN).data == NULL);
  CHECK(rws_request_proxy_tlv(q, 0x10000 + RWS_TLV_ALPN).data == NULL);
  rws_address_text(&peer, text, sizeof text);
  if (is(rws_upgrade_target(up), "/stop")) rws_engine_stop(engine, 10000);
  if (rws_request_proxy(q, &proxy) == RWS_E_STATE) {
    CHECK(rws_request_proxy_tlv(q, RWS_TLV_UNIQUE_ID).data == NULL);
    snprintf(said, sizeof said, "%s, no proxy", text);
  } else {
    const rws_bytes id = rws_request_proxy_tlv(q, RWS_TLV_UNIQUE_ID);
    const rws_bytes cn = rws_request_proxy_tlv(q, RWS_TLV_SSL_CN);
    const rws_bytes empty = rws_request_proxy_tlv(q, 0xe0);
    rws_address_text(&proxy, own, sizeof own);
    *strrchr(own, ':') = 0;
    snprintf(said, sizeof said, "%s by %s id=%.*s cn=%.*s empty=%d", text, own, (int)id.len,
             id.data == NULL ? "" : (const char *)id.data, (int)cn.len,
             cn.data == NULL ? "" : (const char *)cn.data, empty.data != NULL && empty.len == 0);
  }
  const rws_bytes value = {(const uint8_t *)said, strlen(said)};
  CHECK(rws_upgrade_add_header(up, "X-Told", value) == RWS_OK);
  snprintf(said, sizeof said, "%u %u", direct, strangers);
  CHECK(rws_upgrade_add_header(up, "X-Ports", (rws_bytes){value.data, strlen(said)}) == RWS_OK);
  return 101;
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  rws_address peer;
  char text[64];
  (void)m, (void)user;
  CHECK(rws_peer(r, c, &peer) == RWS_OK);
  const size_t len = rws_address_text(&peer, text, sizeof text);
  CHECK(rws_send(r, c, RWS_TEXT, text, len, 0) == RWS_OK);
}

static void wrong_lists(rws_endpoint at) {
  static const char *const bad[][2] = {
    {"", "\"\""}, {"10.0.0.0/8,nowhere", "nowhere"}, {"10.0.0.1/8", "10.0.0.1/8"}, {"\xff", NULL},
  };
  rws_error err;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    at.proxy_from = bad[i][0];
    CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID);
    CHECK(bad[i][1] == NULL || strstr(err.text, bad[i][1]) != NULL);
  }
  at.proxy_from = NULL;
  at.flags = RWS_ENDPOINT_DIRECT;
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_INVALID);
  CHECK(strstr(err.text, "proxy_from") != NULL);
}

/* Endpoints: of proxies alone, and of others, too. */
int main(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_message = on_message;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  rws_error err;
  uint16_t proxied;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  wrong_lists(at);
  at.proxy_from = "::1, 127.0.0.0/8";
  CHECK(rws_engine_listen(engine, &at, &proxied, &err) == RWS_OK);
  at.proxy_from = "192.0.2.0/24,unix";
  CHECK(rws_engine_listen(engine, &at, &strangers, &err) == RWS_OK);
  at.flags = RWS_ENDPOINT_DIRECT;
  CHECK(rws_engine_listen(engine, &at, &direct, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  printf("listening on %u\n", proxied);
  fflush(stdout);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  CHECK(stats.strangers_closed == 1);
  rws_engine_free(engine);
  return 0;
}
