/* Everything that is handed over through the library, plain memory on both sides: what
 * ThreadSanitizer has to be told.  Nothing here synchronises but the library, thread creation and
 * joining; the counter says only when to end.  usage: tsan [race] */
#include <ringws.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), abort()))
enum { CLIENTS = 8, ROUNDS = 20, HOPS = 50, REACTORS = 2 };

#ifdef UNTOLD /* stands before the runtime: nothing is told */
void __tsan_acquire(void *p);
void __tsan_release(void *p);
void AnnotateIgnoreReadsBegin(const char *f, int l);
void AnnotateIgnoreReadsEnd(const char *f, int l);
void AnnotateIgnoreWritesBegin(const char *f, int l);
void AnnotateIgnoreWritesEnd(const char *f, int l);
void __tsan_acquire(void *p) { (void)p; }
void __tsan_release(void *p) { (void)p; }
void AnnotateIgnoreReadsBegin(const char *f, int l) { (void)f, (void)l; }
void AnnotateIgnoreReadsEnd(const char *f, int l) { (void)f, (void)l; }
void AnnotateIgnoreWritesBegin(const char *f, int l) { (void)f, (void)l; }
void AnnotateIgnoreWritesEnd(const char *f, int l) { (void)f, (void)l; }
#endif

struct guest { int opened, heard, name; };
struct hop { int left; int path[HOPS]; };
struct reactor { int started, stopped, heard, jobs, refused, ticks; }; /* its thread's alone */
struct all { struct reactor of[REACTORS]; int before_start, drained, stopped; };
struct later { rws_later l; struct guest *guest; };

static rws_engine *engine;
static uint16_t port;
static struct all all;
static pthread_t workers[REACTORS][CLIENTS * (ROUNDS + 1)];
static int hired[REACTORS];
static int shared;                        /* nobody hands this over */
static atomic_int left = CLIENTS * 2 + 4; /* ends of connections, chains of jobs, one refusal */

static struct reactor *here(rws_reactor *r) { return &all.of[rws_reactor_index(r)]; }

static void done(void) {
  if (atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed) == 1) {
    rws_drain how = RWS_INIT(rws_drain);
    all.drained = 1;
    CHECK(rws_engine_drain(engine, &how) == RWS_OK);
  }
}

static void hire(rws_reactor *r, void *(*work)(void *), void *arg) {
  const uint32_t i = rws_reactor_index(r);
  CHECK(hired[i] < CLIENTS * (ROUNDS + 1));
  CHECK(pthread_create(&workers[i][hired[i]++], NULL, work, arg) == 0);
}

/* Memory that is read by whoever gets it, and written where the last reference goes. */
static void spent(void *arg) { memset(arg, 0, 64); free(arg); }
static rws_buf *wrapped(const char *text) {
  char *memory = malloc(64);
  rws_buf *b;
  CHECK(memory);
  strcpy(memory, text);
  CHECK(rws_buf_wrap(RWS_TEXT, memory, strlen(memory), 0, spent, memory, &b, NULL) == RWS_OK);
  return b;
}
static void *reads(void *b) {
  const rws_bytes is = rws_buf_data(b, NULL);
  size_t sum = 0;
  for (size_t i = 0; i < is.len; i++) sum += is.data[i];
  CHECK(sum);
  rws_buf_release(b);
  return NULL;
}

/* The server. */
static void *answers(void *arg) {
  struct later *later = arg;
  rws_response a = RWS_INIT(rws_response);
  a.status = 101;
  later->guest = malloc(sizeof *later->guest);
  CHECK(later->guest);
  *later->guest = (struct guest){.name = 7};
  CHECK(rws_engine_answer(engine, later->l, &a, later->guest) == RWS_OK);
  free(later);
  return NULL;
}
static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  struct all *of_main = user;
  CHECK(of_main->before_start == 1);
  struct later *later = malloc(sizeof *later);
  CHECK(later && rws_upgrade_later(up, &later->l) == RWS_OK);
  hire(r, answers, later);
  return RWS_LATER;
}
static void server_open(rws_reactor *r, rws_conn c, void *user) {
  struct guest *g = user;
  g->opened = g->name;
  CHECK(rws_join(r, c, (rws_bytes){(const uint8_t *)"t", 1}) == RWS_OK);
}
static void server_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  struct guest *g = user;
  rws_buf *kept;
  CHECK(g->opened == 7);
  g->heard += m->data[0] == 'm';
  here(r)->heard++;
  CHECK(rws_send(r, c, m->opcode, m->data, m->len, 0) >= RWS_OK);
  CHECK(rws_message_retain(r, m, &kept, NULL) == RWS_OK);
  hire(r, reads, kept); /* another thread reads it, and lets it go */
  rws_buf *news = wrapped("p: to all");
  CHECK(rws_publish(r, (rws_bytes){(const uint8_t *)"t", 1}, news, (rws_conn){0}) == RWS_OK);
  rws_buf_release(news);
}
static void server_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  struct guest *g = user;
  (void)r, (void)c, (void)info;
  CHECK(g->heard == ROUNDS);
  free(g);
  done();
}

