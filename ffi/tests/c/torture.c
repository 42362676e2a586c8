/* Everything at once: two engines in one process, clients that come, talk and vanish, other
 * threads with live and stale handles, buffers of every ownership, timers, posts, and engines that
 * are stopped or freed under load.  What must balance is counted.  usage: torture [seconds] */
#include "client.h"
#include <pthread.h>
#include <ringws.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { ENGINES = 2, CLIENTS = 3, STRANGERS = 2, KNOWN = 64, SHARED_LEN = 3000 };

static struct {
  atomic_long opens, closes, wraps, releases, posts, posts_run, timers, timers_run, timers_cut;
  atomic_long starts, stops, messages, retains;
} count;

struct site {
  rws_engine *engine;
  uint16_t port;
  _Atomic uint64_t known[KNOWN]; /* connections, most of them gone */
  atomic_uint next;
  rws_buf *shared;
};

struct session {
  struct site *site;
  rws_timer tick;
  int ticking;
  rws_buf *kept;
};

static atomic_bool over;

static unsigned random_of(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void released(void *arg) {
  atomic_fetch_add(&count.releases, 1);
  free(arg);
}

static rws_buf *wrapped(size_t len) {
  char *data = malloc(len);
  CHECK(data != NULL);
  memset(data, 'w', len);
  rws_buf *b;
  CHECK(rws_buf_wrap(RWS_BINARY, data, len, 0, released, data, &b, NULL) == RWS_OK);
  atomic_fetch_add(&count.wraps, 1);
  return b;
}

static void on_tick(rws_reactor *r, void *arg) {
  (void)r;
  ((struct session *)arg)->ticking = 0;
  atomic_fetch_add(&count.timers_run, 1);
}

static void on_post(rws_reactor *r, void *arg) {
  struct site *site = rws_reactor_user(r);
  CHECK(arg == site && rws_reactor_engine(r) == site->engine);
  atomic_fetch_add(&count.posts_run, 1);
}

/* A connection by value, to go on with later: it may be gone by then. */
static void on_resume(rws_reactor *r, void *arg) {
  rws_conn *c = arg;
  const rws_status s = rws_resume(r, *c);
  CHECK(s == RWS_OK || s == RWS_E_GONE);
  *c = (rws_conn){0};
}

static void on_start(rws_reactor *r, void *user) {
  CHECK(rws_reactor_user(r) == user);
  atomic_fetch_add(&count.starts, 1);
}
static void on_stop(rws_reactor *r, void *user) {
  CHECK(rws_reactor_user(r) == user);
  atomic_fetch_add(&count.stops, 1);
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  struct site *site = user;
  struct session *session = calloc(1, sizeof *session);
  CHECK(session != NULL);
  session->site = site;
  CHECK(rws_set_user(r, c, session) == RWS_OK);
  atomic_store(&site->known[atomic_fetch_add(&site->next, 1) % KNOWN], c.id);
  atomic_fetch_add(&count.opens, 1);
}

static void cut(rws_reactor *r, struct session *session) {
  if (!session->ticking) return;
  CHECK(rws_timer_cancel(r, session->tick) == RWS_OK);
  session->ticking = 0;
  atomic_fetch_add(&count.timers_cut, 1);
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  struct session *session = user;
  CHECK(info->code >= 1000 && rws_get_user(r, c) == session);
  CHECK(rws_send(r, c, RWS_TEXT, "x", 1, 0) == RWS_E_GONE);
  cut(r, session);
  rws_buf_release(session->kept);
  free(session);
  atomic_fetch_add(&count.closes, 1);
}

static void send_any(rws_reactor *r, rws_conn c, rws_buf *b) {
  if (rws_send_buf(r, c, b) == RWS_FULL) CHECK(rws_pause(r, c) == RWS_OK);
}

static void keep(rws_reactor *r, rws_conn c, const rws_message *m, struct session *session) {
  if (session->kept != NULL) send_any(r, c, session->kept);
  rws_buf_release(session->kept);
  CHECK(rws_message_retain(r, m, &session->kept, NULL) == RWS_OK);
  atomic_fetch_add(&count.retains, 1);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  struct session *session = user;
  struct site *site = session->site;
  atomic_fetch_add(&count.messages, 1);
  rws_buf *b;
  switch (m->len > 0 ? m->data[0] : 0) {
    case 'k': keep(r, c, m, session); break;
    case 'w': send_any(r, c, b = wrapped(m->len)); rws_buf_release(b); break;
    case 's': send_any(r, c, site->shared); break;
    case 'a': CHECK(rws_abort(r, c) == RWS_OK); break;
    case 'c': (void)rws_close(r, c, RWS_CLOSE_POLICY, (rws_bytes){m->data, 1}); break;
    case 't':
      cut(r, session);
      CHECK(rws_timer_start(r, (uint32_t)(m->len % 50), on_tick, session, &session->tick) == RWS_OK);
      session->ticking = 1;
      atomic_fetch_add(&count.timers, 1);
      break;
    case 'o': { /* to somebody else, perhaps of another reactor, perhaps gone */
      const rws_conn other = {atomic_load(&site->known[m->len % KNOWN])};
      (void)rws_send(r, other, RWS_TEXT, "from another", 12, 0);
      (void)rws_pause(r, other);
      (void)rws_resume(r, other);
      break;
    }
    case 'p': {
      static _Thread_local rws_conn paused[256]; /* outlives the timers of this thread */
      static _Thread_local unsigned next;
      rws_conn *slot = &paused[next++ % 256];
      if (slot->id != 0) break;
      *slot = c;
      CHECK(rws_pause(r, c) == RWS_OK);
      CHECK(rws_timer_start(r, 5, on_resume, slot, NULL) == RWS_OK);
      break;
    }
    default:
      if (rws_send(r, c, m->opcode, m->data, m->len, 0) == RWS_FULL) (void)rws_pause(r, c);
  }
}
static void on_drain(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  CHECK(rws_resume(r, c) == RWS_OK);
}

/* Calls from a thread of its own, until the engine no longer answers. */
static void *stranger(void *arg) {
  struct site *site = arg;
  unsigned state = (unsigned)(uintptr_t)&state;
  while (!atomic_load(&over)) {
    const unsigned dice = random_of(&state);
    const rws_conn c = {dice % 16 == 0 ? dice * UINT64_C(0x123456789)
                                       : atomic_load(&site->known[random_of(&state) % KNOWN])};
    switch (random_of(&state) % 64) {
      case 0: (void)rws_engine_close(site->engine, c, RWS_CLOSE_GOING_AWAY, (rws_bytes){0}); break;
      case 1: (void)rws_engine_abort(site->engine, c); break;
      case 2:
        if (rws_engine_post(site->engine, dice % 2, on_post, site) == RWS_OK)
          atomic_fetch_add(&count.posts, 1);
        break;
      case 3: {
        rws_stats stats = RWS_INIT(rws_stats);
        CHECK(rws_engine_stats(site->engine, dice % 2, &stats) == RWS_OK);
        break;
      }
      case 4: {
        rws_buf *b = wrapped(1 + dice % 5000);
        (void)rws_engine_send_buf(site->engine, c, b);
        rws_buf_release(b);
        break;
      }
      default: {
        rws_buf *b = rws_buf_retain(site->shared);
        (void)rws_engine_send_buf(site->engine, c, b);
        (void)rws_engine_send(site->engine, c, RWS_TEXT, "stranger", 8, 0);
        rws_buf_release(b);
      }
    }
    usleep(200);
  }
  return NULL;
}

/* Reads what there is for a moment. */
static void skim(int s) {
  static _Thread_local char sink[65536];
  const struct timeval moment = {0, 2000};
  CHECK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment) == 0);
  for (int i = 0; i < 3 && recv(s, sink, sizeof sink, 0) > 0; i++) continue;
}

