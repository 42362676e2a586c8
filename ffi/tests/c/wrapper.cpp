// What the C++ wrapper does at run time: ownership, exceptions, handlers, members as callbacks.
#include "client.h"
#include <atomic>
#include <map>
#include <ringws.hpp>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

static_assert(!std::is_copy_constructible_v<rws::engine>);
static_assert(std::is_nothrow_move_constructible_v<rws::engine>);
static_assert(std::is_nothrow_move_assignable_v<rws::engine>);
static_assert(std::is_nothrow_copy_constructible_v<rws::buf>);
static_assert(sizeof(rws::engine) == sizeof(void *) && sizeof(rws::buf) == sizeof(void *));

static std::atomic<int> releases{0};

static rws::buf wrapped() {
  static const char text[] = "wrapped";
  return rws::buf::wrap(RWS_TEXT, text, [](void *) noexcept { releases++; }, nullptr);
}

static void buffers() {
  {
    rws::buf a = wrapped();
    CHECK(a);
    rws::buf b = a;
    CHECK(b.get() == a.get());
    rws::buf c = std::move(a);
    CHECK(!a && c.get() == b.get());
    b = rws::buf();
    rws::buf &alias = c;
    c = alias;
    CHECK(c && releases == 0);
    rws_buf_release(c.release());
    CHECK(!c && releases == 1);
  }
  CHECK(releases == 1);
  rws_error err{};
  CHECK(!rws::buf(RWS_TEXT, "\xff") && !rws::buf(RWS_TEXT, "\xff", 0, &err));
  CHECK(err.status == RWS_E_UTF8);
  const std::string long_ping(126, 'p');
  CHECK(!rws::buf::wrap(RWS_PING, long_ping, [](void *) noexcept { releases++; }, nullptr, 0, &err));
  CHECK(releases == 1 && err.status == RWS_E_TOO_BIG);
  const rws::buf kept(RWS_BINARY, "read back");
  CHECK(kept.data() == "read back" && kept.opcode() == RWS_BINARY);
  CHECK(rws::buf().data().data() == nullptr && rws::buf().opcode() == 0);
}

static void failures() {
  rws_config config = RWS_INIT(rws_config);
  config.recv_buffers = 3;
  try {
    rws::engine engine(config);
    CHECK(!"made");
  } catch (const rws::error &e) {
    CHECK(e.raw.status == RWS_E_INVALID);
    CHECK(std::string(e.what()).find("recv_buffers") != std::string::npos);
  }
  rws::engine engine;
  struct { void on_open(rws::reactor, rws_conn) {} } handler;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "nowhere";
  try {
    engine.listen(at, handler);
    CHECK(!"listens");
  } catch (const rws::error &e) {
    CHECK(e.raw.status == RWS_E_INVALID);
  }
  engine.start();
  try {
    engine.start();
    CHECK(!"started twice");
  } catch (const rws::error &e) {
    CHECK(e.raw.status == RWS_E_STATE);
  }
  engine = rws::engine(nullptr);  // frees the one that runs
  CHECK(engine.get() == nullptr);
}

static std::atomic<int> opens{0}, closes{0}, ticks{0}, tocks{0}, posts{0}, starts{0}, stops{0},
    stopped{0};
static std::atomic<int> begun{0}, ended{0};
static std::atomic<std::uint64_t> last{0};

// One for the endpoint, and one of its own for each connection.
struct Session {
  std::string name = "endpoint";
  rws_timer never{};

  virtual ~Session() = default;

