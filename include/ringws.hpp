// ringws.hpp - header-only RAII over ringws.h.  C++17.  No allocation of its own, no virtual call.
//
// A handler is any class with one or more of these members; they may be static, const, or take
// less qualified arguments, and return nothing but the answers of on_upgrade and on_origin:
//
//   int  on_upgrade(rws::reactor, rws::upgrade);               101 accepts, 300..599 refuses,
//                                                              RWS_LATER after up.later() waits
//   bool on_origin (rws::reactor, rws::upgrade);               true lets on_upgrade decide
//   void on_request(rws::reactor, rws::request);               answer it, or it is 404
//   void on_gone   (rws::reactor, rws_later);                  nobody waits for the answer
//   void on_open   (rws::reactor, rws_conn);
//   void on_message(rws::reactor, rws_conn, const rws_message &);
//   void on_pong   (rws::reactor, rws_conn, std::string_view);
//   void on_drain  (rws::reactor, rws_conn);
//   void on_close  (rws::reactor, rws_conn, rws_close_info &);
//   void on_refused(rws::reactor, rws_refusal &);              instead of on_open and on_close
//
// A member of such a name that cannot be called so, or returns something else, does not compile.
// (C++17 cannot tell a private member, or some sets of overloads, from none in a class that is
// `final` or a union: leave `final` off while you write one.)
// An exception that leaves a member ends the program: it must not cross the engine.
// Every reactor's thread calls the one handler given to listen: keep it stateless, or per
// connection (reactor::set_handler), or locked.  It must live as long as the engine; for how long
// those of connect and set_handler must live, they say.
//
// With exceptions off (-fno-exceptions) only the functions that begin with try_ are there.
#ifndef RINGWS_HPP
#define RINGWS_HPP

#include <ringws.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#if defined(__cpp_exceptions)
# include <stdexcept>
#endif

// Handles as keys, where the language looks for them: beside their types.
inline bool operator==(rws_conn a, rws_conn b) noexcept { return a.id == b.id; }
inline bool operator!=(rws_conn a, rws_conn b) noexcept { return a.id != b.id; }
template <> struct std::hash<rws_conn> {
  std::size_t operator()(rws_conn c) const noexcept { return std::hash<std::uint64_t>{}(c.id); }
};

inline bool operator==(rws_later a, rws_later b) noexcept { return a.id == b.id; }
inline bool operator!=(rws_later a, rws_later b) noexcept { return a.id != b.id; }
template <> struct std::hash<rws_later> {
  std::size_t operator()(rws_later l) const noexcept { return std::hash<std::uint64_t>{}(l.id); }
};

namespace rws {

// Views: borrowed bytes, gone when what they came from is.

inline std::string_view view(const rws_message &m) noexcept {
  return {reinterpret_cast<const char *>(m.data), m.len};
}
inline std::string_view view(rws_bytes b) noexcept {
  return {reinterpret_cast<const char *>(b.data), b.len};
}
inline rws_bytes bytes(std::string_view s) noexcept {
  return {reinterpret_cast<const std::uint8_t *>(s.data()), s.size()};
}

// The number of the reactor that a connection belongs to.
inline std::uint32_t reactor_of(rws_conn c) noexcept { return rws_conn_reactor(c); }
inline std::uint32_t reactor_of(rws_later l) noexcept { return rws_later_reactor(l); }

// The C functions that the engine calls: noexcept is part of their type.
using job = void (*)(rws_reactor *, void *) noexcept;
using release_fn = void (*)(void *) noexcept;

// An outgoing message: copies share it.  Empty when it could not be made: err says why.
class buf {
  rws_buf *b_ = nullptr;

 public:
  buf() noexcept = default;
  explicit buf(rws_buf *owned) noexcept : b_(owned) {}
  buf(rws_opcode op, std::string_view data, std::uint32_t flags = 0,
      rws_error *err = nullptr) noexcept {
    if (rws_buf_new(op, data.data(), data.size(), flags, &b_, err) < 0) b_ = nullptr;
  }
  // Without a copy: data stays until release(arg), on any thread, exactly once; if the buf is
  // empty, release is not called.
  static buf wrap(rws_opcode op, std::string_view data, release_fn release, void *arg,
                  std::uint32_t flags = 0, rws_error *err = nullptr) noexcept {
    rws_buf *made = nullptr;
    return rws_buf_wrap(op, data.data(), data.size(), flags, release, arg, &made, err) < 0
               ? buf()
               : buf(made);
  }
  buf(const buf &other) noexcept : b_(rws_buf_retain(other.b_)) {}
  buf(buf &&other) noexcept : b_(std::exchange(other.b_, nullptr)) {}
  buf &operator=(buf other) noexcept {
    std::swap(b_, other.b_);
    return *this;
  }
  ~buf() { rws_buf_release(b_); }
  explicit operator bool() const noexcept { return b_ != nullptr; }
  // What is in it: valid for as long as it, or a copy of it, is there.
  std::string_view data() const noexcept { return view(rws_buf_data(b_, nullptr)); }
  rws_opcode opcode() const noexcept { // 0: empty
    rws_opcode op = 0;
    (void)rws_buf_data(b_, &op);
    return op;
  }
  rws_buf *get() const noexcept { return b_; }
  rws_buf *release() noexcept { return std::exchange(b_, nullptr); }
};

// One side of TLS for endpoints (at.tls = t.get()): copies share it.  Empty when it could not be
// made: err says why.
class tls {
  rws_tls *t_ = nullptr;

