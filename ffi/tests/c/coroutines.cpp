// Coroutines: that whoever waits is resumed once, with what came or with why it did not, in every
// order in which things can end; and that nothing is left behind.
#include "client.h"
#include <atomic>
#include <new>
#include <ringws_coro.hpp>
#include <thread>
#include <vector>

static std::atomic<int> allocations{0};
[[gnu::noinline]] void *operator new(std::size_t size) {
  allocations++;
  void *p = std::malloc(size);
  CHECK(p != nullptr);
  return p;
}
[[gnu::noinline]] void operator delete(void *p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void *p, std::size_t) noexcept { std::free(p); }

using std::chrono::hours;
using std::chrono::milliseconds;

static std::atomic<int> alive{0}, ended{0};

// In each coroutine: it is there, and was begun and ended on one thread.
struct Here {
  std::thread::id thread = std::this_thread::get_id();
  Here() { alive++; }
  Here(const Here &) = delete;
  ~Here() {
    CHECK(thread == std::this_thread::get_id());
    alive--;
    ended++;
  }
};

template <class C> static void until(C done) {
  for (int ms = 0; !done(); ms++) {
    CHECK(ms < 20000);
    usleep(1000);
  }
}

// What the server does is what the path says.
struct Peer {
  std::string path;
  rws::timer later;
  static inline std::atomic<std::size_t> heard{0};
  static inline std::atomic<int> open{0};

  explicit Peer(std::string_view of) : path(of) { open++; }
  ~Peer() { open--; }
  void on_open(rws::connection c) {
    if (path == "/deaf" || path == "/late") c.pause();
    if (path == "/late")
      later = c.reactor().after(milliseconds(300), [id = c.id()](auto r) { r.at(id).resume(); });
    if (path == "/close") c.close(4000, "a reason that is longer than most");
    if (path == "/talk")
      for (int i = 0; i < 1000; i++) c.send(std::to_string(i));
  }
  void on_message(rws::connection c, rws::message m) {
    heard += m.size();
    if (path == "/abort") return (void)c.abort();
    if (path == "/") c.send(m);
  }
};

struct Server : rws::acceptor<Peer> {
  admission on_upgrade(const rws::upgrade &up) {
    if (up.path() == "/no") return rws::refuse(403);
    return rws::make_session<Peer>(up.path());
  }
};

// A server and, on another engine, whoever talks to it.
struct World {
  Server server;
  rws::engine servers, engine;
  std::string url;

  World() {
    rws_config config = RWS_INIT(rws_config);
    config.reactors = 1;
    servers = rws::engine::make(config).value();
    engine = rws::engine::make(config).value();
    url = "ws://127.0.0.1:" + std::to_string(servers.listen(0, server).value());
    servers.start().value();
    engine.start().value();
  }
  template <class F> void spawn(F f) {
    CHECK(engine.post(0, [f = std::move(f)](rws::reactor) mutable { rws::spawn(std::move(f)); }) ==
          RWS_OK);
  }
  template <class F> void run(F f) {
    const int before = ended;
    spawn(std::move(f));
    until([&] { return ended > before; });
  }
};

static rws::task<rws::stream> opened(std::string url) {
  const Here here;
  auto made = co_await rws::connect(url);
  CHECK(made);
  co_return std::move(*made);
}

static rws::task<> talks(std::string url) {
  const Here here;
  auto made = co_await rws::connect(url.c_str());
  CHECK(made && made->connection().answer_header("Upgrade") == "websocket");
  rws::stream server = std::move(*made);
  CHECK(!*made && server && server.end() == nullptr && server.id() != rws_conn{});
  const int before = allocations;  // waiting makes none
  CHECK(co_await rws::sleep_for(milliseconds(1)));
  for (int i = 0; i < 100; i++) {
    const std::string text = std::to_string(i);
    CHECK(co_await server.send(text));
    auto m = co_await server.receive();
    CHECK(m && m->text() == text && m->is_text());
  }
  CHECK(allocations == before);
  CHECK((co_await server.send("\xff")).status() == RWS_E_UTF8);
  CHECK((co_await server.close(999)).status() == RWS_E_INVALID);
  auto end = co_await server.close(4001, "bye");
  CHECK(end && end->code == 4001 && end->sent_code == 4001 && end->cause == RWS_CAUSE_CLOSE);
  CHECK(!server && server.end() != nullptr && server.end()->code == 4001);
  CHECK((co_await server.receive()).status() == RWS_E_GONE);
  CHECK((co_await server.send("x")).status() == RWS_E_GONE);
  CHECK((co_await server.close()).has_value());
}

