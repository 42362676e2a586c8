/* The ways to listen and to deliver: IPv4, IPv6, a Unix socket, streaming, a full queue, pages of
 * other origins; and what the log says. */
#include "client.h"
#include <ringws.h>
#include <stdatomic.h>
#include <sys/un.h>

static rws_engine *engine;
static rws_error err;
static atomic_int lines, drains, closes;
static _Atomic(const char *) expected_peer;

static uint16_t listen_for(const char *address, const char *origins, const rws_callbacks *cb,
                           const rws_options *options) {
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = address;
  at.origins = origins;
  at.callbacks = cb;
  at.options = options;
  uint16_t port = 77;
  if (rws_engine_listen(engine, &at, &port, &err) != RWS_OK) {
    fprintf(stderr, "%s: %s\n", address, err.text);
    abort();
  }
  return port;
}

static uint16_t listen_on(const char *address, const rws_callbacks *cb, const rws_options *options) {
  return listen_for(address, NULL, cb, options);
}

static void on_log(int level, rws_bytes line, void *user) {
  CHECK(user == &lines && level >= RWS_LOG_ERROR && level <= RWS_LOG_INFO && line.len > 0);
  atomic_fetch_add(&lines, 1);
}

static void check_address(const rws_address *peer) {
  char text[64];
  const char *prefix = atomic_load(&expected_peer);
  CHECK(rws_address_text(peer, text, sizeof text) >= strlen(prefix));
  CHECK(strncmp(text, prefix, strlen(prefix)) == 0);
}

/* Over a Unix socket it is this process. */
static void check_credentials(rws_status told, const rws_credentials *who, rws_address *peer) {
  CHECK((told == RWS_OK) == (peer->family == RWS_FAMILY_NONE) && (told == RWS_OK || told == RWS_E_INVALID));
  if (told == RWS_OK) CHECK(who->pid == getpid() && who->uid == geteuid() && who->gid == getegid());
}

static int peer_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r; (void)user;
  rws_address peer;
  rws_credentials who = {0};
  const rws_request *q = rws_upgrade_request(up);
  CHECK(rws_upgrade_peer(up, &peer) == RWS_OK);
  check_address(&peer);
  check_credentials(rws_request_credentials(q, &who), &who, &peer);
  CHECK(rws_request_credentials(q, NULL) == RWS_E_INVALID);
  CHECK(rws_request_credentials(NULL, &who) == RWS_E_INVALID);
  return 101;
}
static void peer_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)user;
  rws_address peer;
  rws_credentials who = {0};
  CHECK(rws_peer(r, c, &peer) == RWS_OK);
  check_address(&peer);
  check_credentials(rws_peer_credentials(r, c, &who), &who, &peer);
  CHECK(rws_peer_credentials(r, c, NULL) == RWS_E_INVALID);
  CHECK(rws_peer_credentials(r, (rws_conn){0}, &who) == RWS_E_GONE);
  CHECK(info->code == RWS_CLOSE_ABNORMAL && info->sent_code == 0 && info->reason.len == 0);
  atomic_fetch_add(&closes, 1);
}

/* Connects, upgrades and goes away; waits until that was noticed. */
static void visit(const void *address, socklen_t len, const char *peer) {
  char head[1024];
  const int before = atomic_load(&closes);
  atomic_store(&expected_peer, peer);
  const int s = client_connect_to(address, len);
  CHECK(s >= 0 && client_upgrade(s, "/", "", head, sizeof head) == 101);
  close(s);
  for (int i = 0; i < 2000 && atomic_load(&closes) == before; i++) usleep(5000);
  CHECK(atomic_load(&closes) == before + 1);
}

static void visit_all(uint16_t port, const char *path) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  visit(&v4, sizeof v4, "127.0.0.1:");
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  v6.sin6_addr = in6addr_loopback;
  const int probe = client_connect_to(&v6, sizeof v6);
  if (probe >= 0) { /* not where IPv6 is off */
    close(probe);
    visit(&v6, sizeof v6, "[::1]:");
  }
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  strcpy(local.sun_path, path);
  visit(&local, sizeof local, "none");
}

/* Parts come as they were received; together they are the message. */
static struct { char text[64]; size_t len; int parts, firsts, lasts, cut; } stream;

static void stream_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(m->opcode == RWS_TEXT && stream.len + m->len <= sizeof stream.text);
  memcpy(stream.text + stream.len, m->data, m->len);
  stream.len += m->len;
  stream.parts++;
  stream.firsts += m->flags & RWS_FIRST ? 1 : 0;
  stream.lasts += m->flags & RWS_LAST ? 1 : 0;
  CHECK((stream.parts == 1) == ((m->flags & RWS_FIRST) != 0));
  rws_buf *b = NULL;
  const rws_status kept = rws_message_retain(r, m, &b, NULL);
  CHECK(kept == RWS_OK || kept == RWS_E_UTF8);
  if (kept < 0) stream.cut++; /* ends inside a character: no message of its own */
  rws_buf_release(b);
  if (m->flags & RWS_LAST) CHECK(rws_send(r, c, RWS_TEXT, stream.text, stream.len, 0) == RWS_OK);
}

