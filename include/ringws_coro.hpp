// ringws_coro.hpp - C++20 coroutines over ringws.hpp, header-only, also without exceptions and
// RTTI.
//
// A coroutine that returns rws::task runs on the thread of one reactor, from where it is spawned:
//
//     rws::task<> talk() {
//       auto made = co_await rws::connect("ws://localhost:9001/");
//       if (!made) co_return;                               // made.error() says why
//       rws::stream server = std::move(*made);
//       if (!co_await server.send("hello")) co_return;      // waits while the peer reads slowly
//       while (auto m = co_await server.receive()) use(m->text());
//       auto end = co_await server.close();
//     }
//     (void)engine.post(0, [](rws::reactor) { rws::spawn(talk()); });
//
// Waiting: whatever is waited for, the waiter is resumed exactly once: with what it waits for, or
// with an error, at the latest when its reactor ends (RWS_E_STATE), before on_stop.  Nothing is
// resumed after that.  A coroutine may also be destroyed while it waits, by its rws::task, in a
// callback of its reactor: what it waits for is given up.  An awaitable is awaited at once, where
// it was made: `co_await stream.receive()`.
//
// What is lent (rws::reactor, rws::connection, rws::message) is lent until the next co_await that
// waits.  rws::here() is the reactor of the moment.  Coroutines are started in a callback of a
// reactor; outside of one every awaitable here is RWS_E_STATE.
//
// Parameters of a coroutine are copied into it, but not what they refer to, nor what a lambda has
// captured: give rws::spawn the lambda, which it keeps.
//
// Memory: each call of a coroutine is one allocation, unless the compiler can leave it out.
// connect makes two (a session, and what it shares with the stream), async two (what is shared, and
// the job that comes back), a close reason of more than 15 bytes one.  All other waiting makes
// none.
//
// Errors: an exception that leaves a task is thrown to who awaits it; one that leaves what was
// spawned ends the program.
//
// gcc 12 makes wrong code of a coroutine that declares no variable in its outermost block and
// awaits in the condition of an `if`: there write `auto slept = co_await ...; if (!slept) ...`.
#ifndef RINGWS_CORO_HPP
#define RINGWS_CORO_HPP

#include <ringws.hpp>

#if !defined(__cpp_impl_coroutine)
# error "ringws_coro.hpp needs C++20 with coroutines"
#endif

#include <coroutine>
#include <exception>
#include <mutex>

namespace rws {

template <class T = void> class task;

namespace detail {

/* What the promises of all tasks have. */
class promise_base {
  std::coroutine_handle<> continuation_;
#if defined(__cpp_exceptions)
  std::exception_ptr thrown_;
#endif
  struct finally {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> done) noexcept {
      std::coroutine_handle<> next = done.promise().continuation_;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };

 public:
  std::suspend_always initial_suspend() noexcept { return {}; }
  finally final_suspend() noexcept { return {}; }
  void continue_with(std::coroutine_handle<> next) noexcept { continuation_ = next; }
#if defined(__cpp_exceptions)
  void unhandled_exception() noexcept { thrown_ = std::current_exception(); }
  void rethrow() {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }
#else
  void unhandled_exception() noexcept { std::terminate(); }
  void rethrow() noexcept {}
#endif
};

template <class T> class promise_of : public promise_base {
  std::optional<T> value_;

 public:
  task<T> get_return_object() noexcept;
  template <class U> void return_value(U &&value) { value_.emplace(std::forward<U>(value)); }
  T take() {
    rethrow();
    return std::move(*value_);
  }
};

template <> class promise_of<void> : public promise_base {
 public:
  task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() { rethrow(); }
};

}  // namespace detail

// A coroutine that has not begun: it begins when it is awaited, or spawned, and belongs to this:
// when this is destroyed, so is it, and what it waits for is given up.  Move-only.
template <class T> class [[nodiscard]] task {
 public:
  using promise_type = detail::promise_of<T>; // what the language asks for

 private:
  std::coroutine_handle<promise_type> own_;
  friend promise_type;
  explicit task(std::coroutine_handle<promise_type> own) noexcept : own_(own) {}
  struct awaiter {
    std::coroutine_handle<promise_type> own;
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
      own.promise().continue_with(waiting);
      return own;
    }
    T await_resume() { return own.promise().take(); }
  };

