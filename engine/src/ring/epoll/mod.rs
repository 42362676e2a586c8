//! The kernel by epoll(7), for where io_uring is forbidden or lacks what is required.
//!
//! The same promises as of `Uring`, kept with readiness instead of completion: whether a socket has
//! something is known by edge, and what was asked of it is tried when it has. Registered once per
//! socket, so that a message costs a receive, a send and its share of one `epoll_wait`.
//!
//! Sockets are ordinary descriptors, and never set to `O_NONBLOCK` unless we make them: that is a
//! property of the open file description, which others may share. Calls say `MSG_DONTWAIT`.

mod accept;
mod connect;
mod kernel;
mod leave;
mod lines;
mod receive;
mod send;
mod sockets;
mod sys;
mod wait;

pub use kernel::Epoll;
