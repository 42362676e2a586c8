/* The server of the fault campaign: an echo that reads what it is sent and keeps an account.
 *
 * Payloads are 16 bytes and more: FNV-1a (64 bits, little endian) of all that follows, the number
 * of the client, the number of the message, filler.  Each is checked where it comes; each
 * connection has a line in the ledger when it ends, with what came, what was answered, and what
 * rws_close_info says.  Words of the command line: see `words` below.  Commands come on the
 * standard input, a line each, and get a line of JSON; its end stops the server, so that nothing
 * is left behind by who is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <poll.h>
#include <ringws.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 16, VALUES = 512 };

typedef struct { /* of one connection, its reactor's alone */
  uint32_t id, next;
  uint64_t in, in_bytes, out, out_bytes, refused, wrong;
} account;

static rws_engine *engine;
static atomic_int ended;
static atomic_ullong opens, closes, dialled, dial_opens, dial_closes, dial_refused, dial_errno;
static int ledger = -1, log_to = STDERR_FILENO;

/* What the command line asks for; zero is the default. */
static struct {
  unsigned long long port, backend, reactors, connections_max, recv_buffers, recv_buffer_size,
      memory_max, idle_ms, close_ms, handshake_ms, user_timeout_ms, keepalive_s, send_queue_max,
      message_max, backlog, tls_port, stop_ms, flags, unsent_max, deny;
  const char *ledger, *log, *certificate, *key, *dial;
} asked;

static const struct { const char *name; unsigned long long *number; const char **text; } words[] = {
  {"port", &asked.port, 0}, {"backend", &asked.backend, 0}, {"reactors", &asked.reactors, 0},
  {"connections_max", &asked.connections_max, 0}, {"recv_buffers", &asked.recv_buffers, 0},
  {"recv_buffer_size", &asked.recv_buffer_size, 0}, {"memory_max", &asked.memory_max, 0},
  {"idle_ms", &asked.idle_ms, 0}, {"close_ms", &asked.close_ms, 0},
  {"handshake_ms", &asked.handshake_ms, 0}, {"user_timeout_ms", &asked.user_timeout_ms, 0},
  {"keepalive_s", &asked.keepalive_s, 0}, {"send_queue_max", &asked.send_queue_max, 0},
  {"message_max", &asked.message_max, 0}, {"backlog", &asked.backlog, 0},
  {"tls_port", &asked.tls_port, 0}, {"stop_ms", &asked.stop_ms, 0}, {"flags", &asked.flags, 0},
  {"unsent_max", &asked.unsent_max, 0}, {"deny", &asked.deny, 0}, {"ledger", 0, &asked.ledger}, {"log", 0, &asked.log},
  {"certificate", 0, &asked.certificate}, {"key", 0, &asked.key}, {"dial", 0, &asked.dial},
};

static uint64_t fnv(const uint8_t *at, size_t len) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

static uint32_t little(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The client's number is the path of its request: known before it has said anything. */
static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r, (void)user;
  const rws_bytes path = rws_upgrade_path(up);
  account *a = calloc(1, sizeof *a);
  if (!a) return 503;
  for (size_t i = 1; i < path.len && path.data[i] >= '0' && path.data[i] <= '9'; i++)
    a->id = a->id * 10 + (uint32_t)(path.data[i] - '0');
  rws_upgrade_set_user(up, a);
  return 101;
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)r, (void)c, (void)user;
  opens++;
}

static int is_right(const account *a, const rws_message *m) {
  if (m->len < HEADER) return 0;
  uint64_t sum = little(m->data) | (uint64_t)little(m->data + 4) << 32;
  return sum == fnv(m->data + 8, m->len - 8) && little(m->data + 8) == a->id &&
         little(m->data + 12) == a->next;
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  account *a = user;
  if (!is_right(a, m)) a->wrong++;
  a->next++;
  a->in++;
  a->in_bytes += m->len;
  const rws_status s = rws_send(r, c, m->opcode, m->data, m->len, 0);
  if (s < 0) {
    a->refused++;
    return;
  }
  a->out++;
  a->out_bytes += m->len;
  if (s == RWS_FULL) rws_pause(r, c);
}

