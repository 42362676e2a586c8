// A stream layer that keeps what is written until the next read: many messages that came in one
// read leave in one write. Beast hands every frame to the layer below at once.
#pragma once

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace peers {

namespace net = boost::asio;
using boost::system::error_code;

template <class Next>
class gather {
 public:
  using executor_type = typename Next::executor_type;
  using next_layer_type = Next;
  using lowest_layer_type = typename Next::lowest_layer_type;

  explicit gather(Next&& next) : next_(std::move(next)) { held_.reserve(capacity); }

  executor_type get_executor() noexcept { return next_.get_executor(); }
  Next& next_layer() { return next_; }
  lowest_layer_type& lowest_layer() { return next_.lowest_layer(); }

  // Sends what is held, then reads.
  template <class Buffers, class Handler>
  auto async_read_some(Buffers const& buffers, Handler&& handler) {
    auto start = [this](auto&& done, Buffers into) {
      using done_type = std::decay_t<decltype(done)>;
      if (held_.empty()) return next_.async_read_some(into, std::move(done));
      flush([this, into, done = done_type(std::move(done))](error_code error) mutable {
        if (error) return done(error, 0);
        next_.async_read_some(into, std::move(done));
      });
    };
    return net::async_initiate<Handler, void(error_code, std::size_t)>(start, handler, buffers);
  }

  // Holds what fits; what is larger goes out at once, behind what is held.
  template <class Buffers, class Handler>
  auto async_write_some(Buffers const& buffers, Handler&& handler) {
    auto start = [this](auto&& done, Buffers from) {
      using done_type = std::decay_t<decltype(done)>;
      const std::size_t bytes = net::buffer_size(from);
      if (held_.size() + bytes <= capacity) {
        const std::size_t before = held_.size();
        held_.resize(before + bytes);
        net::buffer_copy(net::buffer(held_.data() + before, bytes), from);
        // A completion may not run inside the call that starts the operation.
        return net::post(get_executor(),
                         boost::beast::bind_front_handler(std::move(done), error_code(), bytes));
      }
      if (held_.empty()) return next_.async_write_some(from, std::move(done));
      flush([this, from, done = done_type(std::move(done))](error_code error) mutable {
        if (error) return done(error, 0);
        next_.async_write_some(from, std::move(done));
      });
    };
    return net::async_initiate<Handler, void(error_code, std::size_t)>(start, handler, buffers);
  }

 private:
  static constexpr std::size_t capacity = 16 * 1024;

  template <class Done>
  void flush(Done done) {
    auto sent = [this, done = std::move(done)](error_code error, std::size_t) mutable {
      held_.clear();
      done(error);
    };
    net::async_write(next_, net::buffer(held_), std::move(sent));
  }

  Next next_;
  std::vector<char> held_;
};

// Beast ends a connection through these.
template <class Next>
void teardown(boost::beast::role_type role, gather<Next>& stream, error_code& error) {
  using boost::beast::websocket::teardown;
  teardown(role, stream.next_layer(), error);
}

template <class Next, class Handler>
void async_teardown(boost::beast::role_type role, gather<Next>& stream, Handler&& handler) {
  using boost::beast::websocket::async_teardown;
  async_teardown(role, stream.next_layer(), std::forward<Handler>(handler));
}

}  // namespace peers