static rws::task<> fails_to_connect(std::string url) {
  const Here here;
  auto made = co_await rws::connect(rws::target(url + "/no"));
  CHECK(!made && made.status() == RWS_E_REFUSED);
  CHECK((co_await rws::connect("http://x")).status() == RWS_E_INVALID);
  CHECK((co_await rws::connect("ws://127.0.0.1:1")).status() == RWS_E_SYSTEM);
  rws::stream none;
  CHECK((co_await none.receive()).status() == RWS_E_STATE);
  CHECK((co_await none.send("x")).status() == RWS_E_STATE);
  CHECK((co_await none.close()).status() == RWS_E_STATE);
}

// While nobody waits for messages they stay with the peer, and none is lost.
static rws::task<> reads_slowly(std::string url) {
  const Here here;
  rws::stream server = co_await opened(url + "/talk");
  for (int i = 0; i < 1000; i++) {
    if (i % 200 == 0) CHECK(co_await rws::sleep_for(milliseconds(5)));
    auto m = co_await server.receive();
    CHECK(m && m->text() == std::to_string(i));
  }
  // One receives at a time.
  auto second = [](rws::stream &s) -> rws::task<> {
    CHECK((co_await s.receive()).status() == RWS_E_STATE);
    auto end = co_await s.close();
    CHECK(end && end->cause == RWS_CAUSE_CLOSE);
  };
  auto closes = [&]() -> rws::task<> {
    const Here there;
    co_await second(server);
  };
  CHECK(co_await rws::sleep_for(milliseconds(1)));
  rws::spawn([&]() -> rws::task<> {
    CHECK(co_await rws::sleep_for(milliseconds(1)));
    co_await closes();
  });
  CHECK((co_await server.receive()).status() == RWS_E_GONE);
  // Who closes is resumed behind who receives: let it.
  CHECK(co_await rws::sleep_for(milliseconds(1)));
}

// More than all queues hold, to a peer that reads: who sends waits for it, and all of it comes.
static rws::task<> sends_much(std::string url) {
  const Here here;
  rws::stream server = co_await opened(url + "/count");
  const std::vector<std::uint8_t> mib(1 << 20);
  for (int i = 0; i < 64; i++) {
    CHECK(co_await server.send(mib));
    CHECK(server.connection().buffered() < (2u << 20));
  }
  CHECK((co_await server.close()).has_value());
}

static rws::task<> fills(rws::stream &server) {
  const Here here;
  const std::vector<std::uint8_t> mib(1 << 20);
  rws_status status;
  do status = (co_await server.send(mib)).status();
  while (status == RWS_OK);
  const rws_status why = server ? RWS_OK : server.end()->error.status;
  CHECK(status == RWS_E_CLOSING || (!server && status == (why == RWS_OK ? RWS_E_GONE : why)));
}

// What finds no room, and whose memory is gone before there is some.
static rws::task<> finds_no_room(std::string url) {
  const Here here;
  rws::stream server = co_await opened(url + "/late");
  const std::string mib(1 << 20, 'x');
  do {
    while (server.connection().send(mib) != RWS_E_FULL) {}
    CHECK(co_await rws::sleep_for(milliseconds(5)));
  } while (server.connection().send("") != RWS_E_FULL);
  auto text = std::make_unique<std::string>("kept");
  rws::spawn([&]() -> rws::task<> {
    CHECK(co_await rws::sleep_for(milliseconds(5)));
    text = nullptr;
  });
  CHECK(co_await server.send(*text) && text == nullptr);
  CHECK((co_await server.close()).has_value());
}