 public:
  // Takes the coroutine over.
  task(task &&other) noexcept : own_(std::exchange(other.own_, nullptr)) {}
  // Takes the coroutine over; other gets what this had.
  task &operator=(task &&other) noexcept {
    std::swap(own_, other.own_);
    return *this;
  }
  ~task() {
    if (own_) own_.destroy();
  }
  // Runs it, and gives what it returns.  Once.
  awaiter operator co_await() && noexcept { return awaiter{own_}; }
};

namespace detail {

template <class T> task<T> promise_of<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<promise_of>::from_promise(*this));
}
inline task<void> promise_of<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<promise_of>::from_promise(*this));
}

/* A coroutine that belongs to nobody: it is there until it has ended. */
struct detached {
  struct promise_type {
    detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};
inline detached run(task<void> work) { co_await std::move(work); }
template <class F> detached run_function(F function) { co_await function(); }

}  // namespace detail

// Begins a coroutine, in a callback of a reactor, and lets it go: it runs until it first waits, and
// ends by itself.
inline void spawn(task<void> work) { detail::run(std::move(work)); }
// The same with f(), which returns a rws::task<>; f, a lambda with what it has captured for
// example, is kept until that has ended.
template <class F, class = std::enable_if_t<std::is_invocable_r_v<task<void>, F &>>>
void spawn(F f) {
  detail::run_function(std::move(f));
}

// The reactor of the callback that runs on this thread, until the next co_await that waits.
inline reactor here() noexcept { return reactor(detail::now); }

namespace detail {

inline rws_error nowhere() noexcept {
  return error_of(RWS_E_STATE, now == nullptr ? "not in a callback of a reactor"
                                              : "the reactor has ended");
}

/* Somebody who waits in a place for one. */
struct waiter {
  std::coroutine_handle<> handle;
  waiter **place = nullptr;

  void wait(waiter *&in, std::coroutine_handle<> h) noexcept {
    handle = h;
    place = &in;
    in = this;
  }
  waiter() noexcept = default;
  waiter(const waiter &) = delete;
  waiter &operator=(const waiter &) = delete;
  ~waiter() {
    if (place != nullptr) *place = nullptr;
  }
  static void wake(waiter *&in) {
    waiter *w = std::exchange(in, nullptr);
    if (w == nullptr) return;
    w->place = nullptr;
    w->handle.resume();
  }
};

/* Waits for a timer. */
class sleeping : ending {
  rws_timer id_{};
  std::uint32_t ms_;
  std::coroutine_handle<> handle_;
  result<void> result_;

  static void fire(rws_reactor *r, void *arg) noexcept {
    const in_callback in(r);
    auto *s = static_cast<sleeping *>(arg);
    s->unlink();
    s->handle_.resume();
  }

 public:
  explicit sleeping(std::chrono::milliseconds time) noexcept : ms_(milliseconds(time, 0)) {
    ended = [](ending *e) noexcept {
      auto *s = static_cast<sleeping *>(e);
      s->result_ = nowhere();
      s->handle_.resume();
    };
  }
  sleeping(const sleeping &) = delete;
  sleeping &operator=(const sleeping &) = delete;
  ~sleeping() {
    if (at == nullptr) return;
    unlink();
    if (now != nullptr) (void)rws_timer_cancel(now, id_);
  }
  bool await_ready() noexcept {
    if (now == nullptr) result_ = nowhere();
    return now == nullptr;
  }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    handle_ = h;
    link(now);
    (void)rws_timer_start(now, ms_, fire, this, &id_);
  }
  result<void> await_resume() noexcept { return result_; }
};

}  // namespace detail