  int on_upgrade(rws::reactor r, rws::upgrade up) {
    rws_address peer{};
    CHECK(name == "endpoint" && r.engine().get() != nullptr);
    CHECK(up.path() == "/" && up.target() == "/" && up.header("Absent").data() == nullptr);
    CHECK(up.peer(peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4);
    CHECK(up.add_header("X-Served-By", "ringws") == RWS_OK && up.body("refused") == RWS_OK);
    CHECK(up.asked().method() == "GET" && up.asked().path() == "/");
    CHECK(up.protocol("chat") == RWS_E_INVALID);
    return 101;
  }
  void on_request(rws::reactor, rws::request q) {
    std::size_t headers = 0;
    rws_address peer{};
    q.each_header([&](std::string_view field, std::string_view) { headers += field == "Host"; });
    CHECK(headers == 1 && q.header("host").data() != nullptr && q.header("host", 1).data() == nullptr);
    CHECK(q.param("none").data() == nullptr && q.query().data() == nullptr);
    CHECK(q.query_param("none").data() == nullptr && q.body().data() == nullptr);
    CHECK(q.server_name().data() == nullptr && q.peer_certificate().data() == nullptr);
    CHECK(q.target() == "/page" && q.peer(peer) == RWS_OK);
    CHECK(q.answer(200, "a page", "Content-Type: text/plain") == RWS_OK);
  }
  void on_open(rws::reactor r, rws_conn c);
  void tick(rws::reactor r) {
    CHECK(name == "connection");
    CHECK(r.cancel_timer(never) == RWS_OK);
    ticks++;
  }
  static void tock(rws::reactor, Session &session) {
    CHECK(session.name == "connection");
    tocks++;
  }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    CHECK(name == "connection");
    if (rws::view(m) == "wrapped, please") {
      CHECK(r.send(c, wrapped()) == RWS_OK);
      return;
    }
    const rws::buf kept = r.retain(m);
    CHECK(kept.data() == rws::view(m) && kept.opcode() == m.opcode);
    CHECK(r.send(c, kept) == RWS_OK);
    CHECK(r.buffered(c) == m.len + 2);
    CHECK(r.pause(c) == RWS_OK && r.resume(c) == RWS_OK);
  }
  void on_pong(rws::reactor r, rws_conn c, std::string_view payload) {
    CHECK(r.close(c, RWS_CLOSE_POLICY, payload) == RWS_OK);
  }
  void on_close(rws::reactor, rws_conn, const rws_close_info &info) {
    CHECK(info.sent_code == RWS_CLOSE_POLICY && rws::view(info.reason) == "and bye");
    closes++;
    delete this;
  }
  void post(rws::reactor r) {
    CHECK(name == "endpoint" && r.index() == 1);
    posts++;
  }
};

// The part that the engine calls is not where the whole begins.
struct Before {
  virtual ~Before() = default;
  std::string before = "before";
};
struct Own : Before, Session {};

void Session::on_open(rws::reactor r, rws_conn c) {
  CHECK(r.get_handler<Session>(c) == this);
  auto *own = new Own;
  own->name = "connection";
  CHECK(r.set_handler<Session>(c, *own) == RWS_OK);
  CHECK(static_cast<void *>(r.get_handler<Session>(c)) != static_cast<void *>(own));
  CHECK(r.get_handler<Session>(c)->name == "connection");
  CHECK(r.start_timer<&Session::tick>(1, *own) == RWS_OK);
  CHECK(r.start_timer<tock>(1, *own) == RWS_OK);
  CHECK(r.start_timer(3600000, [](rws_reactor *, void *) noexcept {}, nullptr, &own->never) ==
        RWS_OK);
  rws_timer again{};
  CHECK(r.repeat_timer<tock>(3600000, 1, *own, &again) == RWS_OK);
  CHECK(r.cancel_timer(again) == RWS_OK && r.cancel_timer(again) == RWS_E_GONE);
  CHECK(rws::reactor_of(c) == r.index() && r.rtt_us(c) == 0);
  CHECK(r.leave(c, "room") == RWS_E_STATE && r.join(c, "room") == RWS_OK);
  CHECK(r.publish("room", rws::buf(RWS_TEXT, "to nobody"), c) == RWS_OK);
  CHECK(r.publish_with("room", rws::buf(RWS_TEXT, "x"), RWS_WHEN_FULL_ABORT, c) == RWS_OK);
  CHECK(r.publish_latest("room", 1, rws::buf(RWS_TEXT, "x"), c) == RWS_OK);
  CHECK(r.set_when_full(c, RWS_WHEN_FULL_CLOSE, 1 << 20) == RWS_OK);
  CHECK(r.queue_age_ms(c) == 0 && r.dropped(c) == 0);
  CHECK(r.members("room") == 1);
  last = c.id;
  opens++;
}

struct Hooks {
  void on_start(rws::reactor r) {
    CHECK(r.user() == this);
    r.set_user(nullptr);
    starts++;
  }
  static void on_stop(rws::reactor r) {
    CHECK(r.user() == nullptr);
    stops++;
  }
  void on_stopped(rws::handle e) {
    CHECK(e.get() != nullptr && stops == 2);
    stopped++;
  }
  void on_topic(rws::reactor r, std::string_view topic, bool begins) {
    CHECK(topic == "room" && (r.members(topic) == 1) == begins);
    begins ? begun++ : ended++;
  }
};

static void expect(int s, unsigned char first, std::string_view payload) {
  unsigned char got, data[256];
  CHECK(client_receive(s, &got, data, sizeof data) == static_cast<long>(payload.size()));
  CHECK(got == first && memcmp(data, payload.data(), payload.size()) == 0);
}

