// ringws.hpp - header-only C++ over ringws.h: C++17 and later, also without exceptions and RTTI.
//
// A server is two classes.  An *acceptor*, one for an endpoint or a route, decides who comes in and
// makes the sessions; it derives from rws::acceptor<Session>.  A *session*, one for each
// connection, is any class with one or more of the members below; it belongs to the engine from
// when it is handed over until its on_close has returned, which is when it is destroyed.
//
//     struct Echo {
//       void on_message(rws::connection c, rws::message m) { c.send(m); }
//     };
//     rws::acceptor<Echo> echoes;
//     auto engine = rws::engine::make().value();
//     engine.listen(9001, echoes).value();
//     engine.start().value();
//     engine.wait().value();
//
// Members of a session; all may be missing but one, be static or const, or take their arguments
// otherwise qualified:
//
//     void on_open     (rws::connection);
//     void on_message  (rws::connection, rws::message);
//     void on_pong     (rws::connection, std::string_view);
//     void on_drain    (rws::connection);
//     void on_close    (rws::connection, rws_close_info &);  the last call, then it is destroyed
//     void on_refused  (rws::reactor, rws_refusal &);        of handle::connect; instead of on_open
//     void on_unopened (rws::reactor);      of postpone, accept and adopt; instead of on_open
//
// Members of an acceptor; all may be missing:
//
//     admission on_upgrade(rws::upgrade &);     a session, rws::refuse(403), or rws::postponed
//     bool on_origin (rws::upgrade &);          true lets on_upgrade decide
//     void on_request(rws::request &);          answer it, or it is 404
//     void on_gone   (rws::reactor, rws_later); nobody waits for the answer
//
// Members of a connector, rws::connector<Session>, which makes a session for each try of a target:
//
//     rws::session_ptr<Session> on_connect(rws::connection);  none: aborted, and not made again
//     void on_refused(rws::reactor, rws_refusal &);
//
// A member of such a name that cannot be called so, or returns something else, does not compile.
// (C++17 cannot tell a private member, or some sets of overloads, from none in a class that is
// `final` or a union: leave `final` off while you write one.)
//
// Threads: the members of a session run on its reactor's thread, one at a time.  Those of an
// acceptor or a connector run on every reactor's thread, several at once: keep them stateless, or
// locked.  What is called `reactor`, `connection`, `message`, `upgrade` or `request` is lent to
// the call that gets it: do not store one.  What is called `handle` is for any thread.
//
// Lifetimes: an acceptor and a hooks object outlive the engine; a connector lives until an on_close
// or on_refused with retry_ms 0 has returned, or the engine has been freed.
//
// Memory: the wrapper allocates in make_session (one block, the session in it), in reactor::after
// and every (one for the timer and its function), in handle::post (one for the function, freed
// when it has run), in buf::take (one for what is taken), and where a rws::target or the text of
// an exception holds strings.  Nowhere else.
//
// Errors: what can fail for a reason that needs words returns a rws::result; what answers each
// message returns the rws_status of ringws.h.  An exception that leaves a member ends the program:
// it must not cross the engine.
#ifndef RINGWS_HPP
#define RINGWS_HPP

#include <ringws.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#if defined(__cpp_exceptions)
# include <stdexcept>
#endif
#if __cplusplus >= 202002L && __has_include(<span>)
# include <span>
#endif

// Handles as keys, where the language looks for them: beside their types.
inline bool operator==(rws_conn a, rws_conn b) noexcept { return a.id == b.id; }
// They are not the same.
inline bool operator!=(rws_conn a, rws_conn b) noexcept { return a.id != b.id; }
// A connection's number as a key.
template <> struct std::hash<rws_conn> {
  std::size_t operator()(rws_conn c) const noexcept { return std::hash<std::uint64_t>{}(c.id); }
};

inline bool operator==(rws_later a, rws_later b) noexcept { return a.id == b.id; }
// They are not the same.
inline bool operator!=(rws_later a, rws_later b) noexcept { return a.id != b.id; }
// The number of what is answered later as a key.
template <> struct std::hash<rws_later> {
  std::size_t operator()(rws_later l) const noexcept { return std::hash<std::uint64_t>{}(l.id); }
};

// The C++ API of ringws.
namespace rws {

/* ---- Bytes ----------------------------------------------------------------------------------- */

#if defined(__cpp_lib_span)
// std::span; in C++17 a view with the same names, and another type: where functions of yours that
// are compiled apart exchange it, compile both as the one or the other.
template <class T> using span = std::span<T>;
#else
// What std::span is in C++20: borrowed objects in a row, gone when what they came from is.
template <class T> class span {
  T *data_ = nullptr;
  std::size_t size_ = 0;
  template <class C>
  using pointer_of = std::remove_pointer_t<decltype(std::declval<C &>().data())>;

 public:
  using element_type = T;                   // what it is a row of
  using value_type = std::remove_cv_t<T>;   // the same without const
  // An empty one.
  constexpr span() noexcept = default;
  // So many from there.
  constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  // Of an array.
  template <std::size_t N> constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
  // Of a container with data() and size(), std::vector or std::array for example.
  template <class C, class = std::enable_if_t<std::is_convertible_v<pointer_of<C> (*)[], T (*)[]>>>
  constexpr span(C &&container) noexcept : data_(container.data()), size_(container.size()) {}
  // The first.
  constexpr T *data() const noexcept { return data_; }
  // How many.
  constexpr std::size_t size() const noexcept { return size_; }
  // There are none.
  constexpr bool empty() const noexcept { return size_ == 0; }
  // The first.
  constexpr T *begin() const noexcept { return data_; }
  // Behind the last.
  constexpr T *end() const noexcept { return data_ + size_; }
  // One of them, less than size().
  constexpr T &operator[](std::size_t at) const noexcept { return data_[at]; }
  // The first of them, at most size().
  constexpr span first(std::size_t count) const noexcept { return {data_, count}; }
  // Those from there on, at most size().
  constexpr span subspan(std::size_t from) const noexcept { return {data_ + from, size_ - from}; }
};
#endif

// Borrowed bytes.
using octets = span<const std::uint8_t>;

// Borrowed bytes of the C API as text; of what is absent data() is nullptr.
inline std::string_view view(rws_bytes b) noexcept {
  return {reinterpret_cast<const char *>(b.data), b.len};
}
// Text as borrowed bytes of the C API.
inline rws_bytes bytes(std::string_view s) noexcept {
  return {reinterpret_cast<const std::uint8_t *>(s.data()), s.size()};
}

// The number of the reactor that a connection belongs to, also of one that has ended.
inline std::uint32_t reactor_of(rws_conn c) noexcept { return rws_conn_reactor(c); }
// The number of the reactor that a request belongs to which is answered later.
inline std::uint32_t reactor_of(rws_later l) noexcept { return rws_later_reactor(l); }

/* ---- Results --------------------------------------------------------------------------------- */

#if defined(__cpp_exceptions)
// What result::value() throws: what() is the text of raw.
struct error : std::runtime_error {
  rws_error raw; // its status, errno and text
  // Copies the text.
  explicit error(const rws_error &e) : std::runtime_error(e.text), raw(e) {}
};
#endif

namespace detail {
// A status in the place of an rws_error, with the words that there are for it.
inline rws_error error_of(rws_status status, const char *text = nullptr) noexcept {
  rws_error e{};
  e.status = status;
  const std::string_view words = text == nullptr ? rws_strerror(status) : text;
  words.copy(e.text, sizeof e.text - 1);
  return e;
}
}  // namespace detail

// A value, or why there is none: as std::expected<T, rws_error>.  Any thread; it owns the value.
// Without exceptions value() is not there: ask it as a bool, then use * and error().
template <class T> class [[nodiscard]] result {
  std::optional<T> value_;
  rws_error error_{};

 public:
  // Success.
  result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
  // Failure: e.status is negative.
  result(const rws_error &e) noexcept : error_(e) {}
  // There is a value.
  explicit operator bool() const noexcept { return value_.has_value(); }
  // There is a value.
  bool has_value() const noexcept { return value_.has_value(); }
  // The value, which must be there.
  T &operator*() & noexcept { return *value_; }
  // The value, which must be there.
  const T &operator*() const & noexcept { return *value_; }
  // The value, to be moved from; it must be there.
  T &&operator*() && noexcept { return std::move(*value_); }
  // Of the value, which must be there.
  T *operator->() noexcept { return std::addressof(*value_); }
  // Of the value, which must be there.
  const T *operator->() const noexcept { return std::addressof(*value_); }
  // The value, or another.
  template <class U> T value_or(U &&other) && {
    return value_ ? std::move(*value_) : static_cast<T>(std::forward<U>(other));
  }
  // Why there is none; of success its status is RWS_OK, and its text empty.
  const rws_error &error() const noexcept { return error_; }
  // RWS_OK, or that of the error.
  rws_status status() const noexcept { return error_.status; }
#if defined(__cpp_exceptions)
  // The value; if there is none, throws rws::error.
  T &value() & { return check(), *value_; }
  // The value; if there is none, throws rws::error.
  const T &value() const & { return check(), *value_; }
  // The value, to be moved from; if there is none, throws rws::error.
  T &&value() && { return check(), std::move(*value_); }

 private:
  void check() const {
    if (!value_) throw rws::error(error_);
  }
#endif
};

// Done, or why not.
template <> class [[nodiscard]] result<void> {
  rws_error error_{};

 public:
  // Success.
  result() noexcept = default;
  // Failure: e.status is not RWS_OK.
  result(const rws_error &e) noexcept : error_(e) {}
  // It is done.
  explicit operator bool() const noexcept { return error_.status == RWS_OK; }
  // It is done.
  bool has_value() const noexcept { return error_.status == RWS_OK; }
  // Why not; of success its status is RWS_OK.
  const rws_error &error() const noexcept { return error_; }
  // RWS_OK, or that of the error.
  rws_status status() const noexcept { return error_.status; }
#if defined(__cpp_exceptions)
  // Throws rws::error if it is not done.
  void value() const {
    if (error_.status != RWS_OK) throw rws::error(error_);
  }
#endif
};

/* ---- Messages -------------------------------------------------------------------------------- */

class message;

// What is to be sent, borrowed for the call: text from whatever converts to std::string_view,
// RWS_BINARY from what converts to a span of const std::uint8_t or std::byte, or a message.
class payload {
  const void *data_;
  std::size_t size_;
  rws_opcode op_;
  template <class T>
  static constexpr bool is_text = std::is_convertible_v<const T &, std::string_view>;
  template <class T, class E>
  static constexpr bool is_row = !is_text<T> && std::is_convertible_v<const T &, span<const E>>;