// co_await rws::sleep_for(10ms): after so long, on this reactor.  RWS_E_STATE: it ends, or there is
// none.  No allocation.
[[nodiscard]] inline detail::sleeping sleep_for(std::chrono::milliseconds time) noexcept {
  return detail::sleeping(time);
}

/* ---- What other threads bring ---------------------------------------------------------------- */

namespace detail {

template <class T> struct asynchronous : ending {
  std::mutex mutex; // of all that follows
  std::optional<result<T>> value;
  bool over = false; // nobody waits any more, or the reactor has ended
  std::coroutine_handle<> waiting;

  // On the reactor's thread: whoever waits goes on.
  void finish(const rws_error *error) {
    std::unique_lock lock(mutex);
    if (std::exchange(over, true)) return;
    if (!value) value.emplace(*error);
    lock.unlock();
    unlink();
    std::exchange(waiting, nullptr).resume();
  }
};

}  // namespace detail

// The right to bring a result to who awaits rws::async, once, from any thread; also when the
// reactor or the engine has ended.  Move-only.  Dropped unused, the waiter is resumed with
// RWS_E_GONE.
template <class T> class resolver {
  using shared = detail::asynchronous<T>;
  std::shared_ptr<shared> to_;

  static rws_status hand_over(const std::shared_ptr<shared> &to, result<T> &&what) {
    const std::lock_guard lock(to->mutex); // as long as it is held the reactor does not end
    if (to->over || to->value) return RWS_E_GONE;
    const rws_status status = handle(to->engine).post(to->index, [to](reactor) {
      to->finish(nullptr);
    });
    // RWS_E_STATE: it ends just now, and takes what is there.
    if (status == RWS_OK || status == RWS_E_STATE) to->value.emplace(std::move(what));
    return status == RWS_E_STATE ? RWS_OK : status;
  }

 public:
  // None.
  resolver() noexcept = default;
  // Of async.
  explicit resolver(std::shared_ptr<shared> to) noexcept : to_(std::move(to)) {}
  // Takes it over.
  resolver(resolver &&other) noexcept = default;
  // Takes it over; other gets what this had.
  resolver &operator=(resolver &&other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~resolver() {
    if (to_) (void)hand_over(to_, detail::error_of(RWS_E_GONE, "nobody has brought a result"));
  }
  // It is still to be used.
  explicit operator bool() const noexcept { return to_ != nullptr; }
  // Brings a value, or an error.  RWS_OK: it is on its way, and this is empty.  RWS_E_GONE: nobody
  // waits any more, and this is empty.  RWS_E_FULL: too much waits for that reactor, and this can
  // be used again; the value is gone.
  rws_status set(result<T> value) {
    if (!to_) return RWS_E_GONE;
    const rws_status status = hand_over(to_, std::move(value));
    if (status != RWS_E_FULL) to_ = nullptr;
    return status;
  }
};

// What async returns.
template <class T, class F> class async_wait {
  F begin_;
  std::shared_ptr<detail::asynchronous<T>> shared_;

 public:
  // By async.
  explicit async_wait(F begin) : begin_(std::move(begin)) {}
  async_wait(const async_wait &) = delete;
  async_wait &operator=(const async_wait &) = delete;
  ~async_wait() {
    if (!shared_) return;
    const std::lock_guard lock(shared_->mutex);
    shared_->over = true;
    shared_->unlink();
  }
  // For co_await.
  bool await_ready() noexcept { return detail::now == nullptr; }
  // For co_await.
  void await_suspend(std::coroutine_handle<> h) {
    shared_ = std::make_shared<detail::asynchronous<T>>();
    shared_->waiting = h;
    shared_->link(detail::now);
    shared_->ended = [](detail::ending *e) noexcept {
      auto *shared = static_cast<detail::asynchronous<T> *>(e);
      const rws_error error = detail::nowhere();
      shared->finish(&error);
    };
    // What has begun may end at once, and this with it: nothing here is used behind it.
    F begin = std::move(begin_);
    begin(resolver<T>(shared_));
  }
  // For co_await.
  result<T> await_resume() {
    if (!shared_) return detail::nowhere();
    const std::lock_guard lock(shared_->mutex);
    return std::move(*shared_->value);
  }
};

// co_await rws::async<T>(f): calls f(rws::resolver<T>), which gives that to another thread, a
// driver of a database, ..., and waits for the result<T> that it brings.  RWS_E_GONE: it was
// dropped; RWS_E_STATE: the reactor ends, or there is none.  Two allocations.
template <class T, class F> [[nodiscard]] async_wait<T, F> async(F f) {
  return async_wait<T, F>(std::move(f));
}

/* ---- Connections to servers ------------------------------------------------------------------ */

// How a stream has ended: see rws_close_info.
struct ended_stream {
  std::uint16_t code = RWS_CLOSE_ABNORMAL; // the peer's
  std::uint16_t sent_code = 0;             // ours
  std::uint32_t cause = 0;                 // RWS_CAUSE_*
  std::string reason;                      // the peer's
  rws_error error{};                       // what has gone wrong; RWS_OK: nothing
  std::uint64_t unsent = 0;                // bytes that were queued and not sent
};

namespace detail {

/* What a stream and the session of its connection share, on one thread. */
struct stream_state {
  rws_conn conn{};
  bool paused = false, given_up = false, ended = false;
  ended_stream end;
  rws_error error{}; // of what is asked for when it has ended
  const rws::message *come = nullptr;
  waiter *opener = nullptr, *receiver = nullptr, *closer = nullptr;
  class sending *sender = nullptr;

  connection at() const noexcept { return {now, conn}; }
};

/* Waits for room in the queue of a stream. */
class sending {
  std::shared_ptr<stream_state> s_;
  payload what_;
  rws_opcode op_;
  std::uint32_t flags_;
  buf kept_;
  rws_status status_ = RWS_OK;
  std::coroutine_handle<> handle_;

  // Whether there is nothing to wait for.  RWS_FULL: it is queued, and room is waited for.
  bool try_send() noexcept {
    status_ = kept_ ? s_->at().send(kept_) : s_->at().send(op_, what_, flags_);
    if (status_ == RWS_E_FULL && !kept_) keep();
    return status_ != RWS_FULL && status_ != RWS_E_FULL;
  }
  // It may be lent by a callback that returns before there is room.
  void keep() noexcept {
    if ((flags_ & RWS_MORE) != 0 || op_ == RWS_CONTINUATION) return;
    result<buf> copy = buf::make(op_, what_, flags_);
    if (copy)
      kept_ = std::move(*copy);
    else
      status_ = copy.status();
  }
  void go_on() {
    s_->sender = nullptr;
    std::exchange(handle_, nullptr).resume();
  }

 public:
  sending(std::shared_ptr<stream_state> s, rws_opcode op, payload what,
          std::uint32_t flags) noexcept
      : s_(std::move(s)), what_(what), op_(op), flags_(flags) {}
  sending(const sending &) = delete;
  sending &operator=(const sending &) = delete;
  ~sending() {
    if (handle_) s_->sender = nullptr;
  }
  void drained() {
    if (status_ == RWS_FULL)
      status_ = RWS_OK;
    else if (!try_send())
      return;
    go_on();
  }
  void ended() {
    status_ = RWS_E_GONE;
    go_on();
  }
  bool await_ready() noexcept {
    if (!s_ || now == nullptr || s_->sender != nullptr)
      status_ = RWS_E_STATE;
    else if (s_->ended)
      status_ = RWS_E_GONE;
    else
      return try_send();
    return true;
  }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    handle_ = h;
    s_->sender = this;
  }
  result<void> await_resume() const noexcept {
    if (status_ == RWS_OK) return {};
    return status_ == RWS_E_GONE && s_->ended ? s_->error : error_of(status_);
  }
};

/* Tells all who wait that a stream has ended. */
inline void end_stream(const std::shared_ptr<stream_state> &s) {
  waiter::wake(s->receiver);
  if (s->sender != nullptr) s->sender->ended();
  waiter::wake(s->closer);
}

/* The session of a stream's connection. */
class stream_session {
 protected:
  std::shared_ptr<stream_state> s_;

 private:

  // Nobody waits for more: TCP holds the peer back until somebody does.
  void settle(connection c) noexcept {
    if (s_->receiver != nullptr || s_->paused || s_->ended) return;
    s_->paused = c.pause() == RWS_OK;
  }

 protected:
  template <class F> void open(connection c, F begin) {
    s_->conn = c.id();
    if (s_->given_up) return (void)c.close(RWS_CLOSE_GOING_AWAY);
    begin();
    settle(c);
  }

 public:
  explicit stream_session(std::shared_ptr<stream_state> s) noexcept : s_(std::move(s)) {}
  void on_open(connection c) {
    open(c, [this] { waiter::wake(s_->opener); });
  }
  void on_message(connection c, message m) {
    if (s_->given_up) return;
    s_->come = &m;
    waiter::wake(s_->receiver);
    s_->come = nullptr;
    settle(c);
  }
  void on_drain(connection) {
    if (s_->sender != nullptr) s_->sender->drained();
  }
  void on_close(connection, rws_close_info &info) {
    s_->ended = true;
    s_->end = {info.code, info.sent_code, info.cause, std::string(view(info.reason)), info.error,
               info.unsent};
    s_->error = info.error;
    if (info.error.status == RWS_OK) s_->error.status = RWS_E_GONE; // its text says the cause
    end_stream(s_);
  }
  void on_refused(reactor, rws_refusal &why) {
    s_->ended = true;
    s_->error = why.error;
    waiter::wake(s_->opener);
  }
};

class receiving : waiter {
  std::shared_ptr<stream_state> s_;
  bool busy_ = false;

 public:
  explicit receiving(std::shared_ptr<stream_state> s) noexcept : s_(std::move(s)) {}
  bool await_ready() noexcept {
    busy_ = !s_ || now == nullptr || s_->receiver != nullptr;
    return busy_ || s_->ended;
  }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    wait(s_->receiver, h);
    if (std::exchange(s_->paused, false)) (void)s_->at().resume();
  }
  result<message> await_resume() noexcept {
    if (busy_) return error_of(RWS_E_STATE);
    if (s_->come != nullptr) return *s_->come;
    return s_->error;
  }
};