static void serve() {
  Session endpoint;
  Hooks hooks;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  rws::set_hooks(config, hooks);
  rws::engine engine(config);
  const std::uint16_t port = engine.listen(0, endpoint);
  engine.start();
  CHECK(engine.post<&Session::post>(1, endpoint) == RWS_OK);

  const int s = client_connect(port);
  CHECK(s >= 0);
  char page[1024] = "";
  const std::string_view ask = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(client_write(s, ask.data(), ask.size()) == 0);
  for (std::size_t n = 0; strstr(page, "\r\n\r\na page") == nullptr; n++)
    CHECK(client_read(s, page + n, 1) == 0);
  CHECK(client_upgrade(s, "/", "", page, sizeof page) == 101);
  CHECK(client_send(s, RWS_TEXT, "hello", 5) == 0);
  expect(s, 0x81, "hello");
  CHECK(client_send(s, RWS_TEXT, "wrapped, please", 15) == 0);
  expect(s, 0x81, "wrapped");
  const rws_conn c{last};
  const rws::handle handle = engine;
  CHECK(handle.send(c, RWS_BINARY, "from outside") == RWS_OK);
  expect(s, 0x82, "from outside");
  CHECK(handle.send(c, wrapped()) == RWS_OK);
  expect(s, 0x81, "wrapped");
  CHECK(handle.send_latest(c, 1, wrapped()) == RWS_OK);
  expect(s, 0x81, "wrapped");
  CHECK(handle.publish_latest("room", 1, wrapped()) == RWS_OK);
  expect(s, 0x81, "wrapped");
  CHECK(handle.publish_with("room", wrapped(), RWS_WHEN_FULL_DROP_OLDEST) == RWS_OK);
  expect(s, 0x81, "wrapped");
  CHECK(handle.members("room") == 1 && handle.publish("room", wrapped()) == RWS_OK);
  expect(s, 0x81, "wrapped");
  while (ticks == 0 || tocks == 0) usleep(1000);
  CHECK(client_send(s, RWS_PONG, "bye", 3) == 0);
  expect(s, 0x88, "\x03\xf0" "bye");
  CHECK(client_send(s, 8, "\x03\xe8" "and bye", 9) == 0);
  char end;
  CHECK(client_read(s, &end, 1) < 0);
  close(s);
  rws_stats stats;
  do {
    usleep(1000);
    CHECK(engine.stats(stats) == RWS_OK && stats.reactors == 2);
  } while (stats.connections != 0);
  CHECK(stats.upgraded == 1 && stats.messages_in == 2 && stats.requests == 1);
  char text[16];
  CHECK(engine.metrics(text, sizeof text) > sizeof text);
  CHECK(std::string(text) == "# HELP ringws_c");
  rws_metric first;
  CHECK(engine.values(&first, 1) > 30 && rws::view(first.name) == "ringws_connections");
  rws::engine moved = std::move(engine);
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;
  int drained = 0;
  auto done = [&](rws::handle e, const rws_drained &counts) {
    CHECK(e.get() == moved.get() && counts.closed == 0 && counts.lost == 0);
    drained++;
  };
  CHECK(moved.drain(how, done) == RWS_OK && moved.drain() == RWS_E_STATE);
  moved.wait();
  CHECK(drained == 1 && stopped == 1);
}

// Answers what asks for `/` at once, all the same by way of the engine, and leaves others alone.
struct Gate {
  std::unordered_map<rws_later, int> waiting;
  std::atomic<int> open{0}, gone{0}, closed{0};

  int on_upgrade(rws::reactor r, rws::upgrade up) {
    const rws_later l = up.later();
    CHECK(l != rws_later{} && up.later() == rws_later{});
    waiting[l]++;
    if (up.path() == "/") CHECK(r.engine().accept<Gate>(l, *this) == RWS_OK);
    if (up.path() == "/no") CHECK(r.engine().answer(l, 401, "no", "X: y") == RWS_OK);
    return RWS_LATER;
  }
  void on_request(rws::reactor r, rws::request q) {
    CHECK(r.engine().answer(q.later(), 200, "a page") == RWS_OK && q.later() == rws_later{});
  }
  void on_gone(rws::reactor, rws_later l) {
    CHECK(waiting.count(l) == 1);
    gone++;
  }
  void on_open(rws::reactor, rws_conn) { open++; }
  void on_close(rws::reactor, rws_conn, rws_close_info &) { closed++; }
};

