/* The arguments of every function: what is refused, how, and that nothing happened then. */
#include "client.h"
#include <ringws.h>
#include <stdatomic.h>

static rws_error err;
static rws_engine *engine;
static atomic_int opened, closed, posted, released, callbacks_checked, upgrades_checked;
static _Atomic uint64_t conn_id;
static uint16_t port;
static rws_buf *kept;

static rws_bytes bytes(const char *text) {
  return (rws_bytes){(const uint8_t *)text, strlen(text)};
}
static const rws_bytes broken = {NULL, 5};
static void release(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }
static void nothing(rws_reactor *r, void *arg) { (void)r; (void)arg; }

/* A struct of a header that is newer than the library. */
#define NEWER(type) struct { type known; uint64_t tail; }

static void library(void) {
  CHECK(rws_version() ==
        (RWS_VERSION_MAJOR << 16 | RWS_VERSION_MINOR << 8 | RWS_VERSION_PATCH));
  for (int status = -20; status < 20; status++) CHECK(strlen(rws_strerror(status)) > 3);
  CHECK(strcmp(rws_strerror(RWS_OK), "success") == 0);
  CHECK(strcmp(rws_strerror(-1000), rws_strerror(1000)) == 0);

  const size_t count = rws_kernel_features(NULL, 99);
  rws_feature features[64];
  CHECK(count > 5 && count < 64);
  memset(features, 0xee, sizeof features);
  CHECK(rws_kernel_features(features, 1) == count);
  CHECK(features[0].name.len > 0 && features[1].reserved == 0xeeeeeeeeu);
  CHECK(rws_kernel_features(features, 64) == count);
  for (size_t i = 0; i < count; i++) {
    CHECK(features[i].kernel.len >= 3 && features[i].reserved == 0);
    if (features[i].flags & RWS_FEATURE_REQUIRED) CHECK(features[i].flags & RWS_FEATURE_PRESENT);
  }
}

static void new_engine(void) {
  rws_engine *e = (rws_engine *)&err;
  CHECK(rws_engine_new(NULL, NULL, &err) == RWS_E_INVALID);
  CHECK(err.status == RWS_E_INVALID && err.sys_errno == 0 && strlen(err.text) > 0);
  CHECK(rws_engine_new(NULL, NULL, NULL) == RWS_E_INVALID);

  NEWER(rws_config) newer = {.known = RWS_INIT(rws_config)};
  const uint32_t sizes[] = {0, 4, 8, 20, sizeof(rws_config) - 1, 8192, UINT32_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    newer.known.size = sizes[i];
    CHECK(rws_engine_new(&newer.known, &e, &err) == RWS_E_INVALID);
  }
  newer.known.size = sizeof newer;
  newer.tail = 1;
  CHECK(rws_engine_new(&newer.known, &e, &err) == RWS_E_UNSUPPORTED);
  rws_config config = RWS_INIT(rws_config);
  config.flags = 1u << 31;
  CHECK(rws_engine_new(&config, &e, &err) == RWS_E_UNSUPPORTED);
  config.flags = 0;
  config.reactors = 256;
  CHECK(rws_engine_new(&config, &e, &err) == RWS_E_INVALID);
  config.reactors = 0;
  config.recv_buffers = 1000;
  CHECK(rws_engine_new(&config, &e, &err) == RWS_E_INVALID);
  CHECK(strstr(err.text, "recv_buffers") != NULL);
  config.recv_buffers = 0;
  config.memory_max = 256; /* MiB were meant */
  CHECK(rws_engine_new(&config, &e, &err) == RWS_E_INVALID);
  CHECK(strstr(err.text, "memory_max") != NULL);
  CHECK(e == (rws_engine *)&err); /* untouched by all of these */

  newer.tail = 0;
  CHECK(rws_engine_new(&newer.known, &e, &err) == RWS_OK);
  rws_engine_free(e);
  newer.known.size = 24; /* as far as flags: an older header */
  newer.known.on_start = (void (*)(rws_reactor *, void *))1;
  CHECK(rws_engine_new(&newer.known, &e, NULL) == RWS_OK);
  CHECK(rws_engine_start(e, NULL) == RWS_OK); /* on_start is beyond it: not called */
  rws_engine_free(e);
  CHECK(rws_engine_new(NULL, &e, NULL) == RWS_OK);
  CHECK(rws_engine_wait(e) == RWS_OK); /* never started */
  rws_engine_free(e);
  rws_engine_free(NULL);
  rws_engine_stop(NULL, 0);
  CHECK(rws_engine_wait(NULL) == RWS_E_INVALID);
  CHECK(rws_engine_start(NULL, &err) == RWS_E_INVALID);
}

