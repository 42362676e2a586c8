/* How connections end and who is judged, as an application in C and real sockets see it: one
 * scenario a run, by its name.  Nobody healthy is dropped, nothing that came is lost, and what is
 * lost is told. */
#define _POSIX_C_SOURCE 200809L
#include "client.h"
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <ringws.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t now_ms(void) {
  struct timespec t;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms) {
  struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}

/* What the application has been told. */
static struct {
  pthread_mutex_t lock;
  rws_engine *engine;
  uint16_t port;
  rws_conn conn; /* the latest that opened */
  int opened, closed, messages;
  char last[64];
  rws_close_info info; /* of the latest that closed; its reason is in `reason` */
  char reason[128];
  void (*on_message)(rws_reactor *r, rws_conn c, const rws_message *m);
  void (*on_open)(rws_reactor *r, rws_conn c);
} app = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void opened(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  CHECK(pthread_mutex_lock(&app.lock) == 0);
  app.opened++;
  app.conn = c;
  CHECK(pthread_mutex_unlock(&app.lock) == 0);
  if (app.on_open != NULL) app.on_open(r, c);
}

static void message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(pthread_mutex_lock(&app.lock) == 0);
  app.messages++;
  const size_t len = m->len < sizeof app.last ? m->len : sizeof app.last - 1;
  memcpy(app.last, m->data, len);
  app.last[len] = 0;
  CHECK(pthread_mutex_unlock(&app.lock) == 0);
  if (app.on_message != NULL) app.on_message(r, c, m);
}

/* How the latest connection ended, for whoever reads why a scenario has failed. */
static void show(void) {
  printf("code %u sent %u unsent %llu unread %llu: %d %s\n", app.info.code, app.info.sent_code,
         (unsigned long long)app.info.unsent, (unsigned long long)app.info.unread,
         (int)app.info.error.status, app.info.error.text);
  (void)fflush(stdout);
}

static void closed(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)user;
  CHECK(pthread_mutex_lock(&app.lock) == 0);
  app.closed++;
  app.info = *info;
  CHECK(info->reason.len < sizeof app.reason);
  if (info->reason.len > 0) memcpy(app.reason, info->reason.data, info->reason.len);
  app.reason[info->reason.len] = 0;
  show();
  CHECK(pthread_mutex_unlock(&app.lock) == 0);
}

static int count(const int *what) {
  CHECK(pthread_mutex_lock(&app.lock) == 0);
  const int n = *what;
  CHECK(pthread_mutex_unlock(&app.lock) == 0);
  return n;
}

/* Whether so many of it came within the time. */
static int comes(const int *what, int n, unsigned ms) {
  for (const uint64_t end = now_ms() + ms; now_ms() < end; sleep_ms(5))
    if (count(what) >= n) return 1;
  return count(what) >= n;
}

static void serve(uint32_t idle_ms, uint32_t close_ms) {
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  CHECK(rws_engine_new(&config, &app.engine, NULL) == RWS_OK);
  rws_callbacks callbacks = RWS_INIT(rws_callbacks);
  callbacks.on_open = opened;
  callbacks.on_message = message;
  callbacks.on_close = closed;
  rws_options options = RWS_INIT(rws_options);
  options.idle_timeout_ms = idle_ms;
  options.close_timeout_ms = close_ms;
  options.handshake_timeout_ms = 1000;
  options.send_queue_max = 64u << 20;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &callbacks;
  at.options = &options;
  CHECK(rws_engine_listen(app.engine, &at, &app.port, NULL) == RWS_OK);
  CHECK(rws_engine_start(app.engine, NULL) == RWS_OK);
}