 public:
  // RWS_TEXT.
  template <class T, std::enable_if_t<is_text<T>, int> = 0>
  payload(const T &text) noexcept : op_(RWS_TEXT) {
    const std::string_view s = text;
    data_ = s.data(), size_ = s.size();
  }
  // RWS_BINARY.
  template <class T, std::enable_if_t<is_row<T, std::uint8_t>, int> = 0>
  payload(const T &row) noexcept : op_(RWS_BINARY) {
    const octets s = row;
    data_ = s.data(), size_ = s.size();
  }
  // RWS_BINARY.
  template <class T, std::enable_if_t<is_row<T, std::byte>, int> = 0>
  payload(const T &row) noexcept : op_(RWS_BINARY) {
    const span<const std::byte> s = row;
    data_ = s.data(), size_ = s.size();
  }
  // The message's own bytes and opcode.
  payload(const message &m) noexcept;
  // Its first byte.
  const void *data() const noexcept { return data_; }
  // Bytes.
  std::size_t size() const noexcept { return size_; }
  rws_opcode opcode() const noexcept { return op_; } // RWS_TEXT or RWS_BINARY
};

// A reference to an outgoing message that was made once, to be sent many times.  Move-only: share()
// makes a second reference.  Any thread; it outlives connection, reactor and engine.
class buf {
  rws_buf *b_ = nullptr;
  static result<buf> made(rws_status status, rws_buf *b, const rws_error &err) noexcept {
    if (status < 0) return err;
    return buf(b);
  }

 public:
  // None.
  buf() noexcept = default;
  // Takes a reference of the C API over.
  explicit buf(rws_buf *owned) noexcept : b_(owned) {}
  // A copy of what is given.  flags: 0 or RWS_PLAIN.  RWS_E_UTF8, RWS_E_TOO_BIG: see rws_buf_new.
  static result<buf> make(payload p, std::uint32_t flags = 0) noexcept {
    return make(p.opcode(), p, flags);
  }
  // The same, as RWS_TEXT, RWS_BINARY, RWS_PING or RWS_PONG, whatever it is.
  static result<buf> make(rws_opcode op, payload p, std::uint32_t flags = 0) noexcept {
    rws_buf *b = nullptr;
    rws_error err{};
    const rws_status status = rws_buf_new(op, p.data(), p.size(), flags, &b, &err);
    return made(status, b, err);
  }
  // Without a copy of what a container holds: it is moved into a block of its own (one allocation)
  // and destroyed with the last reference, on whatever thread that is.  On failure it is destroyed
  // at once.
  template <class C> static result<buf> take(C &&container, std::uint32_t flags = 0) {
    using owner = std::decay_t<C>;
    auto kept = std::make_unique<owner>(std::forward<C>(container));
    const payload p(*kept);
    rws_buf *b = nullptr;
    rws_error err{};
    const rws_status status = rws_buf_wrap(
        p.opcode(), p.data(), p.size(), flags,
        [](void *arg) noexcept { delete static_cast<owner *>(arg); }, kept.get(), &b, &err);
    if (status == RWS_OK) (void)kept.release();
    return made(status, b, err);
  }
  // Without a copy: what is given stays as it is for ever, a literal for example.
  static result<buf> of_static(payload p, std::uint32_t flags = 0) noexcept {
    rws_buf *b = nullptr;
    rws_error err{};
    const rws_status status =
        rws_buf_wrap(p.opcode(), p.data(), p.size(), flags, nullptr, nullptr, &b, &err);
    return made(status, b, err);
  }
  // Takes the reference over.
  buf(buf &&other) noexcept : b_(std::exchange(other.b_, nullptr)) {}
  buf &operator=(buf &&other) noexcept {
    if (this != &other) rws_buf_release(std::exchange(b_, std::exchange(other.b_, nullptr)));
    return *this;
  }
  ~buf() { rws_buf_release(b_); }
  // One reference more to the same message; no copy.
  buf share() const noexcept { return buf(rws_buf_retain(b_)); }
  // It holds one.
  explicit operator bool() const noexcept { return b_ != nullptr; }
  // What is in it: valid for as long as a reference is there.
  std::string_view text() const noexcept { return view(rws_buf_data(b_, nullptr)); }
  // The same as bytes.
  rws::octets octets() const noexcept {
    const rws_bytes b = rws_buf_data(b_, nullptr);
    return {b.data, b.len};
  }
  rws_opcode opcode() const noexcept { // 0: none
    rws_opcode op = 0;
    (void)rws_buf_data(b_, &op);
    return op;
  }
  rws_buf *get() const noexcept { return b_; } // borrowed; NULL: none
  rws_buf *release() noexcept { return std::exchange(b_, nullptr); } // the reference is yours
};

// A message that came, or with RWS_OPT_STREAM a part of one; lent to on_message.
class message {
  rws_reactor *r_;
  const rws_message *m_;

 public:
  // Of what the C API lends.
  message(rws_reactor *r, const rws_message &m) noexcept : r_(r), m_(&m) {}
  // What is in it, text or not.
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char *>(m_->data), m_->len};
  }
  // The same as bytes.
  rws::octets octets() const noexcept { return {m_->data, m_->len}; }
  // Bytes.
  std::size_t size() const noexcept { return m_->len; }
  rws_opcode opcode() const noexcept { return m_->opcode; } // RWS_TEXT or RWS_BINARY
  bool is_text() const noexcept { return m_->opcode == RWS_TEXT; } // checked UTF-8
  bool is_first() const noexcept { return (m_->flags & RWS_FIRST) != 0; } // begins a message
  bool is_last() const noexcept { return (m_->flags & RWS_LAST) != 0; }   // ends a message
  // Keeps it beyond the call, mostly without a copy.  RWS_E_UTF8: see rws_message_retain.
  result<buf> retain() const noexcept {
    rws_buf *kept = nullptr;
    rws_error err{};
    if (rws_message_retain(r_, m_, &kept, &err) < 0) return err;
    return buf(kept);
  }
  // As the C API has it.
  const rws_message &get() const noexcept { return *m_; }
};

inline payload::payload(const message &m) noexcept
    : data_(m.get().data), size_(m.get().len), op_(m.get().opcode) {}

// By what means an engine asks the kernel, and why not by io_uring: see handle::backend.
struct backend_info {
  std::uint32_t which; // RWS_BACKEND_URING, RWS_BACKEND_EPOLL; RWS_BACKEND_AUTO: not started yet
  // RWS_E_KERNEL, with the cause and the remedy as its text, where io_uring was refused and the
  // engine serves by epoll in its place; else RWS_OK.
  rws_error why;
};

// A reference to one side of TLS, for endpoints (at.tls = t.get()) and targets, which keep their
// own.  Move-only: share() makes a second reference.  Any thread.
class tls {
  rws_tls *t_ = nullptr;
  static result<tls> made(rws_status status, rws_tls *t, const rws_error &err) noexcept {
    if (status < 0) return err;
    return tls(t);
  }

 public:
  // None.
  tls() noexcept = default;
  // Takes a reference of the C API over.
  explicit tls(rws_tls *owned) noexcept : t_(owned) {}
  // A server with one certificate.  The error says what is wrong with it.
  static result<tls> server(std::string_view chain_pem, std::string_view key_pem) noexcept {
    rws_tls *t = nullptr;
    rws_error err{};
    const rws_status status = rws_tls_server(bytes(chain_pem), bytes(key_pem), &t, &err);
    return made(status, t, err);
  }
  // A server: several certificates, clients' ones, ...
  static result<tls> server(const rws_tls_config &config) noexcept {
    rws_tls *t = nullptr;
    rws_error err{};
    const rws_status status = rws_tls_server_new(&config, &t, &err);
    return made(status, t, err);
  }
  // A client that trusts those roots; without any those of the system.
  static result<tls> client(std::string_view roots_pem = {}) noexcept {
    rws_tls *t = nullptr;
    rws_error err{};
    const rws_status status = rws_tls_client(bytes(roots_pem), &t, &err);
    return made(status, t, err);
  }
  // A client: a certificate of its own, verify, ...
  static result<tls> client(const rws_tls_config &config) noexcept {
    rws_tls *t = nullptr;
    rws_error err{};
    const rws_status status = rws_tls_client_new(&config, &t, &err);
    return made(status, t, err);
  }
  // A client that accepts exactly this certificate of a server.
  static result<tls> client_pinned(std::string_view pinned_pem) noexcept {
    rws_tls *t = nullptr;
    rws_error err{};
    const rws_status status = rws_tls_client_pinned(bytes(pinned_pem), &t, &err);
    return made(status, t, err);
  }
  // Takes the reference over.
  tls(tls &&other) noexcept : t_(std::exchange(other.t_, nullptr)) {}
  tls &operator=(tls &&other) noexcept {
    if (this != &other) rws_tls_release(std::exchange(t_, std::exchange(other.t_, nullptr)));
    return *this;
  }
  ~tls() { rws_tls_release(t_); }
  // One reference more.
  tls share() const noexcept { return tls(rws_tls_retain(t_)); }
  // It holds one.
  explicit operator bool() const noexcept { return t_ != nullptr; }
  rws_tls *get() const noexcept { return t_; } // borrowed; NULL: none
  // Handshakes from now on use config.  On failure nothing has changed.
  result<void> reload(const rws_tls_config &config) const noexcept {
    rws_error err{};
    if (rws_tls_reload(t_, &config, &err) < 0) return err;
    return {};
  }
};

/* ---- Inside ---------------------------------------------------------------------------------- */

class reactor;
class connection;
class handle;
class timer;

namespace detail {

// The reactor whose callback runs on this thread; of nested ones the inner.
inline thread_local rws_reactor *now = nullptr;

// A callback of a reactor runs on this thread for as long as this is kept.
class in_callback {
  rws_reactor *before_;

 public:
  explicit in_callback(rws_reactor *r) noexcept : before_(std::exchange(now, r)) {}
  in_callback(const in_callback &) = delete;
  in_callback &operator=(const in_callback &) = delete;
  ~in_callback() { now = before_; }
};

// What is to hear of the end of a reactor, on its thread, where it is in a list.
struct ending {
  ending *next = nullptr, **at = nullptr;
  rws_engine *engine = nullptr;
  std::uint32_t index = 0;
  void (*ended)(ending *) noexcept = nullptr; // already taken out of the list

  void link(rws_reactor *r) noexcept;
  void unlink() noexcept {
    if (at == nullptr) return;
    if (next != nullptr) next->at = at;
    *at = next;
    at = nullptr;
  }
};
inline thread_local ending *endings = nullptr;

inline void ending::link(rws_reactor *r) noexcept {
  engine = rws_reactor_engine(r);
  index = rws_reactor_index(r);
  next = endings;
  at = &endings;
  if (next != nullptr) next->at = &next;
  endings = this;
}

// Tells all that wait for the end of this reactor, also what begins to wait meanwhile.
inline void end_all(rws_reactor *r) noexcept {
  const auto *engine = rws_reactor_engine(r);
  const std::uint32_t index = rws_reactor_index(r);
  for (ending *e = endings; e != nullptr;) {
    if (e->engine == engine && e->index == index) {
      e->unlink();
      e->ended(e);
      e = endings; // whatever that has changed
    } else {
      e = e->next;
    }
  }
}

// A timer and its function: one reference is the owner's, one the reactor's, until it has run for
// the last time, was cancelled or the reactor has ended.
struct timer_node : ending {
  rws_timer id{};
  bool once = false;
  std::atomic<bool> dead{false};
  std::atomic<int> references{2};
  void (*call)(timer_node *, rws_reactor *) = nullptr;
  void (*destroy)(timer_node *) noexcept = nullptr;