// The end of the connection, by whatever, is told to all who wait.
static rws::task<> hears_of_ends(std::string url) {
  const Here here;
  {
    rws::stream server = co_await opened(url + "/close");
    auto m = co_await server.receive();
    CHECK(!m && m.status() == RWS_E_GONE && server.end()->code == 4000);
    CHECK(server.end()->reason == "a reason that is longer than most");
  }
  {
    rws::stream server = co_await opened(url + "/abort");
    CHECK(co_await server.send("x"));
    auto m = co_await server.receive();
    CHECK(!m && m.status() != RWS_E_GONE && server.end()->code == RWS_CLOSE_ABNORMAL);
  }
  rws::stream server = co_await opened(url + "/deaf");
  rws::spawn(fills(server));
  rws::spawn([&]() -> rws::task<> {
    const Here there;
    CHECK((co_await server.receive()).status() == RWS_E_GONE);
  });
  CHECK(co_await rws::sleep_for(milliseconds(50)));
  CHECK((co_await server.send("x")).status() == RWS_E_STATE); // another waits in send
  CHECK(server.connection().abort() == RWS_OK);
  CHECK((co_await server.close()).status() == RWS_E_GONE); // aborted, not told yet
  CHECK(co_await rws::sleep_for(milliseconds(1)));
  CHECK(!server && server.end()->cause == RWS_CAUSE_ABORT);
  CHECK((co_await server.close())->cause == RWS_CAUSE_ABORT);
}

static rws::task<int> throws(int how) {
  const Here here;
  if (how > 0) CHECK(co_await rws::sleep_for(milliseconds(0)));
  if (how == 2) throw std::runtime_error("thrown");
  co_return how;
}

static rws::task<> asks(rws::resolver<int> &late) {
  const Here here;
  CHECK(co_await throws(0) == 0 && co_await throws(1) == 1);
  try {
    (void)co_await throws(2);
    CHECK(false);
  } catch (const std::runtime_error &e) {
    CHECK(std::string(e.what()) == "thrown");
  }
  std::thread worker;
  auto brought = co_await rws::async<std::unique_ptr<int>>([&](auto resolver) {
    worker = std::thread([to = std::move(resolver)]() mutable {
      CHECK(to.set(std::make_unique<int>(7)) == RWS_OK && !to);
      CHECK(to.set(std::make_unique<int>(8)) == RWS_E_GONE);
    });
  });
  worker.join();
  CHECK(brought && **brought == 7);
  auto at_once = co_await rws::async<int>([](rws::resolver<int> to) {
    CHECK(to.set(1) == RWS_OK);
  });
  CHECK(at_once && *at_once == 1);
  auto error = co_await rws::async<int>([](rws::resolver<int> to) {
    CHECK(to.set(rws_error{RWS_E_TIMEOUT, 0, ""}) == RWS_OK);
  });
  CHECK(error.status() == RWS_E_TIMEOUT);
  auto dropped = co_await rws::async<int>([](rws::resolver<int>) {});
  CHECK(dropped.status() == RWS_E_GONE);
  // The last one is still open when the reactor ends.
  auto never = co_await rws::async<int>([&](rws::resolver<int> to) { late = std::move(to); });
  CHECK(never.status() == RWS_E_STATE);
  CHECK((co_await rws::sleep_for(hours(1))).status() == RWS_E_STATE);
}

static void conversations() {
  World world;
  world.run([&] { return talks(world.url); });
  world.run([&] { return fails_to_connect(world.url); });
  world.spawn([&] { return reads_slowly(world.url); });
  until([] { return alive == 0 && Peer::open == 0; });
  world.spawn([&] { return sends_much(world.url); });
  until([] { return Peer::heard >= (64u << 20); });
  Peer::heard = 0;
  world.spawn([&] { return finds_no_room(world.url); });
  until([] { return Peer::heard > (1u << 20) && alive == 0; });
  CHECK(Peer::heard % (1u << 20) == 4);
  world.spawn([&] { return hears_of_ends(world.url); });
  until([] { return alive == 0; });
  rws::resolver<int> late;
  world.spawn([&] { return asks(late); });
  until([&] { return static_cast<bool>(late) && alive == 1; });
  world.engine.stop();
  world.engine.wait().value();
  CHECK(alive == 0 && late && late.set(1) == RWS_E_GONE);
  world.engine = rws::engine();
  late = rws::resolver<int>();
}

