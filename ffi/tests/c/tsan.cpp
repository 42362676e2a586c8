// What tsan.c does, as far as the wrapper has ways of its own: sessions, jobs and timers of lambdas,
// buffers that own what is taken.
#include <ringws.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

static void check(bool holds, int line) {
  if (!holds) {
    std::fprintf(stderr, "tsan.cpp:%d\n", line);
    std::abort();
  }
}
#define CHECK(x) check(x, __LINE__)

// Written without a lock: before the start, by callbacks, behind the end.
struct Results {
  std::string greeting;
  std::vector<std::string> heard;
  std::vector<std::uint32_t> path;
  std::array<std::string, 2> of;
  std::string all;

  void on_start(rws::reactor r) { of[r.index()] = greeting; }
  void on_stop(rws::reactor r) { of[r.index()] += ", stopped"; }
  void on_stopped(rws::handle) { all = of[0] + "; " + of[1]; }
};

// Of the client: the answers go by way of other threads.
struct Guest {
  Results &results;
  std::string name;

  void on_open(rws::connection c) {
    CHECK(name == "guest");
    CHECK(c.send("0") == RWS_OK);
  }
  void on_message(rws::connection c, rws::message m) {
    results.heard.emplace_back(m.text());
    const std::size_t count = results.heard.size();
    if (count == 20) return (void)c.close();
    auto kept = m.retain().value();
    std::thread([e = c.reactor().engine(), id = c.id(), count, kept = std::move(kept)] {
      CHECK(!kept.text().empty());
      CHECK(e.send(id, rws::buf::take(std::to_string(count)).value()) == RWS_OK);
    }).detach();
  }
  void on_close(rws::connection c, rws_close_info &) {
    results.heard.emplace_back("end");
    c.reactor().engine().stop(0);
  }
};

struct Echo {
  std::string last;
  void on_message(rws::connection c, rws::message m) {
    last = m.text();
    CHECK(c.send(m.retain().value()) >= RWS_OK);
  }
};

// To the other reactor, again and again; then as a timer.
static void walk(rws::reactor r, Results &results, rws::timer &last) {
  results.path.push_back(r.index());
  if (results.path.size() < 40) {
    CHECK(r.engine().post(1 - r.index(), [&](rws::reactor there) {
      walk(there, results, last);
    }) == RWS_OK);
  } else {
    last = r.after(std::chrono::milliseconds(1), [&](rws::reactor) { results.path.push_back(9); });
  }
}

int main() {
  Results results;
  results.greeting = "started";
  rws::timer last;
  rws::acceptor<Echo> echoes;
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 2;
  {
    auto engine = rws::engine::make(config, results).value();
    rws_endpoint at = RWS_INIT(rws_endpoint);
    at.address = "127.0.0.1";
    const auto port = engine.listen(at, echoes).value();
    engine.start().value();
    CHECK(results.of[0] == "started" && results.of[1] == "started");
    results.path.push_back(7);
    CHECK(engine.post(0, [&](rws::reactor r) { walk(r, results, last); }) == RWS_OK);
    auto guest = rws::make_session<Guest>(results, "guest");
    engine.connect("ws://127.0.0.1:" + std::to_string(port) + "/", std::move(guest)).value();
    engine.wait().value();
    CHECK(results.heard.size() == 21 && results.path.size() > 1);
    CHECK(results.all == "started, stopped; started, stopped");
  }
  std::puts("ok");
}
