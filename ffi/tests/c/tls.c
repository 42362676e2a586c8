/* The arguments of rws_tls_*.  usage: tls CHAIN KEY OTHER_KEY ROOTS, files in PEM */
#include "client.h"
#include <ringws.h>

static rws_error err;
static char *chain, *key, *other, *roots;

static char *read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  CHECK(f != NULL);
  char *text = calloc(1, 65536);
  CHECK(text != NULL && fread(text, 1, 65535, f) > 0);
  fclose(f);
  return text;
}
static rws_bytes bytes(const char *text) {
  return (rws_bytes){(const uint8_t *)text, strlen(text)};
}
static int refuse(rws_bytes der, void *user) { (void)der; (void)user; return 0; }

/* Refused with a text that has these words. */
static void refused(rws_status got, rws_status status, const char *words) {
  CHECK(got == status && err.status == status);
  if (strstr(err.text, words) == NULL) fprintf(stderr, "%s\n", err.text);
  CHECK(strstr(err.text, words) != NULL);
}

static void server(char **files) {
  rws_tls *t = NULL;
  const rws_bytes none = {NULL, 0}, broken = {NULL, 5};
  refused(rws_tls_server(bytes(chain), bytes(key), NULL, &err), RWS_E_INVALID, "no place");
  refused(rws_tls_server(none, none, &t, &err), RWS_E_INVALID, "no certificate");
  refused(rws_tls_server(bytes(chain), none, &t, &err), RWS_E_INVALID, "no private key");
  refused(rws_tls_server(broken, bytes(key), &t, &err), RWS_E_INVALID, "");
  refused(rws_tls_server(bytes("x"), bytes(key), &t, &err), RWS_E_INVALID, "BEGIN CERTIFICATE");
  refused(rws_tls_server(bytes(chain), bytes("x"), &t, &err), RWS_E_INVALID, "BEGIN PRIVATE KEY");
  refused(rws_tls_server(bytes(chain), bytes(other), &t, &err), RWS_E_INVALID, "does not belong");
  CHECK(t == NULL);
  CHECK(rws_tls_server(bytes(chain), bytes(other), &t, NULL) == RWS_E_INVALID);

  rws_tls_config config = RWS_INIT(rws_tls_config);
  refused(rws_tls_server_new(NULL, &t, &err), RWS_E_INVALID, "a certificate chain");
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_INVALID, "a certificate chain");
  config.identities_len = 1;
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_INVALID, "identities is NULL");
  rws_identity identity = {none, none, files[0], "/nonexistent/key.pem"};
  config.identities = &identity;
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_SYSTEM, "/nonexistent/key.pem");
  CHECK(err.sys_errno == ENOENT);
  identity.key_file = files[1];
  config.flags = 1u << 31;
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_UNSUPPORTED, "");
  config.flags = RWS_TLS_CLIENT_CERT_REQUIRED;
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_INVALID, "roots");
  config.roots_file = files[3];
  config.verify = refuse;
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_INVALID, "verify");
  config.verify = NULL;
  config.pinned_pem = bytes(chain);
  refused(rws_tls_server_new(&config, &t, &err), RWS_E_INVALID, "pinned");
  config.pinned_pem = none;
  CHECK(rws_tls_server_new(&config, &t, &err) == RWS_OK && t != NULL);

  config.size = 3;
  refused(rws_tls_reload(t, &config, &err), RWS_E_INVALID, "");
  config.size = sizeof config;
  refused(rws_tls_reload(NULL, &config, &err), RWS_E_INVALID, "");
  refused(rws_tls_reload(t, NULL, &err), RWS_E_INVALID, "a certificate chain");
  CHECK(rws_tls_reload(t, &config, &err) == RWS_OK);
  CHECK(rws_tls_retain(t) == t && rws_tls_retain(NULL) == NULL);
  rws_tls_release(t);
  rws_tls_release(t);
  rws_tls_release(NULL);
}

static void client(void) {
  rws_tls *t = NULL;
  refused(rws_tls_client(bytes("x"), &t, &err), RWS_E_INVALID, "BEGIN CERTIFICATE");
  CHECK(rws_tls_client(bytes(roots), &t, &err) == RWS_OK);

  rws_callbacks cb = RWS_INIT(rws_callbacks);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.tls = t;
  rws_engine *engine;
  uint16_t port;
  CHECK(rws_engine_new(NULL, &engine, &err) == RWS_OK);
  refused(rws_engine_listen(engine, &at, &port, &err), RWS_E_INVALID, "server's");
  rws_engine_free(engine);
  rws_tls_release(t);

  refused(rws_tls_client_pinned(bytes(""), &t, &err), RWS_E_INVALID, "no certificate");
  refused(rws_tls_client_pinned(bytes("x"), &t, &err), RWS_E_INVALID, "BEGIN CERTIFICATE");
  CHECK(rws_tls_client_pinned(bytes(chain), &t, &err) == RWS_OK);
  rws_tls_release(t);

  rws_tls_config config = RWS_INIT(rws_tls_config);
  config.roots_pem = bytes(roots);
  config.pinned_pem = bytes(chain);
  refused(rws_tls_client_new(&config, &t, &err), RWS_E_INVALID, "one of both");
  config.pinned_pem = (rws_bytes){NULL, 0};
  config.flags = RWS_TLS_CLIENT_CERT;
  refused(rws_tls_client_new(&config, &t, &err), RWS_E_INVALID, "flags");
  config.flags = RWS_TLS_ONLY_1_3;
  config.verify = refuse;
  const rws_identity identities[2] = {{bytes(chain), bytes(key), NULL, NULL},
                                      {bytes(chain), bytes(key), NULL, NULL}};
  config.identities = identities;
  config.identities_len = 2;
  refused(rws_tls_client_new(&config, &t, &err), RWS_E_INVALID, "at most one");
  config.identities_len = 1;
  CHECK(rws_tls_client_new(&config, &t, &err) == RWS_OK);
  CHECK(rws_tls_reload(t, &config, &err) == RWS_OK);
  rws_tls_release(t);
}

int main(int argc, char **argv) {
  CHECK(argc == 5);
  chain = read_file(argv[1]);
  key = read_file(argv[2]);
  other = read_file(argv[3]);
  roots = read_file(argv[4]);
  server(argv + 1);
  client();
  free(chain);
  free(key);
  free(other);
  free(roots);
  puts("ok");
  return 0;
}