  void drop() noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
  // In a callback of its reactor: it is not called any more, and the reactor's reference is gone.
  void cancel(rws_reactor *r) noexcept {
    if (at == nullptr || rws_timer_cancel(r, id) != RWS_OK) return;
    unlink();
    drop();
  }
  static void fire(rws_reactor *r, void *arg) noexcept {
    const in_callback here(r);
    auto *n = static_cast<timer_node *>(arg);
    n->references.fetch_add(1, std::memory_order_relaxed); // it may be cancelled in its own call
    if (n->once) n->unlink();
    if (!n->dead.load(std::memory_order_acquire)) n->call(n, r);
    if (n->once)
      n->drop();
    else if (n->dead.load(std::memory_order_acquire))
      n->cancel(r);
    n->drop();
  }
};

template <class F> struct timer_of;

// An address for each type.
template <class T> struct tag {
  static inline char here = 0;
};

// What the engine is given as user pointers: always a pointer to this very type.
struct node {
  bool is_session = false;
};

// A session and what owns it.
struct session_node : node {
  void *object = nullptr;     // a pointer of exactly the type whose tag `type` is
  const void *type = nullptr;
  void (*destroy)(session_node *) noexcept = nullptr;
  bool once = false; // its connection is not made again
};

template <class S> struct session_box final : session_node {
  S session;
  template <class... A> static S build(A &&...arguments) {
    if constexpr (std::is_constructible_v<S, A &&...>)
      return S(std::forward<A>(arguments)...);
    else
      return S{std::forward<A>(arguments)...};
  }
  template <class... A>
  explicit session_box(A &&...arguments) : session(build(std::forward<A>(arguments)...)) {
    is_session = true;
    object = std::addressof(session);
    type = &tag<S>::here;
    destroy = [](session_node *n) noexcept { delete static_cast<session_box *>(n); };
  }
};

inline session_node *session_of(void *user) noexcept {
  return static_cast<session_node *>(static_cast<node *>(user));
}

struct access;

// u32 milliseconds, at least so many.
inline std::uint32_t milliseconds(std::chrono::milliseconds time, std::uint32_t least) noexcept {
  if (time.count() < static_cast<std::int64_t>(least)) return least;
  return time.count() > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(time.count());
}

}  // namespace detail

/* ---- Sessions -------------------------------------------------------------------------------- */

// Owns a session that no connection has yet; made by make_session, given to an admission, to
// pending_upgrade::accept, handle::connect or handle::adopt, which give it to the engine.
// Move-only; converts to that of a base class S, with a virtual destructor or without: what was
// made is what is destroyed.
template <class S> class session_ptr {
  detail::session_node *n_ = nullptr;
  template <class> friend class session_ptr;
  friend struct detail::access;

 public:
  // None.
  session_ptr() noexcept = default;
  // Takes it over; other is none.
  session_ptr(session_ptr &&other) noexcept : n_(std::exchange(other.n_, nullptr)) {}
  // Of a class derived from S: callbacks go to the S in it, wherever in it that is.
  template <class D, class = std::enable_if_t<std::is_convertible_v<D *, S *>>>
  session_ptr(session_ptr<D> &&other) noexcept : n_(std::exchange(other.n_, nullptr)) {
    if (n_ == nullptr) return;
    S *base = static_cast<D *>(n_->object);
    n_->object = base;
    n_->type = &detail::tag<S>::here;
  }
  // Takes it over; other gets what this had.
  session_ptr &operator=(session_ptr &&other) noexcept {
    std::swap(n_, other.n_);
    return *this;
  }
  ~session_ptr() {
    if (n_ != nullptr) n_->destroy(n_);
  }
  // There is one.
  explicit operator bool() const noexcept { return n_ != nullptr; }
  // Borrowed; nullptr: none.
  S *get() const noexcept { return n_ == nullptr ? nullptr : static_cast<S *>(n_->object); }
  // Of the session, which must be there.
  S *operator->() const noexcept { return get(); }
  // The session, which must be there.
  S &operator*() const noexcept { return *get(); }
};

namespace detail {
// What the engine is given, of what it belongs to.
struct access {
  template <class S> static session_node *release(session_ptr<S> &s) noexcept {
    return std::exchange(s.n_, nullptr);
  }
  template <class S> static void adopt(session_ptr<S> &s, session_node *n) noexcept { s.n_ = n; }
  template <class A> static node *node_of(A &a) noexcept {
    typename A::base_type &part = a;
    return static_cast<node *>(&part);
  }
  template <class A> static A &of_node(node *n) noexcept;
  template <class U> static bool has_left(const U &up) noexcept { return up.left_; }
  template <class U> static session_node *&held(U &up) noexcept { return up.held_; }
};
}  // namespace detail

// Makes a session: one allocation, the session in it.  S needs no move; an aggregate is braced.
template <class S, class... A> session_ptr<S> make_session(A &&...arguments) {
  session_ptr<S> made;
  detail::access::adopt(made, new detail::session_box<S>(std::forward<A>(arguments)...));
  return made;
}

/* ---- On a reactor's thread ------------------------------------------------------------------- */

// Owns a timer of reactor::after or every, and so the function that it calls.  Move-only.  When
// it is destroyed the function is not called again.  Destroy it in a callback of its reactor: then
// the function is destroyed at once, or if it is running when that has returned.  Elsewhere too,
// but then a call that has begun on the reactor's thread goes on, and the function is destroyed
// when it would be called next, or with the reactor.
class timer {
  detail::timer_node *n_ = nullptr;
  friend class reactor;
  explicit timer(detail::timer_node *n) noexcept : n_(n) {}

 public:
  // None.
  timer() noexcept = default;
  // Takes it over; other is none.
  timer(timer &&other) noexcept : n_(std::exchange(other.n_, nullptr)) {}
  // Takes it over; what this had is cancelled.
  timer &operator=(timer &&other) noexcept {
    if (this != &other) {
      cancel();
      n_ = std::exchange(other.n_, nullptr);
    }
    return *this;
  }
  ~timer() { cancel(); }
  // It holds a timer; one of after() also when that has run.
  explicit operator bool() const noexcept { return n_ != nullptr; }
  // As its destruction; in the function too.
  void cancel() noexcept {
    detail::timer_node *n = std::exchange(n_, nullptr);
    if (n == nullptr) return;
    n->dead.store(true, std::memory_order_release);
    rws_reactor *r = detail::now;
    if (r != nullptr && rws_reactor_engine(r) == n->engine && rws_reactor_index(r) == n->index)
      n->cancel(r);
    n->drop();
  }
};

// The reactor of the thread that you are called on; lent to the call.
class reactor {
  rws_reactor *r_;
  template <class F> timer start(std::uint32_t first, std::uint32_t every, F &&f) const;

 public:
  // Of what the C API lends.
  explicit reactor(rws_reactor *r) noexcept : r_(r) {}
  // As the C API has it.
  rws_reactor *get() const noexcept { return r_; }

  // From 0.
  std::uint32_t index() const noexcept { return rws_reactor_index(r_); }
  // For other threads, and to keep.
  handle engine() const noexcept;
  // A connection of which you have the number, of whatever reactor: calls to another one's are
  // handed over (see Statuses in ringws.h), and what cannot be is refused with RWS_E_STATE.
  connection at(rws_conn c) const noexcept;
  // The session of a connection of this reactor, from when its on_open is called until its
  // on_close has returned; nullptr: it has ended, is another reactor's, or S is not exactly the
  // session class of its acceptor or connector.
  template <class S> S *session(rws_conn c) const noexcept {
    void *user = rws_get_user(r_, c);
    if (user == nullptr || !static_cast<detail::node *>(user)->is_session) return nullptr;
    const detail::session_node *n = detail::session_of(user);
    return n->type == &detail::tag<S>::here ? static_cast<S *>(n->object) : nullptr;
  }
  // Its open connections: fills out, returns how many there are.
  std::size_t conns(span<rws_conn> out) const noexcept {
    return rws_reactor_conns(r_, out.data(), out.size());
  }
  // To all members of a topic, on whatever reactor, but one: see rws_publish.
  rws_status publish(std::string_view topic, const buf &b, rws_conn except = {}) const noexcept {
    return rws_publish(r_, bytes(topic), b.get(), except);
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status publish(std::string_view topic, payload p, rws_conn except = {}) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? publish(topic, *b, except) : b.status();
  }
  // The same; when_full (RWS_WHEN_FULL_*) in the place of the members' own.
  rws_status publish_with(std::string_view topic, const buf &b, std::uint32_t when_full,
                          rws_conn except = {}) const noexcept {
    return rws_publish_with(r_, bytes(topic), b.get(), except, when_full);
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status publish_with(std::string_view topic, payload p, std::uint32_t when_full,
                          rws_conn except = {}) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? publish_with(topic, *b, when_full, except) : b.status();
  }
  // In the place of the one of that key that waits for a member: see rws_publish_latest.
  rws_status publish_latest(std::string_view topic, std::uint64_t key, const buf &b,
                            rws_conn except = {}) const noexcept {
    return rws_publish_latest(r_, bytes(topic), key, b.get(), except);
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status publish_latest(std::string_view topic, std::uint64_t key, payload p,
                            rws_conn except = {}) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? publish_latest(topic, key, *b, except) : b.status();
  }
  // How many members a topic has on this reactor; engine().members(topic): on all.
  std::size_t members(std::string_view topic) const noexcept {
    return rws_reactor_topic_members(r_, bytes(topic));
  }
  // Calls f(rws::reactor) once, after so long (0 to 49 days, in milliseconds).  f may be move-only.
  // One allocation, for the timer and f.
  template <class F> [[nodiscard]] timer after(std::chrono::milliseconds time, F &&f) const {
    return start(detail::milliseconds(time, 0), 0, std::forward<F>(f));
  }
  // Calls f(rws::reactor) after `time`, at least 1 ms, and then again and again, without drift:
  // see rws_timer_repeat.  One allocation, for the timer and f; none for a call.
  template <class F> [[nodiscard]] timer every(std::chrono::milliseconds time, F &&f) const {
    return every(time, time, std::forward<F>(f));
  }
  // The same, first after another time.
  template <class F>
  [[nodiscard]] timer every(std::chrono::milliseconds first, std::chrono::milliseconds time,
                            F &&f) const {
    return start(detail::milliseconds(first, 0), detail::milliseconds(time, 1), std::forward<F>(f));
  }
  // Inside on_refused: a header of the answer; an absent one has data() == nullptr.
  std::string_view refusal_header(const rws_refusal &why, const char *name) const noexcept {
    return view(rws_refusal_header(&why, name));
  }
};

