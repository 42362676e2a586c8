/* What the header says that each call answers, and when: a table of calls and moments, each tried
 * on a connection of its own.  And what it says of callbacks: refusals, late messages, the log. */
#include "client.h"
#include <ringws.h>
#include <stdatomic.h>

static rws_engine *engine;
static rws_buf *shared;
static uint16_t port;
static atomic_int done;

typedef rws_status call(rws_reactor *r, rws_conn c);

static rws_bytes bytes(const char *text) {
  return (rws_bytes){(const uint8_t *)text, strlen(text)};
}
static const char zeros[1000];
static const rws_bytes long_reason = {(const uint8_t *)zeros, 124};

static rws_status text(rws_reactor *r, rws_conn c) { return rws_send(r, c, RWS_TEXT, "x", 1, 0); }
static rws_status part(rws_reactor *r, rws_conn c) {
  return rws_send(r, c, RWS_BINARY, "x", 1, RWS_MORE);
}
static rws_status rest(rws_reactor *r, rws_conn c) {
  return rws_send(r, c, RWS_CONTINUATION, "x", 1, 0);
}
static rws_status not_utf8(rws_reactor *r, rws_conn c) {
  return rws_send(r, c, RWS_TEXT, "\xff", 1, 0);
}
static rws_status ping(rws_reactor *r, rws_conn c) { return rws_send(r, c, RWS_PING, "x", 1, 0); }
static rws_status long_ping(rws_reactor *r, rws_conn c) {
  return rws_send(r, c, RWS_PING, zeros, 126, 0);
}
static rws_status cut_ping(rws_reactor *r, rws_conn c) {
  return rws_send(r, c, RWS_PING, "x", 1, RWS_MORE);
}
static rws_status opcode_8(rws_reactor *r, rws_conn c) { return rws_send(r, c, 8, "x", 1, 0); }
static rws_status a_flag(rws_reactor *r, rws_conn c) { return rws_send(r, c, RWS_TEXT, "x", 1, 4); }
static rws_status no_data(rws_reactor *r, rws_conn c) {
  return rws_send(r, c, RWS_TEXT, NULL, 1, 0);
}
static rws_status send_buf(rws_reactor *r, rws_conn c) { return rws_send_buf(r, c, shared); }
static rws_status send_latest(rws_reactor *r, rws_conn c) {
  return rws_send_latest(r, c, 7, shared);
}
static rws_status no_latest(rws_reactor *r, rws_conn c) { return rws_send_latest(r, c, 7, NULL); }
static rws_status no_buf(rws_reactor *r, rws_conn c) { return rws_send_buf(r, c, NULL); }
static rws_status close_it(rws_reactor *r, rws_conn c) {
  return rws_close(r, c, RWS_CLOSE_NORMAL, bytes(""));
}
static rws_status close_1006(rws_reactor *r, rws_conn c) {
  return rws_close(r, c, RWS_CLOSE_ABNORMAL, bytes(""));
}
static rws_status close_long(rws_reactor *r, rws_conn c) {
  return rws_close(r, c, RWS_CLOSE_NORMAL, long_reason);
}
static rws_status close_not_utf8(rws_reactor *r, rws_conn c) {
  return rws_close(r, c, RWS_CLOSE_NORMAL, bytes("\xff"));
}
static rws_status abort_it(rws_reactor *r, rws_conn c) { return rws_abort(r, c); }
static rws_status pause_it(rws_reactor *r, rws_conn c) { return rws_pause(r, c); }
static rws_status resume(rws_reactor *r, rws_conn c) { return rws_resume(r, c); }
static rws_status set_user(rws_reactor *r, rws_conn c) {
  return rws_set_user(r, c, r == NULL ? NULL : rws_get_user(r, c));
}
static rws_status peer(rws_reactor *r, rws_conn c) {
  rws_address a;
  return rws_peer(r, c, &a);
}
static rws_status no_place(rws_reactor *r, rws_conn c) { return rws_peer(r, c, NULL); }