// One of each that waits, when the engine stops.
static rws::task<> waits(std::string url, int how, std::atomic<int> &waiting) {
  const Here here;
  rws::stream server;
  if (how < 3) server = co_await opened(url + (how == 1 ? "/deaf" : "/"));
  waiting++;
  if (how == 0) {
    const auto m = co_await server.receive();
    CHECK(!m && !server && (m.status() == RWS_E_GONE || m.status() == RWS_E_TIMEOUT));
  }
  if (how == 1) co_await fills(server);
  if (how == 2) CHECK((co_await rws::sleep_for(hours(1))).status() == RWS_E_STATE);
  if (how == 3) CHECK((co_await rws::connect(url.c_str())).status() == RWS_E_STATE);
  if (how == 4) {
    rws::resolver<int> kept;
    auto never = co_await rws::async<int>([&](rws::resolver<int> to) { kept = std::move(to); });
    CHECK(never.status() == RWS_E_STATE);
    // Whoever begins to wait now is told at once.
    for (int i = 0; i < 3; i++)
      CHECK((co_await rws::sleep_for(milliseconds(0))).status() == RWS_E_STATE);
  }
}

// Somebody who takes connections and says nothing.
struct Silent {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  std::string url;
  Silent() {
    struct sockaddr_in at = {};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto *generic = reinterpret_cast<sockaddr *>(&at);
    CHECK(bind(listener, generic, size) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, generic, &size) == 0);
    url = "ws://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }
  ~Silent() { close(listener); }
};

static void stops_while_all_wait() {
  for (const std::uint32_t grace : {0u, 5000u}) {
    World world;
    const Silent silent;
    std::atomic<int> waiting{0};
    for (int how = 0; how < 5; how++)
      world.spawn([&, how] { return waits(how == 3 ? silent.url : world.url, how, waiting); });
    until([&] { return waiting == 5; });
    world.engine.stop(grace == 0 ? 0 : 200);
    world.engine.wait().value();
    CHECK(alive == 0);
  }
}