// A connection, as a callback of a reactor sees it; lent to the call.  What answers RWS_E_GONE when
// it has ended, and all other statuses: see the function of that name in ringws.h.
class connection {
  rws_reactor *r_;
  rws_conn c_;

 public:
  // Of what the C API lends.
  connection(rws_reactor *r, rws_conn c) noexcept : r_(r), c_(c) {}
  // Its number, to keep and to give to other threads.
  rws_conn id() const noexcept { return c_; }
  // The reactor that calls.
  rws::reactor reactor() const noexcept { return rws::reactor(r_); }

  // Queues a message.  flags: RWS_PLAIN, RWS_MORE.  RWS_FULL: queued, now hold back until
  // on_drain; RWS_E_FULL: not queued: again after on_drain.
  rws_status send(payload p, std::uint32_t flags = 0) const noexcept {
    return send(p.opcode(), p, flags);
  }
  // The same, as RWS_TEXT, RWS_BINARY, RWS_PING, ... whatever it is.
  rws_status send(rws_opcode op, payload p, std::uint32_t flags = 0) const noexcept {
    return rws_send(r_, c_, op, p.data(), p.size(), flags);
  }
  // By reference.
  rws_status send(const buf &b) const noexcept { return rws_send_buf(r_, c_, b.get()); }
  // In the place of the one that waits under the same key.
  rws_status send_latest(std::uint64_t key, const buf &b) const noexcept {
    return rws_send_latest(r_, c_, key, b.get());
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status send_latest(std::uint64_t key, payload p) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? send_latest(key, *b) : b.status();
  }
  // Begins the closing handshake, behind what is queued.
  rws_status close(std::uint16_t code = RWS_CLOSE_NORMAL,
                   std::string_view reason = {}) const noexcept {
    return rws_close(r_, c_, code, bytes(reason));
  }
  // Ends it, and drops what is queued; on_close follows when this callback has returned.
  rws_status abort() const noexcept { return rws_abort(r_, c_); }
  // No on_message until resume: TCP holds the peer back.
  rws_status pause() const noexcept { return rws_pause(r_, c_); }
  rws_status resume() const noexcept { return rws_resume(r_, c_); }
  // Bytes queued that the kernel has not taken.
  std::size_t buffered() const noexcept { return rws_buffered(r_, c_); }
  // For how long the oldest message has waited that buffered() counts.
  std::uint32_t queue_age_ms() const noexcept { return rws_queue_age_ms(r_, c_); }
  // What was dropped so far.
  std::uint32_t dropped() const noexcept { return rws_conn_dropped(r_, c_); }
  // RWS_WHEN_FULL_*; 0: send_queue_max and queue_age_max_ms of its options.
  rws_status set_when_full(std::uint32_t when_full, std::uint32_t send_queue_max = 0,
                           std::uint32_t queue_age_max_ms = 0) const noexcept {
    return rws_set_when_full(r_, c_, when_full, send_queue_max, queue_age_max_ms);
  }
  // The peer's address, in on_close too.
  rws_status peer(rws_address &out) const noexcept { return rws_peer(r_, c_, &out); }
  // Who has connected to a Unix socket.
  rws_status credentials(rws_credentials &out) const noexcept {
    return rws_peer_credentials(r_, c_, &out);
  }
  // The round trip of the last Ping of the engine; 0: none was answered yet.
  std::uint32_t rtt_us() const noexcept { return rws_rtt_us(r_, c_); }
  // Makes it a member of a topic, until it leaves or ends.
  rws_status join(std::string_view topic) const noexcept { return rws_join(r_, c_, bytes(topic)); }
  // Comes back: RWS_LATE when not all that was missed is left.  See rws_join_from.
  rws_status join_from(std::string_view topic, std::string_view position) const noexcept {
    return rws_join_from(r_, c_, bytes(topic), bytes(position));
  }
  // What it has been sent so far, for join_from; empty: no history.  See rws_topic_position.
  std::string position(std::string_view topic) const {
    std::string text(rws_topic_position(r_, c_, bytes(topic), nullptr, 0), '\0');
    rws_topic_position(r_, c_, bytes(topic), text.data(), text.size() + 1);
    return text;
  }
  rws_status leave(std::string_view topic) const noexcept {
    return rws_leave(r_, c_, bytes(topic));
  }
  // To all members of a topic but this one.
  rws_status publish(std::string_view topic, const buf &b) const noexcept {
    return reactor().publish(topic, b, c_);
  }
  // The same, of a copy.
  rws_status publish(std::string_view topic, payload p) const noexcept {
    return reactor().publish(topic, p, c_);
  }
  // In on_open of a connection that was made with connect: a header of the server's answer; an
  // absent one has data() == nullptr.
  std::string_view answer_header(const char *name) const noexcept {
    return view(rws_answer_header(r_, c_, name));
  }
};

inline connection reactor::at(rws_conn c) const noexcept { return {r_, c}; }

namespace detail {
template <class F> struct timer_of final : timer_node {
  F function;
  template <class G> explicit timer_of(G &&f) : function(std::forward<G>(f)) {
    call = [](timer_node *n, rws_reactor *r) { static_cast<timer_of *>(n)->function(reactor(r)); };
    destroy = [](timer_node *n) noexcept { delete static_cast<timer_of *>(n); };
    ended = [](ending *e) noexcept { static_cast<timer_of *>(e)->drop(); };
  }
};
}  // namespace detail

template <class F> timer reactor::start(std::uint32_t first, std::uint32_t every, F &&f) const {
  using function = std::decay_t<F>;
  static_assert(std::is_invocable_v<function &, reactor>, "a timer takes an f(rws::reactor)");
  auto *made = new detail::timer_of<function>(std::forward<F>(f));
  detail::timer_node *n = made;
  n->once = every == 0;
  n->link(r_);
  // Neither can fail: there is a reactor and a function, and `every` is not 0.
  if (n->once)
    (void)rws_timer_start(r_, first, detail::timer_node::fire, n, &n->id);
  else
    (void)rws_timer_repeat(r_, first, every, detail::timer_node::fire, n, &n->id);
  return timer(n);
}

/* ---- From any thread ------------------------------------------------------------------------- */

template <class S> class connector;
struct target;

// The engine as any thread may use it: a pointer with methods, valid until the engine is freed.
class handle {
 protected:
  rws_engine *e_ = nullptr; // borrowed; of rws::engine owned

 private:
  template <class C>
  result<rws_dial> dial(rws_target to, detail::node *user) const noexcept;

 public:
  // None.
  handle() noexcept = default;
  // Of an engine of the C API, which stays yours.
  explicit handle(rws_engine *e) noexcept : e_(e) {}
  // Borrowed; NULL: none.
  rws_engine *get() const noexcept { return e_; }

  // Hands a message over to the reactor of the connection: see rws_engine_send.
  rws_status send(rws_conn c, payload p, std::uint32_t flags = 0) const noexcept {
    return send(c, p.opcode(), p, flags);
  }
  // The same, as RWS_TEXT, RWS_BINARY, ... whatever it is.
  rws_status send(rws_conn c, rws_opcode op, payload p, std::uint32_t flags = 0) const noexcept {
    return rws_engine_send(e_, c, op, p.data(), p.size(), flags);
  }
  // By reference.
  rws_status send(rws_conn c, const buf &b) const noexcept {
    return rws_engine_send_buf(e_, c, b.get());
  }
  // In the place of the one that waits under the same key.
  rws_status send_latest(rws_conn c, std::uint64_t key, const buf &b) const noexcept {
    return rws_engine_send_latest(e_, c, key, b.get());
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status send_latest(rws_conn c, std::uint64_t key, payload p) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? send_latest(c, key, *b) : b.status();
  }
  rws_status close(rws_conn c, std::uint16_t code = RWS_CLOSE_NORMAL,
                   std::string_view reason = {}) const noexcept {
    return rws_engine_close(e_, c, code, bytes(reason));
  }
  rws_status abort(rws_conn c) const noexcept { return rws_engine_abort(e_, c); }
  rws_status pause(rws_conn c) const noexcept { return rws_engine_pause(e_, c); }
  rws_status resume(rws_conn c) const noexcept { return rws_engine_resume(e_, c); }
  // How many bytes are on their way to a connection.
  std::size_t buffered(rws_conn c) const noexcept { return rws_engine_buffered(e_, c); }

  // Calls f(rws::reactor) once on the thread of that reactor (RWS_ANY_REACTOR: one of them, by
  // turns), at the latest when it ends, and destroys f there.  f may be move-only.  One allocation,
  // for f.  Anything but RWS_OK: f is destroyed here and never called; see rws_engine_post.
  template <class F> [[nodiscard]] rws_status post(std::uint32_t reactor, F &&f) const {
    using job = std::decay_t<F>;
    static_assert(std::is_invocable_v<job &, rws::reactor>, "post takes an f(rws::reactor)");
    // The one place where a function crosses threads.
    auto sent = std::make_unique<job>(std::forward<F>(f));
    const rws_status status = rws_engine_post(
        e_, reactor,
        [](rws_reactor *r, void *arg) noexcept {
          const detail::in_callback here(r);
          const std::unique_ptr<job> come(static_cast<job *>(arg));
          (*come)(rws::reactor(r));
        },
        sent.get());
    if (status == RWS_OK) (void)sent.release();
    return status;
  }
  // A connection that you have accepted, to be served by the acceptor of endpoint number
  // a.endpoint.  a.fd is the engine's with success alone: see rws_engine_adopt.
  result<void> adopt(const rws_adopt &a) const noexcept {
    rws_error err{};
    if (rws_engine_adopt(e_, &a, &err) < 0) return err;
    return {};
  }
  // The same of one whose upgrade you have answered (RWS_ADOPT_UPGRADED is added), with its
  // session: on_open follows, or on_unopened.  S is the session class of that endpoint's acceptor:
  // another is never called but destroyed, and the connection aborted.
  template <class S> result<void> adopt(rws_adopt a, session_ptr<S> session) const noexcept;

  // To all members of a topic but one: see rws_engine_publish.
  rws_status publish(std::string_view topic, const buf &b, rws_conn except = {}) const noexcept {
    return rws_engine_publish(e_, bytes(topic), b.get(), except);
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status publish(std::string_view topic, payload p, rws_conn except = {}) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? publish(topic, *b, except) : b.status();
  }
  // The same; when_full (RWS_WHEN_FULL_*) in the place of the members' own.
  rws_status publish_with(std::string_view topic, const buf &b, std::uint32_t when_full,
                          rws_conn except = {}) const noexcept {
    return rws_engine_publish_with(e_, bytes(topic), b.get(), except, when_full);
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status publish_with(std::string_view topic, payload p, std::uint32_t when_full,
                          rws_conn except = {}) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? publish_with(topic, *b, when_full, except) : b.status();
  }
  // In the place of the one of that key that waits for a member.
  rws_status publish_latest(std::string_view topic, std::uint64_t key, const buf &b,
                            rws_conn except = {}) const noexcept {
    return rws_engine_publish_latest(e_, bytes(topic), key, b.get(), except);
  }
  // The same, of a copy; also RWS_E_UTF8, RWS_E_TOO_BIG.
  rws_status publish_latest(std::string_view topic, std::uint64_t key, payload p,
                            rws_conn except = {}) const noexcept {
    const result<buf> b = buf::make(p);
    return b ? publish_latest(topic, key, *b, except) : b.status();
  }
  // How many members a topic has on all reactors, a moment ago.
  std::size_t members(std::string_view topic) const noexcept {
    return rws_engine_topic_members(e_, bytes(topic));
  }

