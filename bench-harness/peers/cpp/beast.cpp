// Echo on Boost.Beast, asynchronous, one thread.  usage: beast [port, 0: any]
//
// As its authors advise: compression left out at compile time, messages not split into frames, the
// executor named by its type, no timers, no locks in an io_context of one thread.
#include "gather.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace net = boost::asio;
using tcp = net::ip::tcp;
using beast::error_code;

namespace {

using executor = net::io_context::executor_type;
using socket_type = net::basic_stream_socket<tcp, executor>;
constexpr std::size_t message_max = 64 << 20;

class session : public std::enable_shared_from_this<session> {
 public:
  explicit session(socket_type&& socket) : ws_(peers::gather<socket_type>(std::move(socket))) {
    ws_.read_message_max(message_max);
    ws_.auto_fragment(false);
  }

  void run() {
    ws_.async_accept([self = shared_from_this()](error_code error) {
      if (!error) self->read();
    });
  }

 private:
  void read() {
    ws_.async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) self->write();
    });
  }

  void write() {
    ws_.text(ws_.got_text());
    ws_.async_write(buffer_.data(), [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return;
      self->buffer_.consume(self->buffer_.size());
      self->read();
    });
  }

  websocket::stream<peers::gather<socket_type>, false> ws_;
  beast::flat_buffer buffer_;
};

using acceptor_type = net::basic_socket_acceptor<tcp, executor>;

void accept(acceptor_type& acceptor) {
  acceptor.async_accept([&acceptor](error_code error, socket_type socket) {
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      std::make_shared<session>(std::move(socket))->run();
    }
    accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) try {
  const auto port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 9001);
  net::io_context io(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
  acceptor_type acceptor(io.get_executor());
  acceptor.open(tcp::v4());
  acceptor.set_option(net::socket_base::reuse_address(true));
  acceptor.bind({net::ip::address_v4::loopback(), port});
  acceptor.listen(4096);
  std::printf("listening on %u\n", static_cast<unsigned>(acceptor.local_endpoint().port()));
  std::fflush(stdout);
  accept(acceptor);
  io.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
