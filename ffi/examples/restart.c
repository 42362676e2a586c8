/* A counter for each connection that outlives the process: start it again, and the new process takes
 * the listening socket and the open connections of the old one, which then ends. Nobody is closed.
 * usage: restart [port] [path of a Unix socket by which the two find each other] */
#include <ringws.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const void *word(uint64_t count) { return (const void *)(uintptr_t)count; }

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)m;
  const uint64_t count = (uint64_t)(uintptr_t)user + 1;
  char text[32];
  const int len = snprintf(text, sizeof text, "%llu", (unsigned long long)count);
  rws_set_user(r, c, (void *)word(count));
  rws_send(r, c, RWS_TEXT, text, (size_t)len, 0);
}

/* The old process: all that the new one has to know. */
static void on_hand_over(rws_reactor *r, rws_conn c, rws_parting *p, void *user) {
  (void)r, (void)c;
  const uint64_t count = (uint64_t)(uintptr_t)user;
  const rws_bytes state = { (const uint8_t *)&count, sizeof count };
  rws_parting_state(p, state);
}

/* The new one goes on with it. */
static void on_taken_over(rws_reactor *r, rws_conn c, rws_bytes state, void *user) {
  (void)user;
  uint64_t count = 0;
  if (state.len == sizeof count) memcpy(&count, state.data, sizeof count);
  rws_set_user(r, c, (void *)word(count));
}

static void on_handed_over(rws_engine *e, const rws_handed_over *how, void *user) {
  (void)e, (void)user;
  printf("%llu passed on, %llu left: %s\n", (unsigned long long)how->passed,
         (unsigned long long)how->left, rws_strerror(how->status));
  fflush(stdout);
}

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_hand_over = on_hand_over;
  cb.on_taken_over = on_taken_over;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;
  struct sockaddr_un door = { .sun_family = AF_UNIX };
  snprintf(door.sun_path, sizeof door.sun_path, "%s", argc > 2 ? argv[2] : "/tmp/restart.sock");

  rws_engine *engine;
  rws_error err;
  if (rws_engine_new(NULL, &engine, &err) < 0)
    return fprintf(stderr, "%s\n", err.text), 1;

  /* Is somebody there before us? */
  const int before = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(before, (struct sockaddr *)&door, sizeof door) < 0 ||
      rws_engine_take_over(engine, before, 5000, &err) < 0)
    close(before);

  uint16_t port;
  if (rws_engine_listen(engine, &at, &port, &err) < 0 || rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;

  /* Whoever connects here, of our user, is to take our place. */
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(door.sun_path);
  if (bind(listener, (struct sockaddr *)&door, sizeof door) < 0 || listen(listener, 1) < 0)
    return perror(door.sun_path), 1;
  printf("listening on %u\n", port);
  fflush(stdout);

  rws_hand_over how = RWS_INIT(rws_hand_over);
  how.on_handed_over = on_handed_over;
  int next;
  do {
    next = accept(listener, NULL, NULL);
    if (next >= 0 && rws_engine_hand_over(engine, next, &how, &err) == RWS_OK)
      break;
    if (next >= 0) close(next);
  } while (next >= 0);
  const rws_status ended = rws_engine_wait(engine);
  rws_engine_free(engine);
  return ended < 0;
}
