// Says something to an echo server and prints the answer.  usage: client [URL] [text]
#include <ringws.hpp>
#include <cstdio>
#include <string>

struct Client {
  std::string text;
  bool failed = true;

  void on_open(rws::reactor r, rws_conn c) { r.send(c, RWS_TEXT, text); }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    failed = false;
    std::printf("%.*s\n", int(m.len), reinterpret_cast<const char *>(m.data));
    r.close(c);
  }
  void on_close(rws::reactor r, rws_conn, const rws_close_info &) { r.engine().stop(0); }
  void on_refused(rws::reactor r, rws_refusal &why) {
    std::fprintf(stderr, "%s\n", why.error.text);
    if (why.retry_ms == 0) r.engine().stop(0);
  }
};

int main(int argc, char **argv) try {
  Client client{argc > 2 ? argv[2] : "hello"};
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;

  rws::engine engine(config);
  engine.start();
  engine.connect(argc > 1 ? argv[1] : "ws://localhost:9001/", client);
  engine.wait();
  return client.failed;
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