 public:
  tls() noexcept = default;
  explicit tls(rws_tls *owned) noexcept : t_(owned) {}
  static tls server(std::string_view chain_pem, std::string_view key_pem,
                    rws_error *err = nullptr) noexcept {
    rws_tls *made = nullptr;
    return rws_tls_server(bytes(chain_pem), bytes(key_pem), &made, err) < 0 ? tls() : tls(made);
  }
  static tls server(const rws_tls_config &config, rws_error *err = nullptr) noexcept {
    rws_tls *made = nullptr;
    return rws_tls_server_new(&config, &made, err) < 0 ? tls() : tls(made);
  }
  // No roots: those of the system.
  static tls client(std::string_view roots_pem = {}, rws_error *err = nullptr) noexcept {
    rws_tls *made = nullptr;
    return rws_tls_client(bytes(roots_pem), &made, err) < 0 ? tls() : tls(made);
  }
  // Accepts exactly this certificate of a server.
  static tls client_pinned(std::string_view pinned_pem, rws_error *err = nullptr) noexcept {
    rws_tls *made = nullptr;
    return rws_tls_client_pinned(bytes(pinned_pem), &made, err) < 0 ? tls() : tls(made);
  }
  static tls client(const rws_tls_config &config, rws_error *err = nullptr) noexcept {
    rws_tls *made = nullptr;
    return rws_tls_client_new(&config, &made, err) < 0 ? tls() : tls(made);
  }
  tls(const tls &other) noexcept : t_(rws_tls_retain(other.t_)) {}
  tls(tls &&other) noexcept : t_(std::exchange(other.t_, nullptr)) {}
  tls &operator=(tls other) noexcept {
    std::swap(t_, other.t_);
    return *this;
  }
  ~tls() { rws_tls_release(t_); }
  explicit operator bool() const noexcept { return t_ != nullptr; }
  rws_tls *get() const noexcept { return t_; }
  RWS_MUST_USE rws_status reload(const rws_tls_config &config,
                                 rws_error *err = nullptr) const noexcept {
    return rws_tls_reload(t_, &config, err);
  }
};

namespace detail {
// C functions over members: T::f(reactor), or a free function or lambda f(reactor, T &).
template <auto F, class T> void call(rws_reactor *r, void *arg) noexcept;

// What callbacks of H's will be given: where the H in handler is, which need not be where it begins.
template <class H, class D> void *handler_pointer(D &handler) noexcept {
  static_assert(!std::is_void_v<H>,
                "set_handler<H>(...): name the class that was given to listen or connect");
  static_assert(std::is_void_v<H> || std::is_convertible_v<D *, H *>,
                "the handler is not of the class that set_handler<H> names, nor derived from it");
  if constexpr (std::is_convertible_v<D *, H *>) {
    H *typed = std::addressof(handler);
    return typed;
  } else {
    return nullptr;
  }
}
}  // namespace detail

// The engine as any thread may use it: a pointer with methods, valid until the engine is freed.
class handle {
 protected:
  rws_engine *e_ = nullptr;

 public:
  handle() noexcept = default;
  explicit handle(rws_engine *e) noexcept : e_(e) {}
  rws_engine *get() const noexcept { return e_; }