static rws_status try_listen(const rws_endpoint *at) {
  uint16_t untouched = 77;
  const rws_status status = rws_engine_listen(engine, at, &untouched, &err);
  CHECK(status < 0 && untouched == 77 && err.status == status);
  return status;
}

static void listening(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  rws_options options = RWS_INIT(rws_options);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  CHECK(try_listen(NULL) == RWS_E_INVALID);
  CHECK(try_listen(&at) == RWS_E_INVALID); /* no callbacks */
  at.callbacks = &cb;
  CHECK(rws_engine_listen(NULL, &at, NULL, &err) == RWS_E_INVALID);
  at.size = 8;
  CHECK(try_listen(&at) == RWS_E_INVALID);
  at.size = sizeof at;
  cb.size = 0;
  CHECK(try_listen(&at) == RWS_E_INVALID);
  NEWER(rws_callbacks) newer = {.known = RWS_INIT(rws_callbacks), .tail = 1};
  newer.known.size = sizeof newer;
  at.callbacks = &newer.known;
  CHECK(try_listen(&at) == RWS_E_UNSUPPORTED);
  cb.size = sizeof cb;
  at.callbacks = &cb;
  at.port = 65536;
  CHECK(try_listen(&at) == RWS_E_INVALID && strstr(err.text, "65536") != NULL);
  at.port = 0;
  at.upgrades_burst = 5;
  CHECK(try_listen(&at) == RWS_E_INVALID && strstr(err.text, "upgrades_per_second") != NULL);
  at.upgrades_burst = 0;
  at.admitted_burst = 5;
  CHECK(try_listen(&at) == RWS_E_INVALID && strstr(err.text, "admitted_per_second") != NULL);
  at.admitted_burst = 0;
  const char *bad[] = {"", "localhost", "127.0.0.1:80", "[::1]", "unix:", "\xff"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    at.address = bad[i];
    CHECK(try_listen(&at) == RWS_E_INVALID);
  }
  at.address = "192.0.2.1"; /* TEST-NET: not ours */
  CHECK(try_listen(&at) == RWS_E_SYSTEM && err.sys_errno != 0);
  at.address = "127.0.0.1";
  at.options = &options;
  options.size = 4;
  CHECK(try_listen(&at) == RWS_E_INVALID);
  options.size = sizeof options;
  options.flags = 1u << 30;
  CHECK(try_listen(&at) == RWS_E_UNSUPPORTED);
  options.flags = 0;
  options.head_max = 1;
  CHECK(try_listen(&at) == RWS_E_INVALID && strstr(err.text, "head_max") != NULL);
  options.head_max = 0;
  at.origins = "https://example.com, example.com/path";
  CHECK(try_listen(&at) == RWS_E_INVALID && strstr(err.text, "example.com/path") != NULL);
}

/* What refuses it says why, in a status and in words, and makes nothing. */
static rws_status no_buf(rws_opcode op, const void *data, size_t len, uint32_t flags) {
  rws_buf *untouched = (rws_buf *)&err;
  atomic_int count = 0;
  const rws_status status = rws_buf_new(op, data, len, flags, &untouched, &err);
  CHECK(status < 0 && err.status == status && strlen(err.text) > 0);
  CHECK(rws_buf_new(op, data, len, flags, &untouched, NULL) == status);
  CHECK(rws_buf_wrap(op, data, len, flags, release, &count, &untouched, &err) == status);
  CHECK(untouched == (rws_buf *)&err && count == 0);
  return status;
}

static rws_buf *made(rws_opcode op, const void *data, size_t len) {
  rws_buf *b = NULL;
  CHECK(rws_buf_new(op, data, len, 0, &b, &err) == RWS_OK && b != NULL);
  return b;
}

