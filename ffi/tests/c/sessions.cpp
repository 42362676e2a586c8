// Whose a session is and for how long: inheritance, routes, later answers, connections from and to
// elsewhere, moves, timers, and every allocation of the wrapper.
#include "client.h"
#include <atomic>
#include <new>
#include <ringws.hpp>
#include <string>
#include <thread>
#include <unordered_map>

// All that C++ allocates in this program; the engine itself does not use operator new.
static std::atomic<int> allocations{0};
[[gnu::noinline]] void *operator new(std::size_t size) {
  allocations++;
  void *p = std::malloc(size);
  CHECK(p != nullptr);
  return p;
}
[[gnu::noinline]] void operator delete(void *p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void *p, std::size_t) noexcept { std::free(p); }

static void until(const std::atomic<int> &count, int wanted) {
  for (int ms = 0; count != wanted; ms++) {
    CHECK(ms < 20000);
    usleep(1000);
  }
}

static rws::engine one_reactor() {
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  return rws::engine::make(config).value();
}

// Runs f(reactor) on reactor 0 and waits for it.
template <class F> static void on_reactor(rws::handle e, F f) {
  std::atomic<int> done{0};
  CHECK(e.post(0, [&](rws::reactor r) {
    f(r);
    done = 1;
  }) == RWS_OK);
  until(done, 1);
}

static int ask(std::uint16_t port, const char *path) {
  char head[1024];
  const int s = client_connect(port);
  const int status = client_upgrade(s, path, "", head, sizeof head);
  if (status == 101) return s;
  close(s);
  return -status;
}

static void hears(int s, std::string_view text) {
  unsigned char first, data[64];
  CHECK(client_receive(s, &first, data, sizeof data) == static_cast<long>(text.size()));
  CHECK(first == 0x81 && memcmp(data, text.data(), text.size()) == 0);
}

// Counts those that live.
struct Alive {
  static inline std::atomic<int> now{0};
  Alive() { now++; }
  Alive(const Alive &) { now++; }
  ~Alive() { now--; }
};

struct Before {
  virtual ~Before() = default;
  std::string before = "before";
};

// ---- Inheritance: neither the session nor the acceptor begins where the whole does.

struct Guest {
  virtual void on_message(rws::connection, rws::message) = 0;
  void on_close(rws::connection, rws_close_info &) { closed++; }
  static inline std::atomic<int> closed{0};

 protected:
  ~Guest() = default;  // not virtual: what was made is what is destroyed
};

struct Talker final : Before, Guest, Alive {
  std::string name;
  explicit Talker(std::string_view called) : name(called) {}
  void on_message(rws::connection c, rws::message m) override {
    CHECK(before == "before" && c.reactor().session<Guest>(c.id()) == this);
    CHECK(static_cast<void *>(static_cast<Guest *>(this)) != static_cast<void *>(this));
    CHECK(c.reactor().session<Talker>(c.id()) == nullptr);
    c.send(name + ": " + std::string(m.text()));
  }
};

struct Mute final : Guest, Alive {
  void on_message(rws::connection c, rws::message) override { c.close(RWS_CLOSE_POLICY); }
};

struct Door final : Before, rws::acceptor<Guest> {
  std::string after = "after";
  admission on_upgrade(const rws::upgrade &up) const {
    CHECK(before == "before" && after == "after");
    const std::string_view name = up.param("name");
    if (name == "nobody") return rws::refuse(403);
    if (name == "mute") return rws::make_session<Mute>();
    return rws::make_session<Talker>(name);
  }
};

struct Plain final : Alive {  // an aggregate would do as well
  int messages = 0;
  void on_message(rws::connection c, rws::message) { c.send(std::to_string(++messages)); }
};