  rws_status send(rws_conn c, rws_opcode op, std::string_view data,
                  std::uint32_t flags = 0) const noexcept {
    return rws_engine_send(e_, c, op, data.data(), data.size(), flags);
  }
  rws_status send(rws_conn c, const buf &b) const noexcept {
    return rws_engine_send_buf(e_, c, b.get());
  }
  rws_status send_latest(rws_conn c, std::uint64_t key, const buf &b) const noexcept {
    return rws_engine_send_latest(e_, c, key, b.get());
  }
  rws_status close(rws_conn c, std::uint16_t code = RWS_CLOSE_NORMAL,
                   std::string_view reason = {}) const noexcept {
    return rws_engine_close(e_, c, code, bytes(reason));
  }
  rws_status abort(rws_conn c) const noexcept { return rws_engine_abort(e_, c); }
  rws_status pause(rws_conn c) const noexcept { return rws_engine_pause(e_, c); }
  rws_status resume(rws_conn c) const noexcept { return rws_engine_resume(e_, c); }
  rws_status post(std::uint32_t reactor, job fn, void *arg) const noexcept {
    return rws_engine_post(e_, reactor, fn, arg);
  }
  // post<&T::member>(0, object): object must live until the call.
  template <auto F, class T> rws_status post(std::uint32_t reactor, T &object) const noexcept {
    return rws_engine_post(e_, reactor, detail::call<F, T>, std::addressof(object));
  }
  // A connection that you have accepted; a.fd is the engine's with RWS_OK alone.
  RWS_MUST_USE rws_status try_adopt(const rws_adopt &a, rws_error *err = nullptr) const noexcept {
    return rws_engine_adopt(e_, &a, err);
  }
  // The same; try_adopt<H>(a, handler): the handler of this connection, as set_handler, which is a
  // class that was given to listen.
  template <class H = void, class D>
  RWS_MUST_USE rws_status try_adopt(rws_adopt a, D &handler,
                                    rws_error *err = nullptr) const noexcept {
    a.user = detail::handler_pointer<H>(handler);
    return rws_engine_adopt(e_, &a, err);
  }
  std::size_t buffered(rws_conn c) const noexcept { return rws_engine_buffered(e_, c); }
  // To an upgrade that was left for later: 101.  accept<H>(l, handler): the handler of the
  // connection, as set_handler; of RWS_OK its on_open follows, or its on_gone.
  template <class H = void, class D>
  rws_status accept(rws_later l, D &handler, const char *protocol = nullptr,
                    const char *headers = nullptr) const noexcept {
    rws_response a = RWS_INIT(rws_response);
    a.status = 101;
    a.headers = headers;
    a.protocol = protocol;
    return rws_engine_answer(e_, l, &a, detail::handler_pointer<H>(handler));
  }
  // Any other answer to an upgrade or a request that was left for later.
  rws_status answer(rws_later l, std::uint32_t status, std::string_view body = {},
                    const char *headers = nullptr) const noexcept {
    rws_response a = RWS_INIT(rws_response);
    a.status = status;
    a.headers = headers;
    a.body = bytes(body);
    return rws_engine_answer(e_, l, &a, nullptr);
  }
  // To all members of a topic but one.
  rws_status publish(std::string_view topic, const buf &b, rws_conn except = {}) const noexcept {
    return rws_engine_publish(e_, bytes(topic), b.get(), except);
  }
  // The same; when_full (RWS_WHEN_FULL_*) in the place of the members' own.
  rws_status publish_with(std::string_view topic, const buf &b, std::uint32_t when_full,
                          rws_conn except = {}) const noexcept {
    return rws_engine_publish_with(e_, bytes(topic), b.get(), except, when_full);
  }
  // In the place of the one of that key that waits for a member.
  rws_status publish_latest(std::string_view topic, std::uint64_t key, const buf &b,
                            rws_conn except = {}) const noexcept {
    return rws_engine_publish_latest(e_, bytes(topic), key, b.get(), except);
  }
  std::size_t members(std::string_view topic) const noexcept {
    return rws_engine_topic_members(e_, bytes(topic));
  }
  rws_status stats(rws_stats &out, std::uint32_t reactor = RWS_ANY_REACTOR) const noexcept {
    out.size = static_cast<std::uint32_t>(sizeof out);
    return rws_engine_stats(e_, reactor, &out);
  }
  // As snprintf: the text for Prometheus, and its whole length.
  std::size_t metrics(char *out, std::size_t size) const noexcept {
    return rws_engine_metrics(e_, out, size);
  }
  std::size_t values(rws_metric *out, std::size_t max,
                     std::uint32_t reactor = RWS_ANY_REACTOR) const noexcept {
    return rws_engine_values(e_, reactor, out, max);
  }
  // which: RWS_HIST_*; part: 0.99, ...
  std::uint64_t quantile(std::uint32_t which, double part,
                         std::uint32_t reactor = RWS_ANY_REACTOR) const noexcept {
    return rws_engine_quantile(e_, reactor, which, part);
  }
  // Connects to a server: to.callbacks and to.user are filled in.  The handler must live until an
  // on_close or on_refused with retry_ms 0 has returned, or the engine has been freed.  If this
  // fails, it is not used.
  template <class H>
  RWS_MUST_USE rws_status try_connect(rws_target to, H &handler, rws_error *err = nullptr,
                                      rws_dial *out = nullptr) const noexcept;
  // Gives it up, and its retries: on_refused follows, unless it is open.
  rws_status cancel_connect(rws_dial d) const noexcept { return rws_engine_connect_cancel(e_, d); }
  void stop(std::uint32_t grace_ms = 5000) const noexcept { rws_engine_stop(e_, grace_ms); }
  rws_status drain(const rws_drain &how = RWS_INIT(rws_drain)) const noexcept {
    return rws_engine_drain(e_, &how);
  }
  // done(handle, const rws_drained &) when it is drained, on a reactor's thread: see on_drained.
  // It must live until then, or until the engine has been freed.
  template <class F> rws_status drain(rws_drain how, F &done) const noexcept {
    how.user = std::addressof(done);
    how.on_drained = [](rws_engine *e, const rws_drained *counts, void *u) noexcept {
      (*static_cast<F *>(u))(handle{e}, *counts);
    };
    return rws_engine_drain(e_, &how);
  }
};

// The reactor of the thread you are called on: a lent pointer with methods; never store one.
class reactor {
  rws_reactor *r_;

