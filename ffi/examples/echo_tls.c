/* An echo server that speaks TLS.  usage: echo_tls PORT CERT KEY [largest message in bytes]
 * CERT and KEY are files in PEM.  SIGHUP reads them again: open connections stay. */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static rws_engine *engine;
static volatile sig_atomic_t renew;
static void on_stop_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }
static void on_renew_signal(int sig) { (void)sig; renew = 1; }

typedef struct { rws_tls *tls; rws_tls_config config; } renewal;
static renewal renewable;

/* Every 100 ms, on the first reactor. */
static void look(rws_reactor *r, void *arg) {
  renewal *it = (renewal *)arg;
  rws_error err;
  if (renew) {
    renew = 0;
    if (rws_tls_reload(it->tls, &it->config, &err) < 0)
      fprintf(stderr, "still with the old certificate: %s\n", err.text);
  }
  rws_timer_start(r, 100, look, it, NULL);
}
static void on_start(rws_reactor *r, void *user) { if (rws_reactor_index(r) == 0) look(r, user); }

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL) rws_pause(r, c);
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

int main(int argc, char **argv) {
  if (argc < 4) return fprintf(stderr, "usage: echo_tls PORT CERT KEY [largest message]\n"), 2;
  rws_identity identity = {{NULL, 0}, {NULL, 0}, argv[2], argv[3]};
  renewable.config.size = sizeof renewable.config;
  renewable.config.identities = &identity;
  renewable.config.identities_len = 1;

  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  rws_options options = RWS_INIT(rws_options);
  if (argc > 4) options.message_max = options.send_queue_max = (uint32_t)atoi(argv[4]);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = (uint32_t)atoi(argv[1]);
  at.callbacks = &cb;
  at.options = &options;
  rws_config config = RWS_INIT(rws_config);
  config.on_start = on_start;
  config.user = &renewable;

  rws_error err;
  uint16_t port;
  if (rws_tls_server_new(&renewable.config, &renewable.tls, &err) < 0)
    return fprintf(stderr, "%s\n", err.text), 1;
  at.tls = renewable.tls;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 || rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  signal(SIGINT, on_stop_signal);
  signal(SIGTERM, on_stop_signal);
  signal(SIGHUP, on_renew_signal);
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status ended = rws_engine_wait(engine);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  rws_tls_release(renewable.tls);
  return ended < 0;
}
