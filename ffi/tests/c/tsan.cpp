// What tsan.c does, as far as the wrapper has ways of its own: objects as handlers, jobs and timers.
#include <ringws.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

static void check(bool holds, int line) {
  if (!holds) {
    std::fprintf(stderr, "tsan.cpp:%d\n", line);
    std::abort();
  }
}
#define CHECK(x) check(x, __LINE__)

// Each writes to what it is given, without a lock.
struct Guest {
  std::string name = "nobody";
  std::vector<std::string> heard;
  void on_open(rws::reactor r, rws_conn c) {
    name = "guest";
    CHECK(r.send(c, RWS_TEXT, "0") == RWS_OK);
  }
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    heard.emplace_back(rws::view(m));
    if (heard.size() == 20) {
      CHECK(r.close(c) == RWS_OK);
    } else {  // by way of another thread, which has it alone until then
      auto text = std::make_unique<std::string>(std::to_string(heard.size()));
      std::thread([e = r.engine(), c, text = std::move(text)] {
        CHECK(e.send(c, rws::buf(RWS_TEXT, *text)) == RWS_OK);
      }).detach();
    }
  }
  void on_close(rws::reactor r, rws_conn, rws_close_info &) {
    heard.emplace_back("end");
    r.engine().stop(0);
  }
};

struct Server {
  std::string greeting;  // written before the start
  void on_message(rws::reactor r, rws_conn c, const rws_message &m) const {
    CHECK(greeting == "welcome");
    const rws::buf kept = r.retain(m);
    CHECK(r.send(c, kept) >= RWS_OK);
  }
};

struct Walker {
  std::vector<std::uint32_t> path;
  void step(rws::reactor r) {
    path.push_back(r.index());
    if (path.size() < 40)
      CHECK(r.engine().post<&Walker::step>(1 - r.index(), *this) == RWS_OK);
    else
      CHECK(r.start_timer<&Walker::last>(1, *this) == RWS_OK);
  }
  void last(rws::reactor r) { path.push_back(r.index()); }
};

struct Hooks {
  std::array<std::string, 2> of;
  std::string all;
  void on_start(rws::reactor r) { of[r.index()] = "started"; }
  void on_stop(rws::reactor r) { of[r.index()] += ", stopped"; }
  void on_stopped(rws::handle) { all = of[0] + "; " + of[1]; }
};

int main() {
  Server server;
  Guest guest;
  Walker walker;
  Hooks hooks;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  rws::set_hooks(config, hooks);
  rws::engine engine(config);
  const auto port = engine.listen(0, server);
  server.greeting = "welcome";
  engine.start();
  CHECK(hooks.of[0] == "started" && hooks.of[1] == "started");
  walker.path.push_back(9);
  CHECK(engine.post<&Walker::step>(0, walker) == RWS_OK);
  guest.name = "somebody";
  engine.connect(("ws://127.0.0.1:" + std::to_string(port) + "/").c_str(), guest);
  engine.wait();
  CHECK(guest.name == "guest" && guest.heard.size() == 21);
  CHECK(walker.path.size() >= 1 && hooks.all == "started, stopped; started, stopped");
  std::puts("ok");
}