static int join(void) {
  const int before = count(&app.opened);
  const int s = client_open(app.port), on = 1;
  CHECK(s >= 0);
  /* What is said is on the wire before what is done next. */
  CHECK(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  CHECK(comes(&app.opened, before + 1, 5000));
  return s;
}

/* Receives frames as a peer should, at so many bytes a second, 0 being as fast as it can, until a
 * Close comes or the end.  Answers Pings.  Payload bytes of messages; the code of the Close, or 0. */
static uint64_t drain(int s, uint64_t rate, int *code) {
  static unsigned char payload[16 << 20];
  uint64_t all = 0;
  const uint64_t start = now_ms();
  for (*code = 0;;) {
    unsigned char head[10];
    if (client_read(s, head, 2) < 0) return all;
    uint64_t len = head[1];
    const size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (client_read(s, head + 2, more) < 0) return all;
    if (more > 0) len = 0;
    for (size_t i = 0; i < more; i++) len = len << 8 | head[2 + i];
    CHECK(len <= sizeof payload);
    const int data = (head[0] & 15) < 8;
    for (uint64_t done = 0; done < len;) {
      const uint64_t n = len - done < 65536 ? len - done : 65536;
      if (client_read(s, payload + done, (size_t)n) < 0) return all + (data ? done : 0);
      done += n;
      const uint64_t due = rate == 0 ? 0 : (all + done) * 1000 / rate;
      if (due > now_ms() - start) sleep_ms((unsigned)(due - (now_ms() - start)));
    }
    if (data) all += len;
    if ((head[0] & 15) == 9) (void)client_send(s, RWS_PONG, payload, (size_t)len);
    if ((head[0] & 15) == 8) {
      *code = len >= 2 ? payload[0] << 8 | payload[1] : 1005;
      (void)client_send(s, 8, payload, len >= 2 ? 2 : 0);
      return all;
    }
  }
}

/* Ends TCP with a reset, whatever is unread. */
static void reset(int s) {
  const struct linger now = {1, 0};
  CHECK(setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  close(s);
}

static void finish(void) {
  rws_engine_stop(app.engine, 0);
  CHECK(rws_engine_wait(app.engine) == RWS_OK);
  rws_engine_free(app.engine);
}

#define PART (256u << 10)
static unsigned parts;

static void send_parts(rws_reactor *r, rws_conn c) {
  static unsigned char part[PART];
  for (unsigned i = 0; i < parts; i++) CHECK(rws_send(r, c, RWS_BINARY, part, PART, 0) >= RWS_OK);
}

static void send_parts_for(rws_reactor *r, rws_conn c, const rws_message *m) {
  (void)m;
  send_parts(r, c);
}

/* Ten peers; while the reactor serves nobody for longer than the idle timeout, five of them say
 * something.  The others are quiet but answer Pings. */
static int peers[10];

static void *answer_pings(void *arg) {
  struct pollfd polled[10];
  for (int i = 0; i < 10; i++) polled[i] = (struct pollfd){peers[i], POLLIN, 0};
  for (const uint64_t end = now_ms() + *(unsigned *)arg; now_ms() < end;) {
    if (poll(polled, 10, 20) <= 0) continue;
    for (int i = 0; i < 10; i++) {
      unsigned char first, ping[125];
      if ((polled[i].revents & POLLIN) == 0) continue;
      const long len = client_receive(peers[i], &first, ping, sizeof ping);
      if (len < 0) polled[i].fd = -1;
      else if (first == 0x89) (void)client_send(peers[i], RWS_PONG, ping, (size_t)len);
    }
  }
  return NULL;
}

static void block(rws_reactor *r, void *arg) {
  (void)r;
  sleep_ms(*(unsigned *)arg);
}

static void callback_blocks(void) {
  serve(1000, 1000);
  for (int i = 0; i < 10; i++) peers[i] = join();
  unsigned stall = 2500, watch = 6000;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, answer_pings, &watch) == 0);
  CHECK(rws_engine_post(app.engine, 0, block, &stall) == RWS_OK);
  sleep_ms(500);
  for (int i = 0; i < 5; i++) CHECK(client_send(peers[i], RWS_TEXT, "here", 4) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(count(&app.messages) == 5);
  CHECK(count(&app.closed) == 0);
  finish();
}

/* The same with the whole process stopped: it is a child, the peers are its parent. */
static void process_stopped(void) {
  int to_parent[2], to_child[2];
  CHECK(pipe(to_parent) == 0 && pipe(to_child) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    char go;
    serve(1000, 1000);
    CHECK(write(to_parent[1], &app.port, sizeof app.port) == sizeof app.port);
    CHECK(read(to_child[0], &go, 1) == 1);
    const int result[3] = {count(&app.opened), count(&app.messages), count(&app.closed)};
    CHECK(write(to_parent[1], result, sizeof result) == sizeof result);
    finish();
    exit(0);
  }
  CHECK(read(to_parent[0], &app.port, sizeof app.port) == sizeof app.port);
  for (int i = 0; i < 10; i++) CHECK((peers[i] = client_open(app.port)) >= 0);
  unsigned watch = 6000;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, answer_pings, &watch) == 0);
  sleep_ms(100);
  CHECK(kill(child, SIGSTOP) == 0);
  sleep_ms(500);
  for (int i = 0; i < 5; i++) CHECK(client_send(peers[i], RWS_TEXT, "here", 4) == 0);
  sleep_ms(2000);
  CHECK(kill(child, SIGCONT) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(write(to_child[1], "g", 1) == 1);
  int result[3], status;
  CHECK(read(to_parent[0], result, sizeof result) == sizeof result);
  CHECK(result[0] == 10 && result[1] == 5 && result[2] == 0);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* 24 MiB to a peer that reads 4 MB a second without a pause, with an idle timeout of 2 s. */
static void slow_reader(void) {
  serve(2000, 2000);
  parts = 96;
  app.on_message = send_parts_for;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "go", 2) == 0);
  /* The Close that the server is asked for stands behind all of it. */
  CHECK(comes(&app.messages, 1, 5000));
  CHECK(rws_engine_close(app.engine, app.conn, 1000, (rws_bytes){NULL, 0}) == RWS_OK);
  int code;
  const uint64_t got = drain(s, 4000000, &code);
  CHECK(got == 96ull * PART && code == 1000);
  close(s);
  CHECK(comes(&app.closed, 1, 5000));
  CHECK(app.info.code == 1000 && app.info.error.status == RWS_OK && app.info.unsent == 0);
  finish();
}

