// Echo on Boost.Beast, asynchronous, one thread.  usage: beast [port, 0: any]
//                       [--deflate shared|takeover] [--level N] [--tls certificate key]
//
// As its authors advise: compression left out at compile time where it is not asked for, messages
// not split into frames, the executor named by its type, no timers, no locks in an io_context of
// one thread.
#include "gather.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace net = boost::asio;
using tcp = net::ip::tcp;
using beast::error_code;

namespace {

using executor = net::io_context::executor_type;
using socket_type = net::basic_stream_socket<tcp, executor>;
using secure_type = net::ssl::stream<socket_type>;
constexpr std::size_t message_max = 64 << 20;

struct options {
  unsigned short port = 9001;
  const char *deflate = nullptr, *level = nullptr, *certificate = nullptr, *key = nullptr;
};

options parse(int argc, char** argv) {
  options found;
  if (argc > 1) found.port = static_cast<unsigned short>(std::atoi(argv[1]));
  for (int at = 2; at < argc; at++) {
    if (!std::strcmp(argv[at], "--deflate") && at + 1 < argc) found.deflate = argv[at + 1];
    if (!std::strcmp(argv[at], "--level") && at + 1 < argc) found.level = argv[at + 1];
    if (!std::strcmp(argv[at], "--tls") && at + 2 < argc) {
      found.certificate = argv[at + 1];
      found.key = argv[at + 2];
    }
  }
  return found;
}

// What the handshake may agree on. The memory is that of its default unless a level is named: then
// it is zlib's.
websocket::permessage_deflate compression(const options& asked) {
  websocket::permessage_deflate found;
  found.server_enable = true;
  found.server_no_context_takeover = !std::strcmp(asked.deflate, "shared");
  found.client_no_context_takeover = found.server_no_context_takeover;
  if (asked.level) {
    found.compLevel = std::atoi(asked.level);
    found.memLevel = 8;
  }
  return found;
}

template <class Stream, bool Deflate>
class session : public std::enable_shared_from_this<session<Stream, Deflate>> {
 public:
  session(Stream&& stream, const options& asked)
      : ws_(peers::gather<Stream>(std::move(stream))) {
    ws_.read_message_max(message_max);
    ws_.auto_fragment(false);
    if constexpr (Deflate) ws_.set_option(compression(asked));
  }

  void run() {
    if constexpr (std::is_same_v<Stream, secure_type>) {
      auto& tls = ws_.next_layer().next_layer();
      tls.async_handshake(net::ssl::stream_base::server,
                          [self = this->shared_from_this()](error_code error) {
                            if (!error) self->accept();
                          });
    } else {
      accept();
    }
  }

 private:
  void accept() {
    ws_.async_accept([self = this->shared_from_this()](error_code error) {
      if (!error) self->read();
    });
  }

  void read() {
    ws_.async_read(buffer_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (!error) self->write();
    });
  }

  void write() {
    ws_.text(ws_.got_text());
    ws_.async_write(buffer_.data(),
                    [self = this->shared_from_this()](error_code error, std::size_t) {
                      if (error) return;
                      self->buffer_.consume(self->buffer_.size());
                      self->read();
                    });
  }

  websocket::stream<peers::gather<Stream>, Deflate> ws_;
  beast::flat_buffer buffer_;
};

using acceptor_type = net::basic_socket_acceptor<tcp, executor>;

template <class Stream>
void start(Stream&& stream, const options& asked) {
  if (asked.deflate) {
    std::make_shared<session<Stream, true>>(std::move(stream), asked)->run();
  } else {
    std::make_shared<session<Stream, false>>(std::move(stream), asked)->run();
  }
}

void accept(acceptor_type& acceptor, const options& asked, net::ssl::context& secrets) {
  acceptor.async_accept([&](error_code error, socket_type socket) {
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      if (asked.certificate) {
        start(secure_type(std::move(socket), secrets), asked);
      } else {
        start(std::move(socket), asked);
      }
    }
    accept(acceptor, asked, secrets);
  });
}

}  // namespace

int main(int argc, char** argv) try {
  const options asked = parse(argc, argv);
  net::ssl::context secrets(net::ssl::context::tlsv13_server);
  if (asked.certificate) {
    secrets.use_certificate_chain_file(asked.certificate);
    secrets.use_private_key_file(asked.key, net::ssl::context::pem);
  }
  net::io_context io(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
  acceptor_type acceptor(io.get_executor());
  acceptor.open(tcp::v4());
  acceptor.set_option(net::socket_base::reuse_address(true));
  acceptor.bind({net::ip::address_v4::loopback(), asked.port});
  acceptor.listen(4096);
  std::printf("listening on %u\n", static_cast<unsigned>(acceptor.local_endpoint().port()));
  std::fflush(stdout);
  accept(acceptor, asked, secrets);
  io.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