static void on_drain(rws_reactor *r, rws_conn c, void *user) { (void)user; rws_resume(r, c); }

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *i, void *user) {
  (void)r, (void)c;
  account *a = user;
  closes++;
  if (ledger >= 0)
    dprintf(ledger,
            "{\"id\":%u,\"received\":%llu,\"received_bytes\":%llu,\"answered\":%llu,"
            "\"answered_bytes\":%llu,\"refused\":%llu,\"wrong\":%llu,\"code\":%u,\"sent_code\":%u,"
            "\"cause\":%u,\"status\":%d,\"errno\":%d,\"unsent\":%llu,\"unread\":%llu,"
            "\"dropped\":%u}\n",
            a->id, (unsigned long long)a->in, (unsigned long long)a->in_bytes,
            (unsigned long long)a->out, (unsigned long long)a->out_bytes,
            (unsigned long long)a->refused, (unsigned long long)a->wrong, i->code, i->sent_code,
            i->cause, i->error.status, i->error.sys_errno, (unsigned long long)i->unsent,
            (unsigned long long)i->unread, i->dropped);
  free(a);
}

static void on_log(int level, rws_bytes line, void *user) {
  (void)user;
  dprintf(log_to, "[%d] %.*s\n", level, (int)line.len, (const char *)line.data);
}

static void on_stopped(rws_engine *e, void *user) { (void)e, (void)user; ended = 1; }

static void on_signal(int sig) {
  (void)sig;
  rws_engine_stop(engine, asked.stop_ms ? (uint32_t)asked.stop_ms : 5000);
}

/* The engine as a client: every try ends in on_open and on_close, or in on_refused. */
static void dial_open(rws_reactor *r, rws_conn c, void *user) {
  (void)r, (void)c, (void)user;
  dial_opens++;
}
static void dial_close(rws_reactor *r, rws_conn c, rws_close_info *i, void *user) {
  (void)r, (void)c, (void)i, (void)user;
  dial_closes++;
}
static void dial_no(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  dial_refused++;
  dial_errno = (unsigned long long)why->error.sys_errno;
}

static int dial(unsigned long long count, const char *url) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = dial_open;
  cb.on_close = dial_close;
  cb.on_refused = dial_no;
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  to.callbacks = &cb;
  rws_error err;
  for (unsigned long long i = 0; i < count; i++) {
    if (rws_engine_connect(engine, &to, NULL, &err) < 0) return fprintf(stderr, "%s\n", err.text), 0;
    dialled++;
  }
  return 1;
}

/* From now on io_uring fails on all threads, as where a profile forbids it; or of what is running
 * already only io_uring_enter, as when one is tightened. */
static int deny(int all) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* the number of the call */),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, all ? SYS_io_uring_setup : SYS_io_uring_enter, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, all ? SYS_io_uring_register : SYS_io_uring_enter, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
         !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

/* A child that has all that was open here, for a while. */
static int fork_host(unsigned seconds) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sleep(seconds);
    _exit(0);
  }
  return child > 0;
}

static void tell(void) {
  static rws_metric m[VALUES];
  const size_t count = rws_engine_values(engine, RWS_ANY_REACTOR, m, VALUES);
  const struct mallinfo2 heap = mallinfo2();
  struct timespec day;
  clock_gettime(CLOCK_REALTIME, &day);
  printf("{\"opens\":%llu,\"closes\":%llu,\"dialled\":%llu,\"dial_opens\":%llu,\"dial_closes\":%llu,"
         "\"dial_refused\":%llu,\"dial_errno\":%llu,\"heap\":%zu,\"realtime\":%lld",
         opens, closes, dialled, dial_opens, dial_closes, dial_refused, dial_errno,
         heap.uordblks + heap.hblkhd, (long long)day.tv_sec);
  for (size_t i = 0; i < count && i < VALUES; i++) {
    printf(",\"%.*s", (int)m[i].name.len, (const char *)m[i].name.data);
    if (m[i].label.len) printf(".%.*s", (int)m[i].label_value.len, (const char *)m[i].label_value.data);
    printf("\":%llu", (unsigned long long)m[i].value);
  }
  printf("}\n");
  fflush(stdout);
}

static void obey(char *line) {
  unsigned long long number = 0;
  char text[256];
  int done = 1;
  if (!strcmp(line, "stats")) return tell();
  if (!strcmp(line, "deny")) done = deny(0);
  else if (sscanf(line, "fork %llu", &number) == 1) done = fork_host((unsigned)number);
  else if (sscanf(line, "dial %llu %255s", &number, text) == 2) done = dial(number, text);
  else if (!strcmp(line, "stop")) on_signal(0);
  else done = 0;
  printf("{\"done\":%d}\n", done);
  fflush(stdout);
}