static void later() {
  Gate gate;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws::engine engine(config);
  const std::uint16_t port = engine.listen(0, gate);
  engine.start();
  char page[512] = "";
  int s = client_connect(port);
  const std::string_view ask = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(client_write(s, ask.data(), ask.size()) == 0);
  for (std::size_t n = 0; strstr(page, "\r\n\r\na page") == nullptr; n++)
    CHECK(client_read(s, page + n, 1) == 0);
  CHECK(client_upgrade(s, "/no", "", page, sizeof page) == 401 && strstr(page, "\r\nX: y\r\n"));
  close(s);
  s = client_connect(port);
  CHECK(client_upgrade(s, "/", "", page, sizeof page) == 101);
  close(s);
  s = client_connect(port);
  const char wait[] = "GET /wait HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  CHECK(client_write(s, wait, sizeof wait - 1) == 0);
  close(s);
  while (gate.gone == 0 || gate.closed == 0) usleep(1000);
  CHECK(gate.open == 1 && gate.gone == 1 && gate.closed == 1);
}

// Takes connections that were accepted elsewhere, and is told whose they are.
struct Adopted {
  std::atomic<int> opened{0}, closed{0}, proxied{0};

  int on_upgrade(rws::reactor, rws::upgrade up) {
    rws_credentials who{};
    rws_address proxy{}, peer{};
    const rws::asked q = up.asked();
    if (q.proxy(proxy) == RWS_E_STATE) {
      CHECK(q.credentials(who) == RWS_OK && who.pid == getpid() && who.uid == geteuid());
      CHECK(q.proxy_tlv(RWS_TLV_UNIQUE_ID).data() == nullptr);
    } else {
      CHECK(q.credentials(who) == RWS_E_INVALID && proxy.family == RWS_FAMILY_NONE);
      CHECK(q.proxy_tlv(RWS_TLV_UNIQUE_ID) == "id" && q.proxy_tlv(RWS_TLV_ALPN).data() == nullptr);
      CHECK(q.peer(peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4);
      proxied++;
    }
    return 101;
  }
  void on_open(rws::reactor r, rws_conn c) {
    rws_credentials who{};
    const bool has_told = r.credentials(c, who) == RWS_E_INVALID;
    CHECK(has_told || who.pid == getpid());
    opened++;
  }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    CHECK(r.send(c, m.opcode, rws::view(m)) == RWS_OK);
  }
  void on_close(rws::reactor, rws_conn, const rws_close_info &) { closed++; }
};

static void echoes(int s) {
  char head[512];
  CHECK(client_upgrade(s, "/", "", head, sizeof head) == 101);
  CHECK(client_send(s, RWS_TEXT, "hi", 2) == 0);
  expect(s, 0x81, "hi");
  close(s);
}

static void adopted() {
  Adopted all, own;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  rws::engine engine(config);
  engine.listen(0, all);
  rws_endpoint behind = RWS_INIT(rws_endpoint);
  behind.proxy_from = "unix";
  engine.listen(behind, all);
  engine.start();
  rws_adopt a = RWS_INIT(rws_adopt);
  rws_error err{};
  a.fd = -1;
  CHECK(engine.try_adopt(a, &err) == RWS_E_INVALID && err.status == RWS_E_INVALID);

  int fds[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  a.fd = fds[0];
  CHECK(engine.try_adopt(a) == RWS_OK);
  echoes(fds[1]);
  while (all.closed != 1) usleep(1000);
  // With a handler of its own; that a header follows is the endpoint's wish.
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  a.fd = fds[0];
  a.endpoint = 1;
  CHECK(engine.try_adopt<Adopted>(a, own, &err) == RWS_OK);
  const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\1\xbb"
                        "\5\0\2id";
  CHECK(client_write(fds[1], header, sizeof header - 1) == 0);
  echoes(fds[1]);
  while (own.closed != 1) usleep(1000);
  CHECK(all.opened == 1 && all.closed == 1 && own.opened == 1 && all.proxied + own.proxied == 1);
}

static void keys() {
  const rws_conn a{1}, b{2};
  std::unordered_map<rws_conn, int> map{{a, 10}, {b, 20}};
  CHECK(a != b && a == rws_conn{1} && map[b] == 20);
}

int main() {
  buffers();
  failures();
  keys();
  later();
  adopted();
  serve();
  CHECK(opens == 1 && closes == 1 && ticks == 1 && tocks == 1 && posts == 1);
  CHECK(starts == 2 && stops == 2 && releases == 7);
  CHECK(begun == 1 && ended == 1);
  std::puts("ok");
}