static void talk_in_parts(uint16_t port) {
  const int s = client_open(port);
  CHECK(client_frame(s, 0x01, "gr\xc3", 3) == 0);
  usleep(20000);
  CHECK(client_frame(s, 0x00, "\xbc\xc3\x9f", 3) == 0);
  usleep(20000);
  CHECK(client_frame(s, 0x80, "e!", 2) == 0);
  unsigned char first, data[64];
  CHECK(client_receive(s, &first, data, sizeof data) == 8 && first == 0x81);
  CHECK(memcmp(data, "gr\xc3\xbc\xc3\x9f" "e!", 8) == 0);
  CHECK(stream.parts >= 2 && stream.firsts == 1 && stream.lasts == 1);
  close(s);
}

enum { CHUNK = 100000 };
static char chunk[CHUNK];

static void full_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)m; (void)user;
  CHECK(rws_send(r, c, RWS_BINARY, chunk, CHUNK, 0) == RWS_FULL); /* queued all the same */
  CHECK(rws_send(r, c, RWS_BINARY, chunk, CHUNK, 0) == RWS_E_FULL);
  CHECK(rws_buffered(r, c) >= CHUNK);
  CHECK(rws_pause(r, c) == RWS_OK);
}
static void full_drain(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  CHECK(rws_buffered(r, c) < 4096 / 2);
  CHECK(rws_resume(r, c) == RWS_OK);
  CHECK(rws_send(r, c, RWS_TEXT, "drained", 7, 0) == RWS_OK);
  atomic_fetch_add(&drains, 1);
}

static void fill_a_queue(uint16_t port) {
  const int s = client_open(port);
  for (int round = 1; round <= 3; round++) {
    unsigned char first;
    static char data[CHUNK];
    CHECK(client_send(s, RWS_TEXT, "go", 2) == 0);
    CHECK(client_receive(s, &first, data, sizeof data) == CHUNK && first == 0x82);
    CHECK(client_receive(s, &first, data, sizeof data) == 7 && first == 0x81);
    CHECK(atomic_load(&drains) == round);
  }
  close(s);
}

static int status_for(uint16_t port, const char *origin) {
  char more[128], head[1024];
  snprintf(more, sizeof more, "Origin: %s\r\n", origin);
  const int s = client_connect(port);
  const int status = client_upgrade(s, "/", more, head, sizeof head);
  close(s);
  return status;
}

/* A page that the list does not name, but whose address this callback trusts. */
static int trusted(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r;
  (void)user;
  const rws_bytes origin = rws_upgrade_header(up, "Origin");
  return origin.len == 19 && memcmp(origin.data, "https://partner.org", 19) == 0;
}

static void knock(uint16_t same, uint16_t listed) {
  CHECK(status_for(same, "http://localhost") == 101);
  CHECK(status_for(same, "https://app.example.com") == 403);
  CHECK(status_for(listed, "http://localhost") == 403);
  CHECK(status_for(listed, "https://app.example.com") == 101);
  CHECK(status_for(listed, "https://partner.org") == 101);
  CHECK(status_for(listed, "https://partner.com") == 403);
}

/* Another server on a path that somebody listens on. */
static void intrude(const char *address, const rws_callbacks *cb) {
  rws_engine *other;
  CHECK(rws_engine_new(NULL, &other, &err) == RWS_OK);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = address;
  at.callbacks = cb;
  CHECK(rws_engine_listen(other, &at, NULL, &err) == RWS_E_SYSTEM);
  CHECK(err.sys_errno == EADDRINUSE);
  rws_engine_free(other);
}

int main(void) {
  char path[] = "/tmp/ringws-XXXXXX", address[64];
  const int holder = mkstemp(path);
  CHECK(holder >= 0 && unlink(path) == 0);
  close(holder);
  snprintf(address, sizeof address, "unix:%s", path);

  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  config.flags = RWS_CFG_PIN;
  config.connections_max = 1000;
  config.on_log = on_log;
  config.user = &lines;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);

  rws_callbacks peers = RWS_INIT(rws_callbacks);
  peers.on_upgrade = peer_upgrade;
  peers.on_close = peer_close;
  CHECK(listen_on(address, &peers, NULL) == 0);
  const uint16_t any = listen_on(NULL, &peers, NULL);

  rws_callbacks parts = RWS_INIT(rws_callbacks);
  parts.on_message = stream_message;
  rws_options options = RWS_INIT(rws_options);
  options.flags = RWS_OPT_STREAM;
  const uint16_t streaming = listen_on("127.0.0.1", &parts, &options);

  rws_callbacks full = RWS_INIT(rws_callbacks);
  full.on_message = full_message;
  full.on_drain = full_drain;
  options = (rws_options)RWS_INIT(rws_options);
  options.send_queue_max = 4096;
  const uint16_t narrow = listen_on("127.0.0.1", &full, &options);

  rws_callbacks quiet = RWS_INIT(rws_callbacks);
  quiet.on_origin = trusted;
  const uint16_t listed = listen_for("127.0.0.1", "https://*.example.com", &quiet, NULL);

  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  intrude(address, &peers);
  visit_all(any, path);
  talk_in_parts(streaming);
  fill_a_queue(narrow);
  knock(narrow, listed);
  rws_engine_stop(engine, 100);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  rws_engine_free(engine);
  CHECK(access(path, F_OK) != 0); /* the socket is removed */
  puts("ok");
  return 0;
}