static void buffers(void) {
  const char text[] = "\xc3\xa4\xc3";
  CHECK(no_buf(RWS_TEXT, text, 3, 0) == RWS_E_UTF8); /* half a character */
  CHECK(no_buf(RWS_CONTINUATION, text, 2, 0) == RWS_E_INVALID);
  CHECK(no_buf(8, text, 2, 0) == RWS_E_INVALID && strstr(err.text, "opcode 8") != NULL);
  CHECK(no_buf(3, text, 2, 0) == RWS_E_INVALID);
  CHECK(no_buf(255, text, 2, 0) == RWS_E_INVALID);
  CHECK(no_buf(RWS_TEXT, text, 2, RWS_MORE) == RWS_E_INVALID);
  CHECK(no_buf(RWS_TEXT, NULL, 1, 0) == RWS_E_INVALID);
  CHECK(no_buf(RWS_BINARY, text, SIZE_MAX, 0) == RWS_E_INVALID);
  char big[126] = {0};
  CHECK(no_buf(RWS_PING, big, 126, 0) == RWS_E_TOO_BIG && strstr(err.text, "125") != NULL);
  atomic_int count = 0;
  CHECK(rws_buf_new(RWS_TEXT, text, 2, 0, NULL, &err) == RWS_E_INVALID);
  CHECK(rws_buf_wrap(RWS_TEXT, text, 2, 0, release, &count, NULL, &err) == RWS_E_INVALID);
  CHECK(count == 0);

  rws_opcode op = 77;
  CHECK(rws_buf_data(NULL, &op).data == NULL && rws_buf_data(NULL, NULL).len == 0 && op == 77);
  rws_buf *b = made(RWS_PING, big, 125);
  CHECK(rws_buf_data(b, &op).len == 125 && op == RWS_PING);
  rws_buf_release(b);
  b = made(RWS_BINARY, NULL, 0);
  CHECK(rws_buf_data(b, &op).len == 0 && op == RWS_BINARY);
  rws_buf_release(b);
  b = made(RWS_TEXT, text, 2); /* a copy */
  rws_bytes data = rws_buf_data(b, NULL);
  CHECK(data.len == 2 && data.data != (const uint8_t *)text && memcmp(data.data, text, 2) == 0);
  rws_buf_release(b);

  CHECK(rws_buf_wrap(RWS_TEXT, text, 2, RWS_PLAIN, release, &count, &b, &err) == RWS_OK);
  CHECK(rws_buf_retain(b) == b);
  data = rws_buf_data(b, &op);
  CHECK(data.data == (const uint8_t *)text && data.len == 2 && op == RWS_TEXT);
  rws_buf_release(b);
  CHECK(count == 0);
  rws_buf_release(b);
  CHECK(count == 1);
  CHECK(rws_buf_wrap(RWS_BINARY, big, sizeof big, 0, NULL, NULL, &b, NULL) == RWS_OK);
  rws_buf_release(b);
  CHECK(rws_buf_retain(NULL) == NULL);
  rws_buf_release(NULL);
}

static void addresses(void) {
  rws_address a = {.ip = {192, 0, 2, 1}, .port = 80, .family = RWS_FAMILY_IPV4};
  char text[64];
  CHECK(rws_address_text(&a, text, sizeof text) == 12 && strcmp(text, "192.0.2.1:80") == 0);
  CHECK(rws_address_text(&a, text, 4) == 12 && strcmp(text, "192") == 0);
  CHECK(rws_address_text(&a, text, 0) == 12 && rws_address_text(&a, NULL, 9) == 12);
  CHECK(rws_address_text(NULL, text, sizeof text) == 0);
  a.family = 99;
  CHECK(rws_address_text(&a, text, sizeof text) == 4 && strcmp(text, "none") == 0);
}