static void *client(void *arg) {
  static const char commands[] = "eeeeeekkkkwwwsstttoopac";
  static _Thread_local char payload[40000];
  struct site *site = arg;
  unsigned state = (unsigned)(uintptr_t)&state;
  memset(payload, 'e', sizeof payload);
  while (!atomic_load(&over)) {
    const int s = client_open(site->port);
    if (s < 0) continue; /* stopping */
    unsigned turns = random_of(&state) % 60;
    for (int gone = 0; turns-- > 0 && !gone && !atomic_load(&over);) {
      payload[0] = commands[random_of(&state) % (sizeof commands - 1)];
      const size_t len = 1 + random_of(&state) % (turns % 8 == 0 ? sizeof payload : 300);
      gone = client_send(s, turns % 2 ? RWS_TEXT : RWS_BINARY, payload, len) < 0;
      if (turns % 4 == 0) skim(s);
    }
    const struct linger reset = {1, 0};
    if (random_of(&state) % 3 == 0) (void)client_send(s, 8, "\x03\xe8", 2);
    if (random_of(&state) % 3 == 0)
      CHECK(setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    close(s);
  }
  return NULL;
}

static void open_site(struct site *site) {
  rws_error err;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  config.connections_max = 64;
  config.recv_buffers = 16; /* few and small: messages are split, buffers run out */
  config.recv_buffer_size = 1024;
  config.on_start = on_start;
  config.on_stop = on_stop;
  config.user = site;
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  cb.on_close = on_close;
  rws_options options = RWS_INIT(rws_options);
  options.send_queue_max = 16384;
  options.close_timeout_ms = 100;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.options = &options;
  at.user = site;
  memset(site, 0, sizeof *site);
  site->shared = wrapped(SHARED_LEN);
  CHECK(rws_engine_new(&config, &site->engine, &err) == RWS_OK);
  CHECK(rws_engine_listen(site->engine, &at, &site->port, &err) == RWS_OK);
  if (rws_engine_start(site->engine, &err) != RWS_OK) {
    fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text);
    abort();
  }
}

