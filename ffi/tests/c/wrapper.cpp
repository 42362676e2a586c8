// What the C++ wrapper does at run time: owners, results, and every call of each role.
#include "client.h"
#include <array>
#include <atomic>
#include <ringws.hpp>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

static_assert(!std::is_copy_constructible_v<rws::engine> && !std::is_copy_constructible_v<rws::buf>);
static_assert(!std::is_copy_constructible_v<rws::tls> && !std::is_copy_constructible_v<rws::timer>);
static_assert(!std::is_copy_constructible_v<rws::pending_request>);
static_assert(std::is_nothrow_move_constructible_v<rws::engine>);
static_assert(std::is_nothrow_move_assignable_v<rws::engine>);
static_assert(std::is_nothrow_move_constructible_v<rws::result<rws::buf>>);
static_assert(sizeof(rws::engine) == sizeof(void *) && sizeof(rws::buf) == sizeof(void *));

static std::atomic<int> releases{0};

// Counts how often what it holds is given up.
struct Wrapped {
  std::string text = "wrapped";
  bool whole = true;
  Wrapped() = default;
  Wrapped(Wrapped &&other) noexcept : text(std::move(other.text)) { other.whole = false; }
  ~Wrapped() { releases += whole; }
  operator std::string_view() const { return text; }
};

static rws::buf wrapped() { return rws::buf::take(Wrapped()).value(); }

static void buffers() {
  {
    rws::buf a = wrapped();
    CHECK(a && a.text() == "wrapped" && a.opcode() == RWS_TEXT);
    rws::buf b = a.share();
    CHECK(b.get() == a.get());
    rws::buf c = std::move(a);
    CHECK(!a && c.get() == b.get());
    b = rws::buf();
    rws::buf &alias = c;
    c = std::move(alias);
    CHECK(c && releases == 0);
    rws_buf_release(c.release());
    CHECK(!c && releases == 1);
  }
  CHECK(releases == 1);
  const auto no_text = rws::buf::make("\xff");
  CHECK(!no_text && no_text.status() == RWS_E_UTF8 && no_text.error().text[0] != 0);
  const std::string long_ping(126, 'p');
  CHECK(rws::buf::make(RWS_PING, long_ping).status() == RWS_E_TOO_BIG);
  CHECK(rws::buf::take(std::string("\xff")).status() == RWS_E_UTF8);
  const rws::buf kept = rws::buf::make(RWS_BINARY, "read back").value();
  CHECK(kept.text() == "read back" && kept.opcode() == RWS_BINARY && kept.octets().size() == 9);
  const rws::buf literal = rws::buf::of_static("for ever").value();
  CHECK(literal.text() == "for ever");
  CHECK(rws::buf().text().data() == nullptr && rws::buf().opcode() == 0);
}

static rws_opcode opcode_of(rws::payload p, std::size_t size) {
  CHECK(p.size() == size);
  return p.opcode();
}

static void payloads() {
  const char *pointer = "text";
  const std::uint8_t row[] = {1, 2, 3};
  CHECK(opcode_of("text", 4) == RWS_TEXT && opcode_of(pointer, 4) == RWS_TEXT);
  CHECK(opcode_of(std::string("text"), 4) == RWS_TEXT);
  CHECK(opcode_of(std::string_view("text"), 4) == RWS_TEXT);
  CHECK(opcode_of(row, 3) == RWS_BINARY && opcode_of(rws::octets(row, 2), 2) == RWS_BINARY);
  CHECK(opcode_of(std::vector<std::uint8_t>(5), 5) == RWS_BINARY);
  CHECK(opcode_of(std::array<std::byte, 6>{}, 6) == RWS_BINARY);
  const rws::octets view(row);
  CHECK(view.subspan(1).first(1)[0] == 2 && view.end() - view.begin() == 3 && !view.empty());
}

struct Silent {
  void on_open(rws::connection) {}
};

