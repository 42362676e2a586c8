/* permessage-deflate by the public header: what is compressed, what is counted, what is refused. */
#include "client.h"
#include <ringws.h>
#include <stdatomic.h>

enum { LEN = 2000 };
static rws_engine *engine;
static rws_error err;
static char text[LEN];
static _Atomic(uint64_t) members[2];
static atomic_int joined;

/* "plain": the text under RWS_PLAIN. "short": less than deflate_min. "all": to each member. */
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (m->len == 4 && memcmp(m->data, "join", 4) == 0) {
    const int at = atomic_fetch_add(&joined, 1);
    CHECK(at < 2);
    atomic_store(&members[at], c.id);
    CHECK(rws_send(r, c, RWS_TEXT, "ok", 2, 0) == RWS_OK);
  } else if (m->len == 3 && memcmp(m->data, "all", 3) == 0) {
    rws_buf *b;
    CHECK(rws_buf_new(RWS_TEXT, text, LEN, 0, &b, NULL) == RWS_OK);
    for (int i = 0; i < 2; i++)
      CHECK(rws_send_buf(r, (rws_conn){atomic_load(&members[i])}, b) == RWS_OK);
    rws_buf_release(b);
  } else if (m->len == 5 && memcmp(m->data, "plain", 5) == 0) {
    CHECK(rws_send(r, c, RWS_TEXT, text, LEN, RWS_PLAIN) == RWS_OK);
  } else if (m->len == 5 && memcmp(m->data, "short", 5) == 0) {
    CHECK(rws_send(r, c, RWS_TEXT, text, 999, 0) == RWS_OK);
  } else {
    CHECK(m->len == 5 && memcmp(m->data, "whole", 5) == 0);
    CHECK(rws_send(r, c, RWS_TEXT, text, LEN, 0) == RWS_OK);
  }
}

static rws_status listen_with(const rws_options *options, uint16_t *port) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.options = options;
  return rws_engine_listen(engine, &at, port, &err);
}

static void start(uint32_t codec_memory_max, const rws_options *options, uint16_t *port) {
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.recv_buffers = 64;
  config.codec_memory_max = codec_memory_max;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  CHECK(listen_with(options, port) == RWS_OK);
}

static rws_stats stats(void) {
  rws_stats out = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &out) == RWS_OK);
  return out;
}

/* Offers the extension; the head of the answer. */
static int offer(uint16_t port, char *head, size_t size) {
  const int s = client_connect(port);
  CHECK(s >= 0);
  CHECK(client_upgrade(s, "/", "Sec-WebSocket-Extensions: permessage-deflate\r\n", head, size) ==
        101);
  CHECK(strstr(head, "permessage-deflate") != NULL);
  return s;
}

/* What comes: compressed, or the text itself. */
static void receive(int s, int compressed, long len) {
  unsigned char first;
  static char data[LEN];
  const long n = client_receive(s, &first, data, sizeof data);
  CHECK(first == (compressed ? 0xC1 : 0x81));
  CHECK(compressed ? n > 0 && n < len / 4 : n == len && memcmp(data, text, (size_t)len) == 0);
}

static void values(void) {
  static const uint32_t bad[][3] = {{10, 0, 0}, {0, 8, 0}, {0, 16, 0}, {0, 0, 10}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    rws_options options = RWS_INIT(rws_options);
    options.flags = RWS_OPT_DEFLATE | RWS_OPT_TAKEOVER;
    options.deflate_level = bad[i][0];
    options.deflate_window_bits = bad[i][1];
    options.deflate_mem_level = bad[i][2];
    uint16_t port = 77;
    CHECK(listen_with(&options, &port) == RWS_E_INVALID && err.text[0] != 0 && port == 77);
  }
}

static void compressed(void) {
  rws_options options = RWS_INIT(rws_options);
  options.flags = RWS_OPT_DEFLATE;
  options.deflate_min = 1000;
  uint16_t port;
  char head[1024];
  start(0, &options, &port);
  values();
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  const int a = offer(port, head, sizeof head), b = offer(port, head, sizeof head);
  /* "whole" in a stored block (RFC 7692 section 7.2.3.3). */
  static const char whole[] = "\0\5\0\xfa\xffwhole\0";
  CHECK(client_frame(a, 0xC1, whole, sizeof whole - 1) == 0);
  receive(a, 1, LEN);
  CHECK(client_send(a, RWS_TEXT, "plain", 5) == 0);
  receive(a, 0, LEN);
  CHECK(client_send(a, RWS_TEXT, "short", 5) == 0);
  receive(a, 0, 999);
  unsigned char first;
  char ok[2];
  for (int i = 0; i < 2; i++) {
    CHECK(client_send(i ? b : a, RWS_TEXT, "join", 4) == 0);
    CHECK(client_receive(i ? b : a, &first, ok, 2) == 2 && first == 0x81);
  }
  CHECK(client_send(a, RWS_TEXT, "all", 3) == 0);
  receive(a, 1, LEN);
  receive(b, 1, LEN);
  const int c = client_open(port); /* offers nothing */
  CHECK(c >= 0 && client_send(c, RWS_TEXT, "whole", 5) == 0);
  receive(c, 0, LEN);
  close(a), close(b), close(c);
  rws_engine_stop(engine, 0);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  const rws_stats s = stats();
  CHECK(s.deflated_in == 1 && s.deflated_out == 3 && s.codec_memory == 0);
  CHECK(s.deflate_saved > 3 * LEN / 2 && s.takeover_refused == 0);
  rws_engine_free(engine);
}

/* Room for one context: the second connection shares, until the first has gone. */
static void takeover(void) {
  rws_options options = RWS_INIT(rws_options);
  options.flags = RWS_OPT_DEFLATE | RWS_OPT_TAKEOVER;
  uint16_t port;
  char head[1024];
  start(500000, &options, &port);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  const int a = offer(port, head, sizeof head);
  CHECK(strstr(head, "server_no_context_takeover") == NULL);
  CHECK(client_send(a, RWS_TEXT, "whole", 5) == 0);
  receive(a, 1, LEN);
  const int b = offer(port, head, sizeof head);
  CHECK(strstr(head, "server_no_context_takeover") != NULL);
  CHECK(client_send(b, RWS_TEXT, "whole", 5) == 0);
  receive(b, 1, LEN);
  usleep(50000); /* counters are published between turns */
  const rws_stats s = stats();
  CHECK(s.codec_memory > 100000 && s.codec_memory <= 500000);
  CHECK(s.takeover_refused == 1 && s.deflated_out == 2);
  close(a), close(b);
  for (int i = 0; i < 2000 && stats().codec_memory > 0; i++) usleep(5000);
  CHECK(stats().codec_memory == 0);
  rws_engine_free(engine);
}

int main(void) {
  for (int i = 0; i < LEN; i++) text[i] = "the same again, "[i % 16];
  compressed();
  takeover();
  puts("ok");
  return 0;
}
