// An echo server in the loop of an asio program, on its thread and beside its own work: here a timer
// that counts.  usage: embed_asio [port, 0: any]
#include <asio.hpp>
#include <ringws.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

static unsigned long messages = 0;  // all is called by io.run(): no lock

struct Echo {  // a connection
  void on_message(rws::connection c, rws::message m) {
    messages++;
    if (c.send(m) == RWS_FULL) c.pause();
  }
  void on_drain(rws::connection c) { c.resume(); }
};

class Loop {  // gives the engine's reactor its turns
  rws::engine &engine_;
  asio::posix::stream_descriptor ring_;  // owns what attach gives

 public:
  Loop(asio::io_context &io, rws::engine &engine)
      : engine_(engine), ring_(io, engine.attach(0).value()) {
    wait();
  }
  void wait() {
    ring_.async_wait(ring_.wait_read, [this](asio::error_code error) {
      if (!error && engine_.turn().value()) wait();  // false: it has ended
    });
  }
};

class Count {
  asio::steady_timer timer_;

 public:
  explicit Count(asio::io_context &io) : timer_(io) { wait(); }
  void wait() {
    timer_.expires_after(std::chrono::seconds(1));
    timer_.async_wait([this](asio::error_code error) {
      if (error) return;
      std::printf("%lu messages\n", messages);
      wait();
    });
  }
  void stop() { timer_.cancel(); }
};

int main(int argc, char **argv) try {
  const int port = argc > 1 ? std::atoi(argv[1]) : 9001;
  asio::io_context io(1);
  rws::acceptor<Echo> all;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = config.attached = 1;  // one, without a thread
  auto engine = rws::engine::make(config).value();
  const unsigned bound = engine.listen(std::uint16_t(port), all).value();
  engine.start().value();

  Loop loop(io, engine);
  Count count(io);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](asio::error_code error, int) {
    if (error) return;
    count.stop();
    engine.stop();
  });
  std::printf("listening on %u\n", bound);
  std::fflush(stdout);
  io.run();  // until the reactor has ended
} catch (const std::exception &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