static void inheritance_and_routes() {
  Door door;
  rws::acceptor<Plain> plain;
  auto engine = one_reactor();
  rws_options small = RWS_INIT(rws_options);
  small.message_max = 5;
  const std::uint16_t port =
      engine.listen(0, plain, rws::route("/door/{name}", door), rws::route("/small", plain, &small))
          .value();
  rws_endpoint twice = RWS_INIT(rws_endpoint);
  const rws_route raw{};
  twice.routes = &raw;
  CHECK(engine.listen(twice, plain, rws::route("/x", plain)).status() == RWS_E_INVALID);
  engine.start().value();
  CHECK(ask(port, "/door/nobody") == -403);
  const int ann = ask(port, "/door/ann"), bob = ask(port, "/door/bob"), counts = ask(port, "/");
  const int tight = ask(port, "/small");
  CHECK(Alive::now == 4);
  for (int s : {ann, bob, counts}) CHECK(client_send(s, RWS_TEXT, "hello!", 6) == 0);
  hears(ann, "ann: hello!");
  hears(bob, "bob: hello!");
  hears(counts, "1");
  CHECK(client_send(counts, RWS_TEXT, "", 0) == 0);
  hears(counts, "2");
  unsigned char first, data[8];
  CHECK(client_send(tight, RWS_TEXT, "hello!", 6) == 0);
  CHECK(client_receive(tight, &first, data, sizeof data) == 2 && first == 0x88);
  rws_conn stale{};
  on_reactor(engine, [&](rws::reactor r) {
    rws_conn all[4];
    const std::size_t count = r.conns(all);
    for (std::size_t i = 0; i < count; i++)
      if (r.session<Plain>(all[i]) != nullptr) stale = all[i];
  });
  CHECK(stale.id != 0);
  close(counts), close(tight);
  until(Alive::now, 2);
  on_reactor(engine, [&](rws::reactor r) { CHECK(r.session<Plain>(stale) == nullptr); });
  close(ann);
  until(Guest::closed, 1);
  engine = rws::engine();  // on_close for all, and their end
  CHECK(Guest::closed == 2 && Alive::now == 0);
  close(bob);
}

// ---- Later answers.

struct Waiting : Alive {
  static inline std::atomic<int> opened{0}, unopened{0};
  void on_open(rws::connection c) {
    opened++;
    c.send("open");
  }
  void on_unopened(rws::reactor) { unopened++; }
};

struct Gate : rws::acceptor<Waiting> {
  std::unordered_map<rws_later, rws::pending_upgrade<Waiting>> waiting;  // of one reactor
  std::atomic<int> count{0}, gone{0};

  admission on_upgrade(rws::upgrade &up) {
    if (up.path() == "/early") {  // the answer of on_upgrade is what counts
      auto void_ = postpone(up, rws::make_session<Waiting>());
      CHECK(void_ && !postpone(up));
      return rws::refuse(410);
    }
    if (up.path() == "/forgotten") return rws::postponed;  // nobody could answer: 500
    auto later = up.path() == "/with" ? postpone(up, rws::make_session<Waiting>()) : postpone(up);
    CHECK(later && later.reactor() == up.reactor().index());
    if (up.path() == "/at-once") CHECK(later.accept(rws::make_session<Waiting>()) == RWS_OK);
    const rws_later id = later.id();
    if (later) waiting.emplace(id, std::move(later));
    count++;
    return rws::postponed;
  }
  void on_request(const rws::request &q) {
    rws::pending_request later = q.postpone();
    CHECK(later && !q.postpone());
    std::thread([later = std::move(later)]() mutable {
      CHECK(later.answer(99) == RWS_E_INVALID && later);
      CHECK(later.answer(200, "a page", "X: y") == RWS_OK && !later);
      CHECK(later.answer(200) == RWS_E_GONE);
    }).join();
  }
  void on_gone(rws::reactor, rws_later l) {
    CHECK(waiting.erase(l) == 1);
    gone++;
  }
  // The one that waits, on its reactor.
  rws::pending_upgrade<Waiting> take() {
    CHECK(waiting.size() == 1);
    auto taken = std::move(waiting.begin()->second);
    waiting.clear();
    return taken;
  }
};

