/* A chat with rooms: who connects to /garden hears what is said in /garden.
 * usage: chat [port, 0: any] */
#include <ringws.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rws_engine *engine;
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

/* The user pointer of a connection is the name of its room: the path that it asked for. */
static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  (void)r, (void)user;
  const rws_bytes path = rws_upgrade_target(up);
  if (path.len > 256)                           /* topic_bytes_max */
    return 414;
  char *room = malloc(path.len + 1);
  if (!room)
    return 503;
  memcpy(room, path.data, path.len);
  room[path.len] = 0;
  rws_upgrade_set_user(up, room);
  return 101;
}

static rws_bytes topic(const char *room) {
  return (rws_bytes){(const uint8_t *)room, strlen(room)};
}

static void on_open(rws_reactor *r, rws_conn c, void *room) {
  if (rws_join(r, c, topic(room)) < 0)
    rws_abort(r, c);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *room) {
  static const rws_conn nobody;                 /* the speaker hears it, too: in its place */
  rws_buf *b;                                   /* framed once, for all of them */
  if (rws_buf_new(m->opcode, m->data, m->len, 0, &b, NULL) < 0)
    return;
  if (rws_publish(r, topic(room), b, nobody) < 0)
    rws_close(r, c, RWS_CLOSE_TRY_AGAIN, (rws_bytes){NULL, 0});
  rws_buf_release(b);
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *room) {
  (void)r, (void)c, (void)info;
  free(room);                                   /* it has left the room by itself */
}

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_open = on_open;
  cb.on_message = on_message;
  cb.on_close = on_close;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;

  rws_error err;
  uint16_t port;
  if (rws_engine_new(NULL, &engine, &err) < 0 ||
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
  return ended < 0;
}