/* 12 MiB are queued for such a peer when the closing handshake begins, with less time for that than
 * they take: it is counted from when our Close has left, into what the kernel holds. */
static void close_behind_data(const char *who) {
  serve(60000, 2000);
  parts = 48;
  app.on_message = send_parts_for;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "go", 2) == 0);
  CHECK(comes(&app.messages, 1, 5000));
  if (strcmp(who, "application") == 0)
    CHECK(rws_engine_close(app.engine, app.conn, 1000, (rws_bytes){NULL, 0}) == RWS_OK);
  else if (strcmp(who, "peer") == 0)
    CHECK(client_send(s, 8, "\x03\xe8", 2) == 0);
  else
    rws_engine_stop(app.engine, 20000);
  int code;
  const uint64_t got = drain(s, 4000000, &code);
  CHECK(got == 48ull * PART);
  CHECK(code == (strcmp(who, "stop") == 0 ? 1001 : 1000));
  close(s);
  CHECK(comes(&app.closed, 1, 5000));
  CHECK(app.info.error.status == RWS_OK && app.info.unsent == 0 && app.info.sent_code == code);
  CHECK(app.info.cause == (strcmp(who, "application") == 0 ? RWS_CAUSE_CLOSE
                           : strcmp(who, "peer") == 0      ? RWS_CAUSE_PEER_CLOSE
                                                           : RWS_CAUSE_STOP));
  finish();
}

/* The peer reads nothing: what was dropped is told, and why. */
static void dropped_bytes_are_told(void) {
  serve(60000, 500);
  parts = 48;
  app.on_message = send_parts_for;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "go", 2) == 0);
  CHECK(comes(&app.messages, 1, 5000));
  CHECK(client_send(s, 8, "\x03\xe8", 2) == 0);
  CHECK(comes(&app.closed, 1, 5000));
  CHECK(app.info.code == 1000 && app.info.sent_code == 0 && app.info.unsent > 1000000);
  CHECK(app.info.error.status == RWS_E_TIMEOUT);
  CHECK(strcmp(app.info.error.text, "the peer has read nothing for 500 ms") == 0);
  close(s);
  finish();
}

/* A Ping while 48 messages of 256 KiB wait: its Pong overtakes most of them. */
static void pong_overtakes(void) {
  serve(60000, 1000);
  parts = 48;
  app.on_message = send_parts_for;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "go", 2) == 0);
  CHECK(comes(&app.messages, 1, 5000));
  CHECK(client_send(s, RWS_PING, "p", 1) == 0);
  static unsigned char payload[PART];
  unsigned before = 0;
  for (unsigned char first = 0;; before++) {
    /* Slowly: fast enough a reader lets everything out before the Ping has come. */
    sleep_ms(20);
    CHECK(client_receive(s, &first, payload, sizeof payload) >= 0);
    if (first == 0x8a) break;
  }
  printf("the Pong came behind %u of 48 messages\n", before);
  CHECK(before < 40);
  close(s);
  finish();
}

