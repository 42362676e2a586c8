// Echo on websocketpp, at its defaults, with compression, which it can.
#include <iostream>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/server.hpp>

struct config : websocketpp::config::asio {
  typedef websocketpp::config::asio base;
  struct permessage_deflate_config {};
  typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config>
      permessage_deflate_type;
};

int main() {
  typedef websocketpp::server<config> server;
  server echo;
  echo.clear_access_channels(websocketpp::log::alevel::all);
  echo.clear_error_channels(websocketpp::log::elevel::all);
  echo.init_asio();
  echo.set_message_handler([&](websocketpp::connection_hdl peer, server::message_ptr message) {
    websocketpp::lib::error_code error;
    echo.send(peer, message->get_payload(), message->get_opcode(), error);
  });
  echo.listen(boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  echo.start_accept();
  boost::system::error_code error;
  std::cout << echo.get_local_endpoint(error).port() << " websocketpp "
            << websocketpp::major_version << "." << websocketpp::minor_version << "."
            << websocketpp::patch_version << std::endl;
  echo.run();
}
