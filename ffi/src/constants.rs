//! Constants of the C API. Flags and codes come in as integers and are checked.

use ringws_engine::conn::Cause;
use ringws_engine::proto::{CloseCode, Opcode};

/// RWS_CONTINUATION ... RWS_PONG; others are refused
pub type rws_opcode = u8;
/// continues a message that was begun with RWS_MORE
pub const RWS_CONTINUATION: u8 = 0x0;
/// UTF-8
pub const RWS_TEXT: u8 = 0x1;
/// any bytes
pub const RWS_BINARY: u8 = 0x2;
/// at most 125 bytes; the peer answers with a Pong: on_pong
pub const RWS_PING: u8 = 0x9;
/// at most 125 bytes, unasked; Pings are answered for you
pub const RWS_PONG: u8 = 0xA;

/// the purpose is fulfilled
pub const RWS_CLOSE_NORMAL: u16 = 1000;
/// a server stops, a page is left
pub const RWS_CLOSE_GOING_AWAY: u16 = 1001;
/// protocol error
pub const RWS_CLOSE_PROTOCOL: u16 = 1002;
/// a kind of data that is not accepted
pub const RWS_CLOSE_UNSUPPORTED: u16 = 1003;
/// a Close frame without a code: reported, or to be sent
pub const RWS_CLOSE_NO_STATUS: u16 = 1005;
/// reported only: no Close frame
pub const RWS_CLOSE_ABNORMAL: u16 = 1006;
/// text that is not UTF-8
pub const RWS_CLOSE_INVALID_DATA: u16 = 1007;
/// a policy was broken
pub const RWS_CLOSE_POLICY: u16 = 1008;
/// a message too big to process
pub const RWS_CLOSE_TOO_BIG: u16 = 1009;
/// an unexpected condition in the server
pub const RWS_CLOSE_INTERNAL: u16 = 1011;
/// the service restarts
pub const RWS_CLOSE_RESTART: u16 = 1012;
/// try again later
pub const RWS_CLOSE_TRY_AGAIN: u16 = 1013;
/// a gateway's upstream answered badly
pub const RWS_CLOSE_BAD_GATEWAY: u16 = 1014;

/// a fragment, FIN = 0; continue with RWS_CONTINUATION
pub const RWS_MORE: u32 = 1 << 0;
/// send: not compressed, whatever was negotiated: secrets beside text that others choose
pub const RWS_PLAIN: u32 = 1 << 1;
/// Each message of data is delivered with its place in front: RWS_TEXT behind node.epoch.number in
/// hexadecimal and a space, RWS_BINARY behind these three in eight bytes each, big-endian
pub const RWS_HISTORY_STAMP: u32 = 1 << 0;

/// it is refused (RWS_E_FULL), and on_drain follows: wait for that
pub const RWS_WHEN_FULL_REFUSE: u32 = 0;
/// it is dropped: RWS_DROPPED
pub const RWS_WHEN_FULL_DROP_NEWEST: u32 = 1;
/// the oldest are dropped that have not begun to leave, until it fits, or none of them is left
pub const RWS_WHEN_FULL_DROP_OLDEST: u32 = 2;
/// the connection is closed with 1013, behind what is queued: RWS_E_CLOSING
pub const RWS_WHEN_FULL_CLOSE: u32 = 3;
/// the connection is ended, and what is queued is dropped: RWS_E_CLOSING
pub const RWS_WHEN_FULL_ABORT: u32 = 4;