/* When a call is made: on an open connection; inside a message begun with RWS_MORE; over
 * send_queue_max; after rws_close; after rws_abort; in on_close; with a handle that was never
 * given out; without a reactor. */
enum { OPEN, INSIDE, FULL, CLOSING, ABORTED, ENDED, STALE, NOBODY, MOMENTS };

enum { OK = RWS_OK, FUL = RWS_FULL, INV = RWS_E_INVALID, GON = RWS_E_GONE, CLO = RWS_E_CLOSING,
       E_F = RWS_E_FULL, BIG = RWS_E_TOO_BIG, UTF = RWS_E_UTF8, STA = RWS_E_STATE };

static const struct row { const char *name; call *call; signed char expected[MOMENTS]; } rows[] = {
  /*                                   OPEN INSI FULL CLOS ABOR ENDE STAL NOBO */
  {"send text",        text,           {OK,  STA, E_F, CLO, GON, GON, GON, INV}},
  {"send part",        part,           {OK,  STA, E_F, CLO, GON, GON, GON, INV}},
  {"send rest",        rest,           {STA, OK,  E_F, CLO, GON, GON, GON, INV}},
  {"send not UTF-8",   not_utf8,       {UTF, STA, E_F, CLO, GON, GON, GON, INV}},
  {"send ping",        ping,           {OK,  OK,  FUL, CLO, GON, GON, GON, INV}},
  {"send long ping",   long_ping,      {BIG, BIG, BIG, CLO, GON, GON, GON, INV}},
  {"send cut ping",    cut_ping,       {INV, INV, INV, INV, INV, INV, INV, INV}},
  {"send opcode 8",    opcode_8,       {INV, INV, INV, INV, INV, INV, INV, INV}},
  {"send a flag",      a_flag,         {INV, INV, INV, INV, INV, INV, INV, INV}},
  {"send no data",     no_data,        {INV, INV, INV, INV, INV, INV, INV, INV}},
  {"send_buf",         send_buf,       {OK,  STA, E_F, CLO, GON, GON, GON, INV}},
  {"send_buf of none", no_buf,         {INV, INV, INV, INV, INV, INV, INV, INV}},
  {"send_latest",      send_latest,    {OK,  OK,  E_F, CLO, GON, GON, GON, INV}},
  {"send_latest none", no_latest,      {INV, INV, INV, INV, INV, INV, INV, INV}},
  {"close",            close_it,       {OK,  OK,  OK,  CLO, GON, GON, GON, INV}},
  {"close 1006",       close_1006,     {INV, INV, INV, CLO, GON, GON, GON, INV}},
  {"close long",       close_long,     {BIG, BIG, BIG, CLO, GON, GON, GON, INV}},
  {"close not UTF-8",  close_not_utf8, {UTF, UTF, UTF, UTF, UTF, UTF, UTF, INV}},
  {"abort",            abort_it,       {OK,  OK,  OK,  OK,  GON, GON, GON, INV}},
  {"pause",            pause_it,       {OK,  OK,  OK,  OK,  GON, GON, GON, INV}},
  {"resume",           resume,         {OK,  OK,  OK,  OK,  GON, GON, GON, INV}},
  {"set_user",         set_user,       {OK,  OK,  OK,  OK,  GON, GON, GON, INV}},
  {"peer",             peer,           {OK,  OK,  OK,  OK,  OK,  OK,  GON, INV}},
  {"peer to nowhere",  no_place,       {INV, INV, INV, INV, INV, INV, INV, INV}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void try_row(rws_reactor *r, rws_conn c, int row, int moment) {
  if (moment == STALE) c.id++; /* of a slot's next tenant: the generation is in the low bits */
  const rws_status got = rows[row].call(moment == NOBODY ? NULL : r, c);
  if (got != (rws_status)rows[row].expected[moment])
    fprintf(stderr, "%s in moment %d: %d, \"%s\"\n", rows[row].name, moment, got, rws_strerror(got));
  CHECK(got == (rws_status)rows[row].expected[moment]);
  atomic_fetch_add(&done, 1);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  CHECK(m->len == 2);
  const int row = m->data[0], moment = m->data[1];
  switch (moment) {
    case INSIDE: CHECK(rws_send(r, c, RWS_BINARY, "begun", 5, RWS_MORE) == RWS_OK); break;
    case FULL: CHECK(rws_send(r, c, RWS_BINARY, zeros, sizeof zeros, 0) == RWS_FULL); break;
    case CLOSING: CHECK(rws_close(r, c, RWS_CLOSE_NORMAL, bytes("")) == RWS_OK); break;
    case ABORTED:
      CHECK(text(r, c) == RWS_OK && rws_buffered(r, c) == 3);
      CHECK(rws_abort(r, c) == RWS_OK && rws_buffered(r, c) == 3);
      break;
    case ENDED:
      CHECK(rws_set_user(r, c, (void *)(uintptr_t)(row + 1)) == RWS_OK);
      CHECK(text(r, c) == RWS_OK && rws_abort(r, c) == RWS_OK);
      return;
    default: break;
  }
  try_row(r, c, row, moment);
  (void)rws_abort(r, c);
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)info;
  if (user != NULL) CHECK(rws_get_user(r, c) == user && rws_buffered(r, c) == 3);
  if (user != NULL) try_row(r, c, (int)(uintptr_t)user - 1, ENDED);
}

static void the_table(void) {
  for (int row = 0; row < ROWS; row++) {
    for (int moment = 0; moment < MOMENTS; moment++) {
      const int s = client_open(port);
      const unsigned char which[2] = {(unsigned char)row, (unsigned char)moment};
      CHECK(s >= 0 && client_send(s, RWS_BINARY, which, sizeof which) == 0);
      char byte; /* to the end: the connection is aborted */
      while (client_read(s, &byte, 1) == 0) {}
      close(s);
    }
  }
  CHECK(atomic_load(&done) == ROWS * MOMENTS);
}

/* Refusals. */

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r;
  CHECK(user == (rws_upgrade_target(up).len == 7 ? &done : NULL));
  CHECK(rws_upgrade_add_header(up, "Retry-After", bytes("7")) == RWS_OK);
  CHECK(rws_upgrade_add_header(up, "Link", bytes("<a>")) == RWS_OK);
  CHECK(rws_upgrade_add_header(up, "Link", bytes("<b>")) == RWS_OK);
  CHECK(rws_upgrade_add_header(up, "Content-Length", bytes("7")) == RWS_E_INVALID);
  const rws_bytes path = rws_upgrade_target(up);
  return path.len == 4 ? 429 : 99; /* no answer: 500 */
}
static int on_origin(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r; (void)user;
  CHECK(rws_upgrade_add_header(up, "Retry-After", bytes("7")) == RWS_OK);
  rws_upgrade_set_user(up, &done);
  return rws_upgrade_target(up).len == 7;
}
static void never(rws_reactor *r, rws_conn c, void *user) {
  (void)r; (void)c; (void)user;
  CHECK(!"a refusal is followed by nothing");
}
static void never_closed(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)info;
  never(r, c, user);
}

