/* The C echo with a memory budget, on a plain and on an encrypted port, one reactor.
 * usage: ringws_polite [port, 0: any] memory_max(MiB) off|shared|takeover tls_port certificate key */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 0); }

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL) rws_pause(r, c);
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

static int fail(const rws_error *err) {
  fprintf(stderr, "%s: %s\n", rws_strerror(err->status), err->text);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 7) return fprintf(stderr, "six arguments\n"), 2;
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  rws_options options = RWS_INIT(rws_options);
  if (strcmp(argv[3], "off")) options.flags |= RWS_OPT_DEFLATE;
  if (!strcmp(argv[3], "takeover")) options.flags |= RWS_OPT_TAKEOVER;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.memory_max = strtoull(argv[2], NULL, 10) << 20;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = (uint32_t)atoi(argv[1]);
  at.callbacks = &cb;
  at.options = &options;
  rws_endpoint secure = at;
  secure.port = (uint32_t)atoi(argv[4]);

  rws_error err;
  const rws_identity identity = {{NULL, 0}, {NULL, 0}, argv[5], argv[6]};
  rws_tls_config tls = RWS_INIT(rws_tls_config);
  tls.identities = &identity;
  tls.identities_len = 1;
  if (rws_tls_server_new(&tls, &secure.tls, &err) < 0) return fail(&err);
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_listen(engine, &secure, NULL, &err) < 0 || rws_engine_start(engine, &err) < 0)
    return fail(&err);
  rws_tls_release(secure.tls);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status ended = rws_engine_wait(engine);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  return ended < 0;
}
