/* Sends every message to every open connection, one after the other: what a topic saves.
 * usage: ringws_loop [port, 0: any] */
#include <ringws.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

/* One reactor: all of this is its thread's.  The user pointer of a connection is its place. */
static rws_conn *members;
static size_t count, room;

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  if (count == room) {
    const size_t more = room ? room * 2 : 64;
    rws_conn *grown = realloc(members, more * sizeof *members);
    if (!grown) {
      rws_abort(r, c);
      return;                                   /* no member: its user pointer stays NULL */
    }
    members = grown;
    room = more;
  }
  members[count++] = c;
  rws_set_user(r, c, (void *)(uintptr_t)count); /* from 1 */
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)c, (void)info;
  const size_t place = (size_t)(uintptr_t)user;
  if (!place)
    return;
  members[place - 1] = members[--count];        /* the last one moves up */
  if (place - 1 < count)
    rws_set_user(r, members[place - 1], user);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)c, (void)user;
  rws_buf *b;                                   /* framed once, for all of them */
  if (rws_buf_new(m->opcode, m->data, m->len, 0, &b, NULL) < 0)
    return;
  for (size_t i = 0; i < count; i++)
    if (rws_send_buf(r, members[i], b) == RWS_E_FULL)
      rws_abort(r, members[i]);                 /* a reader too slow for the others */
  rws_buf_release(b);
}

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  cb.on_close = on_close;
  cb.on_message = on_message;
  rws_config config = RWS_INIT(rws_config);     /* zero: the default */
  config.reactors = 1;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;

  rws_error err;
  uint16_t port;
  if (rws_engine_new(&config, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status ended = rws_engine_wait(engine);
  signal(SIGINT, SIG_DFL);                      /* the engine goes: nothing to stop any more */
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  free(members);
  return ended < 0;
}