static void refusals(uint16_t to) {
  char head[1024];
  const struct { const char *path, *more; int status, carries; } asked[] = {
    {"/429", "", 429, 1}, {"/other", "", 500, 1},
    {"/429", "Origin: https://elsewhere.example\r\n", 403, 0},
    {"/origin", "Origin: https://elsewhere.example\r\n", 500, 1}};
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    const int s = client_connect(to);
    CHECK(client_upgrade(s, asked[i].path, asked[i].more, head, sizeof head) == asked[i].status);
    CHECK((strstr(head, "\r\nRetry-After: 7\r\n") != NULL) == asked[i].carries);
    CHECK((strstr(head, "\r\nLink: <a>\r\nLink: <b>\r\n") != NULL) == asked[i].carries);
    close(s);
  }
}

/* After a Close of ours the peer may have more to say, until its own. */

static atomic_int late, closed_late;
static void late_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)m; (void)user;
  if (atomic_fetch_add(&late, 1) == 0) CHECK(close_it(r, c) == RWS_OK);
}
static void late_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r; (void)c; (void)user;
  CHECK(info->code == 1000 && info->sent_code == 1000 && atomic_load(&late) == 3);
  atomic_fetch_add(&closed_late, 1);
}

static void late_messages(uint16_t to) {
  const int s = client_open(to);
  unsigned char first, data[16];
  CHECK(client_send(s, RWS_TEXT, "one", 3) == 0);
  CHECK(client_receive(s, &first, data, sizeof data) == 2 && first == 0x88);
  CHECK(client_send(s, RWS_TEXT, "two", 3) == 0 && client_send(s, RWS_TEXT, "three", 5) == 0);
  CHECK(client_send(s, 8, "\x03\xe8", 2) == 0);
  CHECK(client_read(s, data, 1) < 0);
  close(s);
  for (int i = 0; i < 2000 && atomic_load(&closed_late) == 0; i++) usleep(5000);
  CHECK(atomic_load(&closed_late) == 1);
}

