// What the coroutines offer, without exceptions and RTTI.
#include <ringws_coro.hpp>

struct Echo {
  void on_message(rws::connection c, rws::message m) { c.send(m); }
};

static rws::task<int> counts() { co_return 3; }

static rws::task<> talk(const char *url) {
  auto made = co_await rws::connect(url);
  if (!made) co_return;
  rws::stream server = std::move(*made);
  if (!co_await server.send("hello")) co_return;
  while (auto m = co_await server.receive())
    if (m->text() == "hello") break;
  auto brought = co_await rws::async<int>([](rws::resolver<int> to) { (void)to.set(3); });
  if (!brought || *brought != co_await counts()) co_return;
  (void)co_await rws::sleep_for(std::chrono::milliseconds(rws::here().index()));
  (void)co_await server.close(RWS_CLOSE_NORMAL, "bye");
  if (server.end() != nullptr) (void)server.connection().buffered();
}

struct Door final : rws::acceptor<Echo> {
  admission on_upgrade(rws::upgrade &up) {
    return rws::answer_later(postpone(up), decide(std::string(up.path())));
  }
  rws::task<admission> decide(std::string path) {
    (void)co_await rws::sleep_for(std::chrono::milliseconds(3));
    if (path == "/no") co_return rws::refuse(403);
    co_return rws::make_session<Echo>();
  }
  void on_request(rws::request &q) { rws::answer_later(q.postpone(), page()); }
  rws::task<rws::reply> page() { co_return rws::reply{200, "a page", ""}; }
};

int main() {
  rws::stream_acceptor echo([](rws::stream client) -> rws::task<> {
    while (auto m = co_await client.receive())
      if (!co_await client.send(*m)) co_return;
  });
  Door door;
  auto engine = rws::engine::make();
  if (!engine || !engine->listen(0, door, rws::route("/echo", echo))) return 1;
  return engine->post(0, [](rws::reactor) {
    rws::spawn(talk("ws://localhost/"));
    rws::spawn([]() -> rws::task<> { co_return; });
  }) != RWS_OK;
}
