/* Topics on two engines over a broker of the program's own: what the calls answer, what reaches
 * whom, and what is told of what is lost. */
#include <ringws.h>
#include <pthread.h>
#include <stdatomic.h>
#include "client.h"

#define SIDES 2

/* An engine, and what the broker knows of it. */
typedef struct side {
  rws_engine *engine;
  uint16_t port;
  atomic_int everybody, room, gaps, up, down, closed;
  rws_gap gap;
} side;

static side sides[SIDES];
static atomic_int losing;
static const rws_conn nobody;

static rws_bytes named(const char *s) { return (rws_bytes){(const uint8_t *)s, strlen(s)}; }

static void until(atomic_int *what, int value) {
  for (int i = 0; i < 2000 && atomic_load(what) != value; i++) usleep(5000);
  CHECK(atomic_load(what) == value);
}

static void interest(rws_bytes topic, int on, void *user) {
  side *of = user;
  if (topic.len == 0) {
    CHECK(on == 1 && atomic_load(&of->everybody) == 0);
    CHECK(rws_bus_up(of->engine, 255) == RWS_E_INVALID);
    CHECK(rws_bus_up(of->engine, 10000) == RWS_OK); /* all interests so far have been told */
    atomic_store(&of->everybody, 1);
  } else {
    CHECK(topic.len == 4 && memcmp(topic.data, "room", 4) == 0);
    atomic_store(&of->room, on);
  }
}

static void publish(rws_bytes topic, rws_bytes frame, void *user) {
  if (atomic_load(&losing)) return;
  for (side *to = sides; to < sides + SIDES; to++) {
    atomic_int *wants = topic.len == 0 ? &to->everybody : &to->room;
    if (to == user || !atomic_load(wants)) continue;
    CHECK(rws_bus_deliver(to->engine, topic, frame) == RWS_OK);
  }
}

static void close_bus(void *user) { atomic_store(&((side *)user)->closed, 1); }

static void on_bus(int up, rws_bytes why, void *user) {
  side *of = user;
  CHECK(up ? why.len == 0 : why.len == 9 && memcmp(why.data, "told to b", 9) == 0);
  atomic_fetch_add(up ? &of->up : &of->down, 1);
}

static void on_gap(rws_reactor *r, rws_bytes topic, const rws_gap *gap, void *user) {
  side *of = user;
  CHECK(rws_reactor_topic_members(r, topic) == 1 && gap->reserved == 0);
  of->gap = *gap;
  atomic_fetch_add(&of->gaps, 1);
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  CHECK(rws_join(r, c, named("room")) == RWS_OK);
}

static void start(side *of, uint64_t node) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.user = of;
  config.on_gap = on_gap;
  config.on_bus = on_bus;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  CHECK(rws_engine_new(&config, &of->engine, NULL) == RWS_OK);
  CHECK(rws_engine_listen(of->engine, &at, &of->port, NULL) == RWS_OK);
  CHECK(rws_bus_up(of->engine, 10000) == RWS_E_STATE);
  CHECK(rws_bus_down(of->engine, named("x")) == RWS_E_STATE);
  CHECK(rws_bus_deliver(of->engine, named("room"), named("x")) == RWS_E_STATE);

  rws_bus bus = RWS_INIT(rws_bus);
  rws_error err;
  CHECK(rws_engine_bus(of->engine, &bus, &err) == RWS_E_INVALID && err.text[0]);
  bus.interest = interest;
  bus.publish = publish;
  bus.close = close_bus;
  bus.user = of;
  bus.node = node;
  bus.heartbeat_ms = 9;
  CHECK(rws_engine_bus(of->engine, &bus, &err) == RWS_E_INVALID && err.text[0]);
  bus.heartbeat_ms = 50;
  bus.flags = 1;
  CHECK(rws_engine_bus(of->engine, &bus, NULL) == RWS_E_UNSUPPORTED);
  bus.flags = 0;
  CHECK(rws_engine_bus(of->engine, NULL, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_bus(NULL, &bus, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_bus(of->engine, &bus, NULL) == RWS_OK);
  CHECK(rws_engine_bus(of->engine, &bus, NULL) == RWS_E_STATE); /* one is enough */
  CHECK(rws_engine_start(of->engine, NULL) == RWS_OK);
  CHECK(rws_engine_bus(of->engine, &bus, NULL) == RWS_E_STATE);
  until(&of->up, 1);
}

static void say(const side *of, const char *words) {
  rws_buf *b = NULL;
  CHECK(rws_buf_new(RWS_TEXT, words, strlen(words), 0, &b, NULL) == RWS_OK);
  CHECK(rws_engine_publish(of->engine, named("room"), b, nobody) == RWS_OK);
  rws_buf_release(b);
}

static void hears(int s, const char *words) {
  unsigned char opcode;
  char got[32] = "";
  CHECK(client_receive(s, &opcode, got, 31) == (long)strlen(words));
  CHECK(opcode == 0x81 && strcmp(got, words) == 0);
}

static uint64_t sent(const side *of) {
  rws_stats stats = RWS_INIT(rws_stats);
  CHECK(rws_engine_stats(of->engine, RWS_ANY_REACTOR, &stats) == RWS_OK);
  return stats.bus_sent;
}

int main(void) {
  side *one = &sides[0], *two = &sides[1];
  start(one, 1);
  start(two, 2);
  const int a = client_open(one->port), b = client_open(two->port);
  CHECK(a >= 0 && b >= 0);
  until(&one->room, 1);
  until(&two->room, 1);
  say(one, "1");
  hears(a, "1");
  hears(b, "1");
  say(two, "2");
  hears(a, "2");
  hears(b, "2");

  atomic_store(&losing, 1);
  say(one, "lost");
  hears(a, "lost");
  for (int i = 0; i < 2000 && sent(one) < 2; i++) usleep(1000);
  atomic_store(&losing, 0);
  until(&two->gaps, 1); /* found by a heartbeat */
  CHECK(two->gap.node == 1 && two->gap.epoch != 0 && two->gap.cause == RWS_GAP_LOST);
  CHECK(two->gap.first == 2 && two->gap.last == 2);

  CHECK(rws_bus_down(one->engine, named("told to b")) == RWS_OK);
  until(&one->down, 1);
  say(one, "here");
  hears(a, "here");
  CHECK(rws_bus_up(one->engine, 10000) == RWS_OK);
  until(&two->gaps, 2);
  CHECK(two->gap.first == 3 && two->gap.last == 3);
  CHECK(rws_bus_deliver(two->engine, named("room"), named("junk")) == RWS_E_INVALID);
  CHECK(rws_bus_deliver(NULL, named("room"), named("junk")) == RWS_E_INVALID);

  close(a);
  close(b);
  until(&one->room, 0);
  rws_engine_stop(two->engine, 0);
  CHECK(rws_engine_wait(two->engine) == RWS_OK);
  CHECK(atomic_load(&two->closed) == 1 && atomic_load(&one->closed) == 0);
  atomic_store(&losing, 1); /* nobody is there any more */
  rws_engine_free(one->engine);
  rws_engine_free(two->engine);
  CHECK(atomic_load(&one->closed) == 1 && atomic_load(&one->gaps) == 0);
  puts("ok");
  return 0;
}