/// the peer's Close came first
pub const RWS_CAUSE_PEER_CLOSE: u32 = 1;
/// rws_close, rws_engine_close
pub const RWS_CAUSE_CLOSE: u32 = 2;
/// rws_abort, rws_engine_abort
pub const RWS_CAUSE_ABORT: u32 = 3;
/// rws_engine_stop, rws_engine_drain, rws_engine_free
pub const RWS_CAUSE_STOP: u32 = 4;
/// lifetime_max_ms was over
pub const RWS_CAUSE_LIFETIME: u32 = 5;
/// no sign of life in idle_timeout_ms
pub const RWS_CAUSE_SILENT: u32 = 6;
/// the peer has read nothing of what was queued for idle_timeout_ms
pub const RWS_CAUSE_STUCK: u32 = 7;
/// the peer broke the protocol, or a limit
pub const RWS_CAUSE_PROTOCOL: u32 = 8;
/// the queue was full: RWS_WHEN_FULL_CLOSE, RWS_WHEN_FULL_ABORT
pub const RWS_CAUSE_FULL: u32 = 9;
/// a fragment that was handed over was dropped
pub const RWS_CAUSE_FRAGMENT: u32 = 10;
/// memory_max was spent, and it held much
pub const RWS_CAUSE_MEMORY: u32 = 11;
/// the peer ended TCP without a Close
pub const RWS_CAUSE_ENDED: u32 = 12;
/// TCP was reset (ECONNRESET), or has broken under a send (EPIPE: a reset, mostly)
pub const RWS_CAUSE_RESET: u32 = 13;
/// receiving or sending failed otherwise: sys_errno
pub const RWS_CAUSE_TRANSPORT: u32 = 14;
/// TLS failed
pub const RWS_CAUSE_TLS: u32 = 15;
/// its reactor's ring failed
pub const RWS_CAUSE_REACTOR: u32 = 16;
/// a bug in this library
pub const RWS_CAUSE_PANIC: u32 = 17;
/// another process serves it on: rws_engine_hand_over
pub const RWS_CAUSE_PASSED_ON: u32 = 18;

/// starts a message (always, unless RWS_OPT_STREAM)
pub const RWS_FIRST: u32 = 1 << 8;
/// ends a message (always, unless RWS_OPT_STREAM)
pub const RWS_LAST: u32 = 1 << 9;
/// Deliver data as it comes; do not assemble messages: each part has the opcode of its message,
/// only the last may be empty, and on_close may come before it
pub const RWS_OPT_STREAM: u32 = 1 << 1;
/// negotiate permessage-deflate, RFC 7692
pub const RWS_OPT_DEFLATE: u32 = 1 << 0;
/// with it: each connection has its own compressor, which remembers the messages before
pub const RWS_OPT_TAKEOVER: u32 = 1 << 2;
/// they were published, and have not come
pub const RWS_GAP_LOST: u32 = 1;
/// their engine has fallen silent: there may be none
pub const RWS_GAP_SILENT: u32 = 2;
/// their engine has come back without having said its end: there may be none
pub const RWS_GAP_RESTARTED: u32 = 3;
/// they came before the first of their engine that we have, which did not answer in time when the
/// topic got its first member here: some may be older than that
pub const RWS_GAP_UNHEARD: u32 = 4;
/// servers are tried in the order given, and before those that a broker names; default: by lot
pub const RWS_NATS_IN_ORDER: u32 = 1 << 0;
/// only the servers that are given, none that a broker names
pub const RWS_NATS_NO_DISCOVERY: u32 = 1 << 1;
/// io_uring; epoll where io_uring is refused, or lacks what is required
pub const RWS_BACKEND_AUTO: u32 = 0;
/// io_uring, or rws_engine_start says RWS_E_KERNEL
pub const RWS_BACKEND_URING: u32 = 1;
/// epoll, with which a message costs more system calls
pub const RWS_BACKEND_EPOLL: u32 = 2;

/// pin reactor i to the i-th CPU of the process's mask; behind the last follows the first again
pub const RWS_CFG_PIN: u32 = 1 << 0;
/// IORING_SETUP_SQPOLL, in place of DEFER_TASKRUN: a kernel thread submits
pub const RWS_CFG_SQPOLL: u32 = 1 << 1;