  // Connects to a server once, after the start, with the session of the connection: its on_open
  // follows and some day its on_close, or its on_refused.  to.callbacks and to.user are filled in.
  // Failure: the session is destroyed here, and the error says why; RWS_E_INVALID also for
  // retry_min_ms, which takes a connector.
  template <class S>
  result<rws_dial> connect(const rws_target &to, session_ptr<S> session) const noexcept;
  // Connects, and again as to.retry_min_ms says: the connector makes a session for each
  // connection, or its on_refused is called.  It must live until an on_close or on_refused with
  // retry_ms 0 has returned, or the engine has been freed.  On failure it is not used.
  template <class C> result<rws_dial> connect(const rws_target &to, C &connector) const noexcept {
    return dial<C>(to, detail::access::node_of(connector));
  }
  // The same, by URL alone, with all defaults.
  template <class X> result<rws_dial> connect(const char *url, X &&whose) const noexcept {
    rws_target to = RWS_INIT(rws_target);
    to.url = url;
    return connect(to, std::forward<X>(whose));
  }
  // The same.
  template <class X> result<rws_dial> connect(const std::string &url, X &&whose) const noexcept {
    return connect(url.c_str(), std::forward<X>(whose));
  }
  // The same, of a target that owns its strings.
  template <class X> result<rws_dial> connect(const target &to, X &&whose) const noexcept;
  // Gives it up, and its retries: on_refused follows, unless it is open.
  rws_status cancel(rws_dial d) const noexcept { return rws_engine_connect_cancel(e_, d); }

  rws_status stats(rws_stats &out, std::uint32_t reactor = RWS_ANY_REACTOR) const noexcept {
    out.size = static_cast<std::uint32_t>(sizeof out);
    return rws_engine_stats(e_, reactor, &out);
  }
  // As snprintf: the text for Prometheus, and its whole length.
  std::size_t metrics(span<char> out) const noexcept {
    return rws_engine_metrics(e_, out.data(), out.size());
  }
  // The same numbers one by one: fills out, returns how many there are.
  std::size_t values(span<rws_metric> out,
                     std::uint32_t reactor = RWS_ANY_REACTOR) const noexcept {
    return rws_engine_values(e_, reactor, out.data(), out.size());
  }
  // which: RWS_HIST_*; part: 0.99, ...
  std::uint64_t quantile(std::uint32_t which, double part,
                         std::uint32_t reactor = RWS_ANY_REACTOR) const noexcept {
    return rws_engine_quantile(e_, reactor, which, part);
  }
  // By what means the kernel is asked, from start() on: see rws_engine_backend.
  backend_info backend() const noexcept {
    backend_info info{};
    info.which = rws_engine_backend(e_, &info.why);
    return info;
  }
  // Returns at once; in signal handlers too.
  void stop(std::uint32_t grace_ms = 5000) const noexcept { rws_engine_stop(e_, grace_ms); }
  // The process at the other end of a connected Unix socket takes the place of this one.  fd is the
  // engine's with success alone: see rws_engine_hand_over.  Sessions stay, and are drained.
  result<void> hand_over(int fd, const rws_hand_over &how = RWS_INIT(rws_hand_over)) const noexcept {
    rws_error err{};
    if (rws_engine_hand_over(e_, fd, &how, &err) < 0) return err;
    return {};
  }
  // Empties the engine, then stops it; returns at once.
  rws_status drain(const rws_drain &how = RWS_INIT(rws_drain)) const noexcept {
    return rws_engine_drain(e_, &how);
  }
  // The same, and done(handle, const rws_drained &) when it is drained, on a reactor's thread: see
  // on_drained.  done must live until then, or until the engine has been freed.
  template <class F> rws_status drain(rws_drain how, F &done) const noexcept {
    how.user = std::addressof(done);
    how.on_drained = [](rws_engine *e, const rws_drained *counts, void *u) noexcept {
      (*static_cast<F *>(u))(handle{e}, *counts);
    };
    return rws_engine_drain(e_, &how);
  }
};

inline handle reactor::engine() const noexcept { return handle(rws_reactor_engine(r_)); }

// What to connect to, with strings of its own, where those of a rws_target are borrowed.  Empty
// ones are the defaults.  Move-only; handle::connect copies what it needs.
struct target {
  std::string url;       // ws://host[:port][/path][?query], or wss://
  std::string protocols; // subprotocols to offer, "a, b"
  std::string headers;   // "Name: value", several with "\n" between them
  std::string proxy;     // http://host[:port]
  std::string host;      // what the Host header says, if another than the URL's
  std::string tls_name;  // the name asked for in TLS, if another
  rws::tls tls;          // a client's, for wss://; none: the system's roots
  std::optional<rws_options> options; // none: all defaults
  rws_target more = RWS_INIT(rws_target); // times, retries, flags and reactor
  // By URL, with all defaults.
  explicit target(std::string to) : url(std::move(to)) {}
  // Borrowed from this.
  rws_target view() const noexcept {
    const auto text = [](const std::string &s) { return s.empty() ? nullptr : s.c_str(); };
    rws_target to = more;
    to.url = url.c_str();
    to.protocols = text(protocols), to.headers = text(headers), to.proxy = text(proxy);
    to.host = text(host), to.tls_name = text(tls_name), to.tls = tls.get();
    to.options = options ? &*options : nullptr;
    return to;
  }
};

template <class X> result<rws_dial> handle::connect(const target &to, X &&whose) const noexcept {
  return connect(to.view(), std::forward<X>(whose));
}

/* ---- Requests -------------------------------------------------------------------------------- */

// What a client asks for, lent to the call.  What is absent has data() == nullptr.
class asked {
  rws_reactor *r_;
  const rws_request *q_;

 public:
  // Of what the C API lends.
  asked(rws_reactor *r, const rws_request *q) noexcept : r_(r), q_(q) {}
  // The reactor that calls.
  rws::reactor reactor() const noexcept { return rws::reactor(r_); }
  std::string_view method() const noexcept { return view(rws_request_method(q_)); }
  // Percent-decoded, without the query.
  std::string_view path() const noexcept { return view(rws_request_path(q_)); }
  // Path and query as sent.
  std::string_view target() const noexcept { return view(rws_request_target(q_)); }
  // As sent.
  std::string_view query() const noexcept { return view(rws_request_query(q_)); }
  // Decoded; of one without a value data() is not nullptr.
  std::string_view query_param(const char *name) const noexcept {
    return view(rws_request_query_param(q_, name));
  }
  // What {name} of its route's path stands for, decoded.
  std::string_view param(const char *name) const noexcept {
    return view(rws_request_param(q_, name));
  }
  // The nth header of that name, from 0, whatever its case.
  std::string_view header(const char *name, std::size_t nth = 0) const noexcept {
    return view(rws_request_header(q_, name, nth));
  }
  // f(name, value) for each header, in their order.
  template <class F> void each_header(F &&f) const {
    rws_bytes name, value;
    for (std::size_t i = 0; rws_request_header_at(q_, i, &name, &value) == RWS_OK; i++)
      f(view(name), view(value));
  }
  std::string_view body() const noexcept { return view(rws_request_body(q_)); }
  rws_status peer(rws_address &out) const noexcept { return rws_request_peer(q_, &out); }
  // On a Unix socket.
  rws_status credentials(rws_credentials &out) const noexcept {
    return rws_request_credentials(q_, &out);
  }
  // SNI.
  std::string_view server_name() const noexcept { return view(rws_request_server_name(q_)); }
  // DER.
  std::string_view peer_certificate() const noexcept {
    return view(rws_request_peer_certificate(q_));
  }
  // Of the PROXY header, with proxy_from: RWS_TLV_*.
  std::string_view proxy_tlv(std::uint32_t type) const noexcept {
    return view(rws_request_proxy_tlv(q_, type));
  }
  // The proxy's own address; RWS_E_STATE: no proxy.
  rws_status proxy(rws_address &out) const noexcept { return rws_request_proxy(q_, &out); }
};

// The right to answer something once, from any thread, for as long as the engine is there: what
// pending_request and pending_upgrade have in common.  Move-only.  Dropped unanswered, the peer
// gets 503 when handshake_timeout_ms is over.
class pending {
  handle e_;
  rws_later l_{};

 protected:
  // As rws_engine_answer; when it is over, this is none.
  rws_status answer_with(const rws_response &a, detail::node *user) noexcept {
    if (l_.id == 0) return RWS_E_GONE;
    const rws_status status = rws_engine_answer(e_.get(), l_, &a, user);
    if (status == RWS_OK || status == RWS_E_GONE) l_ = {};
    return status;
  }
  // An answer of those parts, borrowed.
  static rws_response response(std::uint32_t status, std::string_view body,
                               const char *headers) noexcept {
    rws_response a = RWS_INIT(rws_response);
    a.status = status;
    a.headers = headers;
    a.body = bytes(body);
    return a;
  }

 public:
  // None: answering it is RWS_E_GONE.
  pending() noexcept = default;
  // Of a number that the C API has given.
  pending(handle e, rws_later l) noexcept : e_(e), l_(l) {}
  // Takes it over; other is none.
  pending(pending &&other) noexcept : e_(other.e_), l_(std::exchange(other.l_, rws_later{})) {}
  // Takes it over; what this was is dropped unanswered.
  pending &operator=(pending &&other) noexcept {
    e_ = other.e_;
    l_ = std::exchange(other.l_, rws_later{});
    return *this;
  }
  // It is still to be answered, as far as is known here.
  explicit operator bool() const noexcept { return l_.id != 0; }
  // As on_gone names it.
  rws_later id() const noexcept { return l_; }
  // The number of its reactor.
  std::uint32_t reactor() const noexcept { return rws_later_reactor(l_); }
};

// The right to answer a HTTP request that is no upgrade; of request::postpone.
class pending_request : public pending {
 public:
  using pending::pending;
  // 200..599.  headers: "Name: value", several with "\n" between them.  RWS_OK: handed over, and
  // this is empty.  RWS_E_GONE: nobody waits any more, and this is empty.  Anything else: not
  // answered, see rws_engine_answer, and it still waits.
  rws_status answer(std::uint32_t status, std::string_view body = {},
                    const char *headers = nullptr) noexcept {
    return answer_with(response(status, body, headers), nullptr);
  }
};

