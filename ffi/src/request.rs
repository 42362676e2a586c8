//! `rws_request`: an HTTP request and its answer; of an upgrade, too, what was asked for.

use crate::address::rws_address;
use crate::guard::{guard, status};
use crate::own;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_status};
use crate::types::{optional, rws_bytes, rws_reactor, rws_request, string};
use ringws_engine::proto::handshake::Reply;
use ringws_engine::reactor::{Asked, Later};
use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::c_char;
use std::mem::offset_of;

/// an answer to an HTTP request; Content-Length is sent for you, Date and Content-Type are not
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_response {
    /// RWS_INIT
    pub size: u32,
    /// 200..599; of rws_engine_answer also 101
    pub status: u32,
    /// "Name: value", several with "\r\n" or "\n" between them; NULL: none
    pub headers: *const c_char,
    /// of any length; copied. Of HEAD its length is sent alone; 204 and 304 have none
    pub body: rws_bytes,
    /// rws_engine_answer, of a 101: one of the subprotocols that were offered; NULL: none but what
    /// rws_upgrade_protocol has chosen
    pub protocol: *const c_char,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_response {
    const SIZE_MIN: usize = offset_of!(rws_response, headers);
}

impl rws_response {
    /// The engine's answer, whose status may be any, and the subprotocol.
    ///
    /// # Safety
    /// `from` is null or names an `rws_response` as its `size` says, whose pointers are null or
    /// name what they say.
    pub(crate) unsafe fn read<'a>(
        from: *const Self,
    ) -> Result<(Reply, Option<&'a str>), rws_status> {
        // SAFETY: null, or as its size says.
        let response = unsafe { sized::read(from) }?;
        let status = u16::try_from(response.status).unwrap_or(0);
        // SAFETY: the caller's bytes and a C string, or null.
        let (body, headers) = unsafe { (response.body.as_slice()?, optional(response.headers)?) };
        // SAFETY: a C string or null.
        let protocol = unsafe { optional(response.protocol) }?;
        let mut reply = Reply::new(status).with_body(body);
        for line in lines(headers) {
            let (name, value) = line.map_err(|failure| failure.status)?;
            reply.add_header(name, value).map_err(|_| rws_status::RWS_E_INVALID)?;
        }
        Ok((reply, protocol))
    }
}

/// The headers in lines `Name: value`.
pub(crate) fn lines(headers: Option<&str>) -> impl Iterator<Item = Result<(&str, &[u8]), Failure>> {
    let lines = headers.into_iter().flat_map(|lines| lines.split('\n'));
    let lines = lines.map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(|line| match line.split_once(':') {
        Some((name, value)) => Ok((name, value.trim().as_bytes())),
        None => Err(Failure::invalid(format!("\"{line}\" is no header: there is no colon"))),
    })
}

/// What is lent of a request.
pub(crate) struct Visit<'a> {
    asked: Asked<'a>,
    /// What was decoded for the application, and is borrowed by it until its callback returns.
    decoded: RefCell<Vec<Vec<u8>>>,
    answer: RefCell<Option<Reply>>,
}

impl<'a> Visit<'a> {
    /// Not answered yet.
    pub(crate) fn new(asked: Asked<'a>) -> Self {
        Self { asked, decoded: RefCell::default(), answer: RefCell::default() }
    }

    /// The answer, if one was given.
    pub(crate) fn into_answer(self) -> Option<Reply> {
        self.answer.into_inner()
    }

    /// Answers, if nothing has, and it is no upgrade's.
    fn answer(&self, reply: Reply) -> Result<rws_status, rws_status> {
        let mut answer = self.answer.borrow_mut();
        if answer.is_some() || self.asked.is_later() || self.asked.request().is_upgrade() {
            return Err(rws_status::RWS_E_STATE);
        }
        *answer = Some(reply);
        Ok(rws_status::RWS_OK)
    }

    /// The request, and who asks.
    pub(crate) fn asked(&self) -> &Asked<'a> {
        &self.asked
    }

    /// It is answered later, if it was not, and is no upgrade's.
    pub(crate) fn later(&self) -> Result<Later, rws_status> {
        if self.answer.borrow().is_some() || self.asked.request().is_upgrade() {
            return Err(rws_status::RWS_E_STATE);
        }
        Ok(self.asked.later()?)
    }

    /// Lends what may have been decoded.
    fn lend(&self, bytes: Cow<'_, [u8]>) -> rws_bytes {
        match bytes {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => {
                let mut decoded = self.decoded.borrow_mut();
                decoded.push(bytes);
                decoded.last().map_or(rws_bytes::ABSENT, |bytes| bytes.as_slice().into())
            }
        }
    }
}

/// Looks into a lent request; what is not there is `ABSENT`.
///
/// # Safety
/// `q` is null or was lent to the callback that is running.
pub(crate) unsafe fn look(
    q: *const rws_request,
    at: impl for<'v> FnOnce(&'v Visit<'static>) -> Option<rws_bytes>,
) -> rws_bytes {
    guard(|| {
        // SAFETY: as the caller has promised.
        let visit = unsafe { own::borrow(q) };
        visit.ok().and_then(at).unwrap_or(rws_bytes::ABSENT)
    })
}