/* The peer says its last word and closes, and drops TCP at once, while a callback of ours is about
 * to send. */
static void answer_late(rws_reactor *r, rws_conn c, const rws_message *m) {
  if (m->len != 5 || memcmp(m->data, "first", 5) != 0) return;
  sleep_ms(300);
  for (int i = 0; i < 3; i++) CHECK(rws_send(r, c, RWS_TEXT, "answer", 6, 0) == RWS_OK);
}

static void last_words(void) {
  serve(60000, 1000);
  app.on_message = answer_late;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "first", 5) == 0);
  CHECK(comes(&app.messages, 1, 5000));
  CHECK(client_send(s, RWS_TEXT, "last", 4) == 0);
  CHECK(client_send(s, 8, "\x0f\xa1" "bye", 5) == 0);
  reset(s);
  CHECK(comes(&app.closed, 1, 5000));
  CHECK(count(&app.messages) == 2 && strcmp(app.last, "last") == 0);
  CHECK(app.info.code == 4001 && strcmp(app.reason, "bye") == 0);
  finish();
}

static void pause_it(rws_reactor *r, rws_conn c) { CHECK(rws_pause(r, c) == RWS_OK); }

/* rws_close, or a stop, while paused: the peer answers at once, so TCP ends at once. */
static void close_while_paused(int stop) {
  serve(60000, 10000);
  app.on_open = pause_it;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "unread", 6) == 0);
  sleep_ms(100);
  const uint64_t start = now_ms();
  if (stop) rws_engine_stop(app.engine, 20000);
  else CHECK(rws_engine_close(app.engine, app.conn, 1000, (rws_bytes){NULL, 0}) == RWS_OK);
  int code;
  CHECK(drain(s, 0, &code) == 0);
  close(s);
  CHECK(comes(&app.closed, 1, 2000));
  CHECK(now_ms() - start < 2000);
  CHECK(code == (stop ? 1001 : 1000) && app.info.code == code && app.info.sent_code == code);
  CHECK(app.info.cause == (stop ? RWS_CAUSE_STOP : RWS_CAUSE_CLOSE));
  CHECK(app.info.unread == 6 && count(&app.messages) == 0);
  finish();
}

/* Paused, and the peer is gone. */
static void paused_and_gone(int with_reset) {
  serve(1000, 1000);
  app.on_open = pause_it;
  const int s = join();
  CHECK(client_send(s, RWS_TEXT, "unread", 6) == 0);
  sleep_ms(50);
  CHECK(client_send(s, 8, "\x0f\xa2", 2) == 0);
  const uint64_t start = now_ms();
  if (with_reset) reset(s);
  else CHECK(shutdown(s, SHUT_WR) == 0);
  CHECK(comes(&app.closed, 1, 5000));
  const uint64_t took = now_ms() - start;
  CHECK(with_reset ? took < 500 : took >= 950 && took < 3000);
  CHECK(app.info.code == 4002 && app.info.unread == 6 && count(&app.messages) == 0);
  finish();
}