// The right to answer an upgrade; of acceptor::postpone.
template <class S> class pending_upgrade : public pending {
  detail::session_node *waiting_ = nullptr; // the engine's, until RWS_OK makes it ours

  rws_status accept_with(detail::session_node *n, const char *protocol,
                         const char *headers) noexcept {
    rws_response a = response(101, {}, headers);
    a.protocol = protocol;
    return answer_with(a, n);
  }
  void forget_waiting() noexcept {
    if (detail::session_node *n = std::exchange(waiting_, nullptr)) n->destroy(n);
  }

 public:
  // None: answering it is RWS_E_GONE.
  pending_upgrade() noexcept = default;
  // Of a number that the C API has given, and the session that waits with it.
  pending_upgrade(handle e, rws_later l, detail::session_node *waiting = nullptr) noexcept
      : pending(e, l), waiting_(waiting) {}
  // 101, with this session in the place of one that was given to postpone.  RWS_OK: it is the
  // engine's, and its on_open follows, or its on_unopened.  RWS_E_GONE: nobody waits any more, and
  // it is destroyed here.  Anything else: not answered, see rws_engine_answer, this still waits,
  // and `session` is as it was.
  rws_status accept(session_ptr<S> &&session, const char *protocol = nullptr,
                    const char *headers = nullptr) noexcept {
    if (!session) return RWS_E_INVALID;
    detail::session_node *n = detail::access::release(session);
    const rws_status status = accept_with(n, protocol, headers);
    if (status == RWS_OK)
      forget_waiting();
    else if (status == RWS_E_GONE)
      n->destroy(n);
    else
      detail::access::adopt(session, n);
    return status;
  }
  // 101, with the session that was given to postpone, else RWS_E_INVALID.  RWS_OK: its on_open
  // follows, or its on_unopened.  RWS_E_GONE: its on_unopened was called, or will be.
  rws_status accept(const char *protocol = nullptr, const char *headers = nullptr) noexcept {
    return waiting_ == nullptr ? RWS_E_INVALID : accept_with(waiting_, protocol, headers);
  }
  // Any other answer, 300..599; what it says: as pending_request::answer.  RWS_OK: a session that
  // was given to postpone is destroyed here.
  rws_status refuse(std::uint32_t status, std::string_view body = {},
                    const char *headers = nullptr) noexcept {
    if (status == 101) return RWS_E_INVALID;
    const rws_status answered = answer_with(response(status, body, headers), nullptr);
    if (answered == RWS_OK) forget_waiting();
    return answered;
  }
};

// An HTTP request that is no upgrade; lent to on_request.
class request : public asked {
  rws_reactor *r_;
  rws_request *q_;

 public:
  // Of what the C API lends.
  request(rws_reactor *r, rws_request *q) noexcept : asked(r, q), r_(r), q_(q) {}
  request(const request &) = delete;
  request &operator=(const request &) = delete;
  // As the C API has it.
  rws_request *get() const noexcept { return q_; }
  // Answers it, once.  headers: "Name: value", several with "\n" between them.
  rws_status answer(std::uint32_t status, std::string_view body = {},
                    const char *headers = nullptr) const noexcept {
    rws_response a = RWS_INIT(rws_response);
    a.status = status;
    a.headers = headers;
    a.body = bytes(body);
    return rws_request_answer(q_, &a);
  }
  // Answers it with the text for Prometheus.
  rws_status metrics() const noexcept { return rws_request_metrics(r_, q_); }
  // It is answered later.  Empty if it was answered or left before.
  [[nodiscard]] pending_request postpone() const noexcept {
    rws_later l{};
    if (rws_request_later(q_, &l) != RWS_OK) return {};
    return {reactor().engine(), l};
  }
};

// An HTTP upgrade in progress; lent to on_upgrade and on_origin.
class upgrade : public asked {
  rws_upgrade *up_;
  bool left_ = false;
  detail::session_node *held_ = nullptr; // to be the engine's if the answer is postponed
  friend struct detail::access;

 public:
  // Of what the C API lends.
  upgrade(rws_reactor *r, rws_upgrade *up) noexcept : asked(r, rws_upgrade_request(up)), up_(up) {}
  upgrade(const upgrade &) = delete;
  upgrade &operator=(const upgrade &) = delete;
  ~upgrade() {
    if (held_ != nullptr) held_->destroy(held_);
  }
  // As the C API has it.
  rws_upgrade *get() const noexcept { return up_; }
  // Chooses a subprotocol.  RWS_E_INVALID: it was not offered.
  rws_status protocol(const char *name) const noexcept { return rws_upgrade_protocol(up_, name); }
  // Adds a header to the answer, whichever that is.
  rws_status add_header(const char *name, std::string_view value) const noexcept {
    return rws_upgrade_add_header(up_, name, bytes(value));
  }
  // The body of a refusal.
  rws_status body(std::string_view text) const noexcept {
    return rws_upgrade_body(up_, bytes(text));
  }
  using asked::body;
  // To the reactor that is to have it, where on_upgrade is called again.  RWS_OK: return
  // rws::moved; whatever is returned here is ignored.  Others: see rws_upgrade_move.
  RWS_MUST_USE rws_status move_to(std::uint32_t reactor) noexcept {
    const rws_status status = rws_upgrade_move(up_, reactor);
    left_ = left_ || status == RWS_OK;
    return status;
  }
  // Another reactor has moved it here.
  bool moved() const noexcept { return rws_upgrade_moved(up_) != 0; }
};

// Of on_upgrade: answered with this status, 300..599, and with the headers and the body of the
// upgrade.
struct refuse {
  int status; // 300..599
  // rws::refuse(403)
  explicit refuse(int with) noexcept : status(with) {}
};
// Of on_upgrade: acceptor::postpone has left the answer for later.
struct postponed_t {};
inline constexpr postponed_t postponed{}; // the value
// Of on_upgrade: upgrade::move_to has said RWS_OK.
struct moved_t {};
inline constexpr moved_t moved{}; // the value

// What on_upgrade decides: a session (101; it is the engine's, and on_open follows), rws::refuse,
// rws::postponed or rws::moved.
template <class S> class admission {
  session_ptr<S> session_;
  int status_;
  friend struct detail::access;

 public:
  // 101; an empty pointer: 500.
  template <class D, class = std::enable_if_t<std::is_convertible_v<D *, S *>>>
  admission(session_ptr<D> session) noexcept
      : session_(std::move(session)), status_(session_ ? 101 : 500) {}
  // That status, 300..599; anything else: 500.
  admission(refuse how) noexcept : status_(how.status == 101 ? 500 : how.status) {}
  // Answered later; without acceptor::postpone: 500.
  admission(postponed_t) noexcept : status_(RWS_LATER) {}
  // On another reactor; without upgrade::move_to: 500.
  admission(moved_t) noexcept : status_(500) {}
  // The status of the answer; 101 with a session; RWS_LATER.
  int status() const noexcept { return status_; }
  // The session, to be handed on.
  session_ptr<S> &session() noexcept { return session_; }
};

/* ---- Acceptors and connectors ---------------------------------------------------------------- */

// What decides about upgrades and makes sessions: for an endpoint, or a route of one.  Alone it
// lets everybody in, with a session S() each; derive from it to decide (see the top of this file).
// S must be complete where it is given to engine::listen.  It must outlive the engine, is called on
// all reactors' threads at once, and may be any base of your class, at whatever place.
template <class S> class acceptor : private detail::node {
  friend struct detail::access;

 public:
  using base_type = acceptor;              // which of the bases is the acceptor
  using session_type = S;                 // the class of its sessions, or a base of them
  using admission = rws::admission<S>;    // what on_upgrade returns
  acceptor() noexcept = default;
  acceptor(const acceptor &) = delete;
  acceptor &operator=(const acceptor &) = delete;
  // Inside on_upgrade, which then must return rws::postponed: the answer comes from whoever has
  // what this returns, from now on.  Copy what of the request is needed by then.  Empty if it was
  // called before, or in on_origin.  If nobody waits any more, on_gone is called with its id().
  [[nodiscard]] static pending_upgrade<S> postpone(upgrade &up) noexcept {
    rws_later l{};
    if (rws_upgrade_later(up.get(), &l) != RWS_OK) return {};
    return {up.reactor().engine(), l};
  }
  // The same with its session, state of a connection that is not open yet: it is the engine's when
  // on_upgrade has returned rws::postponed.  Returning anything else destroys it, and is right only
  // while nobody else has been given what this returns.  If
  // nobody waits any more, its on_unopened is called in the place of on_gone.
  [[nodiscard]] static pending_upgrade<S> postpone(upgrade &up, session_ptr<S> session) noexcept {
    rws_later l{};
    if (rws_upgrade_later(up.get(), &l) != RWS_OK) return {};
    detail::session_node *n = detail::access::release(session);
    detail::access::held(up) = n;
    return {up.reactor().engine(), l, n};
  }
};

// What makes the sessions of connections to a target that is connected to again and again.  Alone
// it makes an S() for each connection; derive from it for on_connect and on_refused.
template <class S> class connector : private detail::node {
  friend struct detail::access;

 public:
  using base_type = connector; // which of the bases is the connector
  using session_type = S;      // the class of its sessions, or a base of them
  connector() noexcept = default;
  connector(const connector &) = delete;
  connector &operator=(const connector &) = delete;
};

