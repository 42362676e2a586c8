/* The server of the conformance runs: an echo, with a flag for each way in which the library works.
 * Flags first, then [port, 0: any] [largest message in bytes]. */
#include "flags.h"
#include <signal.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  echo(r, c, m);
}

int main(int argc, char **argv) {
  rws_config config = RWS_INIT(rws_config);
  rws_options options = RWS_INIT(rws_options);
  rws_identity identity = {{NULL, 0}, {NULL, 0}, NULL, NULL};
  int i = 1;
  for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
    if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
      identity.cert_file = argv[++i];
      identity.key_file = argv[++i];
    } else if (!shared_flag(argv, &i, &config, &options)) {
      return fprintf(stderr, "flags: " SHARED_FLAGS " [--tls CERT KEY]\n"), 2;
    }
  }
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  options.fragments_max = 1 << 20;              /* even if its pieces are small */
  if (i + 1 < argc) options.message_max = options.send_queue_max = number(argv[i + 1]);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = i < argc ? number(argv[i]) : 9001;
  at.callbacks = &cb;
  at.options = &options;

  rws_error err;
  uint16_t port;
  if (identity.cert_file) {
    rws_tls_config tls = RWS_INIT(rws_tls_config);
    tls.identities = &identity;
    tls.identities_len = 1;
    if (rws_tls_server_new(&tls, &at.tls, &err) < 0) return fprintf(stderr, "%s\n", err.text), 1;
  }
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 || rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status ended = rws_engine_wait(engine);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  rws_tls_release(at.tls);
  return ended < 0;
}