/* Even rounds stop in order, odd ones free the engines with everybody connected. */
static void round_of(unsigned number, unsigned ms) {
  static struct site sites[ENGINES];
  static int idle[ENGINES][4];
  pthread_t threads[ENGINES * (CLIENTS + STRANGERS)];
  size_t running = 0;
  atomic_store(&over, 0);
  for (int e = 0; e < ENGINES; e++) {
    open_site(&sites[e]);
    for (int i = 0; i < 4; i++) idle[e][i] = client_open(sites[e].port); /* never answer */
    for (int i = 0; i < CLIENTS + STRANGERS; i++)
      CHECK(pthread_create(&threads[running++], NULL, i < CLIENTS ? client : stranger,
                           &sites[e]) == 0);
  }
  usleep(ms * 1000);
  if (number % 2 == 0) {
    for (int e = 0; e < ENGINES; e++) rws_engine_stop(sites[e].engine, 50);
    for (int e = 0; e < ENGINES; e++) CHECK(rws_engine_wait(sites[e].engine) == RWS_OK);
  }
  atomic_store(&over, 1);
  while (running > 0) CHECK(pthread_join(threads[--running], NULL) == 0);
  for (int e = 0; e < ENGINES; e++) {
    rws_engine_free(sites[e].engine);
    rws_buf_release(sites[e].shared);
    for (int i = 0; i < 4; i++) close(idle[e][i]);
  }
}

/* Engines that are barely used. */
static void short_lives(void) {
  for (unsigned i = 0; i < 12; i++) {
    struct site site;
    open_site(&site);
    int s = i % 3 == 0 ? client_open(site.port) : -1;
    if (i % 2 == 0) rws_engine_stop(site.engine, i);
    if (i % 4 == 0) CHECK(rws_engine_wait(site.engine) == RWS_OK);
    rws_engine_free(site.engine);
    rws_buf_release(site.shared);
    if (s >= 0) close(s);
  }
  rws_engine *e;
  CHECK(rws_engine_new(NULL, &e, NULL) == RWS_OK);
  rws_engine_stop(e, 0); /* before the start */
  CHECK(rws_engine_start(e, NULL) == RWS_OK);
  CHECK(rws_engine_wait(e) == RWS_OK);
  rws_engine_free(e);
}

static rws_engine *alarmed;
static void on_alarm(int sig) { (void)sig; rws_engine_stop(alarmed, 60000); }

/* rws_engine_stop in a signal handler, on top of a thread that is anywhere in the library or in
 * malloc: a lock taken there would never be released. */
static void signals(void) {
  for (int round = 0; round < 20; round++) {
    struct site site;
    open_site(&site);
    alarmed = site.engine;
    const struct itimerval often = {{0, 500}, {0, 1000 + round * 100}};
    CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    rws_status s;
    do {
      rws_buf *b = rws_buf_retain(site.shared);
      s = rws_engine_send_buf(site.engine, (rws_conn){1}, b);
      rws_buf_release(b);
      (void)rws_engine_send(site.engine, (rws_conn){UINT64_C(1) << 56}, RWS_BINARY, "x", 1, 0);
      free(malloc(100));
    } while (s != RWS_E_STATE); /* stopped */
    CHECK(rws_engine_wait(site.engine) == RWS_OK);
    const struct itimerval never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(signal(SIGALRM, SIG_IGN) != SIG_ERR);
    rws_engine_free(site.engine);
    rws_buf_release(site.shared);
  }
}

static void balanced(const char *what, long a, long b) {
  printf("%-9s %8ld %8ld\n", what, a, b);
  CHECK(a == b);
}

int main(int argc, char **argv) {
  const unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 4;
  for (unsigned i = 0; i < 8; i++) round_of(i, seconds * 125);
  short_lives();
  signals();
  printf("%ld messages, %ld retained\n", count.messages, count.retains);
  CHECK(count.messages > 100 && count.retains > 10 && count.timers_run > 0);
  balanced("starts", count.starts, count.stops);
  balanced("opens", count.opens, count.closes);
  balanced("wraps", count.wraps, count.releases);
  balanced("posts", count.posts, count.posts_run);
  balanced("timers", count.timers, count.timers_run + count.timers_cut);
  puts("ok");
  return 0;
}