/// The method as sent: `GET`, `POST`, ...; its case matters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_method(q: *const rws_request) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| Some(visit.asked.request().method().as_bytes().into())) }
}

/// The path, percent-decoded: any bytes, and %2F has become a `/`, so it names no file until you
/// have looked for `..` and the like. Of `OPTIONS *` it is `*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_path(q: *const rws_request) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| Some(visit.lend(visit.asked.request().path()))) }
}

/// Path and query as sent, not decoded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_target(q: *const rws_request) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| Some(visit.asked.request().target().as_bytes().into())) }
}

/// What is behind the `?` of the target, as sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_query(q: *const rws_request) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| visit.asked.request().query().map(|query| query.as_bytes().into())) }
}

/// The first parameter of that name in the query (`a=1&b=2`), decoded, + too. Of one without a
/// value data is not NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_query_param(
    q: *const rws_request,
    name: *const c_char,
) -> rws_bytes {
    // SAFETY: the lent request and a C string, or null.
    unsafe {
        let name = string(name);
        look(q, |visit| Some(visit.lend(visit.asked.request().query_parameter(name.ok()?)?)))
    }
}

/// What `{name}` of its route's path stands for, decoded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_param(
    q: *const rws_request,
    name: *const c_char,
) -> rws_bytes {
    // SAFETY: the lent request and a C string, or null.
    unsafe {
        let name = string(name);
        look(q, |visit| visit.asked.request().parameter(name.ok()?).map(rws_bytes::from))
    }
}

/// The nth header of that name, whatever its case; 0: the first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_header(
    q: *const rws_request,
    name: *const c_char,
    nth: usize,
) -> rws_bytes {
    // SAFETY: the lent request and a C string, or null.
    unsafe {
        let name = string(name);
        look(q, |visit| {
            let name = name.ok()?;
            let mut all = visit.asked.request().headers();
            let named = all.by_ref().filter(|(this, _)| this.eq_ignore_ascii_case(name)).nth(nth);
            named.map(|(_, value)| value.into())
        })
    }
}

/// All headers in their order, from index 0 on; name or value may be NULL. RWS_E_INVALID: there
/// are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_header_at(
    q: *const rws_request,
    index: usize,
    name: *mut rws_bytes,
    value: *mut rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: the lent request or null.
        let visit = unsafe { own::borrow(q) }?;
        let mut all = visit.asked.request().headers();
        let (its_name, its_value) = all.nth(index).ok_or(rws_status::RWS_E_INVALID)?;
        // SAFETY: null or room for it.
        unsafe {
            own::write(name, its_name.as_bytes().into());
            own::write(value, its_value.into());
        }
        Ok(rws_status::RWS_OK)
    })
}

/// The whole body, without chunked framing; {NULL, 0} for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_body(q: *const rws_request) -> rws_bytes {
    let some = |body: &[u8]| (!body.is_empty()).then(|| body.into());
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| some(visit.asked.request().body())) }
}

/// The peer's address; RWS_FAMILY_NONE on a Unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_peer(
    q: *const rws_request,
    out: *mut rws_address,
) -> rws_status {
    status(|| {
        // SAFETY: the lent request or null.
        let visit = unsafe { own::borrow(q) }?;
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        // SAFETY: not null.
        unsafe { own::write(out, visit.asked.peer().into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// The name that the client has asked for in TLS (SNI), in lower case.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_server_name(q: *const rws_request) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| visit.asked.server_name().map(|name| name.as_bytes().into())) }
}

/// The certificate that the client has shown, in DER; it was verified.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_peer_certificate(q: *const rws_request) -> rws_bytes {
    // SAFETY: the lent request or null.
    unsafe { look(q, |visit| visit.asked.peer_certificate().map(rws_bytes::from)) }
}

/// Answers, once, inside on_request. RWS_E_INVALID: a status or a header that may not be sent
/// (Connection, Content-Length, Transfer-Encoding, Upgrade, Trailer, Sec-WebSocket-*, control
/// bytes). RWS_E_STATE: answered before or left for later, or an upgrade's, which on_upgrade
/// answers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_answer(
    q: *mut rws_request,
    a: *const rws_response,
) -> rws_status {
    status(|| {
        // SAFETY: the lent request, and a response as its size says, or null.
        let (visit, read) = unsafe { (own::borrow(q.cast_const())?, rws_response::read(a)?) };
        let (reply, protocol) = read;
        if !(200..=599).contains(&reply.status) || protocol.is_some() {
            return Err(rws_status::RWS_E_INVALID);
        }
        visit.answer(reply)
    })
}

/// Answers a GET with what rws_engine_metrics writes, of the engine that calls, and its content
/// type: all that a route for Prometheus needs. Whom to tell is for you to decide. RWS_E_STATE: as
/// rws_request_answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_metrics(
    r: *mut rws_reactor,
    q: *mut rws_request,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor and the lent request, or null.
        let (ctx, visit) = unsafe { (own::lent(r)?, own::borrow(q.cast_const())?) };
        let mut reply = Reply::new(200).with_body(ctx.engine().metrics());
        let kind = reply.add_header("Content-Type", b"text/plain; version=0.0.4");
        kind.map_err(|_| rws_status::RWS_E_INVALID)?;
        visit.answer(reply)
    })
}