/* Nobody's connection, from any thread. */
static void stale_handles(void) {
  /* Of no connection that there may be: a generation and a slot that nobody has had yet. */
  const rws_conn ids[] = {
      {0}, {UINT64_C(0x7FFFFFFF)}, {UINT64_MAX}, {UINT64_C(0x0000000700000001)}};
  rws_buf *b = made(RWS_TEXT, "x", 1);
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    /* Handed over, or refused at once; never followed. */
    rws_status s = rws_engine_send(engine, ids[i], RWS_TEXT, "x", 1, 0);
    CHECK(s == RWS_OK || s == RWS_E_GONE);
    s = rws_engine_send_buf(engine, ids[i], b);
    CHECK(s == RWS_OK || s == RWS_E_GONE);
    s = rws_engine_close(engine, ids[i], RWS_CLOSE_NORMAL, bytes(""));
    CHECK(s == RWS_OK || s == RWS_E_GONE);
    s = rws_engine_abort(engine, ids[i]);
    CHECK(s == RWS_OK || s == RWS_E_GONE);
  }
  rws_buf_release(b);
}

static void any_thread(void) {
  const rws_conn c = {atomic_load(&conn_id)};
  char big[126] = {0};
  const rws_bytes none = {NULL, 0};
  CHECK(rws_engine_send(NULL, c, RWS_TEXT, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_engine_send(engine, c, 8, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_engine_send(engine, c, 11, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_engine_send(engine, c, RWS_TEXT, "x", 1, 1u << 31) == RWS_E_INVALID);
  CHECK(rws_engine_send(engine, c, RWS_PING, "x", 1, RWS_MORE) == RWS_E_INVALID);
  CHECK(rws_engine_send(engine, c, RWS_TEXT, NULL, 1, 0) == RWS_E_INVALID);
  CHECK(rws_engine_send(engine, c, RWS_TEXT, "\xff", 1, 0) == RWS_E_UTF8);
  CHECK(rws_engine_send(engine, c, RWS_PING, big, 126, 0) == RWS_E_TOO_BIG);
  CHECK(rws_engine_send_buf(engine, c, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_close(NULL, c, RWS_CLOSE_NORMAL, none) == RWS_E_INVALID);
  CHECK(rws_engine_close(engine, c, RWS_CLOSE_ABNORMAL, none) == RWS_E_INVALID);
  CHECK(rws_engine_close(engine, c, RWS_CLOSE_NO_STATUS, bytes("why")) == RWS_E_INVALID);
  CHECK(rws_engine_close(engine, c, 0, none) == RWS_E_INVALID);
  CHECK(rws_engine_close(engine, c, RWS_CLOSE_NORMAL, broken) == RWS_E_INVALID);
  CHECK(rws_engine_close(engine, c, RWS_CLOSE_NORMAL, bytes("\xff")) == RWS_E_UTF8);
  memset(big, 'r', 124);
  CHECK(rws_engine_close(engine, c, 1000, (rws_bytes){(uint8_t *)big, 124}) == RWS_E_TOO_BIG);
  CHECK(rws_engine_abort(NULL, c) == RWS_E_INVALID);
  CHECK(rws_engine_post(engine, 0, NULL, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_post(engine, 2, nothing, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_post(NULL, 0, nothing, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_post(engine, RWS_ANY_REACTOR, nothing, NULL) == RWS_OK);
  CHECK(rws_engine_buffered(NULL, c) == 0);
  CHECK(rws_engine_buffered(engine, (rws_conn){UINT64_MAX}) == 0);
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, 0, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_stats(NULL, 0, &stats) == RWS_E_INVALID);
  CHECK(rws_engine_stats(engine, 2, &stats) == RWS_E_INVALID);
  stats.size = 4;
  CHECK(rws_engine_stats(engine, 0, &stats) == RWS_E_INVALID && stats.reactors == 0);
  stats.size = sizeof stats;
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK && stats.reactors == 2);
  CHECK(stats.size == sizeof stats && stats.upgraded == 1);
  rws_stats parts[2] = {RWS_INIT(rws_stats), RWS_INIT(rws_stats)};
  CHECK(rws_engine_stats(engine, 0, &parts[0]) == RWS_OK);
  CHECK(rws_engine_stats(engine, 1, &parts[1]) == RWS_OK);
  CHECK(parts[0].upgraded + parts[1].upgraded == 1);
}

/* Inside a callback, with its reactor and an open connection. */
static void check_sends(rws_reactor *r, rws_conn c) {
  char big[126] = {0};
  const rws_conn gone = {c.id + 1};
  CHECK(rws_send(NULL, c, RWS_TEXT, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_send(r, c, 8, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_send(r, c, 3, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_send(r, c, 0x81, "x", 1, 0) == RWS_E_INVALID);
  CHECK(rws_send(r, c, RWS_TEXT, "x", 1, 4) == RWS_E_INVALID);
  CHECK(rws_send(r, c, RWS_PONG, "x", 1, RWS_MORE) == RWS_E_INVALID);
  CHECK(rws_send(r, c, RWS_TEXT, NULL, 1, 0) == RWS_E_INVALID);
  CHECK(rws_send(r, c, RWS_BINARY, big, SIZE_MAX, 0) == RWS_E_INVALID);
  CHECK(rws_send(r, c, RWS_TEXT, "\xc0\xaf", 2, 0) == RWS_E_UTF8);
  CHECK(rws_send(r, c, RWS_PING, big, 126, 0) == RWS_E_TOO_BIG);
  CHECK(rws_send(r, c, RWS_CONTINUATION, "x", 1, 0) == RWS_E_STATE);
  CHECK(rws_send(r, gone, RWS_TEXT, "x", 1, 0) == RWS_E_GONE);
  CHECK(rws_send(r, (rws_conn){UINT64_MAX}, RWS_TEXT, "x", 1, 0) == RWS_E_GONE); /* no reactor */
  rws_buf *b = made(RWS_TEXT, "framed", 6);
  CHECK(rws_send_buf(r, c, NULL) == RWS_E_INVALID);
  CHECK(rws_send_buf(NULL, c, b) == RWS_E_INVALID);
  CHECK(rws_send_buf(r, gone, b) == RWS_E_GONE);
  CHECK(rws_send_latest(r, c, 1, NULL) == RWS_E_INVALID);
  rws_buf *asked = made(RWS_PING, "asked", 5);
  CHECK(rws_send_latest(r, c, 1, asked) == RWS_E_INVALID);
  rws_buf_release(asked);
  const size_t before = rws_buffered(r, c); /* the 101 is still to go */
  CHECK(rws_send(r, c, RWS_TEXT, "first", 5, RWS_MORE) == RWS_OK);
  CHECK(rws_send(r, c, RWS_TEXT, "new", 3, 0) == RWS_E_STATE);
  CHECK(rws_send_buf(r, c, b) == RWS_E_STATE);
  CHECK(rws_send(r, c, RWS_CONTINUATION, "last", 4, 0) == RWS_OK);
  CHECK(rws_send_buf(r, c, b) == RWS_OK);
  CHECK(rws_buffered(r, c) == before + 7 + 6 + 8);
  CHECK(rws_buffered(r, gone) == 0 && rws_buffered(NULL, c) == 0);
  rws_buf_release(b);
}

static void check_rest(rws_reactor *r, rws_conn c) {
  const rws_conn gone = {c.id + 1};
  const rws_bytes none = {NULL, 0};
  CHECK(rws_abort(r, gone) == RWS_E_GONE && rws_abort(NULL, c) == RWS_E_INVALID);
  CHECK(rws_pause(r, gone) == RWS_E_GONE && rws_pause(NULL, c) == RWS_E_INVALID);
  CHECK(rws_resume(r, gone) == RWS_E_GONE && rws_resume(r, c) == RWS_OK);
  CHECK(rws_close(r, gone, RWS_CLOSE_NORMAL, none) == RWS_E_GONE);
  CHECK(rws_close(r, c, RWS_CLOSE_ABNORMAL, none) == RWS_E_INVALID);
  CHECK(rws_close(r, c, RWS_CLOSE_NO_STATUS, bytes("why")) == RWS_E_INVALID);
  CHECK(rws_close(r, c, 1015, none) == RWS_E_INVALID);
  CHECK(rws_close(r, c, 5000, none) == RWS_E_INVALID);
  CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, broken) == RWS_E_INVALID);
  CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, bytes("\xed\xa0\x80")) == RWS_E_UTF8);
  rws_address peer = {.port = 77};
  char text[64];
  CHECK(rws_peer(r, gone, &peer) == RWS_E_GONE && peer.port == 77);
  CHECK(rws_peer(r, c, NULL) == RWS_E_INVALID);
  CHECK(rws_peer(r, (rws_conn){UINT64_MAX}, &peer) == RWS_E_GONE && peer.port == 77);
  CHECK(rws_peer(r, (rws_conn){0}, &peer) == RWS_E_GONE && peer.port == 77);
  CHECK(rws_conn_reactor(c) == rws_reactor_index(r));
  CHECK(rws_conn_reactor((rws_conn){0}) == RWS_ANY_REACTOR);
  CHECK(rws_peer(r, c, &peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4);
  CHECK(rws_address_text(&peer, text, sizeof text) > 10 && strncmp(text, "127.0.0.1:", 10) == 0);
  CHECK(rws_get_user(r, gone) == NULL && rws_get_user(NULL, c) == NULL);
  CHECK(rws_set_user(r, gone, &peer) == RWS_E_GONE);
  CHECK(rws_get_user(r, c) == &upgrades_checked);
  CHECK(rws_set_user(r, c, &callbacks_checked) == RWS_OK);
  CHECK(rws_get_user(r, c) == &callbacks_checked);

  rws_timer t = {77};
  CHECK(rws_timer_start(r, 1, NULL, NULL, &t) == RWS_E_INVALID && t.id == 77);
  CHECK(rws_timer_start(NULL, 1, nothing, NULL, &t) == RWS_E_INVALID);
  CHECK(rws_timer_start(r, 3600000, nothing, NULL, NULL) == RWS_OK); /* never runs */
  CHECK(rws_timer_start(r, UINT32_MAX, nothing, NULL, &t) == RWS_OK && t.id != 0);
  CHECK(rws_timer_cancel(r, t) == RWS_OK && rws_timer_cancel(r, t) == RWS_E_GONE);
  CHECK(rws_timer_cancel(r, (rws_timer){0}) == RWS_E_GONE);
  t.id = 77;
  CHECK(rws_timer_repeat(r, 1, 1, NULL, NULL, &t) == RWS_E_INVALID);
  CHECK(rws_timer_repeat(r, 1, 0, nothing, NULL, &t) == RWS_E_INVALID && t.id == 77);
  CHECK(rws_timer_repeat(NULL, 1, 1, nothing, NULL, &t) == RWS_E_INVALID);
  CHECK(rws_timer_repeat(r, 3600000, 1, nothing, NULL, &t) == RWS_OK && t.id != 77);
  CHECK(rws_timer_cancel(r, t) == RWS_OK && rws_timer_cancel(r, t) == RWS_E_GONE);
  CHECK(rws_rtt_us(r, (rws_conn){0}) == 0 && rws_rtt_us(NULL, (rws_conn){0}) == 0);

  CHECK(rws_reactor_engine(r) == engine && rws_reactor_engine(NULL) == NULL);
  CHECK(rws_reactor_user(r) == &posted && rws_reactor_user(NULL) == NULL);
  rws_reactor_set_user(r, &opened);
  CHECK(rws_reactor_user(r) == &opened);
  rws_reactor_set_user(NULL, NULL);
  CHECK(rws_reactor_index(r) < 2 && rws_reactor_index(NULL) == 0);

  /* What would wait for this thread says so instead. */
  rws_endpoint at = RWS_INIT(rws_endpoint);
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  at.callbacks = &cb;
  CHECK(rws_engine_listen(engine, &at, NULL, NULL) == RWS_E_STATE);
  CHECK(rws_engine_start(engine, NULL) == RWS_E_STATE);
  CHECK(rws_engine_wait(engine) == RWS_E_STATE);
  rws_engine_free(engine); /* nothing */
}

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r;
  CHECK(user == &opened);
  rws_bytes path = rws_upgrade_target(up);
  if (path.len == 7 && memcmp(path.data, "/refuse", 7) == 0) {
    CHECK(rws_upgrade_add_header(up, "WWW-Authenticate", bytes("Basic")) == RWS_OK);
    return 401;
  }
  if (path.len == 6 && memcmp(path.data, "/wrong", 6) == 0) return 200;
  CHECK(path.len == 6 && memcmp(path.data, "/a?b=c", 6) == 0);
  CHECK(rws_upgrade_target(NULL).data == NULL && rws_upgrade_path(NULL).data == NULL);
  rws_bytes header = rws_upgrade_header(up, "x-tEst");
  CHECK(header.len == 3 && memcmp(header.data, "yes", 3) == 0);
  CHECK(rws_upgrade_header(up, "absent").data == NULL);
  CHECK(rws_upgrade_header(up, NULL).data == NULL);
  CHECK(rws_upgrade_header(NULL, "x-test").data == NULL);
  rws_address peer;
  CHECK(rws_upgrade_peer(up, &peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4);
  CHECK(rws_upgrade_peer(up, NULL) == RWS_E_INVALID);
  CHECK(rws_upgrade_peer(NULL, &peer) == RWS_E_INVALID);
  CHECK(rws_upgrade_protocol(up, "not-offered") == RWS_E_INVALID);
  CHECK(rws_upgrade_protocol(up, NULL) == RWS_E_INVALID);
  CHECK(rws_upgrade_protocol(up, "b") == RWS_OK);
  CHECK(rws_upgrade_add_header(up, "X-Bad", bytes("a\r\nInjected: b")) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, "X-Bad\r\nInjected", bytes("a")) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, "X-Bad", (rws_bytes){(const uint8_t *)"a\0b", 3}) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, "", bytes("a")) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, NULL, bytes("a")) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, "X-Bad", broken) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, "Sec-WebSocket-Accept", bytes("a")) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(NULL, "X-Good", bytes("a")) == RWS_E_INVALID);
  CHECK(rws_upgrade_add_header(up, "X-Good", bytes("fine")) == RWS_OK);
  rws_upgrade_set_user(NULL, NULL);
  rws_upgrade_set_user(up, &upgrades_checked);
  atomic_fetch_add(&upgrades_checked, 1);
  return 101;
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  CHECK(user == &upgrades_checked);
  rws_conn open[4] = {{0}};
  CHECK(rws_reactor_conns(r, open, 4) == 1 && open[0].id == c.id && open[1].id == 0);
  CHECK(rws_reactor_conns(r, NULL, 4) == 1 && rws_reactor_conns(NULL, open, 4) == 0);
  check_sends(r, c);
  check_rest(r, c);
  atomic_store(&conn_id, c.id);
  atomic_fetch_add(&opened, 1);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  CHECK(user == &callbacks_checked);
  CHECK(m->opcode == RWS_TEXT && m->flags == (RWS_FIRST | RWS_LAST));
  rws_buf *b = NULL;
  CHECK(rws_message_retain(NULL, m, &b, &err) == RWS_E_INVALID && err.status == RWS_E_INVALID);
  CHECK(rws_message_retain(r, NULL, &b, &err) == RWS_E_INVALID);
  CHECK(rws_message_retain(r, m, NULL, &err) == RWS_E_INVALID);
  rws_message forged = *m;
  forged.opcode = RWS_PING;
  CHECK(rws_message_retain(r, &forged, &b, &err) == RWS_E_INVALID);
  forged = (rws_message){(const uint8_t *)"\xff", 1, RWS_TEXT, RWS_FIRST};
  CHECK(rws_message_retain(r, &forged, &b, &err) == RWS_E_UTF8); /* ends inside a character */
  CHECK(b == NULL);
  CHECK(rws_message_retain(r, m, &b, &err) == RWS_OK);
  kept = rws_buf_retain(b); /* read when this callback, and its message, are over */
  CHECK(rws_send_buf(r, c, b) == RWS_OK);
  /* Flags of messages are none of sends: this would be a fragment, if they were. */
  CHECK(rws_send(r, c, m->opcode, m->data, m->len, m->flags) == RWS_E_INVALID);
  rws_buf_release(b);
  CHECK(rws_close(r, c, RWS_CLOSE_RESTART, bytes("bye")) == RWS_OK);
  CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, bytes("")) == RWS_E_CLOSING);
  CHECK(rws_send(r, c, RWS_TEXT, "late", 4, 0) == RWS_E_CLOSING);
  atomic_fetch_add(&callbacks_checked, 1);
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  CHECK(user == &callbacks_checked && rws_get_user(r, c) == user);
  CHECK(info->code == RWS_CLOSE_NORMAL && info->sent_code == RWS_CLOSE_RESTART);
  CHECK(info->reason.len == 2 && memcmp(info->reason.data, "ok", 2) == 0);
  CHECK(rws_send(r, c, RWS_TEXT, "x", 1, 0) == RWS_E_GONE);
  atomic_fetch_add(&closed, 1);
}

