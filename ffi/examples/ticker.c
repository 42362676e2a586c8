/* A ticker: whoever connects gets the prices of all symbols; a slow reader the newest of each, as
 * soon as it reads, and not all of them.  usage: ticker [port, 0: any] */
#include <ringws.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

enum { SYMBOLS = 50, UPDATES = 1000 };          /* of each symbol, a second */

static rws_engine *engine;
static atomic_int ended;
static const rws_bytes prices = {(const uint8_t *)"prices", 6};
static void on_signal(int sig) { (void)sig; rws_engine_stop(engine, 5000); }

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  (void)user;
  if (rws_join(r, c, prices) < 0)
    rws_abort(r, c);
}

/* The feed is a thread of its own: the engine takes what it says to all reactors. */
static int feed(void *arg) {
  (void)arg;
  static const rws_conn nobody;
  struct timespec pause = {.tv_nsec = 1000000000 / UPDATES};
  for (unsigned long update = 0; !atomic_load(&ended); update++) {
    for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) {
      char text[64];
      const int len = snprintf(text, sizeof text, "{\"symbol\": %u, \"price\": %lu}", symbol, update);
      rws_buf *b;                               /* framed once, for all of them */
      if (rws_buf_new(RWS_TEXT, text, (size_t)len, 0, &b, NULL) < 0)
        continue;
      (void)rws_engine_publish_latest(engine, prices, symbol, b, nobody); /* full: a newer follows */
      rws_buf_release(b);
    }
    thrd_sleep(&pause, NULL);
  }
  return 0;
}

int main(int argc, char **argv) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_open = on_open;
  rws_options options = RWS_INIT(rws_options);
  options.unsent_max = 4 << 10;                 /* what waits in the kernel is not replaced */
  options.kernel_send_max = 8 << 10;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? (uint32_t)atoi(argv[1]) : 9001;
  at.callbacks = &cb;
  at.options = &options;

  rws_error err;
  uint16_t port;
  thrd_t feeder;
  if (rws_engine_new(NULL, &engine, &err) < 0 ||
      rws_engine_listen(engine, &at, &port, &err) < 0 ||
      rws_engine_start(engine, &err) < 0)
    return fprintf(stderr, "%s: %s\n", rws_strerror(err.status), err.text), 1;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  if (thrd_create(&feeder, feed, NULL) != thrd_success)
    return fputs("no thread for the feed\n", stderr), 1;
  printf("listening on %u\n", port);
  fflush(stdout);

  const rws_status done = rws_engine_wait(engine);
  atomic_store(&ended, 1);
  thrd_join(feeder, NULL);
  signal(SIGINT, SIG_DFL);                      /* the engine goes: nothing to stop any more */
  signal(SIGTERM, SIG_DFL);
  rws_engine_free(engine);
  return done < 0;
}