 public:
  explicit reactor(rws_reactor *r) noexcept : r_(r) {}
  rws_reactor *get() const noexcept { return r_; }

  rws_status send(rws_conn c, rws_opcode op, std::string_view data,
                  std::uint32_t flags = 0) const noexcept {
    return rws_send(r_, c, op, data.data(), data.size(), flags);
  }
  rws_status send(rws_conn c, const buf &b) const noexcept {
    return rws_send_buf(r_, c, b.get());
  }
  rws_status send_latest(rws_conn c, std::uint64_t key, const buf &b) const noexcept {
    return rws_send_latest(r_, c, key, b.get());
  }
  rws_status close(rws_conn c, std::uint16_t code = RWS_CLOSE_NORMAL,
                   std::string_view reason = {}) const noexcept {
    return rws_close(r_, c, code, bytes(reason));
  }
  rws_status abort(rws_conn c) const noexcept { return rws_abort(r_, c); }
  // Its open connections: writes at most max, returns how many there are.
  std::size_t conns(rws_conn *out, std::size_t max) const noexcept {
    return rws_reactor_conns(r_, out, max);
  }
  rws_status pause(rws_conn c) const noexcept { return rws_pause(r_, c); }
  rws_status resume(rws_conn c) const noexcept { return rws_resume(r_, c); }
  std::size_t buffered(rws_conn c) const noexcept { return rws_buffered(r_, c); }
  std::uint32_t queue_age_ms(rws_conn c) const noexcept { return rws_queue_age_ms(r_, c); }
  std::uint32_t dropped(rws_conn c) const noexcept { return rws_conn_dropped(r_, c); }
  // 0: send_queue_max and queue_age_max_ms of its options.
  rws_status set_when_full(rws_conn c, std::uint32_t when_full, std::uint32_t send_queue_max = 0,
                           std::uint32_t queue_age_max_ms = 0) const noexcept {
    return rws_set_when_full(r_, c, when_full, send_queue_max, queue_age_max_ms);
  }
  rws_status peer(rws_conn c, rws_address &out) const noexcept { return rws_peer(r_, c, &out); }
  // On a Unix socket.
  rws_status credentials(rws_conn c, rws_credentials &out) const noexcept {
    return rws_peer_credentials(r_, c, &out);
  }
  // Of the last Ping of the engine; 0: none was answered yet.
  std::uint32_t rtt_us(rws_conn c) const noexcept { return rws_rtt_us(r_, c); }
  rws_status join(rws_conn c, std::string_view topic) const noexcept {
    return rws_join(r_, c, bytes(topic));
  }
  rws_status leave(rws_conn c, std::string_view topic) const noexcept {
    return rws_leave(r_, c, bytes(topic));
  }
  // To all members of a topic, on whatever reactor, but one.
  rws_status publish(std::string_view topic, const buf &b, rws_conn except = {}) const noexcept {
    return rws_publish(r_, bytes(topic), b.get(), except);
  }
  // The same; when_full (RWS_WHEN_FULL_*) in the place of the members' own.
  rws_status publish_with(std::string_view topic, const buf &b, std::uint32_t when_full,
                          rws_conn except = {}) const noexcept {
    return rws_publish_with(r_, bytes(topic), b.get(), except, when_full);
  }
  // In the place of the one of that key that waits for a member.
  rws_status publish_latest(std::string_view topic, std::uint64_t key, const buf &b,
                            rws_conn except = {}) const noexcept {
    return rws_publish_latest(r_, bytes(topic), key, b.get(), except);
  }
  // Those of this reactor; engine().members(topic): of all.
  std::size_t members(std::string_view topic) const noexcept {
    return rws_reactor_topic_members(r_, bytes(topic));
  }
  // In on_refused; an absent header has data() == nullptr.
  std::string_view refusal_header(const rws_refusal &why, const char *name) const noexcept {
    return view(rws_refusal_header(&why, name));
  }
  // In on_open of a connection that was made with connect. An absent header has
  // data() == nullptr.
  std::string_view answer_header(rws_conn c, const char *name) const noexcept {
    return view(rws_answer_header(r_, c, name));
  }
  // Empty when it cannot be kept: err says why.
  buf retain(const rws_message &m, rws_error *err = nullptr) const noexcept {
    rws_buf *kept = nullptr;
    return rws_message_retain(r_, &m, &kept, err) < 0 ? buf() : buf(kept);
  }