/* Each end has its reason. */
static void reasons(void) {
  serve(500, 500);
  int s = join();
  shutdown(s, SHUT_WR);
  CHECK(comes(&app.closed, 1, 5000));
  CHECK(app.info.code == 1006 && app.info.error.status == RWS_E_ENDED);
  CHECK(app.info.cause == RWS_CAUSE_ENDED);
  close(s);
  s = join();
  CHECK(client_frame(s, 0x80, "x", 1) == 0);
  CHECK(comes(&app.closed, 2, 5000));
  CHECK(app.info.code == 1006 && app.info.sent_code == 1002);
  CHECK(app.info.error.status == RWS_E_PROTOCOL && strlen(app.info.error.text) > 10);
  CHECK(app.info.cause == RWS_CAUSE_PROTOCOL);
  close(s);
  s = join();
  CHECK(comes(&app.closed, 3, 5000));
  CHECK(app.info.error.status == RWS_E_TIMEOUT);
  CHECK(strcmp(app.info.error.text, "no answer to a Ping for 250 ms") == 0);
  CHECK(app.info.cause == RWS_CAUSE_SILENT);
  close(s);
  s = join();
  CHECK(rws_engine_abort(app.engine, app.conn) == RWS_OK);
  CHECK(comes(&app.closed, 4, 5000));
  CHECK(app.info.error.status == RWS_OK && app.info.code == 1006);
  CHECK(strcmp(app.info.error.text, "aborted by the application") == 0);
  CHECK(app.info.cause == RWS_CAUSE_ABORT);
  close(s);
  s = join();
  reset(s);
  CHECK(comes(&app.closed, 5, 5000));
  CHECK(app.info.error.status == RWS_E_SYSTEM && app.info.error.sys_errno == ECONNRESET);
  CHECK(app.info.cause == RWS_CAUSE_RESET);
  s = join();
  CHECK(rws_engine_close(app.engine, app.conn, 4000, (rws_bytes){NULL, 0}) == RWS_OK);
  int code;
  CHECK(drain(s, 0, &code) == 0 && code == 4000);
  close(s);
  CHECK(comes(&app.closed, 6, 5000));
  CHECK(app.info.error.status == RWS_OK && app.info.cause == RWS_CAUSE_CLOSE);
  CHECK(strcmp(app.info.error.text, "closed by the application") == 0);
  /* A request that does not come: RFC 9110, 15.5.9. */
  s = client_connect(app.port);
  char head[64] = {0};
  CHECK(client_write(s, "GET / HTTP/1.1\r\n", 16) == 0);
  CHECK(client_read(s, head, 12) == 0 && strcmp(head, "HTTP/1.1 408") == 0);
  close(s);
  finish();
}

/* A connection that is made again until its handler says that it is enough: then nobody calls it,
 * and what it refers to may go. */
static int made, ended;

static void made_again(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  made++;
  CHECK(rws_send(r, c, RWS_TEXT, "enough", 6, 0) == RWS_OK);
}

static void ended_again(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)user;
  CHECK(info->error.status == RWS_E_ENDED || info->error.status == RWS_E_SYSTEM);
  CHECK(info->retry_ms >= 10 && info->retry_ms <= 20);
  if (made == 3) info->retry_ms = 0;
  CHECK(pthread_mutex_lock(&app.lock) == 0);
  ended++;
  CHECK(pthread_mutex_unlock(&app.lock) == 0);
}

static void abort_it(rws_reactor *r, rws_conn c, const rws_message *m) {
  (void)m;
  CHECK(rws_abort(r, c) == RWS_OK);
}

static void retries(void) {
  serve(60000, 1000);
  app.on_message = abort_it;
  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", app.port);
  rws_callbacks callbacks = RWS_INIT(rws_callbacks);
  callbacks.on_open = made_again;
  callbacks.on_close = ended_again;
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  to.callbacks = &callbacks;
  to.retry_min_ms = 20;
  CHECK(rws_engine_connect(app.engine, &to, NULL, NULL) == RWS_OK);
  CHECK(comes(&ended, 3, 5000));
  sleep_ms(200);
  CHECK(count(&ended) == 3);
  finish();
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  const char *name = argv[1];
  if (strcmp(name, "callback-blocks") == 0) callback_blocks();
  else if (strcmp(name, "process-stopped") == 0) process_stopped();
  else if (strcmp(name, "slow-reader") == 0) slow_reader();
  else if (strcmp(name, "close-by-application") == 0) close_behind_data("application");
  else if (strcmp(name, "close-by-peer") == 0) close_behind_data("peer");
  else if (strcmp(name, "close-by-stop") == 0) close_behind_data("stop");
  else if (strcmp(name, "dropped-bytes") == 0) dropped_bytes_are_told();
  else if (strcmp(name, "pong-overtakes") == 0) pong_overtakes();
  else if (strcmp(name, "last-words") == 0) last_words();
  else if (strcmp(name, "close-while-paused") == 0) close_while_paused(0);
  else if (strcmp(name, "stop-while-paused") == 0) close_while_paused(1);
  else if (strcmp(name, "paused-and-reset") == 0) paused_and_gone(1);
  else if (strcmp(name, "paused-and-ended") == 0) paused_and_gone(0);
  else if (strcmp(name, "reasons") == 0) reasons();
  else if (strcmp(name, "retries") == 0) retries();
  else CHECK(!"a scenario of that name");
  puts("ok");
  return 0;
}
