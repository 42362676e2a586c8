#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ringws.hpp>

struct Talk {  // nothing in it: all reactors may share one
  int on_upgrade(rws::reactor, rws::upgrade up) {
    return up.header("Authorization") == "Bearer of-a-real-check" ? 101 : 401;
  }
  void on_open(rws::reactor r, rws_conn c) {
    if (r.join(c, "all") < 0) r.abort(c);
  }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    const rws::buf said = r.retain(m);  // mostly without a copy
    if (!said || r.publish("all", said, c) < 0) r.close(c, RWS_CLOSE_TRY_AGAIN);  // nobody has it
  }
};

int main(int argc, char **argv) try {
  sigset_t ends;
  sigemptyset(&ends);
  for (int sig : {SIGINT, SIGTERM}) sigaddset(&ends, sig);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  rws_options options = RWS_INIT(rws_options);
  options.message_max = 1 << 20;
  options.send_queue_max = 256 << 10;
  options.when_full = RWS_WHEN_FULL_CLOSE;
  Talk talk;
  rws::engine engine;
  const int wanted = argc > 1 ? std::atoi(argv[1]) : 9001;
  const unsigned port = engine.listen(static_cast<std::uint16_t>(wanted), talk, options);
  engine.start();
  std::printf("listening on %u\n", port);
  std::fflush(stdout);

  int sig;
  sigwait(&ends, &sig);
  engine.drain();
  engine.wait();
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
