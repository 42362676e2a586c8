// A gateway: each client gets a connection of its own to the server behind it, for the same path.
// What that refuses is refused, codes and reasons go both ways, and so does back-pressure.
// usage: gateway [port, 0: any] [ws://server behind]
#include <ringws.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

static std::string behind = "ws://127.0.0.1:9001";

struct Side {             // one of the two connections of a client, and its handler
  Side *other = nullptr;  // on the same reactor; null: this stands for the endpoint
  bool is_server = false, over = false;
  rws_conn conn{};        // while it is open
  rws_later later{};      // of the client's side: its upgrade
  rws_dial dial{};        // of the server's
  std::uint16_t code = 0; // how it has ended, for the other
  std::string reason;

  int on_upgrade(rws::reactor r, rws::upgrade up) {
    auto client = new Side, server = new Side;
    (client->other = server)->other = client;
    server->is_server = true;
    const std::string url = behind + std::string(up.target());
    const std::string protocols(up.header("Sec-WebSocket-Protocol"));
    rws_target to = RWS_INIT(rws_target);
    to.url = url.c_str();
    to.protocols = protocols.empty() ? nullptr : protocols.c_str();
    to.flags = RWS_TARGET_REACTOR;
    to.reactor = r.index();
    if (r.engine().try_connect(to, *server, nullptr, &server->dial) < 0) {
      delete client, delete server;
      return 502;
    }
    up.set_handler<Side>(*client);
    client->later = up.later();
    return RWS_LATER;
  }
  void on_gone(rws::reactor r, rws_later) {  // the client has not waited
    if (other->conn.id) r.close(other->conn, RWS_CLOSE_GOING_AWAY);
    else r.engine().cancel_connect(other->dial);
    end();
  }
  void on_refused(rws::reactor r, rws_refusal &why) {
    const auto none = why.error.status == RWS_E_TIMEOUT ? 504 : 502;
    const auto status = std::uint32_t(why.http_status >= 300 ? why.http_status : none);
    if (r.engine().answer(other->later, status, rws::view(why.body)) == RWS_OK) other->over = true;
    end();
  }
  void on_open(rws::reactor r, rws_conn c) {
    conn = c;
    if (is_server) {
      r.pause(c);  // until the client can hear it
      const std::string chosen(r.answer_header(c, "Sec-WebSocket-Protocol"));
      const char *protocol = chosen.empty() ? nullptr : chosen.c_str();
      if (r.engine().accept<Side>(other->later, *other, protocol) != RWS_OK)
        r.close(c, RWS_CLOSE_GOING_AWAY);  // on_gone was called, or will be
    } else if (other->conn.id) {
      r.resume(other->conn);
    } else {
      r.close(c, other->code, other->reason);
    }
  }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    if (r.send(other->conn, m.opcode, rws::view(m)) == RWS_FULL) r.pause(c);
  }
  void on_drain(rws::reactor r, rws_conn) { r.resume(other->conn); }
  void on_close(rws::reactor r, rws_conn, const rws_close_info &info) {
    const auto lost = is_server ? RWS_CLOSE_BAD_GATEWAY : RWS_CLOSE_GOING_AWAY;
    code = std::uint16_t(info.code == RWS_CLOSE_ABNORMAL ? lost : info.code);
    reason = rws::view(info.reason);
    conn = {};
    if (other->conn.id) r.close(other->conn, code, reason);
    end();
  }
  void end() {
    over = true;
    if (other->over) delete other, delete this;
  }
};

int main(int argc, char **argv) try {
  if (argc > 2) behind = argv[2];
  const int port = argc > 1 ? std::atoi(argv[1]) : 9002;
  Side front;
  rws::engine engine;
  static rws::handle running;
  running = engine;
  const unsigned bound = engine.listen(std::uint16_t(port), front);
  engine.start();
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, [](int) { running.stop(); });
  std::printf("listening on %u\n", bound);
  std::fflush(stdout);
  engine.wait();
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, SIG_DFL);
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