/* A callback that blocks is told. */

static atomic_int blocked;
static void on_log(int level, rws_bytes line, void *user) {
  (void)user;
  char copy[512] = {0};
  CHECK(line.len < sizeof copy);
  memcpy(copy, line.data, line.len);
  if (strstr(copy, " ms: no other connection") == NULL) return;
  CHECK(level == RWS_LOG_WARN);
  atomic_fetch_add(&blocked, 1);
}
static void block(rws_reactor *r, void *arg) {
  (void)r; (void)arg;
  CHECK(atomic_load(&blocked) == 0);
  usleep(1100000);
}

/* The table of ends, as far as a peer on a socket brings them about. */

static struct { rws_status status; int code, sent_code; } end;
static atomic_int ended;
static void end_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (m->len == 0 || m->data[0] == 'c') CHECK(close_it(r, c) == RWS_OK);
  else if (m->data[0] == 'a') CHECK(rws_abort(r, c) == RWS_OK);
}
static void note_end(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r; (void)c; (void)user;
  end.status = info->error.status;
  end.code = info->code;
  end.sent_code = info->sent_code;
  atomic_fetch_add(&ended, 1);
}
static void has_ended(rws_status status, int code, int sent_code) {
  static int before;
  for (int i = 0; i < 2000 && atomic_load(&ended) == before; i++) usleep(5000);
  CHECK(atomic_load(&ended) == ++before);
  if (end.status != status || end.code != code || end.sent_code != sent_code)
    fprintf(stderr, "%d %d %d\n", end.status, end.code, end.sent_code);
  CHECK(end.status == status && end.code == code && end.sent_code == sent_code);
}

static void ends(uint16_t to) {
  static const struct {
    const char *bytes; /* what the peer sends, masked with zeros */
    size_t len;
    rws_status status;
    int code, sent_code;
  } kinds[] = {
    {"\x88\x82\0\0\0\0\x0b\xb9", 8, RWS_OK, 3001, 3001},   /* Close 3001 */
    {"\x88\x80\0\0\0\0", 6, RWS_OK, 1005, 1005},          /* Close without a code */
    {"\xc1\x80\0\0\0\0", 6, RWS_E_PROTOCOL, 1006, 1002},  /* a reserved bit */
    {"\x81\x81\0\0\0\0\xff", 7, RWS_E_PROTOCOL, 1006, 1007},
    {"\x82\xff\0\0\0\0\0\x20\0\0\0\0\0\0", 14, RWS_E_PROTOCOL, 1006, 1009}, /* 2 MiB */
    {"\x81\x81\0\0\0\0c", 7, RWS_E_TIMEOUT, 1006, 1000},   /* does not answer our Close */
    {"\x81\x81\0\0\0\0a", 7, RWS_OK, 1006, 0},             /* rws_abort */
    {"", 0, RWS_E_TIMEOUT, 1006, 0},                         /* silence */
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const int s = client_open(to);
    CHECK(s >= 0 && client_write(s, kinds[i].bytes, kinds[i].len) == 0);
    has_ended(kinds[i].status, kinds[i].code, kinds[i].sent_code);
    close(s);
  }
  close(client_open(to));
  has_ended(RWS_E_ENDED, 1006, 0);
}

