// Every kind of member of the wrapper that is there without exceptions and RTTI.
#include <ringws.hpp>
#include <vector>

struct Session final {
  rws::timer timer;
  int ticks = 0;

  static void on_open(rws::connection c) {
    rws_address peer;
    (void)c.peer(peer);
  }
  void on_message(rws::connection c, rws::message m) {
    rws::result<rws::buf> kept = m.retain();
    if (!kept) return (void)c.close(RWS_CLOSE_TRY_AGAIN, kept.error().text);
    const rws::buf other = kept->share();
    (void)c.send(*kept);
    (void)c.send(m, RWS_MORE);
    (void)c.send(RWS_CONTINUATION, std::vector<std::uint8_t>(3));
    (void)c.reactor().engine().send(c.id(), other);
    (void)c.reactor().engine().send(c.id(), "x");
    (void)c.reactor().publish("room", "x");
    timer = c.reactor().every(std::chrono::seconds(1), [this](rws::reactor) { ticks++; });
    timer = c.reactor().after(std::chrono::milliseconds(5), [](rws::reactor) {});
    timer.cancel();
    (void)c.reactor().engine().post(0, [](rws::reactor) {});
    (void)c.reactor().engine().close(c.id());
    if (c.reactor().session<Session>(c.id()) != this || c.buffered() > 100) c.pause();
  }
  void on_pong(rws::connection c, std::string_view payload) { (void)c.close(1000, payload); }
  void on_drain(rws::connection c) { c.resume(); }
  void on_close(rws::connection c, const rws_close_info &info) {
    if (info.code == RWS_CLOSE_ABNORMAL && c.id() != rws_conn{0}) (void)c.abort();
  }
  void on_refused(rws::reactor, rws_refusal &) {}
  void on_unopened(rws::reactor) {}
};

struct Acceptor final : rws::acceptor<Session> {
  rws::pending_upgrade<Session> waiting;
  rws::pending_request page;

  admission on_upgrade(rws::upgrade &up) {
    rws_address peer;
    if (up.path() != "/" || up.header("Origin").data() == nullptr) return rws::refuse(403);
    if (up.peer(peer) < 0 || up.protocol("chat") < 0) return rws::refuse(400);
    if (up.reactor().index() > 0 && up.move_to(0) == RWS_OK) return rws::moved;
    if (!waiting) {
      waiting = postpone(up);
      return rws::postponed;
    }
    (void)waiting.accept(rws::make_session<Session>());
    return rws::make_session<Session>();
  }
  bool on_origin(const rws::upgrade &) { return false; }
  void on_request(rws::request &q) {
    if (q.metrics() < 0 && q.answer(200) < 0) page = q.postpone();
  }
  void on_gone(rws::reactor, rws_later) { (void)page.answer(204); }
};

struct Connector final : rws::connector<Session> {
  rws::session_ptr<Session> on_connect(rws::connection) { return rws::make_session<Session>(); }
  void on_refused(rws::reactor, rws_refusal &why) { why.retry_ms = 0; }
};

struct Hooks {
  void on_start(rws::reactor) {}
  void on_stop(rws::reactor) {}
  void on_log(int, std::string_view) {}
};

int main() {
  Acceptor acceptor;
  Connector connector;
  Hooks hooks;
  rws_config config = RWS_INIT(rws_config);
  rws::result<rws::engine> made = rws::engine::make(config, hooks);
  if (!made) return 1;
  rws::engine engine = std::move(*made);
  const rws::result<std::uint16_t> port = engine.listen(0, acceptor, rws::route("/x", acceptor));
  if (!port || !engine.start()) return 1;
  if (!engine.connect("ws://localhost/", connector)) return 1;
  rws_stats stats;
  (void)engine.stats(stats);
  rws::engine moved = std::move(engine);
  moved.stop(0);
  return moved.wait() ? 0 : 1;
}
