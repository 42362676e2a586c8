/* The client of the conformance runs: asks the suite's server how many cases it has, echoes in each
 * of them, one after the other, and has the reports written. Flags first, then URL AGENT. */
#include "flags.h"

/* Used by the callbacks of one connection at a time. */
static struct {
  rws_engine *engine;
  rws_target to;
  const char *url, *agent;
  uint32_t cases, step;                         /* step 0 asks, 1 to cases run, then the reports */
  int failed;
} run;

static void fail(const char *why) {
  fprintf(stderr, "step %u: %s\n", run.step, why);
  run.failed = 1;
  rws_engine_stop(run.engine, 0);
}

static void go(void) {
  char url[512];
  rws_error err;
  if (run.step == 0) snprintf(url, sizeof url, "%s/getCaseCount", run.url);
  else if (run.step <= run.cases)
    snprintf(url, sizeof url, "%s/runCase?case=%u&agent=%s", run.url, run.step, run.agent);
  else snprintf(url, sizeof url, "%s/updateReports?agent=%s", run.url, run.agent);
  run.to.url = url;
  if (rws_engine_connect(run.engine, &run.to, NULL, &err) < 0) fail(err.text);
}

static void on_message(rws_reactor *r, rws_conn c, const rws_message *m, void *user) {
  (void)user;
  if (run.step > 0) {
    echo(r, c, m);
    return;
  }
  for (size_t i = 0; i < m->len && m->data[i] >= '0' && m->data[i] <= '9'; i++)
    run.cases = run.cases * 10 + (m->data[i] - '0');
}
static void on_close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) {
  (void)r, (void)c, (void)info, (void)user;
  if (run.step == 0 && run.cases == 0) fail("no number of cases");
  else if (run.step++ > run.cases) rws_engine_stop(run.engine, 0);
  else go();
}
static void on_refused(rws_reactor *r, rws_refusal *why, void *user) {
  (void)r, (void)user;
  fail(why->error.text);
}

int main(int argc, char **argv) {
  rws_config config = RWS_INIT(rws_config);
  rws_options options = RWS_INIT(rws_options);
  rws_tls_config tls = RWS_INIT(rws_tls_config);
  int i = 1;
  for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
    if (strcmp(argv[i], "--roots") == 0) tls.roots_file = argv[++i];
    else if (!shared_flag(argv, &i, &config, &options)) break;
  }
  if (i + 2 != argc) return fprintf(stderr, SHARED_FLAGS " [--roots FILE] URL AGENT\n"), 2;
  run.url = argv[i];
  run.agent = argv[i + 1];
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  cb.on_message = on_message;
  cb.on_drain = on_drain;
  cb.on_close = on_close;
  cb.on_refused = on_refused;
  options.message_max = options.send_queue_max = 64 << 20;
  options.fragments_max = 1 << 20;
  config.reactors = 1;
  const rws_target none = RWS_INIT(rws_target);
  run.to = none;
  run.to.callbacks = &cb;
  run.to.options = &options;

  rws_error err;
  if ((tls.roots_file && rws_tls_client_new(&tls, &run.to.tls, &err) < 0) ||
      rws_engine_new(&config, &run.engine, &err) < 0 || rws_engine_start(run.engine, &err) < 0)
    return fprintf(stderr, "%s\n", err.text), 1;
  go();
  if (rws_engine_wait(run.engine) < 0) run.failed = 1;
  rws_engine_free(run.engine);
  rws_tls_release(run.to.tls);
  return run.failed;
}
