/* A client that goes through everything with an echo server of another make, and prints a line for
 * each thing that went well: `ok NAME`. Flags first, then the URL. The server closes, pings and
 * sends a message in fragments when it is asked to by the texts `close`, `ping` and `fragments`. */
#include "flags.h"
#include <stdbool.h>

static struct {
  rws_engine *engine;
  rws_target to;
  size_t step;                                  /* what is being exchanged, an index into STEPS */
  bool half, done;                              /* the second half of a step; all went well */
  char *sent;
  size_t len;
} run;

enum kind { TEXT, BINARY, EMPTY, MEBIBYTE, LARGE, FRAGMENTS, PING, CLOSE_OURS, CLOSE_THEIRS };
static const char *const STEPS[] = {
  "text", "binary", "empty", "one_mebibyte", "sixteen_mebibytes", "fragments", "ping_and_pong",
  "close_by_client", "close_by_server",
};

static void fail(const char *why) {
  fprintf(stderr, "%s, %s half: %s\n", STEPS[run.step], run.half ? "second" : "first", why);
  rws_engine_stop(run.engine, 0);
}

static void send(rws_reactor *r, rws_conn c, rws_opcode op, size_t len, const char *pattern) {
  const size_t period = strlen(pattern);
  for (size_t i = 0; i < len; i++) run.sent[i] = pattern[i % period];
  run.len = len;
  if (rws_send(r, c, op, run.sent, len, 0) < 0) fail("cannot send");
}
static void request(rws_reactor *r, rws_conn c, const char *text) {
  if (rws_send(r, c, RWS_TEXT, text, strlen(text), 0) < 0) fail("cannot send");
}

/* What each half of a step sends; the texts are cut between characters, patterns of two bytes. */
static void begin(rws_reactor *r, rws_conn c) {
  switch (run.step) {
    case TEXT: send(r, c, RWS_TEXT, run.half ? 200 : 10, "\xc3\xa9"); break;
    case BINARY: send(r, c, RWS_BINARY, run.half ? 300 : 9, "\xff\x01\xfe"); break;
    case EMPTY: send(r, c, run.half ? RWS_BINARY : RWS_TEXT, 0, "-"); break;
    case MEBIBYTE: send(r, c, run.half ? RWS_TEXT : RWS_BINARY, 1 << 20, "\xc3\xa9"); break;
    case LARGE: send(r, c, run.half ? RWS_TEXT : RWS_BINARY, 16 << 20, "\xc3\xa9"); break;
    case FRAGMENTS:
      if (run.half) {
        request(r, c, "fragments");
        memcpy(run.sent, "fragments", run.len = 9);
      } else {
        /* Cut inside a character. */
        memcpy(run.sent, "pi\xc3\xa9" "ces", run.len = 7);
        if (rws_send(r, c, RWS_TEXT, run.sent, 3, RWS_MORE) < 0 ||
            rws_send(r, c, RWS_CONTINUATION, "", 0, RWS_MORE) < 0 ||
            rws_send(r, c, RWS_CONTINUATION, run.sent + 3, 4, 0) < 0)
          fail("cannot send");
      }
      break;
    case PING:
      if (run.half) {
        request(r, c, "ping");
        memcpy(run.sent, "ponged", run.len = 6);
      } else if (rws_send(r, c, RWS_PING, "are you there", 13, 0) < 0) {
        fail("cannot send");
      }
      break;
    case CLOSE_OURS: rws_close(r, c, 4001, (rws_bytes){(const uint8_t *)"bye", 3}); break;
    case CLOSE_THEIRS: request(r, c, "close"); break;
  }
}

static void passed(void) {
  run.half = !run.half;
  if (run.half) return;
  printf("ok %s\n", STEPS[run.step++]);
  fflush(stdout);
}

static void on_open(rws_reactor *r, rws_conn c, void *deflate) {
  const rws_bytes chosen = rws_answer_header(r, c, "Sec-WebSocket-Extensions");
  if ((chosen.len > 0) != (deflate != NULL)) fail("permessage-deflate is not as it should be");
  begin(r, c);
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (m->len != run.len || (m->len > 0 && memcmp(m->data, run.sent, m->len) != 0)) {
    fail("another message than was sent");
    return;
  }
  passed();
  begin(r, c);
}
static void on_pong(rws_reactor *r, rws_conn c, rws_bytes payload, void *user) {
  (void)user;
  if (run.step != PING || run.half || payload.len != 13 ||
      memcmp(payload.data, "are you there", 13) != 0) {
    fail("another pong than was asked for");
    return;
  }
  passed();
  begin(r, c);
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)user;
  rws_error err;
  /* A peer may answer with a code of its own: it only "typically" echoes (RFC 6455 section 5.5.1). */
  const bool answered = run.step == CLOSE_OURS && info->sent_code == 4001 && info->code != 1006;
  if (!answered && (run.step != CLOSE_THEIRS || info->code != 4001)) {
    char text[300];
    snprintf(text, sizeof text, "closed with %u: %s", info->code, info->error.text);
    fail(text);
    return;
  }
  run.half = true;                              /* each close is a step of one half */
  passed();
  run.done = run.step > CLOSE_THEIRS;
  if (run.done) rws_engine_stop(run.engine, 0);
  else if (rws_engine_connect(run.engine, &run.to, NULL, &err) < 0) fail(err.text);
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  fail(why->error.text);
}

int main(int argc, char **argv) {
  rws_config config = RWS_INIT(rws_config);
  rws_options options = RWS_INIT(rws_options);
  rws_tls_config tls = RWS_INIT(rws_tls_config);
  int i = 1;
  for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
    if (strcmp(argv[i], "--roots") == 0) tls.roots_file = argv[++i];
    else if (!shared_flag(argv, &i, &config, &options)) break;
  }
  if (i + 1 != argc) return fprintf(stderr, SHARED_FLAGS " [--roots FILE] URL\n"), 2;
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_pong = on_pong;
  cb.on_close = on_close;
  cb.on_refused = on_refused;
  options.message_max = options.send_queue_max = 32 << 20;
  config.reactors = 1;
  const rws_target none = RWS_INIT(rws_target);
  run.to = none;
  run.to.url = argv[i];
  run.to.callbacks = &cb;
  run.to.options = &options;
  run.to.user = options.flags & RWS_OPT_DEFLATE ? &run : NULL;
  run.sent = malloc(16 << 20);
  if (!run.sent) return 1;

  rws_error err;
  if ((tls.roots_file && rws_tls_client_new(&tls, &run.to.tls, &err) < 0) ||
      rws_engine_new(&config, &run.engine, &err) < 0 || rws_engine_start(run.engine, &err) < 0 ||
      rws_engine_connect(run.engine, &run.to, NULL, &err) < 0)
    return fprintf(stderr, "%s\n", err.text), 1;
  if (rws_engine_wait(run.engine) < 0) run.done = false;
  rws_engine_free(run.engine);
  rws_tls_release(run.to.tls);
  free(run.sent);
  return !run.done;
}
