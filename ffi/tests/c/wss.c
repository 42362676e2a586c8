/* Both ends over TLS: an echo, and a client that does not trust who signed the certificate.
 * usage: wss CHAIN KEY ROOTS OTHER_ROOTS, files in PEM; ROOTS may be CHAIN, which is then pinned */
#include "client.h"
#include <ringws.h>

static rws_engine *engine;
static rws_error err;
static int echoed, closed, refused; /* of one reactor */

static int told; /* failures of TLS, in the log: one line of both ends at most */
static void on_log(int level, rws_bytes line, void *user) {
  (void)user;
  char copy[512] = {0};
  CHECK(line.len < sizeof copy);
  memcpy(copy, line.data, line.len);
  if (strstr(copy, ": TLS with 127.0.0.1:") == NULL && strstr(copy, ": TLS with [::1]:") == NULL)
    return;
  CHECK(level == RWS_LOG_WARN && strstr(copy, "ertificate") != NULL);
  told++;
}

static void over(void) {
  if (closed == 1 && refused == 1) rws_engine_stop(engine, 1000);
}
static void echo(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_OK);
}
static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  CHECK(rws_send(r, c, RWS_TEXT, "in secret", 9, 0) == RWS_OK);
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(m->opcode == RWS_TEXT && m->len == 9 && memcmp(m->data, "in secret", 9) == 0);
  echoed++;
  CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, (rws_bytes){NULL, 0}) == RWS_OK);
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)user;
  CHECK(info->code == RWS_CLOSE_NORMAL && info->sent_code == RWS_CLOSE_NORMAL);
  closed++;
  over();
}
static void never_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  fprintf(stderr, "%s\n", why->error.text);
  abort();
}

static void never_open(rws_reactor *r, rws_conn c, void *user) {
  (void)r, (void)c, (void)user;
  abort();
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  CHECK(why->error.status == RWS_E_TLS && why->http_status == 0 && why->retry_ms == 0);
  CHECK(why->body.len == 0 && strstr(why->error.text, "ertificate") != NULL);
  refused++;
  over();
}

static void dial(const char *url, const rws_callbacks *cb, rws_tls *tls) {
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  to.callbacks = cb;
  to.tls = tls;
  CHECK(rws_engine_connect(engine, &to, NULL, &err) == RWS_OK);
}

int main(int argc, char **argv) {
  CHECK(argc == 5);
  const rws_identity identity = {.cert_file = argv[1], .key_file = argv[2]};
  rws_tls_config config = RWS_INIT(rws_tls_config);
  config.identities = &identity;
  config.identities_len = 1;
  rws_tls *server, *trusting, *doubting;
  CHECK(rws_tls_server_new(&config, &server, &err) == RWS_OK);
  config = (rws_tls_config)RWS_INIT(rws_tls_config);
  if (strcmp(argv[3], argv[1]) == 0) /* the server's own: pinned */
    config.pinned_file = argv[3];
  else
    config.roots_file = argv[3];
  CHECK(rws_tls_client_new(&config, &trusting, &err) == RWS_OK);
  config.pinned_file = NULL;
  config.roots_file = argv[4];
  CHECK(rws_tls_client_new(&config, &doubting, &err) == RWS_OK);

  rws_callbacks serve = RWS_INIT(rws_callbacks);
  serve.on_message = echo;
  rws_config sizes = RWS_INIT(rws_config);
  sizes.reactors = 1;
  sizes.recv_buffers = 64;
  sizes.on_log = on_log;
  CHECK(rws_engine_new(&sizes, &engine, &err) == RWS_OK);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.callbacks = &serve;
  at.tls = server;
  uint16_t port;
  CHECK(rws_engine_listen(engine, &at, &port, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);

  rws_callbacks good = RWS_INIT(rws_callbacks);
  good.on_open = on_open;
  good.on_message = on_message;
  good.on_close = on_close;
  good.on_refused = never_refused;
  rws_callbacks bad = RWS_INIT(rws_callbacks);
  bad.on_open = never_open;
  bad.on_refused = on_refused;
  char url[64];
  snprintf(url, sizeof url, "wss://localhost:%u/", port);
  dial(url, &good, trusting);
  dial(url, &bad, doubting);
  rws_target wrong = RWS_INIT(rws_target);
  wrong.url = url;
  wrong.callbacks = &bad;
  wrong.tls = server;
  CHECK(rws_engine_connect(engine, &wrong, NULL, NULL) == RWS_E_INVALID);
  rws_tls_release(trusting); /* the target keeps its own */
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(echoed == 1 && closed == 1 && refused == 1 && told == 1);
  rws_engine_free(engine);
  rws_tls_release(doubting);
  rws_tls_release(server);
  puts("ok");
  return 0;
}
