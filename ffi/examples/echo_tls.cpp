// An echo server that speaks TLS.  usage: echo_tls CERT KEY [port]     both files in PEM
#include <ringws.hpp>
#include <cstdio>
#include <cstdlib>

struct Echo {
  void on_message(rws::connection c, rws::message m) {
    if (c.send(m) == RWS_FULL) c.pause();      // slow reader: stop reading from it
  }
  void on_drain(rws::connection c) { c.resume(); }
};

int main(int argc, char **argv) try {
  if (argc < 3) return std::fprintf(stderr, "usage: echo_tls CERT KEY [port]\n"), 2;
  rws_identity identity = {};
  identity.cert_file = argv[1];
  identity.key_file = argv[2];
  rws_tls_config config = RWS_INIT(rws_tls_config);
  config.identities = &identity;
  config.identities_len = 1;
  const rws::tls tls = rws::tls::server(config).value();

  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 3 ? std::uint32_t(std::atoi(argv[3])) : 9443;
  at.tls = tls.get();
  rws::acceptor<Echo> all;
  auto engine = rws::engine::make().value();
  const unsigned bound = engine.listen(at, all).value();
  engine.start().value();
  std::printf("listening on %u\n", bound);
  std::fflush(stdout);
  engine.wait().value();
} catch (const rws::error &e) {
  return std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what()), 1;
}
