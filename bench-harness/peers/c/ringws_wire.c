/* The C example with compression and encryption.
 * usage: ringws_wire [port, 0: any] [--deflate shared|takeover] [--level N] [--tls certificate key] */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (64u << 20)

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL) rws_pause(r, c);
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

/* What the command line asks for. */
typedef struct { const char *deflate, *level, *certificate, *key; uint32_t port; } asked;

static asked parse(int argc, char **argv) {
  asked it = {NULL, NULL, NULL, NULL, 9001};
  if (argc > 1) it.port = (uint32_t)atoi(argv[1]);
  for (int i = 2; i < argc; i++) {
    if (!strcmp(argv[i], "--deflate") && i + 1 < argc) it.deflate = argv[i + 1];
    if (!strcmp(argv[i], "--level") && i + 1 < argc) it.level = argv[i + 1];
    if (!strcmp(argv[i], "--tls") && i + 2 < argc) it.certificate = argv[i + 1], it.key = argv[i + 2];
  }
  return it;
}

static int fail(const rws_error *err) {
  fprintf(stderr, "%s: %s\n", rws_strerror(err->status), err->text);
  return 1;
}

int main(int argc, char **argv) {
  const asked it = parse(argc, argv);
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  rws_options options = RWS_INIT(rws_options);
  options.message_max = options.send_queue_max = MESSAGE_MAX;
  options.fragments_max = 1 << 17;
  rws_config config = RWS_INIT(rws_config);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = it.port;
  at.callbacks = &cb;
  at.options = &options;

  rws_error err;
  if (it.deflate) options.flags |= RWS_OPT_DEFLATE;
  if (it.deflate && !strcmp(it.deflate, "takeover")) options.flags |= RWS_OPT_TAKEOVER;
  if (it.level) options.deflate_level = (uint32_t)atoi(it.level);
  config.codec_memory_max = UINT32_MAX;         /* each connection gets its own, if asked for */
  if (it.certificate) {
    rws_identity identity = {{NULL, 0}, {NULL, 0}, it.certificate, it.key};
    rws_tls_config tls = RWS_INIT(rws_tls_config);
    tls.identities = &identity;
    tls.identities_len = 1;
    if (rws_tls_server_new(&tls, &at.tls, &err) < 0) return fail(&err);
  }
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 || rws_engine_start(engine, &err) < 0)
    return fail(&err);
  rws_tls_release(at.tls);
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