// Begins an upgrade that is left for later.
static int begins(std::uint16_t port, Gate &gate, const char *path) {
  char text[512];
  const int n = snprintf(text, sizeof text,
                         "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         path);
  const int s = client_connect(port), before = gate.count;
  CHECK(client_write(s, text, static_cast<std::size_t>(n)) == 0);
  until(gate.count, before + 1);
  return s;
}

static int status_of(int s) {
  char head[512] = "";
  for (std::size_t n = 0; strstr(head, "\r\n\r\n") == nullptr; n++)
    CHECK(client_read(s, head + n, 1) == 0);
  return atoi(head + 9);
}

static void later_answers() {
  Gate gate;
  auto engine = one_reactor();
  const std::uint16_t port = engine.listen(0, gate).value();
  engine.start().value();
  int s = client_connect(port);
  const std::string_view page = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(client_write(s, page.data(), page.size()) == 0 && status_of(s) == 200);
  close(s);
  CHECK(ask(port, "/early") == -410 && ask(port, "/forgotten") == -500 && Alive::now == 0);
  s = ask(port, "/at-once");
  hears(s, "open");
  close(s);
  until(Alive::now, 0);

  s = begins(port, gate, "/without");  // a session that is made for the answer, on another thread
  rws::pending_upgrade<Waiting> later;
  on_reactor(engine, [&](rws::reactor) { later = gate.take(); });
  auto session = rws::make_session<Waiting>();
  CHECK(later.accept() == RWS_E_INVALID && later);
  CHECK(later.accept(std::move(session), "chat") == RWS_E_INVALID && session && later);
  CHECK(later.accept(std::move(session)) == RWS_OK && !session && !later);
  CHECK(status_of(s) == 101);
  hears(s, "open");
  close(s);
  until(Alive::now, 0);

  s = begins(port, gate, "/with");  // one that waits with it
  CHECK(Alive::now == 1);
  on_reactor(engine, [&](rws::reactor) { later = gate.take(); });
  CHECK(later.accept() == RWS_OK && status_of(s) == 101);
  hears(s, "open");
  close(s);
  until(Alive::now, 0);
  s = begins(port, gate, "/with");  // and is destroyed by a refusal
  on_reactor(engine, [&](rws::reactor) { later = gate.take(); });
  CHECK(later.refuse(101) == RWS_E_INVALID && later.refuse(403) == RWS_OK && Alive::now == 0);
  CHECK(status_of(s) == 403 && Waiting::opened == 3 && Waiting::unopened == 0);
  close(s);
  s = begins(port, gate, "/with");  // or takes the place of another
  on_reactor(engine, [&](rws::reactor) { later = gate.take(); });
  CHECK(later.accept(rws::make_session<Waiting>()) == RWS_OK && Alive::now == 1);
  CHECK(status_of(s) == 101);
  close(s);
  until(Alive::now, 0);

  close(begins(port, gate, "/without"));  // nobody waits for the answer
  until(gate.gone, 1);
  s = begins(port, gate, "/with");
  on_reactor(engine, [&](rws::reactor) { later = gate.take(); });
  close(s);
  until(Waiting::unopened, 1);
  CHECK(Alive::now == 0 && later && later.accept() == RWS_E_GONE && !later);
  s = begins(port, gate, "/with");  // nor at the end
  engine = rws::engine();
  CHECK(Waiting::unopened == 2 && Alive::now == 0 && gate.gone == 1);
  close(s);
}


// ---- Connections that were accepted elsewhere, and moves between reactors.

struct Adopted : Alive {
  static inline std::atomic<int> opened{0}, unopened{0};
  void on_open(rws::connection c) {
    opened++;
    rws_credentials who{};
    CHECK(c.credentials(who) == RWS_OK && who.pid == getpid());
  }
  void on_message(rws::connection c, rws::message m) { c.send(m); }
  void on_unopened(rws::reactor) { unopened++; }
};

struct Hall : rws::acceptor<Adopted> {
  std::atomic<int> asked{0};
  admission on_upgrade(const rws::upgrade &up) {
    rws_credentials who{};
    rws_address proxy{};
    CHECK(up.credentials(who) == RWS_OK && who.uid == geteuid());
    CHECK(up.proxy(proxy) == RWS_E_STATE && up.proxy_tlv(RWS_TLV_UNIQUE_ID).data() == nullptr);
    asked++;
    return rws::make_session<Adopted>();
  }
};

static void adopted() {
  Hall hall;
  auto engine = one_reactor();
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.flags = RWS_ENDPOINT_NO_SOCKET;
  engine.listen(at, hall).value();
  engine.start().value();
  rws_adopt a = RWS_INIT(rws_adopt);
  a.fd = -1;
  CHECK(engine.adopt(a).status() == RWS_E_INVALID);
  CHECK(engine.adopt(a, rws::make_session<Adopted>()).status() == RWS_E_INVALID);
  CHECK(engine.adopt(a, rws::session_ptr<Adopted>()).status() == RWS_E_INVALID && Alive::now == 0);
  int fds[2];
  char head[512];
  const auto pair = [&] {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    a.fd = fds[0];
  };
  pair();
  engine.adopt(a).value();
  CHECK(client_upgrade(fds[1], "/", "", head, sizeof head) == 101 && hall.asked == 1);
  close(fds[1]);
  until(Alive::now, 0);
  pair();  // its upgrade was answered, with a session or without
  engine.adopt(a, rws::make_session<Adopted>()).value();
  CHECK(client_send(fds[1], RWS_TEXT, "hi", 2) == 0);
  hears(fds[1], "hi");
  close(fds[1]);
  until(Alive::now, 0);
  pair();
  a.flags = RWS_ADOPT_UPGRADED;
  engine.adopt(a).value();
  CHECK(client_send(fds[1], RWS_TEXT, "ho", 2) == 0);
  hears(fds[1], "ho");
  close(fds[1]);
  until(Alive::now, 0);
  CHECK(hall.asked == 1 && Adopted::opened == 3);
  pair();  // a session of another class is not called as if it were one of this
  engine.adopt(a, rws::make_session<Plain>()).value();
  CHECK(client_read(fds[1], head, 1) < 0);
  until(Alive::now, 0);
  close(fds[1]);
  engine = rws::engine();
  CHECK(Adopted::opened == 3 && Adopted::unopened == 0);
}

struct Mover : rws::acceptor<Plain> {
  std::atomic<int> here{0};
  admission on_upgrade(rws::upgrade &up) {
    if (up.moved()) {
      CHECK(up.reactor().index() == 1);
      here++;
    } else if (up.reactor().index() != 1) {
      CHECK(up.move_to(1) == RWS_OK);
      return rws::make_session<Plain>();  // not heard, and destroyed
    }
    return rws::make_session<Plain>();
  }
};

static void moves() {
  Mover mover;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  auto engine = rws::engine::make(config).value();
  const std::uint16_t port = engine.listen(0, mover).value();
  engine.start().value();
  for (int i = 0; mover.here == 0; i++) {
    CHECK(i < 100);
    const int s = ask(port, "/");
    CHECK(Alive::now == 1 && client_send(s, RWS_TEXT, "", 0) == 0);
    hears(s, "1");
    close(s);
    until(Alive::now, 0);
  }
}

// ---- Connections to servers.

struct Caller : Alive {
  std::atomic<int> *refusals = nullptr, *heard = nullptr;
  void on_open(rws::connection c) {
    CHECK(c.answer_header("Upgrade") == "websocket");
    c.send("are you there");
  }
  void on_message(rws::connection c, rws::message m) {
    CHECK(m.text() == "1");
    ++*heard;
    c.close();
  }
  void on_close(rws::connection, rws_close_info &info) { info.retry_ms = 1; }  // of a connector
  void on_refused(rws::reactor r, rws_refusal &why) {
    CHECK(why.http_status == 403 && r.refusal_header(why, "X-Why") == "no");
    why.retry_ms = 1;  // not heard: a session is for one connection
    ++*refusals;
  }
};

struct Again : rws::connector<Caller> {
  std::atomic<int> made{0}, heard{0}, refused{0};
  rws::session_ptr<Caller> on_connect(rws::connection) {
    if (++made == 3) return {};  // declined: aborted, and not made again
    auto session = rws::make_session<Caller>();
    session->heard = &heard;
    return session;
  }
  void on_refused(rws::reactor, rws_refusal &why) {
    if (why.error.status == RWS_E_GONE) CHECK(why.retry_ms == 0);
    refused++;
  }
};

struct No : rws::acceptor<Plain> {
  admission on_upgrade(const rws::upgrade &up) {
    if (up.path() != "/no") return rws::make_session<Plain>();
    up.add_header("X-Why", "no");
    return rws::refuse(403);
  }
};

static void clients() {
  No server;
  Again again;
  std::atomic<int> refusals{0}, heard{0};
  auto engine = one_reactor();
  const std::uint16_t port = engine.listen(0, server).value();
  engine.start().value();
  const std::string url = "ws://127.0.0.1:" + std::to_string(port);
  const auto caller = [&] {
    auto session = rws::make_session<Caller>();
    session->refusals = &refusals, session->heard = &heard;
    return session;
  };
  engine.connect(url + "/no", caller()).value();
  until(refusals, 1);
  engine.connect(rws::target(url), caller()).value();
  until(heard, 1);
  until(Alive::now, 0);
  CHECK(engine.connect("http://x", caller()).status() == RWS_E_INVALID && Alive::now == 0);
  rws::target to(url + "/yes");
  to.more.retry_min_ms = 1;
  (void)engine.connect(to, again).value();
  until(again.made, 3);
  CHECK(again.heard == 2);
  to.url = url + "/no";
  to.more.retry_max_ms = 1;
  const rws_dial dial = engine.connect(to, again).value();
  while (again.refused < 3) usleep(1000);
  CHECK(engine.cancel(dial) == RWS_OK);
  engine.stop();
  engine.wait().value();
  CHECK(Alive::now == 0 && refusals == 1 && heard == 1 && again.made == 3 && again.heard == 2);
}

// ---- Timers and jobs.

static void timers() {
  rws::timer outlives, elsewhere, never;
  std::atomic<int> calls{0}, once{0};
  auto engine = one_reactor();
  engine.start().value();
  on_reactor(engine, [&](rws::reactor r) {
    outlives = r.every(std::chrono::milliseconds(1), [&, a = Alive()](rws::reactor) { calls++; });
    elsewhere = r.every(std::chrono::milliseconds(0), [&, a = Alive()](rws::reactor) { calls++; });
    never = r.after(std::chrono::hours(24 * 365), [a = Alive()](rws::reactor) { CHECK(false); });
    auto own = std::make_shared<rws::timer>();
    *own = r.every(std::chrono::milliseconds(2), [&, own, a = Alive()](rws::reactor) {
      auto kept = own;  // what is called stays until it returns
      *kept = rws::timer();
      CHECK(own == kept);
      once++;
    });
  });
  until(once, 1);
  while (calls < 10) usleep(1000);
  elsewhere = rws::timer();  // on this thread: its function goes with the next call
  until(Alive::now, 2);
  on_reactor(engine, [&](rws::reactor) { never.cancel(); });
  CHECK(Alive::now == 1 && !never && outlives);
  on_reactor(engine, [&](rws::reactor r) {
    elsewhere = r.after(std::chrono::milliseconds(0), [&, a = Alive()](rws::reactor) { once++; });
  });
  until(once, 2);
  engine.stop();
  engine.wait().value();
  CHECK(engine.post(0, [a = Alive()](rws::reactor) { CHECK(false); }) == RWS_E_STATE);
  engine = rws::engine();
  outlives = rws::timer();
  CHECK(Alive::now == 1 && elsewhere);  // that has run; its function goes with its owner
  elsewhere.cancel();
  CHECK(Alive::now == 0);
}

// ---- What the wrapper allocates is what its documentation says.

struct Echo {
  int pad[4] = {};
  void on_message(rws::connection c, rws::message m) {
    const int before = allocations;
    c.send(m);
    (void)c.send(rws::buf::make("b").value());
    (void)c.publish("room", "nobody");
    (void)m.retain().value();
    (void)c.reactor().session<Echo>(c.id());
    CHECK(allocations == before);
    const rws::timer timer = c.reactor().every(std::chrono::seconds(1), [](rws::reactor) {});
    CHECK(allocations == before + 1);
    CHECK(c.reactor().engine().post(0, [](rws::reactor) {}) == RWS_OK);
    CHECK(allocations == before + 2);
    static const std::string text(100, 'x');
    std::string moved = text;
    const int then = allocations;
    (void)rws::buf::take(std::move(moved)).value();
    CHECK(allocations == then + 1);
  }
};

static void counts() {
  rws::acceptor<Echo> all;
  int before = allocations;
  auto engine = one_reactor();
  const std::uint16_t port = engine.listen(0, all, rws::route("/x", all)).value();
  engine.start().value();
  CHECK(allocations == before);
  const int s = ask(port, "/");
  CHECK(allocations == before + 1);  // the session
  before = allocations;
  CHECK(client_send(s, RWS_TEXT, "hello", 5) == 0);
  hears(s, "hello");
  hears(s, "b");
  close(s);
  engine.stop();
  engine.wait().value();
  CHECK(allocations > before);
  before = allocations;
  engine = rws::engine();
  CHECK(allocations == before);
}

int main() {
  inheritance_and_routes();
  later_answers();
  adopted();
  moves();
  clients();
  timers();
  counts();
  std::puts("ok");
}