class closing : waiter {
  std::shared_ptr<stream_state> s_;
  std::uint16_t code_;
  std::string_view reason_;
  rws_status status_ = RWS_OK;

 public:
  closing(std::shared_ptr<stream_state> s, std::uint16_t code, std::string_view reason) noexcept
      : s_(std::move(s)), code_(code), reason_(reason) {}
  bool await_ready() noexcept {
    if (!s_ || now == nullptr || s_->closer != nullptr) status_ = RWS_E_STATE;
    if (status_ != RWS_OK || s_->ended) return true;
    status_ = s_->at().close(code_, reason_);
    if (status_ == RWS_E_CLOSING) status_ = RWS_OK;
    return status_ != RWS_OK;
  }
  void await_suspend(std::coroutine_handle<> h) noexcept { wait(s_->closer, h); }
  result<ended_stream> await_resume() {
    if (status_ != RWS_OK) return error_of(status_);
    return s_->end;
  }
};

}  // namespace detail

// A connection, of connect or of a stream_acceptor.  Move-only, and used on its reactor's thread
// alone; one coroutine may receive while another sends.  When it is destroyed and still open it is
// closed with 1001, and what comes then is discarded.
class stream {
  std::shared_ptr<detail::stream_state> s_;

 public:
  // None: all is RWS_E_STATE.
  stream() noexcept = default;
  // By connect and stream_acceptor.
  explicit stream(std::shared_ptr<detail::stream_state> s) noexcept : s_(std::move(s)) {}
  // Takes the connection over.
  stream(stream &&other) noexcept = default;
  // Takes the connection over; other gets what this had.
  stream &operator=(stream &&other) noexcept {
    std::swap(s_, other.s_);
    return *this;
  }
  ~stream() {
    if (!s_ || s_->ended) return;
    s_->given_up = true;
    if (detail::now == nullptr) return;
    (void)s_->at().close(RWS_CLOSE_GOING_AWAY);
    (void)s_->at().pause(); // what comes is read and discarded
  }
  // It is open.
  explicit operator bool() const noexcept { return s_ && !s_->ended; }
  // Its number, also when it has ended.
  rws_conn id() const noexcept { return s_ ? s_->conn : rws_conn{}; }
  // For all else that can be done with a connection, until the next co_await that waits; not pause,
  // resume and close, which are the stream's own.  Right behind connect, answer_header too.
  rws::connection connection() const noexcept { return {detail::now, id()}; }
  // How it has ended; nullptr: it has not.
  const ended_stream *end() const noexcept { return s_ && s_->ended ? &s_->end : nullptr; }
  // co_await: the next message, lent until the next co_await that waits; with RWS_OPT_STREAM the
  // next part.  While nobody waits for one the peer is held back.  Errors: that of the end, if it
  // has ended (RWS_E_GONE: by Close frames, and nothing went wrong: see end()); RWS_E_STATE:
  // another coroutine waits for one.
  [[nodiscard]] detail::receiving receive() const noexcept { return detail::receiving(s_); }
  // co_await: queues a message, and waits while more than send_queue_max is queued.  Success: it is
  // queued, and there is room again.  Errors: that of the end; RWS_E_CLOSING, RWS_E_UTF8, ...: see
  // rws_send; RWS_E_STATE also: another coroutine waits in send; RWS_DROPPED: its policy.  A
  // message that was received may be sent so; with RWS_MORE what is given must stay until this is
  // done.
  [[nodiscard]] detail::sending send(payload p, std::uint32_t flags = 0) const noexcept {
    return detail::sending(s_, p.opcode(), p, flags);
  }
  // The same, as RWS_TEXT, RWS_BINARY, RWS_PING, ... whatever it is.
  [[nodiscard]] detail::sending send(rws_opcode op, payload p,
                                     std::uint32_t flags = 0) const noexcept {
    return detail::sending(s_, op, p, flags);
  }
  // co_await: closes it, behind what is queued, and waits for the end.  Messages that come until
  // then go to who waits in receive.  Errors: of the code and the reason, see rws_close;
  // RWS_E_STATE: another coroutine waits in close.
  [[nodiscard]] detail::closing close(std::uint16_t code = RWS_CLOSE_NORMAL,
                                      std::string_view reason = {}) const noexcept {
    return detail::closing(s_, code, reason);
  }
};

