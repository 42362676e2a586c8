//! `rws_target` and `rws_refusal`: connections to servers.

use crate::callbacks::rws_callbacks;
use crate::constants::RWS_TARGET_REACTOR;
use crate::guard::{guard, report, status};
use crate::options::rws_options;
use crate::own;
use crate::request::lines;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_error, rws_status};
use crate::tsan;
use crate::types::{
    User, optional, rws_answer, rws_bytes, rws_conn, rws_dial, rws_engine, rws_reactor, rws_tls,
    string,
};
use crate::watched::handler;
use ringws_engine::config::Target;
use ringws_engine::reactor::{CallError, Context, NotConnected, TargetError};
use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

/// what to connect to
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_target {
    /// RWS_INIT
    pub size: u32,
    /// its number, with RWS_TARGET_REACTOR; otherwise 0. Where two connections are to be a pipe,
    /// that of the other one: between reactors sends are handed over, and never say RWS_FULL
    pub reactor: u32,
    /// `ws://host[:port][/path][?query]`, or `wss://`; percent-encoded for you where browsers do
    /// it. An address may have a zone: `[fe80::1%25eth0]`
    pub url: *const c_char,
    /// subprotocols to offer, "a, b"; NULL: none
    pub protocols: *const c_char,
    /// "Name: value", several with "\r\n" or "\n" between them; NULL: none
    pub headers: *const c_char,
    /// copied
    pub callbacks: *const rws_callbacks,
    /// handed to each callback of each try, until rws_set_user changes it for a connection: it
    /// must live until an on_close or on_refused with retry_ms 0 has returned, or the engine was
    /// freed
    pub user: *mut c_void,
    /// copied; handshake_timeout_ms: from the request to the answer
    pub options: *const rws_options,
    /// a client's (a server's is RWS_E_INVALID), retained; for wss://, not used for ws://; NULL:
    /// the system's roots
    pub tls: *mut rws_tls,
    /// `http://host[:port]`, user:password before the host if it wants them; NULL: none
    pub proxy: *const c_char,
    /// for name, TCP, proxy and TLS together; default 10 000; UINT32_MAX: never
    pub connect_timeout_ms: u32,
    /// the wait before the next try, after a refusal or an end: see Retries; 0: none
    pub retry_min_ms: u32,
    /// what it grows to; default 30 000
    pub retry_max_ms: u32,
    /// RWS_TARGET_*
    pub flags: u32,
    /// `host[:port]`: what the Host header says, and whose certificate is expected, if another
    /// than the url names (which may then be an address); NULL: that of the url
    pub host: *const c_char,
    /// the name asked for in TLS, whose certificate is expected; NULL: that of host, or of the
    /// url
    pub tls_name: *const c_char,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_target {
    const SIZE_MIN: usize = offset_of!(rws_target, user);
}

/// why there is no connection
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_refusal {
    /// RWS_E_REFUSED: the server or the proxy has answered otherwise than with 101, or wrongly;
    /// RWS_E_ENDED: not at all; RWS_E_TIMEOUT; RWS_E_TLS: a bad certificate, ...; RWS_E_SYSTEM:
    /// ECONNREFUSED, EMFILE, ..., or with sys_errno 0 the name was not found; RWS_E_NOMEM;
    /// RWS_E_FULL: connections_max, or over 4 096 names to look up; RWS_E_GONE: you have
    /// cancelled it; RWS_E_STATE: the engine stops. The text begins with what was dialled,
    /// `host:port`: the server, or the proxy before it
    pub error: rws_error,
    /// of the server's answer, or the proxy's; 0: none came
    pub http_status: c_int,
    /// in how many ms it is tried again, 0: not; yours to change: see Retries
    pub retry_ms: u32,
    /// first bytes of the answer's body, without chunked framing, at most 1 KiB; borrowed
    pub body: rws_bytes,
    /// for rws_refusal_header; NULL: none came
    pub answer: *const rws_answer,
}

impl From<&NotConnected<'_>> for rws_refusal {
    fn from(why: &NotConnected<'_>) -> Self {
        Self {
            error: Failure::of_dial(why.error, why.dialled).into(),
            http_status: why.error.status().into(),
            retry_ms: why.retry_ms,
            body: why.body.into(),
            answer: why.answer.map_or(std::ptr::null(), |answer| std::ptr::from_ref(answer).cast()),
        }
    }
}

