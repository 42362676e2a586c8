#include <mutex>
#include <set>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/server.hpp>

using Server = websocketpp::server<websocketpp::config::asio>;
using Handle = websocketpp::connection_hdl;

static Server server;
static std::mutex lock;
static std::set<Handle, std::owner_less<Handle>> all;

static bool on_validate(Handle h) {
  return server.get_con_from_hdl(h)->get_request_header("Authorization") == "Bearer of-a-real-check";
}
static void on_open(Handle h) {
  std::lock_guard<std::mutex> hold(lock);
  all.insert(h);
}
static void on_close(Handle h) {
  std::lock_guard<std::mutex> hold(lock);
  all.erase(h);
}
static void on_message(Handle from, Server::message_ptr m) {
  std::lock_guard<std::mutex> hold(lock);
  for (const Handle &h : all) {
    if (!h.owner_before(from) && !from.owner_before(h)) continue;
    websocketpp::lib::error_code ec;
    server.send(h, m->get_payload(), m->get_opcode(), ec);  // queued without a bound
  }
}

int main() {
  server.set_validate_handler(&on_validate);
  server.set_open_handler(&on_open);
  server.set_close_handler(&on_close);
  server.set_message_handler(&on_message);
  server.set_max_message_size(1 << 20);
  server.init_asio();
  server.set_reuse_addr(true);
  server.listen(9001);
  server.start_accept();
  server.run();
}
