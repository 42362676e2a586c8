// Says something to an echo server and prints the answer, as a coroutine (C++20).
// usage: client_coro [URL] [text]...
#include <ringws_coro.hpp>
#include <cstdio>
#include <string>
#include <vector>

static rws::task<rws::result<void>> talk(std::string url, std::vector<std::string> texts) {
  auto made = co_await rws::connect(url);
  if (!made) co_return made.error();
  rws::stream server = std::move(*made);
  for (const auto &text : texts) {
    auto sent = co_await server.send(text);  // waits while the server reads too slowly
    if (!sent) co_return sent;
    auto answer = co_await server.receive();
    if (!answer) co_return answer.error();
    std::printf("%.*s\n", int(answer->size()), answer->text().data());
  }
  auto end = co_await server.close();
  if (!end) co_return end.error();
  co_return rws::result<void>();
}

int main(int argc, char **argv) try {
  rws_config config = RWS_INIT(rws_config);
  config.reactors = 1;
  auto engine = rws::engine::make(config).value();
  engine.start().value();

  const std::string url = argc > 1 ? argv[1] : "ws://localhost:9001/";
  std::vector<std::string> texts(argv + (argc > 2 ? 2 : argc), argv + argc);
  if (texts.empty()) texts = {"hello"};
  rws::result<void> done;
  const auto posted = engine.post(0, [&](rws::reactor) {
    rws::spawn([&]() -> rws::task<> {
      done = co_await talk(url, texts);
      rws::here().engine().stop(0);
    });
  });
  if (posted != RWS_OK) return 1;
  engine.wait().value();
  done.value();
} catch (const rws::error &e) {
  std::fprintf(stderr, "%s: %s\n", rws_strerror(e.raw.status), e.what());
  return 1;
}