/* The life of an engine: hooks come in pairs, calls are taken in between, and a stop may come first.
 * No callback frees it, nor does the log. */

static atomic_int starts, stops, posts, lines;
static void run_once(rws_reactor *r, void *arg) {
  (void)r; (void)arg;
  CHECK(atomic_load(&stops) < 2);
  atomic_fetch_add(&posts, 1);
}
static void first(rws_reactor *r, void *user) {
  rws_engine *e = rws_reactor_engine(r);
  CHECK(e == *(rws_engine **)user && rws_engine_wait(e) == RWS_E_STATE);
  CHECK(rws_engine_post(e, rws_reactor_index(r), run_once, NULL) == RWS_OK);
  rws_engine_free(e);
  atomic_fetch_add(&starts, 1);
}
static void last(rws_reactor *r, void *user) {
  (void)user;
  CHECK(rws_engine_post(rws_reactor_engine(r), rws_reactor_index(r), run_once, NULL) == RWS_E_STATE);
  atomic_fetch_add(&stops, 1);
}
static void free_it(int level, rws_bytes line, void *user) {
  (void)level; (void)line;
  rws_engine *e = *(rws_engine **)user;
  CHECK(rws_engine_wait(e) == RWS_E_STATE);
  rws_engine_free(e);
  atomic_fetch_add(&lines, 1);
}

/* Behind on_stop of both; on_drained first. */
static atomic_int drains, ends_told;
static void has_drained(rws_engine *e, const rws_drained *counts, void *user) {
  CHECK(e == *(rws_engine **)user && atomic_load(&ends_told) == 0 && atomic_load(&stops) == 2);
  CHECK(counts->closed == 0 && counts->aborted == 0 && counts->refused == 0);
  atomic_fetch_add(&drains, 1);
}
static void all_ended(rws_engine *e, void *user) {
  CHECK(e == *(rws_engine **)user && rws_engine_wait(e) == RWS_E_STATE);
  CHECK(rws_engine_post(e, 0, run_once, NULL) == RWS_E_STATE && atomic_load(&stops) == 2);
  rws_engine_free(e); /* does nothing here */
  atomic_fetch_add(&ends_told, 1);
}

static rws_status drain_with(rws_engine *e, uint16_t code, const char *reason, uint32_t serve_ms,
                             uint32_t deadline_ms) {
  rws_drain how = RWS_INIT(rws_drain);
  how.code = code;
  how.reason.data = (const uint8_t *)reason;
  how.reason.len = strlen(reason);
  how.serve_ms = serve_ms;
  how.deadline_ms = deadline_ms;
  how.on_drained = has_drained;
  how.user = &e;
  return rws_engine_drain(e, &how);
}

/* What cannot be asked for changes nothing. */
static void drains_refused(rws_engine *e) {
  char too_long[125];
  memset(too_long, 'x', 124);
  too_long[124] = 0;
  CHECK(drain_with(e, 1006, "", 0, 0) == RWS_E_INVALID);
  CHECK(drain_with(e, 1005, "why", 0, 0) == RWS_E_INVALID);
  CHECK(drain_with(e, 1012, "", 1000, 999) == RWS_E_INVALID);
  CHECK(drain_with(e, 1012, too_long, 0, 0) == RWS_E_TOO_BIG);
  CHECK(drain_with(e, 1012, "\xff", 0, 0) == RWS_E_UTF8);
  rws_drain how = RWS_INIT(rws_drain);
  how.reserved = 1;
  CHECK(rws_engine_drain(e, &how) == RWS_E_UNSUPPORTED);
  CHECK(rws_engine_drain(NULL, NULL) == RWS_E_INVALID);
}

