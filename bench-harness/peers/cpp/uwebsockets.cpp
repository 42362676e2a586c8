// Echo on uWebSockets.  usage: uwebsockets [port, 0: any] [--deflate shared|takeover]
//                                          [--level N: has no effect] [--tls certificate key]
//                                          [--broadcast]
//
// Its EchoServer, with limits as the others have them and no timeouts. The level of its compressor
// is fixed. With shared compressors it negotiates no context takeover; "takeover" gives each
// connection a compressor and a decompressor of the full window. With --broadcast every message is
// published to all connections, which subscribe to one topic, as its documentation has it.
#include "App.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

struct session {};

struct options {
  int port = 9001;
  const char *deflate = "off", *certificate = nullptr, *key = nullptr;
  bool broadcast = false;
};

options parse(int argc, char **argv) {
  options found;
  if (argc > 1) found.port = std::atoi(argv[1]);
  for (int at = 2; at < argc; at++) {
    if (!std::strcmp(argv[at], "--deflate") && at + 1 < argc) found.deflate = argv[at + 1];
    if (!std::strcmp(argv[at], "--broadcast")) found.broadcast = true;
    if (!std::strcmp(argv[at], "--tls") && at + 2 < argc) {
      found.certificate = argv[at + 1];
      found.key = argv[at + 2];
    }
  }
  return found;
}

uWS::CompressOptions compression(std::string_view how) {
  if (how == "shared") {
    return uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR);
  }
  if (how == "takeover") {
    return uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR | uWS::DEDICATED_DECOMPRESSOR);
  }
  return uWS::DISABLED;
}

template <class App>
int serve(App app, const options &asked) {
  const bool compress = std::string_view(asked.deflate) != "off";
  app.template ws<session>("/*", {
      .compression = compression(asked.deflate),
      .maxPayloadLength = 64 * 1024 * 1024,
      .idleTimeout = 0,
      .maxBackpressure = 64 * 1024 * 1024,
      .closeOnBackpressureLimit = false,
      .resetIdleTimeoutOnSend = false,
      .sendPingsAutomatically = false,
      .upgrade = nullptr,
      .open = [&asked](auto *ws) {
        if (asked.broadcast) ws->subscribe("all");
      },
      .message = [compress, &asked, &app](auto *ws, std::string_view message, uWS::OpCode code) {
        if (asked.broadcast) {
          app.publish("all", message, code, compress);
        } else {
          ws->send(message, code, compress);
        }
      },
  });
  app.listen("127.0.0.1", asked.port, [](us_listen_socket_t *socket) {
    if (!socket) return;
    std::printf("listening on %d\n", us_socket_local_port(0, (us_socket_t *)socket));
    std::fflush(stdout);
  });
  app.run();
  return 1;
}

}  // namespace

int main(int argc, char **argv) {
  const options asked = parse(argc, argv);
  if (!asked.certificate) return serve(uWS::App(), asked);
  uWS::SocketContextOptions secrets;
  secrets.cert_file_name = asked.certificate;
  secrets.key_file_name = asked.key;
  return serve(uWS::SSLApp(secrets), asked);
}
