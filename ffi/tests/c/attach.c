/* A reactor on a thread of the host's: the descriptor is readable when a turn is due, by level and
 * by edge, and only then; calls, timers, large messages, TLS, a stop; and misuse is told.
 * usage: attach CHAIN KEY, files in PEM */
#include "client.h"
#include <ringws.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>

static rws_engine *engine;
static uint16_t port;
static int ring = -1, poller = -1;
static uint32_t trigger; /* EPOLLET or 0 */
static pthread_t runner;
static int deserting;
static int starts, stops, opens, closes;
static atomic_int jobs, turns;
static rws_conn conn;
static const char *order;

static double now_ms(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}
static void here(rws_reactor *r) {
  CHECK(pthread_equal(pthread_self(), runner));
  CHECK(rws_reactor_engine(r) == (deserting ? NULL : engine));
}

static void on_start(rws_reactor *r, void *user) { here(r); (void)user; starts++; }
static void on_stop(rws_reactor *r, void *user) { here(r); (void)user; stops++; }
static void on_open(rws_reactor *r, rws_conn c, void *user) { here(r); (void)user; opens++; conn = c; }
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  here(r);
  (void)c; (void)user; (void)info;
  closes++;
}
static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  here(r);
  (void)user;
  if (m->len == 5 && memcmp(m->data, "nests", 5) == 0) { /* a turn in a turn, and other misuse */
    int fd = -1;
    CHECK(rws_engine_turn(engine) == RWS_E_STATE && rws_engine_wait(engine) == RWS_E_STATE);
    CHECK(rws_engine_attach(engine, 0, &fd, NULL) == RWS_E_STATE && fd == -1);
    rws_engine_free(engine); /* nothing */
  }
  CHECK(rws_send(r, c, m->opcode, m->data, m->len, 0) >= 0);
}
static void job(rws_reactor *r, void *arg) { here(r); (void)arg; atomic_fetch_add(&jobs, 1); }
static void timed(rws_reactor *r, void *arg) { here(r); *(double *)arg = now_ms(); }

/* Turns for as long as that, or until `until` is not 0. How many. */
static int run_until(double ms, const int *until) {
  const double end = now_ms() + ms;
  int count = 0;
  for (double now; (now = now_ms()) < end && (until == NULL || *until == 0);) {
    struct epoll_event event;
    const int n = epoll_wait(poller, &event, 1, (int)(end - now) + 1);
    CHECK(n >= 0 || errno == EINTR);
    if (n != 1) continue;
    CHECK((event.events & EPOLLIN) != 0);
    const rws_status status = rws_engine_turn(engine);
    atomic_fetch_add(&turns, 1);
    count++;
    if (status == RWS_E_ENDED) return count;
    CHECK(status == RWS_OK);
  }
  return count;
}

static void begin(rws_tls *tls) {
  static const rws_callbacks callbacks = {
      .size = sizeof callbacks, .on_open = on_open, .on_message = on_message, .on_close = on_close};
  rws_config config = RWS_INIT(rws_config);
  config.reactors = config.attached = 1;
  config.busy_poll_us = config.coalesce_us = 1000; /* not for this one */
  config.on_start = on_start;
  config.on_stop = on_stop;
  rws_options options = RWS_INIT(rws_options);
  options.message_max = options.send_queue_max = 32u << 20;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &callbacks;
  at.options = &options;
  at.tls = tls;
  runner = pthread_self();
  starts = stops = opens = closes = 0;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_engine_listen(engine, &at, &port, NULL) == RWS_OK);
  rws_error err;
  CHECK(rws_engine_attach(engine, 0, &ring, &err) == RWS_E_STATE && ring == -1);
  CHECK(rws_engine_turn(engine) == RWS_E_STATE);
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
  CHECK(rws_engine_turn(engine) == RWS_E_STATE);
  CHECK(rws_engine_post(engine, 0, job, NULL) == RWS_E_STATE);
  CHECK(rws_engine_attach(engine, 1, &ring, &err) == RWS_E_INVALID && err.text[0] != 0);
  CHECK(rws_engine_attach(engine, 0, NULL, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_attach(engine, 0, &ring, &err) == RWS_OK && ring >= 0);
  CHECK(starts == 1);
  CHECK((fcntl(ring, F_GETFD) & FD_CLOEXEC) != 0);
  int again = -1;
  CHECK(rws_engine_attach(engine, 0, &again, NULL) == RWS_E_STATE && again == -1);
  CHECK(rws_engine_wait(engine) == RWS_E_STATE);
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN | trigger};
  CHECK(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, ring, &event) == 0);
  CHECK(epoll_wait(poller, &event, 1, 10000) == 1); /* it begins */
  CHECK(rws_engine_turn(engine) == RWS_OK && rws_engine_turn(engine) == RWS_OK);
}