namespace detail {

class connecting : waiter {
  rws_target to_;
  std::shared_ptr<stream_state> s_;
  rws_error error_{};
  rws_dial dial_{};

 public:
  explicit connecting(const rws_target &to) noexcept : to_(to) {}
  ~connecting() {
    if (place == nullptr) return;
    s_->given_up = true;
    if (now != nullptr) (void)reactor(now).engine().cancel(dial_);
  }
  bool await_ready() noexcept {
    if (now == nullptr) error_ = nowhere();
    return now == nullptr;
  }
  bool await_suspend(std::coroutine_handle<> h) {
    s_ = std::make_shared<stream_state>();
    to_.flags |= RWS_TARGET_REACTOR;
    to_.reactor = rws_reactor_index(now);
    const auto made = reactor(now).engine().connect(to_, make_session<stream_session>(s_));
    if (!made) {
      error_ = made.error();
      s_ = nullptr;
      return false;
    }
    dial_ = *made;
    wait(s_->opener, h);
    return true;
  }
  result<stream> await_resume() noexcept {
    if (!s_) return error_;
    if (s_->ended) return s_->error;
    return stream(std::move(s_));
  }
};

}  // namespace detail

// co_await: connects once, on this reactor.  Errors: see rws_engine_connect and rws_refusal;
// RWS_E_STATE: the engine stops, or there is no reactor.  What `to` borrows must be there until it
// is awaited.
[[nodiscard]] inline detail::connecting connect(const rws_target &to) noexcept {
  return detail::connecting(to);
}
// The same, of a target that owns its strings.
[[nodiscard]] inline detail::connecting connect(const target &to) noexcept {
  return detail::connecting(to.view());
}
// The same, by URL alone, with all defaults.
[[nodiscard]] inline detail::connecting connect(const char *url) noexcept {
  rws_target to = RWS_INIT(rws_target);
  to.url = url;
  return detail::connecting(to);
}
// The same.
[[nodiscard]] inline detail::connecting connect(const std::string &url) noexcept {
  return connect(url.c_str());
}