/// listen_fd is the socket to accept from
pub const RWS_ENDPOINT_FD: u32 = 1 << 0;
/// Other processes of the same user may listen on the same address and port, if they say so too
/// (SO_REUSEPORT): new connections are spread over all. At a drain or a stop with time for it those
/// that wait for us are accepted, and get 503; but a connection that the kernel is making at the
/// instant when our sockets are closed is reset, unless net.ipv4.tcp_migrate_req is 1: pass
/// listen_fd on if none may be. Without the flag a port that is taken is refused
pub const RWS_ENDPOINT_SHARED: u32 = 1 << 1;
/// with proxy_from: whoever comes from elsewhere is served, too, as a peer without a proxy; a PROXY
/// header of theirs is no request, and gets 400
pub const RWS_ENDPOINT_DIRECT: u32 = 1 << 2;

/// Connections go where the fewest are: whoever accepts one for a reactor that has noticeably fewer
/// (by more than one, and by more than a 128th) hands it over. Those made with rws_engine_connect
/// count, too; what is open is never moved. Without the flag they stay where the kernel puts them:
/// on a TCP port by a hash of the addresses, so that the numbers differ as if drawn by lot (with
/// 1 000 on 8 reactors by a fifth)
pub const RWS_ENDPOINT_LEAST_LOADED: u32 = 1 << 3;
/// No socket of its own, so without address, port, listen_fd, backlog and mode: only
/// rws_engine_adopt brings connections, and port_out is 0
pub const RWS_ENDPOINT_NO_SOCKET: u32 = 1 << 4;

/// `reactor` says on which reactor; without it on the one that has the fewest connections
pub const RWS_ADOPT_REACTOR: u32 = 1 << 0;
/// Its upgrade was answered with 101 already, as RFC 6455 has it, without permessage-deflate: what
/// follows are frames. on_upgrade and origins are not asked, on_open is called. The subprotocol is
/// yours to remember, by `user`
pub const RWS_ADOPT_UPGRADED: u32 = 1 << 1;

/// server, with roots: clients are asked for a certificate; one that is shown must be valid
pub const RWS_TLS_CLIENT_CERT: u32 = 1 << 0;
/// server, with roots: without a valid certificate of the client the handshake fails
pub const RWS_TLS_CLIENT_CERT_REQUIRED: u32 = 1 << 1;
/// refuse TLS 1.2
pub const RWS_TLS_ONLY_1_3: u32 = 1 << 2;

/// rws_engine_post: one of them, by turns; rws_engine_stats: all together
pub const RWS_ANY_REACTOR: u32 = u32::MAX;

/// `reactor` says on which reactor; without it on one of them, by turns
pub const RWS_TARGET_REACTOR: u32 = 1 << 0;

/// cannot do what it was asked
pub const RWS_LOG_ERROR: i32 = 1;
/// worse than it could be
pub const RWS_LOG_WARN: i32 = 2;
/// what was chosen
pub const RWS_LOG_INFO: i32 = 3;

/// no address: the peer is on a Unix socket; on TCP each has one
pub const RWS_FAMILY_NONE: u8 = 0;
/// ip[0..4]
pub const RWS_FAMILY_IPV4: u8 = 4;
/// ip[0..16]
pub const RWS_FAMILY_IPV6: u8 = 6;

/// the protocol that the client and the proxy have agreed on in TLS
pub const RWS_TLV_ALPN: u32 = 0x01;
/// the host that the client has asked the proxy for: in TLS the SNI
pub const RWS_TLV_AUTHORITY: u32 = 0x02;
/// the checksum of the header; it was verified
pub const RWS_TLV_CRC32C: u32 = 0x03;
/// padding
pub const RWS_TLV_NOOP: u32 = 0x04;
/// the proxy's name of the connection, to find it in the logs of both
pub const RWS_TLV_UNIQUE_ID: u32 = 0x05;
/// The client and the proxy speak TLS: a byte of flags (1: TLS, 2 and 4: with a certificate of the
/// client), four bytes that are 0 only if such a certificate was shown and is valid, and the TLVs
/// inside
pub const RWS_TLV_SSL: u32 = 0x20;
/// the proxy's network namespace
pub const RWS_TLV_NETNS: u32 = 0x30;
/// inside RWS_TLV_SSL: the version, as "TLSv1.3"
pub const RWS_TLV_SSL_VERSION: u32 = 0x2021;
/// inside RWS_TLV_SSL: the common name of the client's certificate
pub const RWS_TLV_SSL_CN: u32 = 0x2022;
/// inside RWS_TLV_SSL: the cipher
pub const RWS_TLV_SSL_CIPHER: u32 = 0x2023;
/// inside RWS_TLV_SSL: how the proxy's certificate is signed
pub const RWS_TLV_SSL_SIG_ALG: u32 = 0x2024;
/// inside RWS_TLV_SSL: the key of the proxy's certificate
pub const RWS_TLV_SSL_KEY_ALG: u32 = 0x2025;