static void failures() {
  rws_config config = RWS_INIT(rws_config);
  config.recv_buffers = 3;
  const auto failed = rws::engine::make(config);
  CHECK(!failed && failed.status() == RWS_E_INVALID);
  CHECK(std::string(failed.error().text).find("recv_buffers") != std::string::npos);
  try {
    (void)failed.value();
    CHECK(false);
  } catch (const rws::error &e) {
    CHECK(e.raw.status == RWS_E_INVALID && std::string(e.what()) == failed.error().text);
  }
  config = RWS_INIT(rws_config);
  config.on_start = [](rws_reactor *, void *) {};
  CHECK(rws::engine::make(config).status() == RWS_E_INVALID);
  rws::acceptor<Silent> acceptor;
  auto engine = rws::engine::make().value();
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.address = "nowhere";
  CHECK(engine.listen(at, acceptor).status() == RWS_E_INVALID);
  CHECK(engine.connect("ws://localhost/", rws::make_session<Silent>()).status() == RWS_E_STATE);
  engine.start().value();
  try {
    engine.start().value();
    CHECK(false);
  } catch (const rws::error &e) {
    CHECK(e.raw.status == RWS_E_STATE);
  }
  rws::target to("ws://localhost/");
  to.more.retry_min_ms = 1;
  CHECK(engine.connect(to, rws::make_session<Silent>()).status() == RWS_E_INVALID);
  CHECK(engine.connect(to, rws::session_ptr<Silent>()).status() == RWS_E_INVALID);
  engine = rws::engine();  // frees the one that runs
  CHECK(engine.get() == nullptr && rws::result<int>(rws_error{}).value_or(7) == 7);
}

// Before the start nobody knows; then it is what was asked for, or the reason is told.
static void backends() {
  static_assert(noexcept(rws::handle().backend()));
  CHECK(rws::handle().backend().which == RWS_BACKEND_AUTO);
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  config.backend = RWS_BACKEND_EPOLL;
  auto engine = rws::engine::make(config).value();
  CHECK(engine.backend().which == RWS_BACKEND_AUTO && engine.backend().why.status == RWS_OK);
  engine.start().value();
  CHECK(engine.backend().which == RWS_BACKEND_EPOLL && engine.backend().why.status == RWS_OK);

  config.backend = RWS_BACKEND_AUTO;
  engine = rws::engine::make(config).value();
  engine.start().value();
  const rws::backend_info got = rws::handle(engine).backend();
  const bool refused = got.which == RWS_BACKEND_EPOLL;
  CHECK(refused || got.which == RWS_BACKEND_URING);
  CHECK(got.why.status == (refused ? RWS_E_KERNEL : RWS_OK));
  CHECK((got.why.text[0] != 0) == refused);
}

static std::atomic<int> opens{0}, closes{0}, ticks{0}, tocks{0}, posts{0}, starts{0}, stops{0},
    stopped{0}, destroyed{0};
static std::atomic<int> begun{0}, ended{0};
static std::atomic<std::uint64_t> last{0};

struct Session;

// Decides and answers; the page is on the same port.
struct Front : rws::acceptor<Session> {
  admission on_upgrade(rws::upgrade &up) {
    rws_address peer{};
    CHECK(up.reactor().engine().get() != nullptr && !up.moved());
    CHECK(up.path() == "/" && up.target() == "/" && up.header("Absent").data() == nullptr);
    CHECK(up.peer(peer) == RWS_OK && peer.family == RWS_FAMILY_IPV4 && up.method() == "GET");
    CHECK(up.add_header("X-Served-By", "ringws") == RWS_OK && up.body("refused") == RWS_OK);
    CHECK(up.protocol("chat") == RWS_E_INVALID);
    return rws::make_session<Session>("connection");
  }
  static void on_request(const rws::request &q) {
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
};

struct Session {
  std::string name;
  rws::timer never, tick, tock;