/* ---- Connections of clients ------------------------------------------------------------------ */

namespace detail {
/* The session of a connection that a coroutine serves. */
template <class F> class served : public stream_session {
  F &serve_;

 public:
  explicit served(F &serve) : stream_session(std::make_shared<stream_state>()), serve_(serve) {}
  void on_open(connection c) {
    open(c, [this] { spawn(serve_(stream(s_))); });
  }
};
}  // namespace detail

// Lets everybody in, and serves each connection by a coroutine, f(rws::stream) that returns a
// rws::task<>: `rws::stream_acceptor chat([](rws::stream s) -> rws::task<> { ... });`.  f is called
// on all reactors' threads at once, and must outlive the engine, as this does; what a lambda has
// captured is part of f.  Two allocations for each connection, and the coroutine.
template <class F> class stream_acceptor : public acceptor<detail::served<F>> {
  F serve_;

 public:
  // Keeps f.
  explicit stream_acceptor(F f) : serve_(std::move(f)) {}
  // Everybody.
  rws::admission<detail::served<F>> on_upgrade(upgrade &) {
    return make_session<detail::served<F>>(serve_);
  }
};

/* ---- Later answers --------------------------------------------------------------------------- */

// An answer to a request.
struct reply {
  std::uint32_t status = 200; // 200..599
  std::string body;           // of any length
  std::string headers;        // "Name: value", several with "\n" between them
};

