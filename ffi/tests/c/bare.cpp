// Every member of the wrapper that is there without exceptions and RTTI.
#include <ringws.hpp>

struct Session final {
  int on_upgrade(rws::reactor r, rws::upgrade up) const {
    rws_address peer;
    if (r.index() > 7 || up.path() != "/" || up.header("Origin").data() == nullptr) return 403;
    if (up.peer(peer) < 0 || up.protocol("chat") < 0) return 400;
    return up.add_header("X-Served-By", "ringws") == RWS_OK ? 101 : 500;
  }
  static void on_open(rws::reactor r, rws_conn c) {
    rws_address peer;
    (void)r.peer(c, peer);
    r.set_user(r.user());
  }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    const rws::buf kept = r.retain(m);
    rws::buf other = kept;
    other = rws::buf(RWS_TEXT, "made");
    (void)r.send(c, kept);
    (void)r.send(c, m.opcode, rws::view(m), RWS_MORE);
    (void)r.engine().send(c, other);
    (void)r.engine().send(c, RWS_TEXT, "x");
    (void)r.start_timer<&Session::tick>(5, *this, &timer);
    (void)r.start_timer<tock>(5, *this);
    (void)r.start_timer(5, [](rws_reactor *, void *) noexcept {}, nullptr);
    (void)r.cancel_timer(timer);
    (void)r.engine().post<&Session::tick>(0, *this);
    (void)r.engine().close(c);
    (void)r.engine().abort(c);
    (void)r.set_handler<Session>(c, *r.get_handler<Session>(c));
    if (r.buffered(c) > 100) r.pause(c);
  }
  void on_pong(rws::reactor r, rws_conn c, std::string_view payload) { (void)r.close(c, 1000, payload); }
  void on_drain(rws::reactor r, rws_conn c) { r.resume(c); }
  void on_close(rws::reactor r, rws_conn c, const rws_close_info &info) {
    if (info.code == RWS_CLOSE_ABNORMAL && c != rws_conn{0}) (void)r.abort(c);
  }
  void tick(rws::reactor) {}
  static void tock(rws::reactor, Session &) {}
  rws_timer timer{};
};

struct Hooks {
  void on_start(rws::reactor) {}
  void on_stop(rws::reactor) {}
  void on_log(int, std::string_view) {}
};

int main() {
  Session session;
  Hooks hooks;
  rws_config config = RWS_INIT(rws_config);
  rws::set_hooks(config, hooks);
  rws::engine engine(nullptr);
  rws_error err;
  if (engine.try_new(config, &err) < 0) return 1;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  std::uint16_t port = 0;
  if (engine.try_listen(at, session, &port, &err) < 0) return 1;
  if (engine.try_start() < 0) return 1;
  rws_stats stats;
  (void)engine.stats(stats);
  rws::engine moved = std::move(engine);
  moved.stop(0);
  return moved.try_wait() == RWS_OK ? 0 : 1;
}