// A coroutine that is destroyed while it waits gives up what it waits for.
static void destroyed_while_it_waits() {
  const Silent silent;
  World world;
  std::atomic<int> waiting{0};
  for (int how = 0; how < 5; how++) {
    // Awaited by one that is itself held, so that both are destroyed from outside.
    struct Held {
      std::coroutine_handle<> handle;
      struct promise_type {
        Held get_return_object() {
          return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
      };
    };
    Held held{};
    const auto hold = [](rws::task<> work) -> Held { co_await std::move(work); };
    const int before = waiting;
    CHECK(world.engine.post(0, [&, how](rws::reactor) {
      held = hold(waits(how == 3 ? silent.url : world.url, how, waiting));
    }) == RWS_OK);
    until([&] { return waiting > before; });
    const int then = alive;
    CHECK(then > 0);
    CHECK(world.engine.post(0, [&](rws::reactor) { held.handle.destroy(); }) == RWS_OK);
    until([&] { return alive == 0; });
    until([&] { return Peer::open == (how < 1 ? 0 : 1); });  // the deaf one does not hear of it
  }
  // One that has not begun.
  { const rws::task<> never = talks(world.url); }
  world.engine.stop();
  world.engine.wait().value();
  CHECK(alive == 0);
}

// Answers that a coroutine gives.
struct Late : rws::acceptor<Peer> {
  admission on_upgrade(rws::upgrade &up) {
    return rws::answer_later(postpone(up), decide(std::string(up.path())));
  }
  void on_request(const rws::request &q) {
    rws::answer_later(q.postpone(), page(std::string(q.path())));
  }
  static rws::task<admission> decide(std::string path) {
    const Here here;
    if (path != "/now") CHECK(co_await rws::sleep_for(milliseconds(path == "/slow" ? 200 : 2)));
    if (path == "/no") co_return rws::refuse(403);
    if (path == "/wrong") co_return rws::postponed;
    co_return rws::make_session<Peer>("/");
  }
  static rws::task<rws::reply> page(std::string path) {
    const Here here;
    CHECK(co_await rws::sleep_for(milliseconds(2)));
    if (path == "/wrong") co_return rws::reply{99, "", ""};
    co_return rws::reply{200, "a page", "X: y"};
  }
};

static void later_answers() {
  Late late;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  auto engine = rws::engine::make(config).value();
  const std::uint16_t port = engine.listen(0, late).value();
  engine.start().value();
  const auto status = [&](const char *path) {
    char head[512];
    const int s = client_connect(port), got = client_upgrade(s, path, "", head, sizeof head);
    close(s);
    return got;
  };
  CHECK(status("/") == 101 && status("/now") == 101);
  CHECK(status("/no") == 403 && status("/wrong") == 500);
  for (const char *path : {"/page", "/wrong"}) {
    const int s = client_connect(port);
    char ask[64], got[13] = "";
    const int n = snprintf(ask, sizeof ask, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    CHECK(client_write(s, ask, static_cast<std::size_t>(n)) == 0 && client_read(s, got, 12) == 0);
    CHECK(std::string(got) == (path[1] == 'p' ? "HTTP/1.1 200" : "HTTP/1.1 500"));
    close(s);
  }
  until([] { return Peer::open == 0; });
  // It does not wait for the answer: the session is destroyed.
  const int s = client_connect(port), before = ended;
  const char ask[] = "GET /slow HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  CHECK(client_write(s, ask, sizeof ask - 1) == 0);
  close(s);
  until([&] { return ended > before; });
  until([] { return Peer::open == 0; });
  engine.stop();
  engine.wait().value();
}

// A server of coroutines: an echo, until a message says otherwise.
static void serves() {
  std::atomic<int> done{0};
  rws::stream_acceptor echo([&done](rws::stream client) -> rws::task<> {
    const Here here;
    CHECK(rws::reactor_of(client.id()) == rws::here().index());
    while (auto m = co_await client.receive()) {
      if (m->text() == "close") {
        auto end = co_await client.close(4002);
        CHECK(end && end->code == 4002);
        done++;
        co_return;
      }
      if (m->text() == "drop") co_return; // closes it
      CHECK(co_await client.send(*m));
    }
    done++;
  });
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  auto engine = rws::engine::make(config).value();
  const std::uint16_t port = engine.listen(0, echo).value();
  engine.start().value();
  const auto talk = [&](const char *last) {
    unsigned char first, data[64];
    const int s = client_open(port);
    CHECK(client_send(s, RWS_TEXT, "hello", 5) == 0 && client_send(s, RWS_TEXT, "you", 3) == 0);
    CHECK(client_receive(s, &first, data, sizeof data) == 5 && memcmp(data, "hello", 5) == 0);
    CHECK(client_receive(s, &first, data, sizeof data) == 3 && memcmp(data, "you", 3) == 0);
    CHECK(client_send(s, RWS_TEXT, last, strlen(last)) == 0);
    if (*last != 0) {
      CHECK(client_receive(s, &first, data, sizeof data) == 2 && first == 0x88);
      CHECK((data[0] << 8 | data[1]) == (strcmp(last, "drop") == 0 ? 1001 : 4002));
      CHECK(client_send(s, 8, data, 2) == 0);
    }
    close(s);
  };
  talk("close");
  until([&] { return done == 1 && alive == 0; });
  talk("drop");
  until([&] { return alive == 0; });
  talk("");
  until([&] { return done == 2 && alive == 0; });
  const int s = client_open(port);
  until([] { return alive == 1; });
  engine.stop(0);
  engine.wait().value();
  CHECK(alive == 0 && done == 3);
  close(s);
}

static void outside_of_a_reactor() {
  rws::spawn([]() -> rws::task<> {
    const Here here;
    CHECK((co_await rws::connect("ws://x")).status() == RWS_E_STATE);
    CHECK((co_await rws::sleep_for(milliseconds(1))).status() == RWS_E_STATE);
    CHECK((co_await rws::async<int>([](auto) { CHECK(false); })).status() == RWS_E_STATE);
  });
  CHECK(alive == 0);
}

int main() {
  outside_of_a_reactor();
  conversations();
  stops_while_all_wait();
  destroyed_while_it_waits();
  later_answers();
  serves();
  CHECK(alive == 0);
  std::puts("ok");
}
