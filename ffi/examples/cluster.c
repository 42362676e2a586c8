/* A chat on several machines: each process is one engine, and a NATS broker carries what is said to
 * the others. Who comes back, to whichever of them, gets what he has missed, or is told.
 * usage: cluster port brokers /room...    as in: cluster 9001 nats://a:4222,nats://b:4222 /garden
 * ws://host:9001/garden comes in, ws://host:9001/garden?after=POSITION comes back. A member hears
 *   NODE.EPOCH.NUMBER TEXT       what was said, and its place: it brings his position up to date
 *   at POSITION                  where he has come in
 *   gap NODE.EPOCH.FIRST LAST    these were said elsewhere, and lost on the way; LAST 0: all or none
 *   late                         something that he has missed may be gone: he comes anew, without after
 *   full                         what he has just said was not taken: he says it again, later */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGE_MS = 60000, ROOM_MAX = 200 };        /* how long one may be away; bytes of a name */

static char **rooms;                            /* paths and topics; NULL behind the last */

static rws_bytes bytes(const char *s) { return (rws_bytes){(const uint8_t *)s, strlen(s)}; }

/* A connection: its room, and how much of it the client has heard, if he was here before. */
typedef struct { const char *room; int is_back; size_t len; uint8_t heard[]; } guest;

static void tell(rws_reactor *r, rws_conn c, const char *text) {
  (void)rws_send(r, c, RWS_TEXT, text, strlen(text), 0);  /* no room: he is closed, and comes back */
}

static rws_status say(rws_reactor *r, const char *topic, rws_opcode op, const void *data, size_t len) {
  static const rws_conn nobody;                 /* the speaker hears it, too: in its place */
  rws_buf *b;
  rws_status said = rws_buf_new(op, data, len, 0, &b, NULL);
  if (said < 0)
    return said;
  said = rws_publish(r, bytes(topic), b, nobody);
  rws_buf_release(b);
  return said;
}

/* A topic of this reactor's members of a room alone: it begins with no '/', so no other engine gets it. */
static void here(rws_reactor *r, rws_bytes room, char out[ROOM_MAX + 16]) {
  snprintf(out, ROOM_MAX + 16, "%u%.*s", rws_reactor_index(r), (int)room.len, (const char *)room.data);
}

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r, (void)user;
  const rws_bytes path = rws_upgrade_path(up);
  const rws_bytes heard = rws_request_query_param(rws_upgrade_request(up), "after");
  char **room = rooms;
  while (*room && (path.len != strlen(*room) || memcmp(path.data, *room, path.len) != 0))
    room++;
  guest *g = *room ? malloc(sizeof *g + heard.len) : NULL;
  if (!g)
    return *room ? 503 : 404;
  g->room = *room, g->is_back = heard.data != NULL, g->len = heard.len;
  if (heard.len > 0)
    memcpy(g->heard, heard.data, heard.len);
  rws_upgrade_set_user(up, g);
  return 101;
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  const guest *g = user;
  const rws_bytes room = bytes(g->room), heard = {g->heard, g->len};
  char local[ROOM_MAX + 16], at[8192] = "at ";
  here(r, room, local);
  rws_status in = rws_join(r, c, bytes(local));
  if (in >= 0)
    in = g->is_back ? rws_join_from(r, c, room, heard) : rws_join(r, c, room);
  if (in < 0) {
    rws_close(r, c, RWS_CLOSE_POLICY, bytes(in == RWS_E_INVALID ? "come without ?after" : rws_strerror(in)));
  } else if (in == RWS_LATE) {
    tell(r, c, "late");                         /* and what is left follows */
  } else if (!g->is_back) {
    const size_t len = rws_topic_position(r, c, room, at + 3, sizeof at - 3);
    if (len > 0 && len < sizeof at - 3)
      tell(r, c, at);
  }
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  const guest *g = user;
  if (say(r, g->room, m->opcode, m->data, m->len) < 0)    /* nobody has it: neither here nor there */
    tell(r, c, "full");
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)info;
  free(user);
}

