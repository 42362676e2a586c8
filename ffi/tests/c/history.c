/* Members that come back to a topic with a history: what the calls answer, what they get, and who
 * is told that he is late. */
#include <ringws.h>
#include <stdatomic.h>
#include "client.h"

static rws_engine *engine;
static const rws_conn nobody;
static atomic_int late;

static rws_bytes named(const char *s) { return (rws_bytes){(const uint8_t *)s, strlen(s)}; }

static void answer(rws_reactor *r, rws_conn c, const char *words) {
  CHECK(rws_send(r, c, RWS_TEXT, words, strlen(words), 0) == RWS_OK);
}

/* Nothing: joins; else what is said is a position. */
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  char position[256], cut[8];
  const rws_bytes room = named("room"), said = {m->data, m->len};
  if (m->len > 0) {
    const rws_status status = rws_join_from(r, c, room, said);
    if (status >= 0) CHECK(rws_join_from(r, c, room, said) == RWS_E_STATE);
    answer(r, c, status == RWS_OK ? "ok" : status == RWS_LATE ? "late" : rws_strerror(status));
    return;
  }
  CHECK(rws_join_from(r, nobody, room, named("")) == RWS_E_GONE);
  CHECK(rws_join_from(r, c, room, named("junk")) == RWS_E_INVALID);
  CHECK(rws_join_from(r, c, named(""), named("")) == RWS_E_INVALID);
  CHECK(rws_topic_position(r, c, named("elsewhere"), position, sizeof position) == 0);
  CHECK(rws_join(r, c, room) == RWS_OK);
  const size_t len = rws_topic_position(r, c, room, position, sizeof position);
  CHECK(len == strlen(position) && len > 10);
  CHECK(rws_topic_position(r, c, room, cut, sizeof cut) == len && strlen(cut) == 7);
  answer(r, c, position);
}

static void on_late(rws_reactor *r, rws_conn c, rws_bytes topic, void *user) {
  (void)c, (void)user;
  CHECK(rws_reactor_topic_members(r, topic) > 0);
  atomic_fetch_add(&late, 1);
}

static void say(const char *words, size_t len) {
  rws_buf *b = NULL;
  CHECK(rws_buf_new(RWS_TEXT, words, len, 0, &b, NULL) == RWS_OK);
  CHECK(rws_engine_publish(engine, named("room"), b, nobody) == RWS_OK);
  rws_buf_release(b);
}

static void hears(int s, const char *words) {
  unsigned char opcode;
  char got[256] = "";
  CHECK(client_receive(s, &opcode, got, 255) == (long)strlen(words));
  CHECK(opcode == 0x81 && strcmp(got, words) == 0);
}

/* A message, behind its stamp. */
static void hears_stamped(int s, const char *words) {
  unsigned char opcode;
  char got[256] = "";
  CHECK(client_receive(s, &opcode, got, 255) > (long)strlen(words));
  const char *text = strchr(got, ' ');
  CHECK(opcode == 0x81 && text && strcmp(text + 1, words) == 0);
}

static void start(uint16_t *port) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  rws_history rules[2];
  memset(rules, 0, sizeof rules);
  rules[0].prefix = named("roo");
  rules[0].bytes_max = 64 << 20;
  rules[0].messages_max = 2000;
  rules[0].flags = RWS_HISTORY_STAMP;
  rules[1].prefix = named("other");
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.histories_len = 2;
  config.on_late = on_late;
  config.history_bytes_max = 128 << 20;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_E_INVALID);
  config.histories = rules;
  rules[1].flags = 2;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_E_UNSUPPORTED);
  rules[1].flags = 0;
  rules[1].age_ms = 9;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_E_INVALID);
  rules[1].age_ms = 10;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  rws_options options = RWS_INIT(rws_options);
  options.send_queue_max = 65536;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.options = &options;
  CHECK(rws_engine_listen(engine, &at, port, NULL) == RWS_OK);
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
}

int main(void) {
  uint16_t port;
  start(&port);
  char position[256] = "";
  unsigned char opcode;
  int s = client_open(port);
  CHECK(s >= 0 && client_send(s, RWS_TEXT, "", 0) == 0);
  CHECK(client_receive(s, &opcode, position, 255) > 10);
  say("live", 4);
  hears_stamped(s, "live");
  close(s);
  say("missed", 6);

  s = client_open(port);
  CHECK(client_send(s, RWS_TEXT, position, strlen(position)) == 0);
  hears(s, "ok");
  hears_stamped(s, "live");
  hears_stamped(s, "missed");
  say("again", 5);
  hears_stamped(s, "again");
  close(s);

  /* One that does not read, and what it was to get goes. */
  CHECK(rws_engine_topic_position(engine, named("room"), position, sizeof position) > 10);
  static char large[10000];
  memset(large, 'x', sizeof large);
  for (int i = 0; i < 2000; i++) say(large, sizeof large);
  s = client_open(port);
  CHECK(client_send(s, RWS_TEXT, position, strlen(position)) == 0);
  hears(s, "ok");
  for (int i = 0; i < 2000; i++) say(large, sizeof large);
  for (int i = 0; i < 2000 && atomic_load(&late) == 0; i++) {
    static char got[20000];
    CHECK(client_receive(s, &opcode, got, sizeof got) > 10000);
  }
  CHECK(atomic_load(&late) > 0);
  close(s);
  s = client_open(port);
  CHECK(client_send(s, RWS_TEXT, position, strlen(position)) == 0);
  hears(s, "late");
  close(s);

  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  CHECK(stats.history_resumed == 2 && stats.history_late >= 2 && stats.history_replayed > 2);
  CHECK(rws_engine_topic_position(NULL, named("room"), position, sizeof position) == 0);
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
