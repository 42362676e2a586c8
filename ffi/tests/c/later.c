/* Leaves every upgrade and request to a thread that answers, and counts whose memory it has.  Stops
   when the one that was let in has closed. */
#include "client.h"
#include <pthread.h>
#include <ringws.h>
#include <stdatomic.h>

static rws_engine *engine;
static atomic_int left_over, opened, gone;

typedef struct {
  char path[16];
  rws_later later;
  int page;
} asked;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static asked *queue[64];
static unsigned first, last;

static void put(asked *a) {
  CHECK(pthread_mutex_lock(&lock) == 0);
  queue[last++ % 64] = a;
  CHECK(pthread_cond_signal(&came) == 0 && pthread_mutex_unlock(&lock) == 0);
}

static asked *make(rws_bytes path) {
  asked *a = calloc(1, sizeof *a);
  CHECK(a != NULL && path.len < sizeof a->path);
  memcpy(a->path, path.data, path.len);
  left_over++;
  return a;
}

static void drop(asked *a) {
  left_over--;
  free(a);
}

static int on_upgrade(rws_reactor *r, rws_upgrade *up, void *user) {
  rws_later again = {7};
  (void)r;
  CHECK(user == &engine && rws_upgrade_later(NULL, &again) == RWS_E_INVALID);
  CHECK(rws_upgrade_later(up, NULL) == RWS_E_INVALID && again.id == 7);
  asked *const a = make(rws_upgrade_target(up));
  if (strcmp(a->path, "/forgot") == 0) {
    drop(a);
    return RWS_LATER; /* without rws_upgrade_later: 500 */
  }
  rws_upgrade_set_user(up, a);
  CHECK(rws_upgrade_later(up, &a->later) == RWS_OK && a->later.id != 0);
  CHECK(rws_later_reactor(a->later) == rws_reactor_index(r));
  CHECK(rws_later_reactor((rws_later){0}) == RWS_ANY_REACTOR);
  CHECK(rws_upgrade_later(up, &again) == RWS_E_STATE && again.id == 7);
  if (strcmp(a->path, "/now") == 0) {
    drop(a);
    return 403; /* at once, after all */
  }
  /* Of /gone nobody takes care: on_gone does. */
  if (strcmp(a->path, "/gone") != 0) put(a);
  return RWS_LATER;
}

static void on_request(rws_reactor *r, rws_request *q, void *user) {
  (void)r;
  CHECK(user == &engine);
  asked *const a = make(rws_request_path(q));
  a->page = 1;
  CHECK(rws_request_later(q, NULL) == RWS_E_INVALID && rws_request_later(NULL, &a->later) == RWS_E_INVALID);
  CHECK(rws_request_later(q, &a->later) == RWS_OK && rws_request_later(q, &a->later) == RWS_E_STATE);
  rws_response answer = RWS_INIT(rws_response);
  answer.status = 200;
  CHECK(rws_request_answer(q, &answer) == RWS_E_STATE);
  put(a);
}

static void answer(asked *a) {
  rws_response with = RWS_INIT(rws_response);
  const rws_later later = a->later;
  CHECK(rws_engine_answer(NULL, later, &with, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_answer(engine, later, NULL, NULL) == RWS_E_INVALID);
  CHECK(rws_engine_answer(engine, later, &with, NULL) == RWS_E_INVALID); /* no status */
  CHECK(rws_engine_answer(engine, (rws_later){0}, &with, NULL) == RWS_E_GONE);
  with.headers = "X-Later: yes";
  with.status = a->page ? 200 : 101;
  with.protocol = "other";
  CHECK(rws_engine_answer(engine, later, &with, NULL) == RWS_E_INVALID);
  with.protocol = NULL;
  if (a->page || strcmp(a->path, "/no") == 0) {
    with.status = a->page ? 200 : 401;
    with.body = (rws_bytes){(const uint8_t *)a->path, strlen(a->path)};
    CHECK(rws_engine_answer(engine, later, &with, a) == RWS_OK);
    drop(a); /* nothing follows */
  } else {
    with.protocol = "chat";
    CHECK(rws_engine_answer(engine, later, &with, a) == RWS_OK); /* the engine's from here on */
  }
  with.body = (rws_bytes){NULL, 0};
  CHECK(rws_engine_answer(engine, later, &with, NULL) == RWS_E_GONE);
}

static void *work(void *none) {
  for (;;) {
    CHECK(pthread_mutex_lock(&lock) == 0);
    while (first == last) CHECK(pthread_cond_wait(&came, &lock) == 0);
    asked *const a = queue[first++ % 64];
    CHECK(pthread_mutex_unlock(&lock) == 0);
    if (a == NULL) return none;
    answer(a);
  }
}

static void on_open(rws_reactor *r, rws_conn c, void *user) {
  asked *const a = user;
  CHECK(strcmp(a->path, "/") == 0);
  CHECK(rws_send(r, c, RWS_TEXT, a->path, 1, 0) == RWS_OK);
  opened++;
}

static void on_gone(rws_reactor *r, rws_later l, void *user) {
  asked *const a = user;
  rws_response accept = RWS_INIT(rws_response);
  accept.status = 101;
  CHECK(r != NULL && a->later.id == l.id && strcmp(a->path, "/gone") == 0);
  CHECK(rws_engine_answer(engine, l, &accept, &engine) == RWS_E_GONE);
  gone++;
  drop(a);
}

static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)info;
  drop(user);
  rws_engine_stop(engine, 10000);
}

int main(void) {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_upgrade = on_upgrade;
  cb.on_request = on_request;
  cb.on_open = on_open;
  cb.on_gone = on_gone;
  cb.on_close = on_close;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  at.callbacks = &cb;
  at.user = &engine;
  rws_error err;
  uint16_t port;
  CHECK(rws_engine_new(&config, &engine, &err) == RWS_OK);
  CHECK(rws_engine_listen(engine, &at, &port, &err) == RWS_OK);
  CHECK(rws_engine_start(engine, &err) == RWS_OK);
  pthread_t worker;
  CHECK(pthread_create(&worker, NULL, work, NULL) == 0);
  printf("listening on %u\n", port);
  fflush(stdout);
  CHECK(rws_engine_wait(engine) == RWS_OK);
  put(NULL);
  CHECK(pthread_join(worker, NULL) == 0);
  rws_engine_free(engine);
  CHECK(left_over == 0 && opened == 1 && gone == 2);
  return 0;
}
