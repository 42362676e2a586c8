//! `rws_callbacks`: the application's functions behind the engine's `Handler`.

use crate::later::rws_later;
use crate::message::{rws_close_info, rws_message};
use crate::request::Visit;
use crate::sized::Sized;
use crate::succession::{Parting, rws_parting};
use crate::target::rws_refusal;
use crate::types::{User, rws_bytes, rws_conn, rws_reactor, rws_request, rws_upgrade};
use crate::upgrade::Asked;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::reactor::{
    Closed, Conn, Context, Handler, Later, Message, NotConnected, Upgrade,
};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;

/// what you are called for; NULL: not called
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_callbacks {
    /// RWS_INIT
    pub size: u32,
    /// Answer 101 to accept: on_open follows at once, and some day on_close. Answer 300..599 to
    /// refuse, with the headers (Location, ...) and the body added: nothing follows, no on_close.
    /// After rws_upgrade_later answer RWS_LATER. Anything else is answered with 500. NULL: 101 to
    /// all
    pub on_upgrade: Option<
        unsafe extern "C" fn(r: *mut rws_reactor, up: *mut rws_upgrade, user: *mut c_void) -> c_int,
    >,
    /// the handshake is done
    pub on_open: Option<unsafe extern "C" fn(r: *mut rws_reactor, c: rws_conn, user: *mut c_void)>,
    /// a message, or with RWS_OPT_STREAM a part of one; after rws_close too: see there
    pub on_message: Option<
        unsafe extern "C" fn(
            r: *mut rws_reactor,
            c: rws_conn,
            m: *const rws_message,
            user: *mut c_void,
        ),
    >,
    /// A Pong came: the answer to a Ping of yours (RWS_PING), or one that nobody asked for. Pings
    /// are answered for you; those of the engine itself, and their Pongs, you do not see
    pub on_pong: Option<
        unsafe extern "C" fn(
            r: *mut rws_reactor,
            c: rws_conn,
            payload: rws_bytes,
            user: *mut c_void,
        ),
    >,
    /// Less than half of send_queue_max waits now: once after RWS_FULL, RWS_E_FULL of the
    /// queue or RWS_DROPPED, or after calls of other threads that were dropped because it was full
    pub on_drain: Option<unsafe extern "C" fn(r: *mut rws_reactor, c: rws_conn, user: *mut c_void)>,
    /// The end, whoever made it: nothing else of this connection follows. Inside, rws_get_user,
    /// rws_peer and rws_buffered still answer, all else says RWS_E_GONE. What the functions here
    /// use must live until an on_close or on_refused with retry_ms 0 has returned, or the engine
    /// has been freed; of an endpoint: until it is freed
    pub on_close: Option<
        unsafe extern "C" fn(
            r: *mut rws_reactor,
            c: rws_conn,
            info: *mut rws_close_info,
            user: *mut c_void,
        ),
    >,
    /// A web page that the endpoint's origins do not name: 0 answers 403, without headers added
    /// here; else on_upgrade is asked, with the user pointer set here. NULL: 0
    pub on_origin: Option<
        unsafe extern "C" fn(r: *mut rws_reactor, up: *mut rws_upgrade, user: *mut c_void) -> c_int,
    >,
    /// rws_engine_connect got no connection: instead of on_open and on_close, once per try
    pub on_refused:
        Option<unsafe extern "C" fn(r: *mut rws_reactor, why: *mut rws_refusal, user: *mut c_void)>,
    /// An HTTP request that is no upgrade, with all its body: call rws_request_answer; without
    /// that, or rws_request_later, it is 404. user: the endpoint's. See HTTP. NULL: 426 to all,
    /// with Upgrade: websocket, and the end
    pub on_request:
        Option<unsafe extern "C" fn(r: *mut rws_reactor, q: *mut rws_request, user: *mut c_void)>,
    /// What was left for later comes to nothing: the peer has gone or ended its direction, the
    /// time was over, or the engine stops. user: what rws_engine_answer was given, if it has said
    /// RWS_OK; else what on_upgrade has set, of a request the endpoint's. See Later answers
    pub on_gone: Option<unsafe extern "C" fn(r: *mut rws_reactor, l: rws_later, user: *mut c_void)>,
    /// The connection could go to the process that succeeds this one (rws_engine_hand_over): call
    /// rws_parting_state, and on_close follows, with RWS_CAUSE_PASSED_ON; without that it stays,
    /// and is drained. If what you send in here keeps it from going, this comes again. NULL: all
    /// stay
    pub on_hand_over: Option<
        unsafe extern "C" fn(
            r: *mut rws_reactor,
            c: rws_conn,
            p: *mut rws_parting,
            user: *mut c_void,
        ),
    >,
    /// In the place of on_open: the connection comes from the process before this one, with what
    /// that has given it along. It is a member of the topics that it was a member of, and what was
    /// published on the way was sent to it. user: the endpoint's. In the process that hands over,
    /// too, for one that was under way when its successor failed. NULL: on_open
    pub on_taken_over: Option<
        unsafe extern "C" fn(r: *mut rws_reactor, c: rws_conn, state: rws_bytes, user: *mut c_void),
    >,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_callbacks {
    const SIZE_MIN: usize = offset_of!(rws_callbacks, on_pong);
}

/// A reactor as it is lent to C until the call at hand returns.
pub(crate) fn lend(ctx: &mut Context) -> *mut rws_reactor {
    std::ptr::from_mut(ctx).cast()
}

fn user_of(ctx: &Context, conn: Conn) -> *mut c_void {
    User::from_word(ctx.user(conn).unwrap_or(0))
}

impl Handler for rws_callbacks {
    fn on_upgrade(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        let Some(call) = self.on_upgrade else { return Ok(()) };
        let user = User::from_word(upgrade.user());
        let visit = Visit::new((**upgrade).clone());
        let mut asked = Asked::new(upgrade, &visit);
        // SAFETY: reactor and request are borrowed from our caller until this returns, by nobody
        // else; the function, as ringws.h demands, uses them no longer and does not unwind.
        let returned = unsafe { call(lend(ctx), (&raw mut asked).cast(), user) };
        asked.verdict(returned).unwrap_or(Ok(()))
    }

    fn on_origin(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> bool {
        let Some(call) = self.on_origin else { return false };
        let user = User::from_word(upgrade.user());
        let visit = Visit::new((**upgrade).clone());
        let mut asked = Asked::new(upgrade, &visit);
        // SAFETY: reactor and request are borrowed from our caller until this returns, by nobody
        // else; the function, as ringws.h demands, uses them no longer and does not unwind.
        unsafe { call(lend(ctx), (&raw mut asked).cast(), user) != 0 }
    }

    fn on_request(&self, ctx: &mut Context, asked: &ringws_engine::reactor::Asked<'_>) -> Reply {
        let absent = Reply::new(404);
        let Some(call) = self.on_request else { return absent };
        let mut visit = Visit::new(asked.clone());
        // SAFETY: reactor and request are borrowed from our caller until this returns, by nobody
        // else; the function, as ringws.h demands, uses them no longer and does not unwind.
        unsafe { call(lend(ctx), (&raw mut visit).cast(), User::from_word(asked.user())) }
        visit.into_answer().unwrap_or(absent)
    }

    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let Some(call) = self.on_open else { return };
        let user = user_of(ctx, conn);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else; the
        // function, as ringws.h demands, uses it no longer and does not unwind.
        unsafe { call(lend(ctx), conn.into(), user) }
    }

    fn on_hand_over(&self, ctx: &mut Context, conn: Conn) -> Option<Vec<u8>> {
        let call = self.on_hand_over?;
        let user = user_of(ctx, conn);
        let mut parting = Parting::default();
        // SAFETY: reactor and parting are borrowed from us until this returns, by nobody else; the
        // function, as ringws.h demands, uses them no longer and does not unwind.
        unsafe { call(lend(ctx), conn.into(), (&raw mut parting).cast(), user) }
        parting.state
    }

    fn on_taken_over(&self, ctx: &mut Context, conn: Conn, state: &[u8]) {
        let Some(call) = self.on_taken_over else { return self.on_open(ctx, conn) };
        let user = user_of(ctx, conn);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else, and
        // so are the bytes; the function, as ringws.h demands, uses them no longer and does not
        // unwind.
        unsafe { call(lend(ctx), conn.into(), state.into(), user) }
    }

    fn on_gone(&self, ctx: &mut Context, later: Later, user: usize) {
        let Some(call) = self.on_gone else { return };
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else; the
        // function, as ringws.h demands, uses it no longer and does not unwind.
        unsafe { call(lend(ctx), later.into(), User::from_word(user)) }
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let Some(call) = self.on_message else { return };
        let user = User::from_word(message.user);
        let message = rws_message::from(&message);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else, and
        // so is what `message`, a local, points at; the function, as ringws.h demands, uses it no
        // longer and does not unwind.
        unsafe { call(lend(ctx), conn.into(), &message, user) }
    }

    fn on_pong(&self, ctx: &mut Context, conn: Conn, payload: &[u8]) {
        let Some(call) = self.on_pong else { return };
        let user = user_of(ctx, conn);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else, and
        // so is the payload; the function, as ringws.h demands, uses it no longer and does not
        // unwind.
        unsafe { call(lend(ctx), conn.into(), payload.into(), user) }
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        let Some(call) = self.on_drain else { return };
        let user = user_of(ctx, conn);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else; the
        // function, as ringws.h demands, uses it no longer and does not unwind.
        unsafe { call(lend(ctx), conn.into(), user) }
    }

    fn on_refused(&self, ctx: &mut Context, why: &mut NotConnected<'_>) {
        let Some(call) = self.on_refused else { return };
        let mut refusal = rws_refusal::from(&*why);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else, and
        // so is what `refusal`, a local, points at; the function, as ringws.h demands, uses it no
        // longer and does not unwind.
        unsafe { call(lend(ctx), &mut refusal, User::from_word(why.user)) }
        why.retry_ms = refusal.retry_ms;
    }

    fn on_close(&self, ctx: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
        let Some(call) = self.on_close else { return };
        let user = user_of(ctx, conn);
        let mut info = rws_close_info::from(&*closed);
        // SAFETY: the reactor is borrowed from our caller until this returns, by nobody else, and
        // so is what `info`, a local, points at; the function, as ringws.h demands, uses it no
        // longer and does not unwind.
        unsafe { call(lend(ctx), conn.into(), &mut info, user) }
        closed.retry_ms = info.retry_ms;
    }
}
