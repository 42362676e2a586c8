// What a user of the installed wrapper builds: an echo server, and a client that is answered.
#include <ringws.hpp>
#include <cstdio>
#include <string>

struct Echo {
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    r.send(c, m.opcode, rws::view(m));
  }
};

struct Client {
  std::string text;
  bool failed = true;

  void on_open(rws::reactor r, rws_conn c) { r.send(c, RWS_TEXT, text); }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    failed = std::string(reinterpret_cast<const char *>(m.data), m.len) != text;
    r.close(c);
  }
  void on_close(rws::reactor r, rws_conn, const rws_close_info &) { r.engine().stop(1000); }
  void on_refused(rws::reactor r, rws_refusal &why) {
    std::fprintf(stderr, "%s\n", why.error.text);
    r.engine().stop(0);
  }
};

int main() try {
  Echo echo;
  Client client{"round"};
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws::engine engine(config);
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "127.0.0.1";
  const unsigned port = engine.listen(at, echo);
  engine.start();
  engine.connect(("ws://127.0.0.1:" + std::to_string(port) + "/").c_str(), client);
  engine.wait();
  if (!client.failed) std::puts("round trip");
  return client.failed;
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
