// A chat: rooms with history and presence, its page, a health check and numbers for Prometheus, all
// on one port.  Who reads too slowly is sent away.
// usage: chat [port, 0: any] [page] [journal: what was said outlives the process]
//
// A message has an id, which its page makes, and a number in its room, which is made here.  Hearing it
// is the acknowledgement; until then the page says it again to whomever it reaches.  It is in the
// journal before anybody hears it, so whoever comes next knows the ids and goes on with the numbers:
// also after a kill -9.  A machine that loses power loses what it had not written yet (no fsync here).
// Where a room is made anew its numbers begin with the time: higher than those that were forgotten.
//
//   page    say <id> <text>      ping <what>
//   server  room <first number that is kept>, all that was said after what the page has, ready
//           said <number> <id> <ms since 1970> <name> <text>      pong <what>
//           here <last number> <how many> <name>...
//           now <ms> <connections> <messages in> <out> <median round trip, us> <room>=<how many>...
//
// with tabs between the fields.
#include <ringws.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <string>

struct Line {
  std::uint64_t number;
  std::string id, wire;  // as it is sent, and written
};
struct Room {
  std::deque<Line> said;  // the last hundred
  std::uint64_t last = 0;
  std::multiset<std::string> here;
};
using Rooms = std::map<std::string, Room, std::less<>>;
static Rooms rooms;
static std::mutex order;  // of all this; held for microseconds, so that a callback may wait for it
static std::ofstream journal;
static bool closing = false;

static std::string page;

static std::uint64_t ms_now() {
  using namespace std::chrono;
  const auto now = system_clock::now().time_since_epoch();
  return std::uint64_t(duration_cast<milliseconds>(now).count());
}