  // set_handler<H>(c, handler): the handler of one connection from now on.  H is the class that was
  // given to listen or connect, by name: what is stored is a pointer to the H in handler, which may
  // be of a class derived from it.  It must live until its on_close has returned; with
  // retry_min_ms, the next try begins with the handler given to connect.
  // RWS_E_STATE: another reactor's connection.
  template <class H = void, class D>
  rws_status set_handler(rws_conn c, D &handler) const noexcept {
    return rws_set_user(r_, c, detail::handler_pointer<H>(handler));
  }
  // As H was named to set_handler, or given to listen or connect.
  template <class H> H *get_handler(rws_conn c) const noexcept {
    return static_cast<H *>(rws_get_user(r_, c));
  }

  rws_status start_timer(std::uint32_t ms, job fn, void *arg,
                         rws_timer *out = nullptr) const noexcept {
    return rws_timer_start(r_, ms, fn, arg, out);
  }
  // start_timer<&T::member>(ms, object): object must live until the call, or the cancel.
  template <auto F, class T>
  rws_status start_timer(std::uint32_t ms, T &object, rws_timer *out = nullptr) const noexcept {
    return rws_timer_start(r_, ms, detail::call<F, T>, std::addressof(object), out);
  }
  // After first_ms, and then every every_ms, until it is cancelled, in its own call too.
  rws_status repeat_timer(std::uint32_t first_ms, std::uint32_t every_ms, job fn, void *arg,
                          rws_timer *out = nullptr) const noexcept {
    return rws_timer_repeat(r_, first_ms, every_ms, fn, arg, out);
  }
  // repeat_timer<&T::member>(first_ms, every_ms, object): object must live until the cancel.
  template <auto F, class T>
  rws_status repeat_timer(std::uint32_t first_ms, std::uint32_t every_ms, T &object,
                          rws_timer *out = nullptr) const noexcept {
    return rws_timer_repeat(r_, first_ms, every_ms, detail::call<F, T>, std::addressof(object),
                            out);
  }
  rws_status cancel_timer(rws_timer t) const noexcept { return rws_timer_cancel(r_, t); }

  handle engine() const noexcept { return handle(rws_reactor_engine(r_)); }
  std::uint32_t index() const noexcept { return rws_reactor_index(r_); }
  void *user() const noexcept { return rws_reactor_user(r_); }
  void set_user(void *user) const noexcept { rws_reactor_set_user(r_, user); }
};

// What a client asks for; never store one.  What is absent has data() == nullptr.
class asked {
  const rws_request *q_;

 public:
  explicit asked(const rws_request *q) noexcept : q_(q) {}
  std::string_view method() const noexcept { return view(rws_request_method(q_)); }
  std::string_view path() const noexcept { return view(rws_request_path(q_)); } // decoded
  std::string_view target() const noexcept { return view(rws_request_target(q_)); }
  std::string_view query() const noexcept { return view(rws_request_query(q_)); }
  std::string_view query_param(const char *name) const noexcept {
    return view(rws_request_query_param(q_, name));
  }
  // Of the path of its route.
  std::string_view param(const char *name) const noexcept {
    return view(rws_request_param(q_, name));
  }
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
  std::string_view server_name() const noexcept { return view(rws_request_server_name(q_)); }
  std::string_view peer_certificate() const noexcept {
    return view(rws_request_peer_certificate(q_));
  }
  // Of the PROXY header, with proxy_from: RWS_TLV_*. Absent ones have data() == nullptr.
  std::string_view proxy_tlv(std::uint32_t type) const noexcept {
    return view(rws_request_proxy_tlv(q_, type));
  }
  // The proxy's own address; RWS_E_STATE: no proxy.
  rws_status proxy(rws_address &out) const noexcept { return rws_request_proxy(q_, &out); }
};

// An HTTP request that is no upgrade; never store one.
class request : public asked {
  rws_request *q_;

 public:
  explicit request(rws_request *q) noexcept : asked(q), q_(q) {}
  rws_request *get() const noexcept { return q_; }
  // headers: "Name: value", several with "\n" between them.
  rws_status answer(std::uint32_t status, std::string_view body = {},
                    const char *headers = nullptr) const noexcept {
    rws_response a = RWS_INIT(rws_response);
    a.status = status;
    a.headers = headers;
    a.body = bytes(body);
    return rws_request_answer(q_, &a);
  }
  // For handle::answer; 0 if it cannot be.
  rws_later later() const noexcept {
    rws_later l{};
    return rws_request_later(q_, &l) == RWS_OK ? l : rws_later{};
  }
  // With the text for Prometheus.
  rws_status metrics(reactor r) const noexcept { return rws_request_metrics(r.get(), q_); }
};

// An HTTP upgrade in progress; never store one.
class upgrade {
  rws_upgrade *up_;

