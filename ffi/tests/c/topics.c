/* Topics: who joins, what is published by callbacks and by threads, in which order it comes, and
 * what each call answers. */
#include "client.h"
#include <pthread.h>
#include <ringws.h>
#include <stdatomic.h>

enum { MEMBERS = 12, THREADS = 3, EACH = 500 };

static const rws_conn nobody;
static rws_engine *engine;
static rws_conn first; /* the first that was opened */
static atomic_int opens, begun, ended, jobs;

static rws_bytes named(const char *name) {
  return (rws_bytes){(const uint8_t *)name, strlen(name)};
}

static rws_buf *text(const char *what) {
  rws_buf *b = NULL;
  CHECK(rws_buf_new(RWS_TEXT, what, strlen(what), 0, &b, NULL) == RWS_OK);
  return b;
}

/* Inside a callback: what the calls answer. */
static void statuses(rws_reactor *r, rws_conn c) {
  const rws_bytes empty = {NULL, 0}, torn = {NULL, 1}, none = named("none");
  const rws_conn gone = {c.id + 1};
  rws_buf *b = text("x");
  CHECK(rws_join(NULL, c, named("a")) == RWS_E_INVALID);
  CHECK(rws_join(r, c, empty) == RWS_E_INVALID && rws_join(r, c, torn) == RWS_E_INVALID);
  CHECK(rws_join(r, c, named("too long")) == RWS_E_TOO_BIG);
  CHECK(rws_join(r, gone, named("a")) == RWS_E_GONE);
  CHECK(rws_join(r, nobody, named("a")) == RWS_E_GONE);
  CHECK(rws_join(r, c, named("a")) == RWS_OK && rws_join(r, c, named("a")) == RWS_OK);
  CHECK(rws_reactor_topic_members(r, named("a")) == 1 && rws_reactor_topic_members(NULL, named("a")) == 0);
  CHECK(rws_engine_topic_members(engine, named("a")) == 1);
  CHECK(rws_engine_topic_members(NULL, named("a")) == 0);
  CHECK(rws_join(r, c, named("b")) == RWS_OK && rws_join(r, c, named("c")) == RWS_E_FULL);
  CHECK(rws_leave(r, c, named("b")) == RWS_OK && rws_leave(r, c, named("b")) == RWS_E_STATE);
  CHECK(rws_leave(r, c, torn) == RWS_E_INVALID && rws_leave(NULL, c, none) == RWS_E_INVALID);
  CHECK(rws_leave(r, gone, none) == RWS_E_GONE);
  CHECK(rws_publish(r, none, b, nobody) == RWS_OK);
  CHECK(rws_publish(r, empty, b, nobody) == RWS_E_INVALID);
  CHECK(rws_publish(r, none, NULL, nobody) == RWS_E_INVALID);
  CHECK(rws_publish(NULL, none, b, nobody) == RWS_E_INVALID);
  CHECK(rws_engine_publish(engine, named("too long"), b, nobody) == RWS_E_TOO_BIG);
  CHECK(rws_engine_publish(engine, empty, b, nobody) == RWS_E_INVALID);
  CHECK(rws_engine_publish(NULL, none, b, nobody) == RWS_E_INVALID);
  CHECK(rws_engine_publish(engine, none, NULL, nobody) == RWS_E_INVALID);
  /* Policies and keys. */
  rws_buf *asked = NULL;
  CHECK(rws_buf_new(RWS_PING, "x", 1, 0, &asked, NULL) == RWS_OK);
  CHECK(rws_publish_with(r, none, b, nobody, RWS_WHEN_FULL_ABORT) == RWS_OK);
  CHECK(rws_publish_with(r, none, b, nobody, 5) == RWS_E_UNSUPPORTED);
  CHECK(rws_publish_with(r, empty, b, nobody, 0) == RWS_E_INVALID);
  CHECK(rws_engine_publish_with(engine, none, b, nobody, RWS_WHEN_FULL_CLOSE) == RWS_OK);
  CHECK(rws_engine_publish_with(engine, none, b, nobody, 5) == RWS_E_UNSUPPORTED);
  CHECK(rws_publish_latest(r, none, 1, b, nobody) == RWS_OK);
  CHECK(rws_publish_latest(r, none, 1, asked, nobody) == RWS_E_INVALID);
  CHECK(rws_publish_latest(r, empty, 1, b, nobody) == RWS_E_INVALID);
  CHECK(rws_engine_publish_latest(engine, none, 1, b, nobody) == RWS_OK);
  CHECK(rws_engine_publish_latest(engine, none, 1, asked, nobody) == RWS_E_INVALID);
  CHECK(rws_engine_publish_latest(engine, none, 1, NULL, nobody) == RWS_E_INVALID);
  CHECK(rws_engine_send_latest(engine, c, 1, asked) == RWS_E_INVALID);
  CHECK(rws_engine_send_latest(NULL, c, 1, b) == RWS_E_INVALID);
  CHECK(rws_set_when_full(r, c, 5, 0, 0) == RWS_E_UNSUPPORTED);
  CHECK(rws_set_when_full(r, gone, RWS_WHEN_FULL_CLOSE, 0, 0) == RWS_E_GONE);
  CHECK(rws_set_when_full(NULL, c, RWS_WHEN_FULL_CLOSE, 0, 0) == RWS_E_INVALID);
  CHECK(rws_set_when_full(r, c, RWS_WHEN_FULL_CLOSE, 1 << 20, 60000) == RWS_OK);
  CHECK(rws_queue_age_ms(r, gone) == 0 && rws_queue_age_ms(NULL, c) == 0);
  CHECK(rws_conn_dropped(r, c) == 0 && rws_conn_dropped(NULL, c) == 0);
  rws_buf_release(asked);
  CHECK(rws_leave(r, c, named("a")) == RWS_OK);
  rws_buf_release(b);
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  if (atomic_load(&opens) == 0) {
    statuses(r, c);
    first = c;
  }
  CHECK(rws_join(r, c, named("room")) == RWS_OK);
  atomic_fetch_add(&opens, 1);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  rws_buf *b = NULL;
  CHECK(rws_buf_new(m->opcode, m->data, m->len, 0, &b, NULL) == RWS_OK);
  const int to_others = m->len > 0 && *(const char *)m->data == '!';
  CHECK(rws_publish(r, named("room"), b, to_others ? c : nobody) == RWS_OK);
  rws_buf_release(b);
}