/// it only grows, from 0 at the start
pub const RWS_METRIC_COUNTER: u32 = 1;
/// it is what is there now
pub const RWS_METRIC_GAUGE: u32 = 2;

/// how long a turn took, from what has come to what is asked for: callbacks, mostly
pub const RWS_HIST_TURN_US: u32 = 0;
/// completions of the kernel that a turn has found
pub const RWS_HIST_TURN_COMPLETIONS: u32 = 1;
/// from when a Ping of the engine has left until its Pong has come
pub const RWS_HIST_PING_US: u32 = 2;
/// from accept to the 101, with TLS if there is any; to a millisecond
pub const RWS_HIST_HANDSHAKE_US: u32 = 3;

/// nothing works without it
pub const RWS_FEATURE_REQUIRED: u32 = 1 << 0;
/// this kernel has it, and lets this process use it
pub const RWS_FEATURE_PRESENT: u32 = 1 << 1;
/// the engine uses it here, if configured to
pub const RWS_FEATURE_USED: u32 = 1 << 2;

/// As C has it: 0 is none.
pub(crate) const fn cause_of(cause: Cause) -> u32 {
    cause as u32 + 1
}

const _: () = {
    assert!(RWS_CONTINUATION == Opcode::Continuation as u8);
    assert!(RWS_TEXT == Opcode::Text as u8 && RWS_BINARY == Opcode::Binary as u8);
    assert!(RWS_PING == Opcode::Ping as u8 && RWS_PONG == Opcode::Pong as u8);
    assert!(RWS_CLOSE_NO_STATUS == CloseCode::NO_STATUS.0);
    assert!(RWS_CLOSE_ABNORMAL == CloseCode::ABNORMAL.0);
    assert!(Cause::ALL.len() == 18);
    assert!(RWS_CAUSE_PEER_CLOSE == cause_of(Cause::PeerClose));
    assert!(RWS_CAUSE_CLOSE == cause_of(Cause::Close));
    assert!(RWS_CAUSE_ABORT == cause_of(Cause::Abort));
    assert!(RWS_CAUSE_STOP == cause_of(Cause::Stop));
    assert!(RWS_CAUSE_LIFETIME == cause_of(Cause::Lifetime));
    assert!(RWS_CAUSE_SILENT == cause_of(Cause::Silent));
    assert!(RWS_CAUSE_STUCK == cause_of(Cause::Stuck));
    assert!(RWS_CAUSE_PROTOCOL == cause_of(Cause::Protocol));
    assert!(RWS_CAUSE_FULL == cause_of(Cause::Full));
    assert!(RWS_CAUSE_FRAGMENT == cause_of(Cause::Fragment));
    assert!(RWS_CAUSE_MEMORY == cause_of(Cause::Memory));
    assert!(RWS_CAUSE_ENDED == cause_of(Cause::Ended));
    assert!(RWS_CAUSE_RESET == cause_of(Cause::Reset));
    assert!(RWS_CAUSE_TRANSPORT == cause_of(Cause::Transport));
    assert!(RWS_CAUSE_TLS == cause_of(Cause::Tls));
    assert!(RWS_CAUSE_REACTOR == cause_of(Cause::Reactor));
    assert!(RWS_CAUSE_PANIC == cause_of(Cause::Panic));
    assert!(RWS_CAUSE_PASSED_ON == cause_of(Cause::PassedOn));
};
