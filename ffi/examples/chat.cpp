// A chat: rooms with history and presence, its page, a health check and numbers for Prometheus, all
// on one port.  Who reads too slowly is sent away.  usage: chat [port, 0: any] [page]
#include <ringws.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>

struct Room {
  std::deque<std::string> said;  // the last hundred
  std::size_t here = 0;
};
using Rooms = std::map<std::string, Room, std::less<>>;
static Rooms rooms;       // those in which somebody is
static std::mutex order;  // of rooms; held for microseconds, so that a callback may wait for it

static std::string page;

// One stands for the endpoint, and one of its own for each connection.
class Guest {
  std::string name;
  Rooms::iterator room;

  // To all in the room.  Under the lock: what is remembered is then in the order of the topic.
  bool tell(rws::reactor r, const std::string &line) const {
    return r.publish(room->first, rws::buf(RWS_TEXT, line)) == RWS_OK;
  }

 public:
  int on_upgrade(rws::reactor, rws::upgrade up) {  // of the endpoint's
    const auto path = up.asked().path(), called = up.asked().query_param("name");
    if (path.rfind("/rooms/", 0) != 0 || path.size() > 64) return 404;
    if (called.empty() || called.size() > 32 || !rws::buf(RWS_TEXT, called)) return 400;  // no UTF-8
    auto guest = new Guest;
    guest->name = called;
    std::lock_guard lock(order);
    guest->room = rooms.try_emplace(std::string(path)).first;
    guest->room->second.here++;
    up.set_handler<Guest>(*guest);
    return 101;  // on_open follows, and some day on_close
  }

  void on_open(rws::reactor r, rws_conn c) {
    std::lock_guard lock(order);
    for (const auto &line : room->second.said) r.send(c, RWS_TEXT, line);
    if (r.join(c, room->first) < 0) r.abort(c);
    tell(r, "#" + std::to_string(room->second.here));
    tell(r, name + " has come");
  }

  void on_message(rws::reactor r, rws_conn c, const rws_message &m) {
    if (m.opcode != RWS_TEXT) return (void)r.close(c, RWS_CLOSE_UNSUPPORTED);
    std::string line = name + ": " + std::string(rws::view(m));
    std::lock_guard lock(order);
    if (!tell(r, line)) return (void)r.close(c, RWS_CLOSE_TRY_AGAIN);  // nobody has got it
    auto &said = room->second.said;
    said.push_back(std::move(line));
    if (said.size() > 100) said.pop_front();
  }

  void on_close(rws::reactor r, rws_conn, const rws_close_info &) {
    {
      std::lock_guard lock(order);
      if (--room->second.here == 0) {
        rooms.erase(room);
      } else {
        tell(r, "#" + std::to_string(room->second.here));
        tell(r, name + " has gone");
      }
    }
    delete this;
  }

  void on_request(rws::reactor r, rws::request q) {
    if (q.path() == "/") {
      q.answer(200, page, "Content-Type: text/html; charset=utf-8");
    } else if (q.path() == "/healthz") {
      q.answer(200, "ok\n", "Content-Type: text/plain");
    } else if (q.path() == "/metrics") {
      q.metrics(r);
    }  // all else: 404
  }
};

int main(int argc, char **argv) try {
  std::ifstream file(argc > 2 ? argv[2] : "ffi/examples/chat.html");
  page.assign(std::istreambuf_iterator<char>(file), {});
  sigset_t signals;  // waited for below: no handler, and a drain needs none
  sigemptyset(&signals);
  for (int sig : {SIGINT, SIGTERM}) sigaddset(&signals, sig);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  rws_options options = RWS_INIT(rws_options);
  options.message_max = 1000;
  options.send_queue_max = 256 << 10;
  options.when_full = RWS_WHEN_FULL_CLOSE;
  Guest front;
  rws::engine engine;
  const int wanted = argc > 1 ? std::atoi(argv[1]) : 9001;
  const unsigned port = engine.listen(std::uint16_t(wanted), front, options);
  engine.start();
  std::printf("listening on %u\n", port);
  std::fflush(stdout);

  int sig;
  sigwait(&signals, &sig);
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;  // pages come again, not all at once
  how.spread_ms = 2000;
  engine.drain(how);
  engine.wait();
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
