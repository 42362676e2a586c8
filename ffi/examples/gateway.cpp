// A gateway: each client gets a connection of its own to the server behind it, for the same path.
// What that refuses is refused, codes and reasons go both ways, and so does back-pressure.
// usage: gateway [port, 0: any] [ws://server behind]
#include <ringws.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

static std::string behind = "ws://127.0.0.1:9001";

struct Side;

// What the two connections of a client have in common: on one reactor, so without a lock.
struct Pipe {
  rws_conn client{}, server{};         // while they are open
  rws::pending_upgrade<Side> upgrade;  // the client's, until the server has answered
  rws_dial dial{};                     // the server's
  std::uint16_t code = RWS_CLOSE_GOING_AWAY;  // how the one has ended, for the other
  std::string reason;
};

struct Side {  // one of the two connections
  std::shared_ptr<Pipe> pipe;
  bool is_server;

  rws_conn &mine() { return is_server ? pipe->server : pipe->client; }
  rws::connection other(rws::connection c) {
    return c.reactor().at(is_server ? pipe->client : pipe->server);
  }

  void on_open(rws::connection c) {
    mine() = c.id();
    if (is_server) {
      c.pause();  // until the client can hear it
      const std::string chosen(c.answer_header("Sec-WebSocket-Protocol"));
      if (pipe->upgrade.accept(chosen.empty() ? nullptr : chosen.c_str()) < 0)
        c.close(pipe->code);  // the client has not waited
    } else if (pipe->server.id) {
      other(c).resume();
    } else {
      c.close(pipe->code, pipe->reason);
    }
  }
  void on_message(rws::connection c, rws::message m) {
    if (other(c).send(m) == RWS_FULL) c.pause();
  }
  void on_drain(rws::connection c) { other(c).resume(); }
  void on_close(rws::connection c, rws_close_info &info) {
    const auto lost = is_server ? RWS_CLOSE_BAD_GATEWAY : RWS_CLOSE_GOING_AWAY;
    pipe->code = std::uint16_t(info.code == RWS_CLOSE_ABNORMAL ? lost : info.code);
    pipe->reason = rws::view(info.reason);
    mine() = {};
    other(c).close(pipe->code, pipe->reason);  // refused if it is not there
  }
  void on_refused(rws::reactor, rws_refusal &why) {  // of the server's
    const auto none = why.error.status == RWS_E_TIMEOUT ? 504 : 502;
    const auto status = std::uint32_t(why.http_status >= 300 ? why.http_status : none);
    pipe->upgrade.refuse(status, rws::view(why.body));
  }
  void on_unopened(rws::reactor r) {  // the client's: it has not waited
    if (pipe->server.id) r.at(pipe->server).close(pipe->code);
    else r.engine().cancel(pipe->dial);
  }
};

struct Gateway : rws::acceptor<Side> {
  admission on_upgrade(rws::upgrade &up) {
    const rws::reactor r = up.reactor();
    rws::target to(behind + std::string(up.target()));
    to.protocols = up.header("Sec-WebSocket-Protocol");
    to.more.flags = RWS_TARGET_REACTOR;
    to.more.reactor = r.index();
    auto pipe = std::make_shared<Pipe>();
    const auto dial = r.engine().connect(to, rws::make_session<Side>(pipe, true));
    if (!dial) return rws::refuse(502);
    pipe->dial = *dial;
    pipe->upgrade = postpone(up, rws::make_session<Side>(pipe, false));
    return rws::postponed;
  }
};

int main(int argc, char **argv) try {
  if (argc > 2) behind = argv[2];
  const int port = argc > 1 ? std::atoi(argv[1]) : 9002;
  Gateway gateway;
  auto engine = rws::engine::make().value();
  static rws::handle running;
  running = engine;
  const unsigned bound = engine.listen(std::uint16_t(port), gateway).value();
  engine.start().value();
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, [](int) { running.stop(); });
  std::printf("listening on %u\n", bound);
  std::fflush(stdout);
  engine.wait().value();
  for (int sig : {SIGINT, SIGTERM}) std::signal(sig, SIG_DFL);
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