/* Commands until their end, or the engine's. */
static void listen_to_harness(void) {
  static char buffer[512];
  size_t have = 0;
  for (;;) {
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    const int ready = poll(&in, 1, 50);
    if (ended) return;
    if (ready <= 0) continue;
    const ssize_t got = read(STDIN_FILENO, buffer + have, sizeof buffer - 1 - have);
    if (got <= 0) return on_signal(0);
    have += (size_t)got;
    buffer[have] = 0;
    for (char *end; (end = strchr(buffer, '\n')); have -= (size_t)(end + 1 - buffer),
               memmove(buffer, end + 1, have + 1)) {
      *end = 0;
      obey(buffer);
    }
  }
}

static int parse(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *equals = strchr(argv[i], '=');
    size_t w = 0, count = sizeof words / sizeof *words;
    if (!equals) return 0;
    *equals = 0;
    while (w < count && strcmp(words[w].name, argv[i])) w++;
    if (w == count) return 0;
    if (words[w].text) *words[w].text = equals + 1;
    else *words[w].number = strtoull(equals + 1, NULL, 10);
  }
  return 1;
}

static rws_status set_up(uint16_t *port, rws_error *err) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  cb.on_close = on_close;
  rws_options o = RWS_INIT(rws_options);
  o.idle_timeout_ms = (uint32_t)asked.idle_ms;
  o.close_timeout_ms = (uint32_t)asked.close_ms;
  o.handshake_timeout_ms = (uint32_t)asked.handshake_ms;
  o.user_timeout_ms = (uint32_t)asked.user_timeout_ms;
  o.keepalive_s = (uint32_t)asked.keepalive_s;
  o.send_queue_max = (uint32_t)asked.send_queue_max;
  o.message_max = (uint32_t)asked.message_max;
  o.unsent_max = (uint32_t)asked.unsent_max;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = asked.reactors ? (uint32_t)asked.reactors : 2;
  config.connections_max = (uint32_t)asked.connections_max;
  config.recv_buffers = (uint32_t)asked.recv_buffers;
  config.recv_buffer_size = (uint32_t)asked.recv_buffer_size;
  config.memory_max = asked.memory_max;
  config.backend = (uint32_t)asked.backend;
  config.flags = (uint32_t)asked.flags;
  config.on_log = on_log;
  config.on_stopped = on_stopped;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = (uint32_t)asked.port;
  at.backlog = (uint32_t)asked.backlog;
  at.callbacks = &cb;
  at.options = &o;
  rws_status s = rws_engine_new(&config, &engine, err);
  if (s == RWS_OK) s = rws_engine_listen(engine, &at, port, err);
  if (s == RWS_OK && asked.certificate) {
    const rws_identity identity = {{NULL, 0}, {NULL, 0}, asked.certificate, asked.key};
    rws_tls_config tls = RWS_INIT(rws_tls_config);
    tls.identities = &identity;
    tls.identities_len = 1;
    at.port = (uint32_t)asked.tls_port;
    s = rws_tls_server_new(&tls, &at.tls, err);
    if (s == RWS_OK) s = rws_engine_listen(engine, &at, NULL, err);
    rws_tls_release(at.tls);
  }
  return s;
}

int main(int argc, char **argv) {
  rws_error err;
  uint16_t port;
  if (!parse(argc, argv)) return fprintf(stderr, "what is not known: %s\n", argv[argc - 1]), 2;
  if (asked.ledger) ledger = open(asked.ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (asked.log) log_to = open(asked.log, O_RDWR | O_CLOEXEC);
  if (asked.deny && !deny(1)) return fprintf(stderr, "no seccomp\n"), 3;
  if (set_up(&port, &err) < 0) goto failed;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  if (rws_engine_start(engine, &err) < 0) goto failed;
  printf("listening on %u %s\n", port,
         rws_engine_backend(engine, NULL) == RWS_BACKEND_EPOLL ? "epoll" : "uring");
  fflush(stdout);
  listen_to_harness();
  const rws_status end = rws_engine_wait(engine);
  tell();
  printf("{\"ended\":%d}\n", end);
  fflush(stdout);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  return end < 0;
failed:
  fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text);
  return 3;
}