static void lives(int stopped_first) {
  static rws_engine *e;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  config.on_start = first;
  config.on_stop = last;
  config.on_log = free_it;
  config.on_stopped = all_ended;
  config.user = &e;
  atomic_store(&drains, 0), atomic_store(&ends_told, 0);
  atomic_store(&starts, 0), atomic_store(&stops, 0), atomic_store(&posts, 0), atomic_store(&lines, 0);
  CHECK(rws_engine_new(&config, &e, NULL) == RWS_OK && atomic_load(&lines) == 0);
  CHECK(rws_engine_post(e, 0, run_once, NULL) == RWS_E_STATE);
  CHECK(rws_engine_wait(e) == RWS_OK);
  if (stopped_first) rws_engine_stop(e, 5000);
  CHECK(rws_engine_start(e, NULL) == RWS_OK);
  CHECK(atomic_load(&starts) == 2 && atomic_load(&lines) > 0);
  CHECK(rws_engine_start(e, NULL) == RWS_E_STATE);
  if (!stopped_first) {
    CHECK(rws_engine_post(e, RWS_ANY_REACTOR, run_once, NULL) == RWS_OK);
    drains_refused(e);
    rws_drain how = RWS_INIT(rws_drain);
    how.on_drained = has_drained;
    how.user = &e;
    CHECK(rws_engine_drain(e, &how) == RWS_OK && rws_engine_drain(e, NULL) == RWS_E_STATE);
  }
  CHECK(rws_engine_wait(e) == RWS_OK && rws_engine_wait(e) == RWS_OK);
  CHECK(atomic_load(&ends_told) == 1 && atomic_load(&drains) == !stopped_first);
  CHECK(atomic_load(&stops) == 2 && atomic_load(&posts) == (stopped_first ? 2 : 3));
  CHECK(rws_engine_post(e, 0, run_once, NULL) == RWS_E_STATE);
  rws_engine_free(e);
}

static uint16_t listen_with(const rws_callbacks *cb, uint32_t send_queue_max) {
  rws_options options = RWS_INIT(rws_options);
  options.send_queue_max = send_queue_max;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = cb;
  at.options = &options;
  uint16_t chosen;
  rws_error err;
  CHECK(rws_engine_listen(engine, &at, &chosen, &err) == RWS_OK);
  return chosen;
}

int main(void) {
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.on_log = on_log;
  CHECK(rws_engine_new(&config, &engine, NULL) == RWS_OK);
  CHECK(rws_buf_new(RWS_TEXT, "shared", 6, 0, &shared, NULL) == RWS_OK);
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_close = on_close;
  port = listen_with(&cb, 500);
  cb = (rws_callbacks)RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_origin = on_origin;
  cb.on_open = never;
  cb.on_close = never_closed;
  const uint16_t refusing = listen_with(&cb, 0);
  cb = (rws_callbacks)RWS_INIT(rws_callbacks);
  cb.on_message = late_message;
  cb.on_close = late_close;
  const uint16_t closing = listen_with(&cb, 0);
  cb = (rws_callbacks)RWS_INIT(rws_callbacks);
  cb.on_message = end_message;
  cb.on_close = note_end;
  rws_options options = RWS_INIT(rws_options);
  options.idle_timeout_ms = 300;
  options.close_timeout_ms = 100;
  uint16_t ending;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.options = &options;
  CHECK(rws_engine_listen(engine, &at, &ending, NULL) == RWS_OK);
  options.idle_timeout_ms = options.close_timeout_ms = UINT32_MAX;
  uint16_t patient;
  CHECK(rws_engine_listen(engine, &at, &patient, NULL) == RWS_OK);
  CHECK(rws_engine_start(engine, NULL) == RWS_OK);

  lives(0);
  lives(1);
  the_table();
  refusals(refusing);
  late_messages(closing);
  ends(ending);
  const int silent = client_open(patient);
  CHECK(rws_engine_post(engine, 0, block, NULL) == RWS_OK);
  rws_engine_stop(engine, 1000);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  CHECK(atomic_load(&blocked) == 1);
  has_ended(RWS_E_TIMEOUT, 1006, 1001); /* the grace was over */
  close(silent);
  rws_buf_release(shared);
  rws_engine_free(engine);
  puts("ok");
  return 0;
}
