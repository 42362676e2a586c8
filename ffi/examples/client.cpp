// Says something to an echo server and prints the answer.  usage: client [URL] [text]
#include <ringws.hpp>
#include <cstdio>
#include <string_view>

struct Client {  // the connection
  std::string_view text;
  bool &heard;

  void on_open(rws::connection c) { c.send(text); }
  void on_message(rws::connection c, rws::message m) {
    heard = true;
    std::printf("%.*s\n", int(m.size()), m.text().data());
    c.close();
  }
  void on_close(rws::connection c, rws_close_info &) { c.reactor().engine().stop(0); }
  void on_refused(rws::reactor r, rws_refusal &why) {
    std::fprintf(stderr, "%s\n", why.error.text);
    r.engine().stop(0);
  }
};

int main(int argc, char **argv) try {
  bool heard = false;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;

  auto engine = rws::engine::make(config).value();
  engine.start().value();
  auto client = rws::make_session<Client>(argc > 2 ? argv[2] : "hello", heard);
  engine.connect(argc > 1 ? argv[1] : "ws://localhost:9001/", std::move(client)).value();
  engine.wait().value();
  return heard ? 0 : 1;
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
