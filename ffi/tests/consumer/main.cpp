// What a user of the installed wrapper builds: an echo server, and a client that is answered.
#include <ringws.hpp>
#include <cstdio>
#include <string>

struct Echo {
  void on_message(rws::connection c, rws::message m) { c.send(m); }
};

struct Client {
  std::string text;
  bool &heard;

  void on_open(rws::connection c) { c.send(text); }
  void on_message(rws::connection c, rws::message m) {
    heard = m.text() == text;
    c.close();
  }
  void on_close(rws::connection c, rws_close_info &) { c.reactor().engine().stop(1000); }
  void on_refused(rws::reactor r, rws_refusal &why) {
    std::fprintf(stderr, "%s\n", why.error.text);
    r.engine().stop(0);
  }
};

int main() try {
  rws::acceptor<Echo> echo;
  bool heard = false;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  auto engine = rws::engine::make(config).value();
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  const unsigned port = engine.listen(at, echo).value();
  engine.start().value();
  const rws::target to("ws://127.0.0.1:" + std::to_string(port) + "/");
  engine.connect(to, rws::make_session<Client>("round", heard)).value();
  engine.wait().value();
  if (heard) std::puts("round trip");
  return heard ? 0 : 1;
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