namespace detail {

struct nothing {};
template <class H>
inline constexpr bool is_sealed = std::is_final_v<H> || std::is_union_v<H>;
template <class H> using base = std::conditional_t<is_sealed<H>, nothing, H>;

// Arguments for any parameter but references to what can be changed, and for those.
struct any_value { template <class T> operator T() const; };
struct any_place { template <class T> operator T &() const; };

// For each callback NAME, called with ARGS:
//   takes_NAME<void, H, A...>  whether H's member can be called with A...
//   named_NAME<H>              whether H has a member of that name at all: then it is ambiguous in
//                              both_NAME; or, in a class that cannot be derived from, there is one
//                              such member, or it can be called with some number of arguments
#define RWS_DETAIL_CALLBACK(NAME, RESULT, ARGS, ...)                                             \
  template <class, class H, class... A> struct takes_##NAME : std::false_type {};                \
  template <class H, class... A>                                                                 \
  struct takes_##NAME<std::void_t<decltype(std::declval<H &>().NAME(std::declval<A>()...))>, H,  \
                      A...> : std::true_type {                                                   \
    using result = decltype(std::declval<H &>().NAME(std::declval<A>()...));                     \
  };                                                                                             \
  template <class H, class X>                                                                    \
  struct some_##NAME                                                                             \
      : std::disjunction<takes_##NAME<void, H>, takes_##NAME<void, H, X>,                        \
                         takes_##NAME<void, H, X, X>, takes_##NAME<void, H, X, X, X>,            \
                         takes_##NAME<void, H, X, X, X, X>> {};                                  \
  template <class H, class = void> struct sole_##NAME : std::false_type {};                      \
  template <class H>                                                                             \
  struct sole_##NAME<H, std::void_t<decltype(&H::NAME)>> : std::true_type {};                    \
  struct fallback_##NAME { int NAME; };                                                          \
  template <class H> struct both_##NAME : base<H>, fallback_##NAME {};                           \
  template <class H, class = void> struct hidden_##NAME : std::true_type {};                     \
  template <class H>                                                                             \
  struct hidden_##NAME<H, std::void_t<decltype(&both_##NAME<H>::NAME)>> : std::false_type {};    \
  template <class H>                                                                             \
  struct named_##NAME                                                                            \
      : std::conditional_t<is_sealed<H>,                                                         \
                           std::disjunction<sole_##NAME<H>, some_##NAME<H, any_value>,           \
                                            some_##NAME<H, any_place>>,                          \
                           hidden_##NAME<H>> {};                                                 \
  template <class H> constexpr bool has_##NAME() {                                               \
    using takes = takes_##NAME<void, H, __VA_ARGS__>;                                            \
    static_assert(std::disjunction_v<takes, std::negation<named_##NAME<H>>>,                     \
                  #NAME " is there but cannot be called with " ARGS                              \
                        ": is it public, and are its arguments these?");                         \
    if constexpr (takes::value)                                                                  \
      static_assert(is_##RESULT<typename takes::result>, #NAME " must return " #RESULT);         \
    return takes::value;                                                                         \
  }
template <class R> inline constexpr bool is_nothing = std::is_void_v<R>;
template <class R> inline constexpr bool is_bool = std::is_same_v<R, bool>;
template <class R> inline constexpr bool is_admission = false;
template <class S> inline constexpr bool is_admission<admission<S>> = true;
template <class R> inline constexpr bool is_session_ptr = false;
template <class S> inline constexpr bool is_session_ptr<session_ptr<S>> = true;
RWS_DETAIL_CALLBACK(on_upgrade, admission, "(rws::upgrade &)", upgrade &)
RWS_DETAIL_CALLBACK(on_origin, bool, "(rws::upgrade &)", upgrade &)
RWS_DETAIL_CALLBACK(on_request, nothing, "(rws::request &)", request &)
RWS_DETAIL_CALLBACK(on_gone, nothing, "(rws::reactor, rws_later)", reactor, rws_later)
RWS_DETAIL_CALLBACK(on_connect, session_ptr, "(rws::connection)", connection)
RWS_DETAIL_CALLBACK(on_open, nothing, "(rws::connection)", connection)
RWS_DETAIL_CALLBACK(on_message, nothing, "(rws::connection, rws::message)", connection, message)
RWS_DETAIL_CALLBACK(on_pong, nothing, "(rws::connection, std::string_view)", connection,
                    std::string_view)
RWS_DETAIL_CALLBACK(on_drain, nothing, "(rws::connection)", connection)
RWS_DETAIL_CALLBACK(on_close, nothing, "(rws::connection, rws_close_info &)", connection,
                    rws_close_info &)
RWS_DETAIL_CALLBACK(on_refused, nothing, "(rws::reactor, rws_refusal &)", reactor, rws_refusal &)
RWS_DETAIL_CALLBACK(on_unopened, nothing, "(rws::reactor)", reactor)
RWS_DETAIL_CALLBACK(on_start, nothing, "(rws::reactor)", reactor)
RWS_DETAIL_CALLBACK(on_stop, nothing, "(rws::reactor)", reactor)
RWS_DETAIL_CALLBACK(on_stopped, nothing, "(rws::handle)", handle)
RWS_DETAIL_CALLBACK(on_log, nothing, "(int, std::string_view)", int, std::string_view)
RWS_DETAIL_CALLBACK(on_topic, nothing, "(rws::reactor, std::string_view, bool)", reactor,
                    std::string_view, bool)
RWS_DETAIL_CALLBACK(on_gap, nothing, "(rws::reactor, std::string_view, const rws_gap &)", reactor,
                    std::string_view, const rws_gap &)
RWS_DETAIL_CALLBACK(on_late, nothing, "(rws::connection, std::string_view)", connection,
                    std::string_view)
RWS_DETAIL_CALLBACK(on_bus, nothing, "(bool, std::string_view)", bool, std::string_view)
#undef RWS_DETAIL_CALLBACK

template <class A> A &access::of_node(node *n) noexcept {
  return static_cast<A &>(static_cast<typename A::base_type &>(*n));
}

// What the engine calls, of sessions S.
template <class S> struct session_calls {
  static S &of(void *user) noexcept { return *static_cast<S *>(session_of(user)->object); }

  // Ends before it was open.
  static void unopened(rws_reactor *r, void *user) noexcept {
    const in_callback here(r);
    if constexpr (has_on_unopened<S>()) of(user).on_unopened(reactor(r));
    session_of(user)->destroy(session_of(user));
  }
  // Opens with the session that `user` is, if it is one of S.
  static void open(rws_reactor *r, rws_conn c, session_node *n) noexcept {
    if (n != nullptr && n->type == &tag<S>::here) {
      if constexpr (has_on_open<S>()) static_cast<S *>(n->object)->on_open(connection(r, c));
      return;
    }
    (void)rws_set_user(r, c, nullptr);
    (void)rws_abort(r, c);
    if (n != nullptr) n->destroy(n);
  }
  static void close(rws_reactor *r, rws_conn c, rws_close_info *info, void *user) noexcept {
    const in_callback here(r);
    if (user == nullptr) return; // it could not be opened
    session_node *n = session_of(user);
    if constexpr (has_on_close<S>()) of(user).on_close(connection(r, c), *info);
    if (n->once) info->retry_ms = 0;
    n->destroy(n);
  }
  static void fill(rws_callbacks &cb) noexcept {
    constexpr bool any = has_on_open<S>() || has_on_message<S>() || has_on_pong<S>() ||
                         has_on_drain<S>() || has_on_close<S>() || has_on_refused<S>() ||
                         has_on_unopened<S>();
    static_assert(any, "no member of the session is a callback: see the list in ringws.hpp");
    static_assert(!named_on_upgrade<S>::value && !named_on_origin<S>::value &&
                      !named_on_request<S>::value && !named_on_gone<S>::value,
                  "on_upgrade, on_origin, on_request and on_gone are the acceptor's");
    if constexpr (has_on_message<S>())
      cb.on_message = [](rws_reactor *r, rws_conn c, const rws_message *m, void *u) noexcept {
        const in_callback here(r);
        of(u).on_message(connection(r, c), message(r, *m));
      };
    if constexpr (has_on_pong<S>())
      cb.on_pong = [](rws_reactor *r, rws_conn c, rws_bytes payload, void *u) noexcept {
        const in_callback here(r);
        of(u).on_pong(connection(r, c), view(payload));
      };
    if constexpr (has_on_drain<S>())
      cb.on_drain = [](rws_reactor *r, rws_conn c, void *u) noexcept {
        const in_callback here(r);
        of(u).on_drain(connection(r, c));
      };
    cb.on_close = close;
  }
};

// Makers make sessions alone.
template <class M> constexpr void is_maker() noexcept {
  static_assert(!named_on_open<M>::value && !named_on_message<M>::value &&
                    !named_on_pong<M>::value && !named_on_drain<M>::value &&
                    !named_on_close<M>::value,
                "on_open, on_message, on_pong, on_drain and on_close are the session's");
}

template <class S> session_node *made_by_default() {
  if constexpr (std::is_default_constructible_v<S>) {
    session_ptr<S> s = make_session<S>();
    return access::release(s);
  } else {
    return nullptr;
  }
}

// What the engine calls for endpoints and routes of A.
template <class A> struct acceptor_calls {
  using S = typename A::session_type;

  static int decide(A &a, rws_reactor *r, rws_upgrade *raw) noexcept {
    static_assert(std::is_same_v<decltype(a.on_upgrade(std::declval<upgrade &>())), admission<S>>,
                  "on_upgrade must return the admission of its own session class");
    upgrade up(r, raw);
    admission<S> answer = a.on_upgrade(up);
    if (access::has_left(up)) return 500; // not heard
    node *user = nullptr;
    if (answer.status() == 101) user = access::release(answer.session());
    if (answer.status() == RWS_LATER) user = std::exchange(access::held(up), nullptr);
    if (user != nullptr) rws_upgrade_set_user(raw, user);
    return answer.status();
  }
  static rws_callbacks callbacks() noexcept {
    is_maker<A>();
    static_assert(has_on_upgrade<A>() || std::is_default_constructible_v<S>,
                  "an acceptor without on_upgrade makes sessions S(): S cannot be made so");
    rws_callbacks cb = RWS_INIT(rws_callbacks);
    session_calls<S>::fill(cb);
    if constexpr (has_on_upgrade<A>())
      cb.on_upgrade = [](rws_reactor *r, rws_upgrade *up, void *u) noexcept -> int {
        const in_callback here(r);
        return decide(access::of_node<A>(static_cast<node *>(u)), r, up);
      };
    if constexpr (has_on_origin<A>())
      cb.on_origin = [](rws_reactor *r, rws_upgrade *raw, void *u) noexcept -> int {
        const in_callback here(r);
        upgrade up(r, raw);
        return access::of_node<A>(static_cast<node *>(u)).on_origin(up) ? 1 : 0;
      };
    if constexpr (has_on_request<A>())
      cb.on_request = [](rws_reactor *r, rws_request *raw, void *u) noexcept {
        const in_callback here(r);
        request q(r, raw);
        access::of_node<A>(static_cast<node *>(u)).on_request(q);
      };
    cb.on_gone = [](rws_reactor *r, rws_later l, void *u) noexcept {
      const in_callback here(r);
      node *n = static_cast<node *>(u);
      if (n->is_session) {
        session_calls<S>::unopened(r, u);
      } else {
        if constexpr (has_on_gone<A>()) access::of_node<A>(n).on_gone(reactor(r), l);
        (void)l;
      }
    };
    cb.on_open = [](rws_reactor *r, rws_conn c, void *u) noexcept {
      const in_callback here(r);
      node *n = static_cast<node *>(u);
      if (!n->is_session) {
        n = made_by_default<S>();
        (void)rws_set_user(r, c, n);
      }
      session_calls<S>::open(r, c, static_cast<session_node *>(n));
    };
    return cb;
  }
};

// What the engine calls for targets of C, or of sessions made before.
template <class C> struct connector_calls {
  using S = typename C::session_type;

  static session_node *make(node *maker, connection c) {
    if constexpr (has_on_connect<C>()) {
      session_ptr<S> s = access::of_node<C>(maker).on_connect(c);
      return access::release(s);
    } else {
      (void)maker, (void)c;
      return made_by_default<S>();
    }
  }
  static void refused(rws_reactor *r, rws_refusal *why, void *u) noexcept {
    const in_callback here(r);
    node *n = static_cast<node *>(u);
    if (n->is_session) {
      if constexpr (has_on_refused<S>()) session_calls<S>::of(u).on_refused(reactor(r), *why);
      why->retry_ms = 0;
      session_of(u)->destroy(session_of(u));
    } else {
      if constexpr (has_on_refused<C>()) access::of_node<C>(n).on_refused(reactor(r), *why);
    }
  }
  static rws_callbacks callbacks() noexcept {
    is_maker<C>();
    rws_callbacks cb = RWS_INIT(rws_callbacks);
    session_calls<S>::fill(cb);
    cb.on_refused = refused;
    cb.on_open = [](rws_reactor *r, rws_conn c, void *u) noexcept {
      const in_callback here(r);
      node *n = static_cast<node *>(u);
      if (!n->is_session) {
        n = make(n, connection(r, c));
        (void)rws_set_user(r, c, n);
      }
      session_calls<S>::open(r, c, static_cast<session_node *>(n));
    };
    return cb;
  }
};

}  // namespace detail