 public:
  explicit upgrade(rws_upgrade *up) noexcept : up_(up) {}
  rws_upgrade *get() const noexcept { return up_; }

  rws::asked asked() const noexcept { return rws::asked(rws_upgrade_request(up_)); }
  std::string_view target() const noexcept { return view(rws_upgrade_target(up_)); }
  std::string_view path() const noexcept { return view(rws_upgrade_path(up_)); } // decoded
  // An absent header has data() == nullptr.
  std::string_view header(const char *name) const noexcept {
    return view(rws_upgrade_header(up_, name));
  }
  rws_status peer(rws_address &out) const noexcept { return rws_upgrade_peer(up_, &out); }
  // Of TLS; absent ones have data() == nullptr.
  std::string_view server_name() const noexcept { return view(rws_upgrade_server_name(up_)); }
  std::string_view peer_certificate() const noexcept {
    return view(rws_upgrade_peer_certificate(up_));
  }
  rws_status protocol(const char *name) const noexcept { return rws_upgrade_protocol(up_, name); }
  rws_status add_header(const char *name, std::string_view value) const noexcept {
    return rws_upgrade_add_header(up_, name, bytes(value));
  }
  rws_status body(std::string_view text) const noexcept {
    return rws_upgrade_body(up_, bytes(text));
  }
  // For handle::accept and handle::answer: return RWS_LATER.  0 if it cannot be.
  rws_later later() const noexcept {
    rws_later l{};
    return rws_upgrade_later(up_, &l) == RWS_OK ? l : rws_later{};
  }
  // To the reactor that is to have it, where on_upgrade is called again; with RWS_OK what it returns
  // here is ignored.
  RWS_MUST_USE rws_status move_to(std::uint32_t reactor) const noexcept {
    return rws_upgrade_move(up_, reactor);
  }
  // Another reactor has moved it here.
  bool moved() const noexcept { return rws_upgrade_moved(up_) != 0; }
  // set_handler<H>(handler): the handler of this connection, as reactor::set_handler.
  template <class H = void, class D> void set_handler(D &handler) const noexcept {
    rws_upgrade_set_user(up_, detail::handler_pointer<H>(handler));
  }
};

namespace detail {

template <auto F, class T> void call(rws_reactor *r, void *arg) noexcept {
  T &object = *static_cast<T *>(arg);
  if constexpr (std::is_member_function_pointer_v<decltype(F)>)
    (object.*F)(reactor{r});
  else
    F(reactor{r}, object);
}

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
// Not a bool: true is no answer.
template <class R> inline constexpr bool is_int = std::is_convertible_v<R, int> && !is_bool<R>;
RWS_DETAIL_CALLBACK(on_upgrade, int, "(rws::reactor, rws::upgrade)", reactor, upgrade)
RWS_DETAIL_CALLBACK(on_origin, bool, "(rws::reactor, rws::upgrade)", reactor, upgrade)
RWS_DETAIL_CALLBACK(on_request, nothing, "(rws::reactor, rws::request)", reactor, request)
RWS_DETAIL_CALLBACK(on_gone, nothing, "(rws::reactor, rws_later)", reactor, rws_later)
RWS_DETAIL_CALLBACK(on_open, nothing, "(rws::reactor, rws_conn)", reactor, rws_conn)
RWS_DETAIL_CALLBACK(on_message, nothing, "(rws::reactor, rws_conn, const rws_message &)", reactor,
                    rws_conn, const rws_message &)
RWS_DETAIL_CALLBACK(on_pong, nothing, "(rws::reactor, rws_conn, std::string_view)", reactor,
                    rws_conn, std::string_view)
RWS_DETAIL_CALLBACK(on_drain, nothing, "(rws::reactor, rws_conn)", reactor, rws_conn)
RWS_DETAIL_CALLBACK(on_close, nothing, "(rws::reactor, rws_conn, rws_close_info &)", reactor,
                    rws_conn, rws_close_info &)
RWS_DETAIL_CALLBACK(on_refused, nothing, "(rws::reactor, rws_refusal &)", reactor, rws_refusal &)
RWS_DETAIL_CALLBACK(on_start, nothing, "(rws::reactor)", reactor)
RWS_DETAIL_CALLBACK(on_stop, nothing, "(rws::reactor)", reactor)
RWS_DETAIL_CALLBACK(on_stopped, nothing, "(rws::handle)", handle)
RWS_DETAIL_CALLBACK(on_log, nothing, "(int, std::string_view)", int, std::string_view)
RWS_DETAIL_CALLBACK(on_topic, nothing, "(rws::reactor, std::string_view, bool)", reactor,
                    std::string_view, bool)
#undef RWS_DETAIL_CALLBACK

}  // namespace detail

// One noexcept function per member that H has; the user pointer is an H *.
template <class H> rws_callbacks callbacks() noexcept {
  rws_callbacks cb = RWS_INIT(rws_callbacks);
  constexpr bool any = detail::has_on_upgrade<H>() || detail::has_on_open<H>() ||
                       detail::has_on_message<H>() || detail::has_on_pong<H>() ||
                       detail::has_on_drain<H>() || detail::has_on_close<H>() ||
                       detail::has_on_origin<H>() || detail::has_on_request<H>() ||
                       detail::has_on_refused<H>() || detail::has_on_gone<H>();
  static_assert(any, "no member of the handler is a callback: see the list in ringws.hpp");
  if constexpr (detail::has_on_upgrade<H>())
    cb.on_upgrade = [](rws_reactor *r, rws_upgrade *up, void *u) noexcept -> int {
      return static_cast<H *>(u)->on_upgrade(reactor{r}, upgrade{up});
    };
  if constexpr (detail::has_on_origin<H>())
    cb.on_origin = [](rws_reactor *r, rws_upgrade *up, void *u) noexcept -> int {
      return static_cast<H *>(u)->on_origin(reactor{r}, upgrade{up}) ? 1 : 0;
    };
  if constexpr (detail::has_on_request<H>())
    cb.on_request = [](rws_reactor *r, rws_request *q, void *u) noexcept {
      static_cast<H *>(u)->on_request(reactor{r}, request{q});
    };
  if constexpr (detail::has_on_gone<H>())
    cb.on_gone = [](rws_reactor *r, rws_later l, void *u) noexcept {
      static_cast<H *>(u)->on_gone(reactor{r}, l);
    };
  if constexpr (detail::has_on_open<H>())
    cb.on_open = [](rws_reactor *r, rws_conn c, void *u) noexcept {
      static_cast<H *>(u)->on_open(reactor{r}, c);
    };
  if constexpr (detail::has_on_message<H>())
    cb.on_message = [](rws_reactor *r, rws_conn c, const rws_message *m, void *u) noexcept {
      static_cast<H *>(u)->on_message(reactor{r}, c, *m);
    };
  if constexpr (detail::has_on_pong<H>())
    cb.on_pong = [](rws_reactor *r, rws_conn c, rws_bytes payload, void *u) noexcept {
      static_cast<H *>(u)->on_pong(reactor{r}, c, view(payload));
    };
  if constexpr (detail::has_on_drain<H>())
    cb.on_drain = [](rws_reactor *r, rws_conn c, void *u) noexcept {
      static_cast<H *>(u)->on_drain(reactor{r}, c);
    };
  if constexpr (detail::has_on_close<H>())
    cb.on_close = [](rws_reactor *r, rws_conn c, rws_close_info *info, void *u) noexcept {
      static_cast<H *>(u)->on_close(reactor{r}, c, *info);
    };
  if constexpr (detail::has_on_refused<H>())
    cb.on_refused = [](rws_reactor *r, rws_refusal *why, void *u) noexcept {
      static_cast<H *>(u)->on_refused(reactor{r}, *why);
    };
  return cb;
}

template <class H>
rws_status handle::try_connect(rws_target to, H &handler, rws_error *err,
                               rws_dial *out) const noexcept {
  const rws_callbacks cb = callbacks<H>();
  to.callbacks = &cb;
  to.user = std::addressof(handler);
  return rws_engine_connect(e_, &to, out, err);
}

// Puts those of on_start(rws::reactor), on_stop(rws::reactor), on_stopped(rws::handle),
// on_log(int, std::string_view) and on_topic(rws::reactor, std::string_view topic, bool begins)
// that H has into a configuration.
// hooks must live as long as the engine.
template <class H> void set_hooks(rws_config &config, H &hooks) noexcept {
  constexpr bool any = detail::has_on_start<H>() || detail::has_on_stop<H>() ||
                       detail::has_on_stopped<H>() || detail::has_on_log<H>() ||
                       detail::has_on_topic<H>();
  static_assert(any, "no member is on_start, on_stop, on_stopped, on_log or on_topic");
  config.user = std::addressof(hooks);
  if constexpr (detail::has_on_start<H>())
    config.on_start = [](rws_reactor *r, void *u) noexcept {
      static_cast<H *>(u)->on_start(reactor{r});
    };
  if constexpr (detail::has_on_stop<H>())
    config.on_stop = [](rws_reactor *r, void *u) noexcept {
      static_cast<H *>(u)->on_stop(reactor{r});
    };
  if constexpr (detail::has_on_stopped<H>())
    config.on_stopped = [](rws_engine *e, void *u) noexcept {
      static_cast<H *>(u)->on_stopped(handle{e});
    };
  if constexpr (detail::has_on_log<H>())
    config.on_log = [](int level, rws_bytes line, void *u) noexcept {
      static_cast<H *>(u)->on_log(level, view(line));
    };
  if constexpr (detail::has_on_topic<H>())
    config.on_topic = [](rws_reactor *r, rws_bytes topic, int begins, void *u) noexcept {
      static_cast<H *>(u)->on_topic(reactor{r}, view(topic), begins != 0);
    };
}

#if defined(__cpp_exceptions)
struct error : std::runtime_error {
  rws_error raw;
  explicit error(const rws_error &e) : std::runtime_error(e.text), raw(e) {}
};
#endif

// An engine: its threads end with it.  The handlers given to listen must live as long.
class engine : public handle {
 public:
  // None yet: call try_new.
  explicit engine(std::nullptr_t) noexcept {}
  engine(engine &&other) noexcept : handle(std::exchange(other.e_, nullptr)) {}
  engine &operator=(engine &&other) noexcept {
    if (this != &other) {
      rws_engine_free(e_);
      e_ = std::exchange(other.e_, nullptr);
    }
    return *this;
  }
  engine(const engine &) = delete;
  engine &operator=(const engine &) = delete;
  ~engine() { rws_engine_free(e_); }

