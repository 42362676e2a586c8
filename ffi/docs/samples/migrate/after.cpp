#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ringws.hpp>

struct Talk {  // a connection
  void on_open(rws::connection c) {
    if (c.join("all") < 0) c.abort();
  }
  void on_message(rws::connection c, rws::message m) {
    const auto said = m.retain();  // mostly without a copy
    if (!said || c.publish("all", *said) < 0) c.close(RWS_CLOSE_TRY_AGAIN);  // nobody has it
  }
};

struct Door : rws::acceptor<Talk> {  // called by all reactors at once
  admission on_upgrade(rws::upgrade &up) {
    if (up.header("Authorization") != "Bearer of-a-real-check") return rws::refuse(401);
    return rws::make_session<Talk>();
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
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : 9001;
  at.options = &options;
  Door door;
  auto engine = rws::engine::make().value();
  const unsigned port = engine.listen(at, door).value();
  engine.start().value();
  std::printf("listening on %u\n", port);
  std::fflush(stdout);

  int sig;
  sigwait(&ends, &sig);
  engine.drain();
  engine.wait().value();
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