template <class C>
result<rws_dial> handle::dial(rws_target to, detail::node *user) const noexcept {
  const rws_callbacks cb = detail::connector_calls<C>::callbacks();
  to.callbacks = &cb;
  to.user = user;
  rws_dial made{};
  rws_error err{};
  if (rws_engine_connect(e_, &to, &made, &err) < 0) return err;
  return made;
}

template <class S>
result<rws_dial> handle::connect(const rws_target &to, session_ptr<S> session) const noexcept {
  if (!session) return detail::error_of(RWS_E_INVALID, "no session");
  if (to.retry_min_ms != 0)
    return detail::error_of(RWS_E_INVALID, "retry_min_ms: a session is for one connection, "
                                           "give a connector");
  detail::session_node *n = detail::access::release(session);
  n->once = true;
  result<rws_dial> made = dial<connector<S>>(to, n);
  if (!made) n->destroy(n);
  return made;
}

template <class S>
result<void> handle::adopt(rws_adopt a, session_ptr<S> session) const noexcept {
  if (!session) return detail::error_of(RWS_E_INVALID, "no session");
  detail::session_node *n = detail::access::release(session);
  detail::node *user = n;
  a.flags |= RWS_ADOPT_UPGRADED;
  a.user = user;
  a.on_unopened = detail::session_calls<S>::unopened;
  rws_error err{};
  if (rws_engine_adopt(e_, &a, &err) == RWS_OK) return {};
  n->destroy(n);
  return err;
}

// Some paths of an endpoint, which have an acceptor of their own; for engine::listen.  It borrows
// what it is given.
class route {
  rws_callbacks callbacks_;
  rws_route raw_{};

 public:
  // path: `/exact`, `/by/{name}` or `/below/{*rest}`: see rws_route.  options and origins: those of
  // the endpoint, if nullptr.
  template <class A>
  route(const char *path, A &acceptor, const rws_options *options = nullptr,
        const char *origins = nullptr) noexcept
      : callbacks_(detail::acceptor_calls<A>::callbacks()) {
    raw_.path = path;
    raw_.user = detail::access::node_of(acceptor);
    raw_.options = options;
    raw_.origins = origins;
  }
  // As the C API has it, borrowed from this.
  rws_route view() const noexcept {
    rws_route raw = raw_;
    raw.callbacks = &callbacks_;
    return raw;
  }
};

/* ---- Engines --------------------------------------------------------------------------------- */

// Owns an engine: its threads end with it, without grace, within its destructor.  Move-only.
// Acceptors, connectors and hooks must outlive it.
class engine : public handle {
  explicit engine(rws_engine *made) noexcept : handle(made) {}

  static result<engine> make_of(const rws_config &config) noexcept {
    rws_engine *made = nullptr;
    rws_error err{};
    if (rws_engine_new(&config, &made, &err) < 0) return err;
    return engine(made);
  }
  static bool has_hooks(const rws_config &c) noexcept {
    return c.on_start || c.on_stop || c.on_stopped || c.on_log || c.on_topic || c.on_gap ||
           c.on_bus || c.on_late || c.user;
  }
  static result<void> done(rws_status status, const rws_error &err) noexcept {
    if (status < 0) return err;
    return {};
  }

 public:
  // None.
  engine() noexcept = default;
  // Takes it over; other is none.
  engine(engine &&other) noexcept : handle(std::exchange(other.e_, nullptr)) {}
  engine &operator=(engine &&other) noexcept {
    if (this != &other) rws_engine_free(std::exchange(e_, std::exchange(other.e_, nullptr)));
    return *this;
  }
  engine(const engine &) = delete;
  engine &operator=(const engine &) = delete;
  ~engine() { rws_engine_free(e_); }

  // One reactor per CPU, unless config says otherwise; no thread yet.  Its hooks are filled in:
  // RWS_E_INVALID if some are set.  Others: see rws_engine_new.
  static result<engine> make(rws_config config = RWS_INIT(rws_config)) noexcept {
    struct none {
      void on_stop(reactor) {}
    };
    static none hooks;
    return make(config, hooks);
  }
  // The same, with those of on_start(rws::reactor), on_stop(rws::reactor), on_stopped(rws::handle),
  // on_log(int, std::string_view), on_topic(rws::reactor, std::string_view topic, bool begins),
  // on_gap(rws::reactor, std::string_view topic, const rws_gap &),
  // on_late(rws::connection, std::string_view topic) and
  // on_bus(bool up, std::string_view why) that H has: see rws_config.  hooks must outlive the
  // engine; several threads call it at once.
  template <class H> static result<engine> make(rws_config config, H &hooks) noexcept {
    using namespace detail;
    constexpr bool any = has_on_start<H>() || has_on_stop<H>() || has_on_stopped<H>() ||
                         has_on_log<H>() || has_on_topic<H>() || has_on_gap<H>() ||
                         has_on_late<H>() || has_on_bus<H>();
    static_assert(any, "no member is on_start, on_stop, on_stopped, on_log, on_topic, on_gap, "
                       "on_late or on_bus");
    if (has_hooks(config)) return error_of(RWS_E_INVALID, "hooks of a rws_config: give an object");
    config.user = std::addressof(hooks);
    if constexpr (has_on_start<H>())
      config.on_start = [](rws_reactor *r, void *u) noexcept {
        const in_callback here(r);
        static_cast<H *>(u)->on_start(reactor(r));
      };
    config.on_stop = [](rws_reactor *r, void *u) noexcept {
      const in_callback here(r);
      end_all(r);
      if constexpr (has_on_stop<H>()) static_cast<H *>(u)->on_stop(reactor(r));
      end_all(r);
      (void)u;
    };
    if constexpr (has_on_stopped<H>())
      config.on_stopped = [](rws_engine *e, void *u) noexcept {
        static_cast<H *>(u)->on_stopped(handle(e));
      };
    if constexpr (has_on_log<H>())
      config.on_log = [](int level, rws_bytes line, void *u) noexcept {
        static_cast<H *>(u)->on_log(level, view(line));
      };
    if constexpr (has_on_topic<H>())
      config.on_topic = [](rws_reactor *r, rws_bytes topic, int begins, void *u) noexcept {
        const in_callback here(r);
        static_cast<H *>(u)->on_topic(reactor(r), view(topic), begins != 0);
      };
    if constexpr (has_on_gap<H>())
      config.on_gap = [](rws_reactor *r, rws_bytes topic, const rws_gap *gap, void *u) noexcept {
        const in_callback here(r);
        static_cast<H *>(u)->on_gap(reactor(r), view(topic), *gap);
      };
    if constexpr (has_on_late<H>())
      config.on_late = [](rws_reactor *r, rws_conn c, rws_bytes topic, void *u) noexcept {
        const in_callback here(r);
        static_cast<H *>(u)->on_late(connection(r, c), view(topic));
      };
    if constexpr (has_on_bus<H>())
      config.on_bus = [](int up, rws_bytes why, void *u) noexcept {
        static_cast<H *>(u)->on_bus(up != 0, view(why));
      };
    return make_of(config);
  }

  // Before start: serves an endpoint with an acceptor, and some of its paths with others.
  // at.callbacks and at.user are filled in.  The port: the system's choice for 0.  Failure: see
  // rws_engine_listen; RWS_E_INVALID also for at.routes beside routes.
  template <class A, class... R>
  result<std::uint16_t> listen(rws_endpoint at, A &acceptor, const R &...routes) noexcept {
    static_assert((std::is_same_v<R, route> && ...), "behind the acceptor come rws::route");
    const rws_callbacks cb = detail::acceptor_calls<A>::callbacks();
    const rws_route all[sizeof...(R) + 1] = {routes.view()..., rws_route{}};
    if (sizeof...(R) != 0) {
      if (at.routes != nullptr) return detail::error_of(RWS_E_INVALID, "routes are given twice");
      at.routes = all;
      at.routes_len = sizeof...(R);
    }
    at.callbacks = &cb;
    at.user = detail::access::node_of(acceptor);
    std::uint16_t port = 0;
    rws_error err{};
    if (rws_engine_listen(e_, &at, &port, &err) < 0) return err;
    return port;
  }
  // On every address, with all defaults.
  template <class A, class... R>
  result<std::uint16_t> listen(std::uint16_t port, A &acceptor, const R &...routes) noexcept {
    rws_endpoint at = RWS_INIT(rws_endpoint);
    at.port = port;
    return listen(at, acceptor, routes...);
  }
  // Before start: topics cross machines over a NATS broker.  Failure: see rws_engine_nats.
  result<void> nats(const rws_nats_options &options) noexcept {
    rws_error err{};
    const rws_status status = rws_engine_nats(e_, &options, &err);
    return done(status, err);
  }
  // Before listen: takes the place of the process at the other end of a connected Unix socket.  fd is
  // the engine's with success alone: see rws_engine_take_over.
  result<void> take_over(int fd, std::uint32_t timeout_ms = 5000) noexcept {
    rws_error err{};
    if (rws_engine_take_over(e_, fd, timeout_ms, &err) < 0) return err;
    return {};
  }
  // Makes the threads.  Failure: see rws_engine_start; the engine is to be freed.
  result<void> start() noexcept {
    rws_error err{};
    const rws_status status = rws_engine_start(e_, &err);
    return done(status, err);
  }
  // Until the reactors have ended; failure: one has failed before.
  result<void> wait() noexcept {
    const rws_status status = rws_engine_wait(e_);
    return done(status, detail::error_of(status));
  }
  // On a thread of yours: makes one of the config's `attached` reactors, whose turns are due when
  // the descriptor is readable that is returned; it is yours to close.
  result<int> attach(std::uint32_t reactor) noexcept {
    int fd = -1;
    rws_error err{};
    if (rws_engine_attach(e_, reactor, &fd, &err) < 0) return err;
    return fd;
  }
  // A turn of the reactor that this thread has attached.  false: it was the last.
  result<bool> turn() noexcept {
    const rws_status status = rws_engine_turn(e_);
    if (status == RWS_OK || status == RWS_E_ENDED) return status == RWS_OK;
    return detail::error_of(status);
  }
};

} // namespace rws
#endif // RINGWS_HPP