static void on_topic(rws_reactor *r, rws_bytes topic, int begins, void *user) {
  (void)user;
  if (topic.len != 4) return; /* not the room */
  CHECK(memcmp(topic.data, "room", 4) == 0);
  CHECK((rws_reactor_topic_members(r, topic) > 0) == begins);
  atomic_fetch_add(begins ? &begun : &ended, 1);
}

static void elsewhere(rws_reactor *r, void *arg) {
  (void)arg;
  const int ours = rws_reactor_index(r) == rws_conn_reactor(first);
  CHECK(rws_join(r, first, named("far")) == (ours ? RWS_OK : RWS_E_STATE));
  CHECK(rws_leave(r, first, named("far")) == (ours ? RWS_OK : RWS_E_STATE));
  const rws_status set = rws_set_when_full(r, first, RWS_WHEN_FULL_REFUSE, 0, 0);
  CHECK(set == (ours ? RWS_OK : RWS_E_STATE));
  atomic_fetch_add(&jobs, 1);
}

static void *publisher(void *arg) {
  for (int i = 0; i < EACH; i++) {
    char what[32];
    snprintf(what, sizeof what, "%c %d", *(const char *)arg, i);
    rws_buf *b = text(what);
    CHECK(rws_engine_publish(engine, named("room"), b, nobody) == RWS_OK);
    rws_buf_release(b);
  }
  return NULL;
}

static void until(atomic_int *what, int value) {
  for (int i = 0; i < 2000 && atomic_load(what) < value; i++) usleep(5000);
  CHECK(atomic_load(what) == value);
}

/* What a client hears, up to what says `end`. */
static size_t hear(int s, const char *end, char (*into)[32]) {
  for (size_t count = 0;; count++) {
    unsigned char opcode;
    memset(into[count], 0, sizeof into[count]);
    const long len = client_receive(s, &opcode, into[count], 31);
    CHECK(len > 0 && opcode == 0x81);
    if (strcmp(into[count], end) == 0) return count;
  }
}

/* Threads and callbacks publish at the same time; everybody hears the same. */
static void one_order(const int *clients) {
  static char heard[2][(THREADS + 1) * EACH + 2][32];
  static const char names[] = "xyz";
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, publisher, (void *)(uintptr_t)&names[i]) == 0);
  for (int i = 0; i < EACH; i++)
    CHECK(client_send(clients[i % MEMBERS], RWS_TEXT, "callback", 8) == 0);
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  /* Of each client, what it has said last is behind all else that it has said. */
  for (int i = 0; i < MEMBERS; i++) CHECK(client_send(clients[i], RWS_TEXT, "last", 4) == 0);
  for (int i = 0; i < MEMBERS; i++) {
    char (*into)[32] = heard[i > 0];
    size_t count = 0;
    for (int lasts = 0; lasts < MEMBERS; lasts++) count += hear(clients[i], "last", into + count);
    CHECK(count == (THREADS + 1) * EACH);
    CHECK(i == 0 || memcmp(heard[0], heard[1], count * sizeof *into) == 0);
  }
}

int main(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  config.topic_bytes_max = 4;
  config.topics_max = 2;
  config.on_topic = on_topic;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  uint16_t port = 0;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_engine_listen(engine, &at, &port, NULL) == RWS_OK);
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
  int clients[MEMBERS];
  for (int i = 0; i < MEMBERS; i++) {
    clients[i] = client_open(port);
    CHECK(clients[i] >= 0);
    until(&opens, i + 1);
  }
  CHECK(rws_engine_topic_members(engine, named("room")) == MEMBERS);
  one_order(clients);
  for (uint32_t i = 0; i < 2; i++) CHECK(rws_engine_post(engine, i, elsewhere, NULL) == RWS_OK);
  until(&jobs, 2);
  CHECK(client_send(clients[0], RWS_TEXT, "!others", 7) == 0);
  CHECK(client_send(clients[0], RWS_TEXT, "all", 3) == 0);
  for (int i = 0; i < MEMBERS; i++) {
    char into[4][32];
    CHECK(hear(clients[i], "all", into) == (i > 0));
  }
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  CHECK(stats.publish_dropped == 0 && stats.publish_refused == 0);
  CHECK(stats.topics == (uint64_t)atomic_load(&begun));
  CHECK(stats.published == stats.topics * ((THREADS + 1) * EACH + MEMBERS + 2));
  rws_engine_stop(engine, 0);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(atomic_load(&begun) == atomic_load(&ended) && atomic_load(&begun) > 0);
  CHECK(rws_engine_topic_members(engine, named("room")) == 0);
  for (int i = 0; i < MEMBERS; i++) close(clients[i]);
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