/* Each reactor that has members is told, so each tells its own. */
static void on_gap(rws_reactor *r, rws_bytes room, const rws_gap *gap, void *user) {
  (void)user;
  char local[ROOM_MAX + 16], text[96];
  here(r, room, local);
  const int len = snprintf(text, sizeof text, "gap %llx.%llx.%llx %llx", (unsigned long long)gap->node,
                           (unsigned long long)gap->epoch, (unsigned long long)gap->first,
                           (unsigned long long)gap->last);
  (void)say(r, local, RWS_TEXT, text, (size_t)len);
}

static void on_late(rws_reactor *r, rws_conn c, rws_bytes room, void *user) {
  (void)room, (void)user;
  tell(r, c, "late");
}

static void on_bus(int up, rws_bytes why, void *user) {
  (void)user;
  fprintf(stderr, "bus %s%.*s\n", up ? "up" : "down, members hear this engine alone: ", (int)why.len,
          why.data ? (const char *)why.data : "");
}

static void on_log(int level, rws_bytes line, void *user) {
  (void)user;
  if (level <= RWS_LOG_WARN)
    fprintf(stderr, "%.*s\n", (int)line.len, (const char *)line.data);
}

/* A room has a history, and hears the others, while it has members or somebody asks for its position:
 * so who comes back finds it on each engine, also where nobody is. */
static void keep(rws_reactor *r, void *arg) {
  (void)arg;
  for (char **room = rooms; *room; room++)
    (void)rws_engine_topic_position(rws_reactor_engine(r), bytes(*room), NULL, 0);
}

static void on_start(rws_reactor *r, void *user) {
  (void)user;
  if (rws_reactor_index(r) == 0)
    (void)rws_timer_repeat(r, 0, AGE_MS / 4, keep, NULL, NULL);
}

static void on_drained(rws_engine *e, const rws_drained *counts, void *user) {
  (void)e, (void)user;
  printf("%llu closed, %llu cut off\n", (unsigned long long)counts->closed,
         (unsigned long long)counts->aborted);
}

int main(int argc, char **argv) {
  if (argc < 4)
    return fprintf(stderr, "usage: cluster port brokers /room...\n"
                           "for example: cluster 9001 nats://localhost:4222 /garden /kitchen\n"), 2;
  rooms = argv + 3;
  for (char **room = rooms; *room; room++)
    if (**room != '/' || strlen(*room) > ROOM_MAX)
      return fprintf(stderr, "%s: a room is a path of at most %d bytes: /garden\n", *room, ROOM_MAX), 2;
  sigset_t ends;                                /* blocked in all threads: they wait for sigwait */
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);

  rws_history rule = {.prefix = bytes("/"), .age_ms = AGE_MS, .flags = RWS_HISTORY_STAMP};
  rws_config config = RWS_INIT(rws_config);
  config.histories = &rule;
  config.histories_len = 1;
  config.on_start = on_start;
  config.on_gap = on_gap;
  config.on_late = on_late;
  config.on_bus = on_bus;
  config.on_log = on_log;
  rws_nats_options nats = RWS_INIT(rws_nats_options);
  nats.servers = argv[2];                       /* who we are to them: user, credentials, tls, ... */
  nats.subject_prefix = "chat";
  nats.topic_prefix = bytes("/");
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_close = on_close;
  rws_options options = RWS_INIT(rws_options);
  options.message_max = 4096;
  options.when_full = RWS_WHEN_FULL_CLOSE;      /* who is too slow comes back, and reads the rest */
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = (uint32_t)atoi(argv[1]);
  at.callbacks = &cb;
  at.options = &options;

  rws_engine *engine;
  rws_error err;
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_nats(engine, &nats, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_start(engine, &err) < 0)       /* does not wait for the broker: see on_bus */
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  printf("listening on %u\n", port);
  fflush(stdout);

  int sig;
  sigwait(&ends, &sig);
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;                 /* who is sent away comes back to another engine */
  how.spread_ms = 1000;
  how.on_drained = on_drained;
  rws_engine_drain(engine, &how);
  const rws_status ended = rws_engine_wait(engine);
  rws_engine_free(engine);
  return ended < 0;
}