impl rws_target {
    /// The engine's target.
    ///
    /// # Safety
    /// `from` is null or names an `rws_target` as its `size` says, whose pointers are null or name
    /// what they say.
    unsafe fn read(from: *const Self) -> Result<Target, Failure> {
        // SAFETY: as the caller says.
        let (to, callbacks, (limits, socket_options)) = unsafe {
            let to = sized::read(from)?;
            (to, sized::read(to.callbacks)?, rws_options::read(to.options)?)
        };
        if to.flags & !RWS_TARGET_REACTOR != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED.into());
        }
        let chosen = to.flags & RWS_TARGET_REACTOR != 0;
        if !chosen && to.reactor != 0 {
            return Err(Failure::invalid("a reactor without RWS_TARGET_REACTOR"));
        }
        // SAFETY: null or NUL-terminated.
        let url = unsafe { string(to.url) }.map_err(|_| Failure::invalid("no URL"))?;
        let mut target = Target::new(url, handler(callbacks))?;
        // SAFETY: null or NUL-terminated.
        for protocol in unsafe { optional(to.protocols) }?.into_iter().flat_map(|s| s.split(',')) {
            target.offer_protocol(protocol.trim())?;
        }
        // SAFETY: null or NUL-terminated.
        for line in lines(unsafe { optional(to.headers) }?) {
            let (name, value) = line?;
            target.add_header(name, value)?;
        }
        // SAFETY: null or NUL-terminated.
        if let Some(proxy) = unsafe { optional(to.proxy) }? {
            target.through(proxy)?;
        }
        // SAFETY: null or NUL-terminated.
        let (host, tls_name) = unsafe { (optional(to.host)?, optional(to.tls_name)?) };
        if let Some(host) = host {
            target.set_host(host)?;
        }
        if let Some(name) = tls_name {
            target.set_tls_name(name)?;
        }
        if !to.tls.is_null() {
            // SAFETY: not null, and alive as the caller says.
            target.tls = Some(unsafe { own::borrow(to.tls) }?.client()?);
        }
        (target.limits, target.socket_options) = (limits, socket_options);
        target.user = User(to.user).to_word();
        target.reactor = chosen.then_some(to.reactor);
        if to.connect_timeout_ms != 0 {
            target.connect_timeout_ms = to.connect_timeout_ms;
        }
        target.retry_min_ms = to.retry_min_ms;
        target.retry_max_ms = to.retry_max_ms;
        Ok(target)
    }
}

/// Connects to a server, after the start; any thread, in callbacks too. RWS_OK: on_open follows,
/// or on_refused. Otherwise nothing follows. RWS_E_INVALID: what *err says, also a reactor that
/// there is not; RWS_E_UNSUPPORTED: also wss:// in a build without TLS. RWS_E_FULL, RWS_E_STATE:
/// see Statuses. out: for rws_engine_connect_cancel, written before anything follows; may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_connect(
    e: *mut rws_engine,
    to: *const rws_target,
    out: *mut rws_dial,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        tsan::hand_over(e, None);
        // SAFETY: a live engine and a struct as its size says, or null.
        let (engine, target) = unsafe { (own::borrow(e)?, rws_target::read(to)?) };
        // SAFETY: null or for us to write.
        match engine.handle().connect_as(target, |dial| unsafe { own::write(out, dial.into()) }) {
            Err(TargetError::Call(CallError::Gone)) => Err(Failure::invalid("no such reactor")),
            done => Ok(done?),
        }
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// Gives a connect up, and its retries; any thread, in callbacks too. RWS_OK: handed over. If it
/// is not open by then, on_refused follows once, with RWS_E_GONE, and no other try. If it is
/// open it stays so, and is not made again. If it is over, nothing follows. RWS_E_GONE: no dial
/// of this engine has such a number. RWS_E_FULL, RWS_E_STATE: see Statuses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_connect_cancel(e: *mut rws_engine, d: rws_dial) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        unsafe { own::borrow(e) }?.handle().cancel_connect(d.into())?;
        Ok(rws_status::RWS_OK)
    })
}

/// Inside on_refused: the first header of that name in the answer that has refused, whatever its
/// case: Location, Retry-After, WWW-Authenticate. Borrowed; {NULL, 0} if absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_refusal_header(
    why: *const rws_refusal,
    name: *const c_char,
) -> rws_bytes {
    guard(|| {
        // SAFETY: the lent refusal or null.
        let answer = unsafe { why.as_ref() }.map_or(std::ptr::null(), |why| why.answer);
        // SAFETY: the lent answer and a C string, or null.
        let lent = unsafe { own::borrow(answer).and_then(|answer| Ok((answer, string(name)?))) };
        let Ok((answer, name)) = lent else { return rws_bytes::ABSENT };
        answer.header(name).map_or(rws_bytes::ABSENT, rws_bytes::from)
    })
}

/// Inside on_open of a connection that rws_engine_connect made: the first header of that name in
/// the server's answer, whatever its case. Borrowed; {NULL, 0} if absent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_answer_header(
    r: *mut rws_reactor,
    c: rws_conn,
    name: *const c_char,
) -> rws_bytes {
    guard(|| {
        // SAFETY: the lent reactor and a C string, or null.
        let lent = unsafe { own::lent(r).and_then(|ctx: &mut Context| Ok((ctx, string(name)?))) };
        let Ok((ctx, name)) = lent else { return rws_bytes::ABSENT };
        let answer = ctx.answer_of(c.into());
        answer.and_then(|answer| answer.header(name)).map_or(rws_bytes::ABSENT, rws_bytes::from)
    })
}