// Without what ends a field or a line.
static std::string clean(std::string_view text) {
  std::string out(text);
  for (char &c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  return out;
}

// Takes the next field off.
static std::string_view field(std::string_view &rest) {
  const auto end = rest.find('\t');
  const auto taken = rest.substr(0, end);
  rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  return taken;
}

static std::uint64_t number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

static void remember(Room &room, std::uint64_t number, std::string_view id, std::string wire) {
  room.last = number;
  room.said.push_back({number, std::string(id), std::move(wire)});
  if (room.said.size() > 100) room.said.pop_front();
}

// Of a thousand, an empty one makes room: what was said there is forgotten.
static Rooms::iterator enter(std::string_view path) {
  if (const auto known = rooms.find(path); known != rooms.end()) return known;
  if (rooms.size() >= 1000) {
    auto empty = rooms.begin();
    while (empty != rooms.end() && !empty->second.here.empty()) ++empty;
    if (empty == rooms.end()) return empty;
    rooms.erase(empty);
  }
  const auto made = rooms.try_emplace(std::string(path)).first;
  made->second.last = ms_now();
  return made;
}

class Guest {  // a connection
  std::string name;
  Rooms::iterator room;
  std::uint64_t heard;  // the last number that the page has

  void tell_who_is_here(rws::reactor r) const {
    const auto &here = room->second.here;
    std::string line = "here\t" + std::to_string(room->second.last) + '\t';
    line += std::to_string(here.size());
    std::size_t named = 0;
    for (auto i = here.begin(); i != here.end() && named < 50; ++i, ++named) line += '\t' + *i;
    r.publish_latest(room->first, 1, line);  // who is slow gets the newest only
  }

 public:
  Guest(std::string called, Rooms::iterator where, std::uint64_t after)
      : name(std::move(called)), room(where), heard(after) {
    room->second.here.insert(name);
  }

  // Under the lock: what is remembered is then in the order of the topic, without a seam.
  void on_open(rws::connection c) {
    std::lock_guard lock(order);
    const auto &said = room->second.said;
    const auto first = said.empty() ? room->second.last + 1 : said.front().number;
    c.send("room\t" + std::to_string(first));
    for (const auto &line : said)
      if (line.number > heard) c.send(line.wire);
    if (c.join(room->first) < 0 || c.join("now") < 0) return (void)c.abort();
    c.send("ready");
    tell_who_is_here(c.reactor());
  }

  void on_message(rws::connection c, rws::message m) {
    if (!m.is_text()) return (void)c.close(RWS_CLOSE_UNSUPPORTED);
    auto rest = m.text();
    const auto verb = field(rest);
    if (verb == "ping") return (void)c.send("pong\t" + std::string(rest));
    const auto id = field(rest);
    if (verb != "say" || id.size() < 8 || id.size() > 32 || clean(id) != id || rest.empty())
      return (void)c.close(RWS_CLOSE_POLICY);
    std::lock_guard lock(order);
    if (closing) return;  // not acknowledged: the page says it to the next process
    auto &here = room->second;
    for (const auto &line : here.said)  // it has come before, and the page has not heard that
      if (line.id == id) return (void)c.send(line.wire);
    const auto next = here.last + 1;
    auto wire = "said\t" + std::to_string(next) + '\t' + std::string(id) + '\t' +
                std::to_string(ms_now()) + '\t' + name + '\t' + clean(rest);
    // A journal that has failed once stays so: its last line is in doubt.
    if (journal.is_open() && !(journal << room->first << '\t' << wire << '\n' << std::flush))
      return (void)c.close(RWS_CLOSE_TRY_AGAIN);
    const bool heard_by_all = c.reactor().publish(room->first, wire) == RWS_OK;
    remember(here, next, id, std::move(wire));
    // Its page comes again and finds it; those of others see that a number is missing.
    if (!heard_by_all) c.close(RWS_CLOSE_TRY_AGAIN);
  }

  void on_close(rws::connection c, rws_close_info &) {
    std::lock_guard lock(order);
    auto &here = room->second.here;
    here.erase(here.find(name));
    tell_who_is_here(c.reactor());
  }
};

struct Front : rws::acceptor<Guest> {  // called by all reactors at once
  admission on_upgrade(rws::upgrade &up) {
    const auto path = up.path(), called = up.query_param("name");
    if (path.rfind("/rooms/", 0) != 0 || path.size() > 64 || clean(path) != path)
      return rws::refuse(404);
    if (called.empty() || called.size() > 32 || !rws::buf::make(called))
      return rws::refuse(400);  // no UTF-8
    std::lock_guard lock(order);
    const auto found = enter(path);
    if (found == rooms.end()) return rws::refuse(503);
    return rws::make_session<Guest>(clean(called), found, number(up.query_param("after")));
  }

  void on_request(rws::request &q) {
    if (q.path() == "/") {
      q.answer(200, page,
               "Content-Type: text/html; charset=utf-8\nCache-Control: no-cache\n"
               "X-Content-Type-Options: nosniff\nReferrer-Policy: no-referrer\n"
               "Content-Security-Policy: default-src 'none'; connect-src 'self'; img-src data:; "
               "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'");
    } else if (q.path() == "/healthz") {
      std::lock_guard lock(order);
      const bool well = !journal.fail();
      q.answer(well ? 200 : 503, well ? "ok\n" : "the journal cannot be written\n",
               "Content-Type: text/plain");
    } else if (q.path() == "/metrics") {
      q.metrics();
    }  // all else: 404
  }
};

// Once a second, to everybody: numbers, and the rooms in which somebody is.
struct Numbers {
  rws::timer timer;
  void on_start(rws::reactor r) {
    if (r.index() != 0) return;
    timer = r.every(std::chrono::seconds(1), [this](rws::reactor here) { tell(here); });
  }
  void tell(rws::reactor r) {
    rws_stats all;
    r.engine().stats(all);
    std::string line = "now";
    for (auto n : {ms_now(), all.connections, all.messages_in, all.messages_out,
                   r.engine().quantile(RWS_HIST_PING_US, 0.5)})
      line += '\t' + std::to_string(n);
    std::lock_guard lock(order);
    for (const auto &[path, room] : rooms)
      if (!room.here.empty() && line.size() < 2000)
        line += '\t' + path.substr(7) + '=' + std::to_string(room.here.size());
    r.publish_latest("now", 2, line);
  }
};

// Reads the journal, and writes what is still wanted of it to a new one that takes its place.
static bool recall(const std::string &name) {
  std::ifstream old(name);
  std::string line;
  while (std::getline(old, line) && !old.eof()) {  // without its end it was never acknowledged
    std::string_view wire(line);
    const auto path = field(wire);
    auto rest = wire;
    field(rest);
    const auto said = number(field(rest));
    if (const auto room = enter(path); room != rooms.end())
      remember(room->second, said, field(rest), std::string(wire));
  }
  journal.open(name + ".new", std::ios::trunc);
  for (const auto &[path, room] : rooms)
    for (const auto &said : room.said) journal << path << '\t' << said.wire << '\n';
  return journal.flush() && std::rename((name + ".new").c_str(), name.c_str()) == 0;
}

int main(int argc, char **argv) try {
  std::ifstream file(argc > 2 ? argv[2] : "ffi/examples/chat.html");
  page.assign(std::istreambuf_iterator<char>(file), {});
  sigset_t signals;  // waited for below: no handler, and a drain needs none
  sigemptyset(&signals);
  for (int sig : {SIGINT, SIGTERM}) sigaddset(&signals, sig);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  rws_options options = RWS_INIT(rws_options);
  options.message_max = 4096;
  options.send_queue_max = 512 << 10;  // all that is remembered of a room, and more
  options.when_full = RWS_WHEN_FULL_CLOSE;
  options.ping_interval_ms = 5000;
  rws_endpoint at = RWS_INIT(rws_endpoint);
  at.port = argc > 1 ? std::uint32_t(std::atoi(argv[1])) : 9001;
  at.options = &options;
  Front front;
  Numbers numbers;
  auto engine = rws::engine::make(RWS_INIT(rws_config), numbers).value();
  const unsigned port = engine.listen(at, front).value();
  // Whoever has the port is alone with the journal: one that is closing writes nothing more.
  if (argc > 3 && !recall(argv[3])) return std::perror(argv[3]), 1;
  engine.start().value();
  std::printf("listening on %u\n", port);
  std::fflush(stdout);

  int sig;
  sigwait(&signals, &sig);
  {
    std::lock_guard lock(order);
    closing = true;
  }
  rws_drain how = RWS_INIT(rws_drain);
  how.code = RWS_CLOSE_RESTART;  // pages come again, not all at once
  how.spread_ms = 2000;
  engine.drain(how);
  engine.wait().value();
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