  explicit Session(const char *called) : name(called) {}
  ~Session() { destroyed++; }
  void on_open(rws::connection c) {
    const rws::reactor r = c.reactor();
    CHECK(r.session<Session>(c.id()) == this && r.session<Silent>(c.id()) == nullptr);
    CHECK(r.session<Session>(rws_conn{}) == nullptr);
    never = r.after(std::chrono::hours(1), [](rws::reactor) { CHECK(false); });
    tick = r.after(std::chrono::milliseconds(1), [](rws::reactor) { ticks++; });
    // A function that can only be moved, and that cancels itself in its third call.
    auto count = std::make_unique<int>(0);
    tock = r.every(std::chrono::milliseconds(1), [this, n = std::move(count)](rws::reactor) {
      CHECK(++*n <= 3);
      if (*n == 3) tock.cancel();
      CHECK(name == "connection");
      if (*n == 3) tocks++;
    });
    rws_conn all[2];
    CHECK(r.conns(all) == 1 && all[0] == c.id());
    CHECK(rws::reactor_of(c.id()) == r.index() && c.rtt_us() == 0);
    CHECK(c.leave("room") == RWS_E_STATE && c.join("room") == RWS_OK);
    CHECK(c.publish("room", "to nobody") == RWS_OK && c.publish("room", "\xff") == RWS_E_UTF8);
    const rws::buf x = rws::buf::make("x").value();
    CHECK(r.publish_with("room", x, RWS_WHEN_FULL_ABORT, c.id()) == RWS_OK);
    CHECK(r.publish_latest("room", 1, x, c.id()) == RWS_OK);
    CHECK(c.set_when_full(RWS_WHEN_FULL_CLOSE, 1 << 20) == RWS_OK);
    CHECK(c.queue_age_ms() == 0 && c.dropped() == 0 && r.members("room") == 1);
    last = c.id().id;
    opens++;
  }
  void on_message(rws::connection c, rws::message m) {
    CHECK(m.is_text() && m.is_first() && m.is_last() && m.octets().size() == m.size());
    if (m.text() == "wrapped, please") {
      CHECK(c.send(wrapped()) == RWS_OK);
      return;
    }
    const rws::buf kept = m.retain().value();
    CHECK(kept.text() == m.text() && kept.opcode() == m.opcode());
    CHECK(c.send(kept) == RWS_OK);
    CHECK(c.buffered() == m.size() + 2);
    CHECK(c.pause() == RWS_OK && c.resume() == RWS_OK);
  }
  void on_pong(rws::connection c, std::string_view payload) {
    CHECK(c.close(RWS_CLOSE_POLICY, payload) == RWS_OK);
  }
  void on_close(rws::connection c, const rws_close_info &info) {
    CHECK(info.sent_code == RWS_CLOSE_POLICY && rws::view(info.reason) == "and bye");
    CHECK(c.reactor().session<Session>(c.id()) == this && destroyed == 0);
    closes++;
  }
};

struct Hooks {
  void on_start(rws::reactor r) {
    CHECK(r.index() < 2);
    starts++;
  }
  static void on_stop(rws::reactor r) {
    CHECK(r.engine().get() != nullptr);
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
  /* Without a bus there is nothing to tell; tests/c/bus.c has one. */
  void on_gap(rws::reactor, std::string_view, const rws_gap &) { CHECK(!"no bus"); }
  void on_bus(bool, std::string_view) { CHECK(!"no bus"); }
  void on_late(rws::connection, std::string_view) { CHECK(!"no history"); }
};

static void expect(int s, unsigned char first, std::string_view payload) {
  unsigned char got, data[256];
  CHECK(client_receive(s, &got, data, sizeof data) == static_cast<long>(payload.size()));
  CHECK(got == first && memcmp(data, payload.data(), payload.size()) == 0);
}

static void serve() {
  Front front;
  Hooks hooks;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  auto engine = rws::engine::make(config, hooks).value();
  const std::uint16_t port = engine.listen(0, front).value();
  engine.start().value();
  auto only = std::make_unique<int>(1);
  CHECK(engine.post(1, [n = std::move(only)](rws::reactor r) {
    CHECK(r.index() == 1);
    posts += *n;
  }) == RWS_OK);

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
  CHECK(handle.members("room") == 1 && handle.publish("room", "wrapped") == RWS_OK);
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
  CHECK(engine.metrics(text) > sizeof text);
  CHECK(std::string(text) == "# HELP ringws_c");
  rws_metric first;
  CHECK(engine.values({&first, 1}) > 30 && rws::view(first.name) == "ringws_connections");
  rws::engine moved = std::move(engine);
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;
  int drained = 0;
  auto done = [&](rws::handle e, const rws_drained &counts) {
    CHECK(e.get() == moved.get() && counts.closed == 0 && counts.lost == 0);
    drained++;
  };
  CHECK(moved.drain(how, done) == RWS_OK && moved.drain() == RWS_E_STATE);
  moved.wait().value();
  CHECK(drained == 1 && stopped == 1);
}

static void keys() {
  const rws_conn a{1}, b{2};
  std::unordered_map<rws_conn, int> map{{a, 10}, {b, 20}};
  CHECK(a != b && a == rws_conn{1} && map[b] == 20);
}

int main() {
  buffers();
  payloads();
  failures();
  backends();
  keys();
  serve();
  CHECK(opens == 1 && closes == 1 && destroyed == 1 && ticks == 1 && tocks == 1 && posts == 1);
  CHECK(starts == 2 && stops == 2 && releases == 6);
  CHECK(begun == 1 && ended == 1);
  std::puts("ok");
}