  RWS_MUST_USE rws_status try_new(const rws_config &config, rws_error *err = nullptr) noexcept {
    rws_engine *made = nullptr;
    const rws_status status = rws_engine_new(&config, &made, err);
    if (status == RWS_OK) *this = engine(made);
    return status;
  }
  // at.callbacks and at.user are filled in.
  template <class H>
  RWS_MUST_USE rws_status try_listen(rws_endpoint at, H &handler, std::uint16_t *port = nullptr,
                                     rws_error *err = nullptr) noexcept {
    const rws_callbacks cb = callbacks<H>();
    at.callbacks = &cb;
    at.user = std::addressof(handler);
    return rws_engine_listen(e_, &at, port, err);
  }
  RWS_MUST_USE rws_status try_start(rws_error *err = nullptr) noexcept {
    return rws_engine_start(e_, err);
  }
  rws_status try_wait() noexcept { return rws_engine_wait(e_); }
  // On a thread of yours: makes one of the config's `attached` reactors, whose turns are due when
  // fd is readable.  fd is yours to close.
  RWS_MUST_USE rws_status try_attach(std::uint32_t reactor, int &fd,
                                     rws_error *err = nullptr) noexcept {
    return rws_engine_attach(e_, reactor, &fd, err);
  }
  // RWS_E_ENDED: it was the last.
  RWS_MUST_USE rws_status try_turn() noexcept { return rws_engine_turn(e_); }

#if defined(__cpp_exceptions)
  explicit engine(const rws_config &config = RWS_INIT(rws_config)) {
    rws_error err;
    check(try_new(config, &err), err);
  }
  // The port: the system's choice for 0.
  template <class H> std::uint16_t listen(const rws_endpoint &at, H &handler) {
    std::uint16_t port = 0;
    rws_error err;
    check(try_listen(at, handler, &port, &err), err);
    return port;
  }
  template <class H> std::uint16_t listen(std::uint16_t port, H &handler) {
    rws_endpoint at = RWS_INIT(rws_endpoint);
    at.port = port;
    return listen(at, handler);
  }
  template <class H>
  std::uint16_t listen(std::uint16_t port, H &handler, const rws_options &options) {
    rws_endpoint at = RWS_INIT(rws_endpoint);
    at.port = port;
    at.options = &options;
    return listen(at, handler);
  }
  template <class H> rws_dial connect(const rws_target &to, H &handler) {
    rws_error err;
    rws_dial made{};
    check(try_connect(to, handler, &err, &made), err);
    return made;
  }
  template <class H> rws_dial connect(const char *url, H &handler) {
    rws_target to = RWS_INIT(rws_target);
    to.url = url;
    return connect(to, handler);
  }
  void start() {
    rws_error err;
    check(try_start(&err), err);
  }
  void wait() {
    check(try_wait());
  }
  int attach(std::uint32_t reactor) {
    int fd = -1;
    rws_error err;
    check(try_attach(reactor, fd, &err), err);
    return fd;
  }
  bool turn() {  // false: it was the last
    const rws_status status = try_turn();
    if (status == RWS_E_ENDED) return false;
    check(status);
    return true;
  }
#endif

 private:
  explicit engine(rws_engine *made) noexcept : handle(made) {}
#if defined(__cpp_exceptions)
  static void check(rws_status status, const rws_error &err) {
    if (status < 0) throw error(err);
  }
  static void check(rws_status status) {
    rws_error err{};
    err.status = status;
    const std::string_view text = rws_strerror(status);
    text.copy(err.text, sizeof err.text - 1);
    check(status, err);
  }
#endif
};

}  // namespace rws
#endif  // RINGWS_HPP
