// Echo on Boost.Beast, as in its example websocket-server-sync: a thread for each connection.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/version.hpp>
#include <iostream>
#include <thread>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = boost::asio::ip::tcp;

static void talk(tcp::socket socket) {
  try {
    websocket::stream<tcp::socket> stream{std::move(socket)};
    websocket::permessage_deflate compression;
    compression.server_enable = true;
    stream.set_option(compression);
    stream.accept();
    for (;;) {
      beast::flat_buffer buffer;
      stream.read(buffer);
      stream.text(stream.got_text());
      stream.write(buffer.data());
    }
  } catch (const std::exception&) {
    // The closing handshake, or a fault of the other end, which the library has answered.
  }
}

int main() {
  boost::asio::io_context context;
  tcp::acceptor acceptor{context, {boost::asio::ip::address_v4::loopback(), 0}};
  std::cout << acceptor.local_endpoint().port() << " Boost.Beast of Boost " << BOOST_VERSION / 100000
            << "." << BOOST_VERSION / 100 % 1000 << std::endl;
  for (;;) std::thread(talk, acceptor.accept()).detach();
}