static void let_go(void) {
  CHECK(epoll_ctl(poller, EPOLL_CTL_DEL, ring, NULL) == 0 && close(ring) == 0 && close(poller) == 0);
  ring = poller = -1;
}

/* Ends it by turns. */
static void end(void) {
  rws_engine_stop(engine, 0);
  const int never = 0;
  run_until(20000, &never);
  CHECK(stops == 1 && opens == closes);
  CHECK(rws_engine_turn(engine) == RWS_E_STATE);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  let_go();
  rws_engine_free(engine);
}

struct talk { const char *data; size_t len; int times; atomic_int done; };

static void *talk(void *arg) {
  struct talk *t = arg;
  char *back = malloc(t->len);
  CHECK(back != NULL);
  const int s = client_open(port);
  CHECK(s >= 0);
  for (int i = 0; i < t->times; i++) {
    unsigned char first;
    CHECK(client_send(s, RWS_BINARY, t->data, t->len) == 0);
    CHECK(client_receive(s, &first, back, t->len) == (long)t->len && first == 0x82);
    CHECK(memcmp(back, t->data, t->len) == 0);
  }
  close(s);
  free(back);
  atomic_store(&t->done, 1);
  return NULL;
}

/* A client on another thread, while this one turns. */
static void conversation(const char *data, size_t len, int times) {
  struct talk t = {data, len, times, 0};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, talk, &t) == 0);
  const double start = now_ms();
  while (!atomic_load(&t.done)) {
    run_until(5, NULL);
    CHECK(now_ms() - start < 60000);
  }
  CHECK(pthread_join(thread, NULL) == 0);
}

static void echoes(void) {
  static char large[3 << 20];
  for (size_t i = 0; i < sizeof large; i++) large[i] = (char)(i * 31 >> 3);
  conversation("nests", 5, 50);
  conversation(large, 40000, 20);
  conversation(large, 300000, 10);
  conversation(large, sizeof large, 3);
}

struct asking { int s; atomic_int open; };
static void *ask(void *arg) {
  struct asking *a = arg;
  a->s = client_open(port);
  CHECK(a->s >= 0);
  atomic_store(&a->open, 1);
  return NULL;
}

static int connected(void) {
  struct asking a = {-1, 0};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, ask, &a) == 0);
  const double start = now_ms();
  while (!atomic_load(&a.open) && now_ms() - start < 20000) run_until(2, NULL);
  CHECK(pthread_join(thread, NULL) == 0);
  return a.s;
}

/* Nothing to do: no turns, but one when memory is given back that was needed a second ago. */
static void quiet(void) {
  run_until(1500, NULL);
  const int s = connected();
  run_until(1500, NULL);
  const int idle = run_until(1500, NULL);
  CHECK(idle <= 2);
  close(s);
}

