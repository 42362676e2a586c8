// An echo server.  usage: echo [port, 0: any] [largest message in bytes]
#include <ringws.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

struct Echo {  // a connection
  void on_message(rws::connection c, rws::message m) {
    if (c.send(m) == RWS_FULL) c.pause();      // slow reader: stop reading from it
  }
  void on_drain(rws::connection c) { c.resume(); }
};

static rws::handle running;

int main(int argc, char **argv) try {
  rws_options options = RWS_INIT(rws_options);  // zero: the default
  if (argc > 2) {
    options.message_max = options.send_queue_max = std::uint32_t(std::atoi(argv[2]));
    options.fragments_max = 1 << 17;           // even if its pieces are small
  }
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? std::uint32_t(std::atoi(argv[1])) : 9001;
  at.options = &options;

  rws::acceptor<Echo> all;                     // lets everybody in, with an Echo each
  auto engine = rws::engine::make().value();   // one reactor per CPU
  const unsigned bound = engine.listen(at, all).value();
  engine.start().value();

  running = engine;
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, [](int) { running.stop(); });
  std::printf("listening on %u\n", bound);
  std::fflush(stdout);
  engine.wait().value();
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, SIG_DFL);
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