/* The clients. */
static void client_open(rws_reactor *r, rws_conn c, void *user) {
  struct guest *g = user;
  CHECK(g->name == 3);
  g->opened = 1;
  CHECK(rws_send(r, c, RWS_TEXT, "m", 1, 0) == RWS_OK);
}
static void client_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  struct guest *g = user;
  if (m->data[0] != 'm') return;
  if (++g->heard == ROUNDS) {
    CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, (rws_bytes){NULL, 0}) == RWS_OK);
  } else { /* the long way round, and by reference */
    rws_buf *b = wrapped("m: once more");
    CHECK(rws_engine_send_buf(engine, c, b) == RWS_OK);
    rws_buf_release(b);
  }
}
static void client_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)info;
  free(user);
  done();
}
static void refused(rws_reactor *r, rws_refusal *why, void *user) {
  int *times = user;
  (void)why;
  here(r)->refused += ++*times;
  free(times);
  done();
}
static void *connects(void *url) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = client_open, cb.on_message = client_message, cb.on_close = client_close;
  rws_target to = RWS_INIT(rws_target);
  to.url = url, to.callbacks = &cb;
  for (int i = 0; i < CLIENTS / 2; i++) {
    struct guest *g = malloc(sizeof *g);
    CHECK(g);
    *g = (struct guest){.name = 3};
    to.user = g;
    CHECK(rws_engine_connect(engine, &to, NULL, NULL) == RWS_OK);
  }
  return NULL;
}

/* Jobs: from thread to reactor, from there to the other, and as timers. */
static void tick(rws_reactor *r, void *arg) {
  int *count = arg;
  here(r)->ticks += *count;
  free(count);
  done();
}
static void hop(rws_reactor *r, void *arg) {
  struct hop *h = arg;
  here(r)->jobs++;
  h->path[--h->left] = (int)rws_reactor_index(r);
  if (h->left) {
    CHECK(rws_engine_post(engine, 1 - rws_reactor_index(r), hop, h) == RWS_OK);
    return;
  }
  int *count = malloc(sizeof *count);
  CHECK(count);
  *count = h->path[0] + h->path[1];
  free(h);
  CHECK(rws_timer_start(r, 1, tick, count, NULL) == RWS_OK);
}
static void *posts(void *from) {
  struct hop *h = calloc(1, sizeof *h);
  CHECK(h);
  h->left = HOPS;
  CHECK(rws_engine_post(engine, *(const uint32_t *)from, hop, h) == RWS_OK);
  rws_buf *b = wrapped("p: from a thread");
  pthread_t reader;
  CHECK(pthread_create(&reader, NULL, reads, rws_buf_retain(b)) == 0);
  CHECK(rws_engine_publish(engine, (rws_bytes){(const uint8_t *)"t", 1}, b, (rws_conn){0}) >= RWS_OK);
  rws_buf_release(b);
  pthread_join(reader, NULL);
  return NULL;
}

static void racy(rws_reactor *r, void *arg) { (void)r, (void)arg; shared++; }

/* Hooks. */
static void on_start(rws_reactor *r, void *user) {
  struct all *of_main = user;
  CHECK(of_main->before_start == 1);
  here(r)->started = 1;
}
static void on_stop(rws_reactor *r, void *user) { (void)user; here(r)->stopped = 1; }
static void on_stopped(rws_engine *e, void *user) {
  struct all *of_all = user;
  (void)e;
  CHECK(of_all->drained == 1);
  for (int i = 0; i < REACTORS; i++) of_all->stopped += of_all->of[i].stopped;
}

int main(int argc, char **argv) {
  (void)argv;
  const uint32_t first[REACTORS] = {0, 1};
  pthread_t threads[2 * REACTORS];
  rws_config config = RWS_INIT(rws_config);
  config.reactors = REACTORS;
  config.on_start = on_start, config.on_stop = on_stop, config.on_stopped = on_stopped;
  config.user = &all;
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade, cb.on_open = server_open;
  cb.on_message = server_message, cb.on_close = server_close;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1", at.callbacks = &cb, at.user = &all;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_engine_listen(engine, &at, &port, NULL) == RWS_OK);
  all.before_start = 1;
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
  for (int i = 0; i < REACTORS; i++) CHECK(all.of[i].started);

  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", port);
  for (int i = 0; i < REACTORS; i++) {
    CHECK(pthread_create(&threads[2 * i], NULL, connects, url) == 0);
    CHECK(pthread_create(&threads[2 * i + 1], NULL, posts, (void *)(uintptr_t)&first[i]) == 0);
    int *times = calloc(1, sizeof *times);
    CHECK(times);
    rws_callbacks cb2 = RWS_INIT(rws_callbacks);
    cb2.on_refused = refused;
    rws_target nowhere = RWS_INIT(rws_target);
    nowhere.url = "ws://127.0.0.1:1/", nowhere.callbacks = &cb2, nowhere.user = times;
    CHECK(rws_engine_connect(engine, &nowhere, NULL, NULL) == RWS_OK);
  }
  if (argc > 1)
    for (uint32_t i = 0; i < REACTORS; i++) CHECK(rws_engine_post(engine, i, racy, NULL) == RWS_OK);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  for (int i = 0; i < 2 * REACTORS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < REACTORS; i++)
    for (int k = 0; k < hired[i]; k++) pthread_join(workers[i][k], NULL);
  int heard = 0, jobs = 0, refusals = 0;
  for (int i = 0; i < REACTORS; i++) {
    heard += all.of[i].heard, jobs += all.of[i].jobs, refusals += all.of[i].refused;
  }
  CHECK(heard == CLIENTS * ROUNDS && jobs == 2 * HOPS && refusals == 2 && all.stopped == REACTORS);
  rws_engine_free(engine);
  printf("%s\n", shared ? "raced" : "ok");
  return 0;
}