static void start_timers(rws_reactor *r, void *arg) {
  double *at = arg;
  CHECK(rws_timer_start(r, 300, timed, at, NULL) == RWS_OK);
  CHECK(rws_timer_start(r, 20, timed, at + 1, NULL) == RWS_OK); /* the alarm is brought forward */
  CHECK(rws_timer_start(r, 0, timed, at + 2, NULL) == RWS_OK);
}

static void timers(void) {
  double at[3] = {0, 0, 0};
  const double start = now_ms();
  CHECK(rws_engine_post(engine, 0, start_timers, at) == RWS_OK);
  while ((at[0] == 0 || at[1] == 0 || at[2] == 0) && now_ms() - start < 20000) run_until(5, NULL);
  CHECK(at[0] - start >= 299 && at[1] - start >= 19 && at[2] > 0);
  CHECK(at[2] <= at[1] && at[1] < at[0]);
  const int before = atomic_load(&turns);
  run_until(500, NULL);
  /* Of deadlines that are seconds away, a turn now and then brings them nearer on the wheel. */
  CHECK(atomic_load(&turns) - before <= 6);
}

static void *poster(void *arg) {
  (void)arg;
  for (int i = 0; i < 100; i++) {
    CHECK(rws_engine_post(engine, 0, job, NULL) == RWS_OK);
    const struct timespec pause = {0, 1000000};
    if (i % 10 == 0) nanosleep(&pause, NULL);
  }
  return NULL;
}

static void in_callback(rws_reactor *r, void *arg) {
  (void)arg;
  CHECK(rws_send(r, conn, RWS_TEXT, order + 1, 1, 0) == RWS_OK);
}

/* Calls of other threads, and of this one outside of turns: woken for, and in order. */
static void mail(void) {
  pthread_t thread;
  atomic_store(&jobs, 0);
  CHECK(pthread_create(&thread, NULL, poster, NULL) == 0);
  const double start = now_ms();
  while (atomic_load(&jobs) < 100 && now_ms() - start < 20000) run_until(5, NULL);
  CHECK(atomic_load(&jobs) == 100 && pthread_join(thread, NULL) == 0);
  CHECK(rws_engine_post(engine, 0, job, NULL) == RWS_OK);
  struct epoll_event event;
  CHECK(epoll_wait(poller, &event, 1, 10000) == 1);
  CHECK(rws_engine_turn(engine) == RWS_OK);
  run_until(5, NULL);
  CHECK(atomic_load(&jobs) == 101);
}

static void in_order(void) {
  const int s = connected();
  order = "ab";
  CHECK(rws_engine_send(engine, conn, RWS_TEXT, order, 1, 0) == RWS_OK);
  CHECK(rws_engine_post(engine, 0, in_callback, NULL) == RWS_OK);
  /* The message is echoed by a callback of the next turn: behind what was asked for before it. */
  CHECK(client_send(s, RWS_TEXT, "c", 1) == 0);
  run_until(100, NULL);
  for (const char *next = "abc"; *next != 0; next++) {
    unsigned char first;
    char text;
    CHECK(client_receive(s, &first, &text, 1) == 1 && first == 0x81 && text == *next);
  }
  close(s);
  run_until(50, NULL);
}

static void *elsewhere(void *arg) {
  (void)arg;
  int fd = -1;
  CHECK(rws_engine_turn(engine) == RWS_E_STATE);
  CHECK(rws_engine_attach(engine, 0, &fd, NULL) == RWS_E_STATE && fd == -1);
  return NULL;
}

static void *waits(void *arg) {
  (void)arg;
  CHECK(rws_engine_wait(engine) == RWS_OK);
  return NULL;
}

