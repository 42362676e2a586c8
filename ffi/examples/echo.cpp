// An echo server.  usage: echo [port, 0: any] [largest message in bytes]
#include <ringws.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

struct Echo {  // every reactor's thread calls this one object: keep it stateless
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    if (r.send(c, m.opcode, rws::view(m)) == RWS_FULL)
      r.pause(c);                              // slow reader: stop reading from it
  }
  void on_drain(rws::reactor r, rws_conn c) { r.resume(c); }
};

static rws::handle running;

int main(int argc, char **argv) try {
  const int port = argc > 1 ? std::atoi(argv[1]) : 9001;
  rws_options options = RWS_INIT(rws_options);  // zero: the default
  if (argc > 2) {
    options.message_max = options.send_queue_max = std::uint32_t(std::atoi(argv[2]));
    options.fragments_max = 1 << 17;           // even if its pieces are small
  }

  Echo echo;
  rws::engine engine;                          // one reactor per CPU
  const unsigned bound = engine.listen(std::uint16_t(port), echo, options);
  engine.start();

  running = engine;
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, [](int) { running.stop(); });
  std::printf("listening on %u\n", bound);
  std::fflush(stdout);
  engine.wait();
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, SIG_DFL);
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