static void on_post(rws_reactor *r, void *arg) {
  CHECK(rws_reactor_engine(r) == engine && arg == &released);
  atomic_fetch_add(&posted, 1);
}

static void wait_for(atomic_int *what, int value) {
  for (int i = 0; i < 2000 && atomic_load(what) < value; i++) usleep(5000);
  CHECK(atomic_load(what) == value);
}

static void serve(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_close = on_close;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.user = &opened;
  CHECK(rws_engine_listen(engine, &at, &port, &err) == RWS_OK && port != 0);
  cb.on_open = NULL; /* the table was copied */
  CHECK(rws_engine_post(engine, 0, on_post, &released) == RWS_E_STATE); /* before start */
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_E_STATE);
  CHECK(rws_engine_listen(engine, &at, NULL, &err) == RWS_E_STATE);
}

static void expect(int s, unsigned char first, const char *payload, size_t len) {
  unsigned char got, data[256];
  CHECK(client_receive(s, &got, data, sizeof data) == (long)len);
  CHECK(got == first && memcmp(data, payload, len) == 0);
}

static void talk(void) {
  char head[1024];
  int s = client_connect(port);
  CHECK(client_upgrade(s, "/refuse", "", head, sizeof head) == 401);
  CHECK(strstr(head, "WWW-Authenticate: Basic\r\n") != NULL);
  close(s);
  s = client_connect(port);
  CHECK(client_upgrade(s, "/wrong", "", head, sizeof head) == 500);
  close(s);
  s = client_connect(port);
  const char more[] = "X-Test: yes\r\nSec-WebSocket-Protocol: a, b\r\n";
  CHECK(client_upgrade(s, "/a?b=c", more, head, sizeof head) == 101);
  CHECK(strstr(head, "X-Good: fine\r\n") != NULL && strstr(head, "Injected") == NULL);
  CHECK(strstr(head, "Sec-WebSocket-Protocol: b\r\n") != NULL);
  expect(s, 0x01, "first", 5);
  expect(s, 0x80, "last", 4);
  expect(s, 0x81, "framed", 6);
  wait_for(&opened, 1);
  any_thread();
  stale_handles();
  const rws_conn c = {atomic_load(&conn_id)};
  CHECK(rws_engine_send(engine, c, RWS_TEXT, "part", 4, RWS_MORE) == RWS_OK);
  CHECK(rws_engine_send(engine, c, RWS_CONTINUATION, "rest", 4, 0) == RWS_OK);
  expect(s, 0x01, "part", 4);
  expect(s, 0x80, "rest", 4);
  CHECK(client_send(s, RWS_TEXT, "keep", 4) == 0);
  expect(s, 0x81, "keep", 4);
  expect(s, 0x88, "\x03\xf4""bye", 5);
  CHECK(client_send(s, 8, "\x03\xe8ok", 4) == 0);
  CHECK(client_read(s, head, 1) < 0); /* the server ends the connection first */
  close(s);
  wait_for(&closed, 1);
  rws_opcode op = 0;
  const rws_bytes data = rws_buf_data(kept, &op);
  CHECK(op == RWS_TEXT && data.len == 4 && memcmp(data.data, "keep", 4) == 0);
  rws_buf_release(kept);
}

int main(void) {
  library();
  new_engine();
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  config.user = &posted;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  listening();
  buffers();
  addresses();
  serve();
  talk();
  CHECK(rws_engine_post(engine, 1, on_post, &released) == RWS_OK);
  rws_engine_stop(engine, 1000);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(atomic_load(&posted) == 1);
  CHECK(rws_engine_post(engine, 1, on_post, &released) == RWS_E_STATE);
  CHECK(rws_engine_send(engine, (rws_conn){1}, RWS_TEXT, "x", 1, 0) == RWS_E_STATE);
  rws_engine_free(engine);
  CHECK(opened == 1 && closed == 1 && callbacks_checked == 1 && upgrades_checked == 1);
  puts("ok");
  return 0;
}