/* A stop from elsewhere, with a grace: the peer answers, and whoever waits is told. */
static void stop_with_grace(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, elsewhere, NULL) == 0 && pthread_join(thread, NULL) == 0);
  const int s = connected();
  CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
  usleep(300000); /* the grace counts from the stop, not from the turn before */
  rws_engine_stop(engine, 250);
  run_until(20, NULL);
  CHECK(stops == 0);
  unsigned char first;
  char reason[2];
  CHECK(client_receive(s, &first, reason, sizeof reason) == 2 && first == 0x88);
  CHECK(client_send(s, 8, "\x03\xe9", 2) == 0);
  const double start = now_ms();
  while (stops == 0 && now_ms() - start < 20000) run_until(5, &stops);
  CHECK(stops == 1 && opens == closes);
  CHECK(pthread_join(thread, NULL) == 0);
  close(s);
  let_go();
  rws_engine_free(engine);
}

/* Freed in the middle: connections end, jobs run. */
static void freed(void) {
  begin(NULL);
  const int s = connected();
  atomic_store(&jobs, 0);
  CHECK(rws_engine_post(engine, 0, job, NULL) == RWS_OK);
  rws_engine_free(engine);
  CHECK(opens == 1 && closes == 1 && stops == 1 && atomic_load(&jobs) == 1);
  let_go();
  close(s);
}

static void never_attached(void) {
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.attached = 2;
  rws_error err;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_E_INVALID && strstr(err.text, "attached"));
  config.attached = 1;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);
  rws_engine_stop(engine, 0);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  int fd = -1;
  CHECK(rws_engine_attach(engine, 0, &fd, NULL) == RWS_E_STATE && fd == -1);
  rws_engine_free(engine);
}

/* A thread that ends before its reactor. */
static void *deserts(void *arg) {
  (void)arg;
  begin(NULL);
  let_go();
  deserting = 1;
  return NULL;
}

static void deserted(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, deserts, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(rws_engine_wait(engine) == RWS_E_STATE && stops == 1);
  rws_engine_free(engine);
}

static int secret_closed;
static void secret_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  CHECK(rws_send(r, c, RWS_TEXT, "in secret", 9, 0) == RWS_OK);
}
static void secret_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  here(r);
  (void)user;
  CHECK(m->len == 9 && memcmp(m->data, "in secret", 9) == 0);
  CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, (rws_bytes){NULL, 0}) == RWS_OK);
}
static void secret_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r; (void)c; (void)user;
  CHECK(info->error.status == RWS_OK && info->code == RWS_CLOSE_NORMAL);
  secret_closed = 1;
}

/* Both ends of TLS, in the same turns: handshakes wait for the next, which nothing else calls. */
static void in_secret(const char *chain, const char *key) {
  rws_tls_config config = RWS_INIT(rws_tls_config);
  const rws_identity identity = {.cert_file = chain, .key_file = key};
  config.identities = &identity;
  config.identities_len = 1;
  rws_tls *server, *client;
  CHECK(rws_tls_server_new(&config, &server, NULL) == RWS_OK);
  config = (rws_tls_config)RWS_INIT(rws_tls_config);
  config.pinned_file = chain;
  CHECK(rws_tls_client_new(&config, &client, NULL) == RWS_OK);
  begin(server);
  static const rws_callbacks callbacks = {
      .size = sizeof callbacks, .on_open = secret_open, .on_message = secret_message,
      .on_close = secret_close};
  char url[64];
  snprintf(url, sizeof url, "wss://127.0.0.1:%d/", port);
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  to.callbacks = &callbacks;
  to.tls = client;
  CHECK(rws_engine_connect(engine, &to, NULL, NULL) == RWS_OK);
  run_until(20000, &secret_closed);
  CHECK(secret_closed == 1);
  rws_tls_release(client);
  rws_tls_release(server);
  end();
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  for (int edge = 0; edge < 2; edge++) {
    trigger = edge ? (uint32_t)EPOLLET : 0;
    begin(NULL);
    CHECK(starts == 1);
    echoes();
    timers();
    mail();
    in_order();
    quiet();
    end();
    begin(NULL);
    stop_with_grace();
  }
  in_secret(argv[1], argv[2]);
  freed();
  never_attached();
  deserted();
  puts("ok");
  return 0;
}