namespace detail {
template <class S> detached answer(pending_upgrade<S> to, task<admission<S>> work) {
  admission<S> decided = co_await std::move(work);
  const int status = decided.status();
  // What cannot be said now, since nobody waits or the reactor ends, is answered by the engine.
  if (status == 101)
    (void)to.accept(std::move(decided.session()));
  else
    (void)to.refuse(status >= 300 && status <= 599 ? static_cast<std::uint32_t>(status) : 500u);
}
inline detached answer(pending_request to, task<reply> work) {
  const reply r = co_await std::move(work);
  const char *headers = r.headers.empty() ? nullptr : r.headers.c_str();
  if (to.answer(r.status, r.body, headers) == RWS_E_INVALID) (void)to.answer(500);
}
}  // namespace detail

// Inside on_upgrade: `return rws::answer_later(postpone(up), decide(std::string(up.path())));` runs
// a coroutine that returns an admission, and answers with that: a session, or rws::refuse.  If the
// client does not wait for it the session is destroyed.
template <class S>
postponed_t answer_later(pending_upgrade<S> to, task<admission<S>> work) {
  detail::answer(std::move(to), std::move(work));
  return postponed;
}
// Inside on_request: `rws::answer_later(q.postpone(), page(std::string(q.path())));`
inline void answer_later(pending_request to, task<reply> work) {
  detail::answer(std::move(to), std::move(work));
}

}  // namespace rws
#endif // RINGWS_CORO_HPP
