//! Topics across machines over NATS, as C asks for it: what is wrong is named, and what is right
//! reaches a member on another engine.

#[path = "../../engine/tests/nats/broker.rs"]
#[allow(dead_code, reason = "each test uses its own part")]
mod broker;
#[path = "nats/cluster.rs"]
mod cluster;
mod common;
#[path = "common/markdown.rs"]
mod markdown;

use broker::Broker;
use ringws::buf::{rws_buf_new, rws_buf_release};
use ringws::callbacks::rws_callbacks;
use ringws::constants::{RWS_ANY_REACTOR, RWS_BINARY};
use ringws::endpoint::rws_endpoint;
use ringws::engine::{rws_engine_free, rws_engine_listen, rws_engine_new, rws_engine_start};
use ringws::nats::{rws_engine_nats, rws_nats_options};
use ringws::stats::{rws_engine_stats, rws_stats};
use ringws::status::{rws_error, rws_status};
use ringws::topic::{rws_engine_publish, rws_join};
use ringws::types::{rws_bytes, rws_conn, rws_engine, rws_reactor};
use ringws_kit::{BINARY, Client, until};
use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

/// All zeros but its size, as RWS_INIT has it.
macro_rules! init {
    ($type:ty) => {{
        // SAFETY: zero is a valid value of each field.
        let mut value: $type = unsafe { MaybeUninit::zeroed().assume_init() };
        value.size = size_of::<$type>() as u32;
        value
    }};
}

fn engine() -> *mut rws_engine {
    let mut engine = null_mut();
    // SAFETY: all defaults, and a place for the result.
    assert_eq!(unsafe { rws_engine_new(null(), &raw mut engine, null_mut()) }, rws_status::RWS_OK);
    engine
}

/// What it answers, and why.
fn nats(engine: *mut rws_engine, options: &rws_nats_options) -> (rws_status, String) {
    let mut err = MaybeUninit::<rws_error>::zeroed();
    // SAFETY: a live engine, a whole struct, room for the error, which has a text of zeros if none
    // is written.
    unsafe {
        let status = rws_engine_nats(engine, options, err.as_mut_ptr());
        let text = CStr::from_ptr((*err.as_ptr()).text.as_ptr());
        (status, text.to_str().unwrap().to_owned())
    }
}

#[test]
fn what_is_wrong_is_named() {
    let engine = engine();
    let text = |text: &'static CStr| text.as_ptr();
    type Change = fn(&mut rws_nats_options, fn(&'static CStr) -> *const c_char);
    let cases: [(&str, Change); 8] = [
        ("servers: at least one", |all, text| all.servers = text(c" , ")),
        ("servers: \"http://a\"", |all, text| all.servers = text(c"b,http://a")),
        ("servers: not UTF-8", |all, text| all.servers = text(c"\xff")),
        ("subject_prefix: ", |all, text| all.subject_prefix = text(c"a b")),
        ("password: ", |all, text| all.user = text(c"u")),
        ("nkey_seed: ", |all, text| all.nkey_seed = text(c"SU")),
        ("credentials: /nowhere", |all, text| all.credentials = text(c"/nowhere")),
        ("heartbeat_ms: ", |all, _| all.heartbeat_ms = 1),
    ];
    for (expected, change) in cases {
        let mut options = init!(rws_nats_options);
        options.servers = c"localhost".as_ptr();
        change(&mut options, text);
        let (status, why) = nats(engine, &options);
        assert_eq!(status, rws_status::RWS_E_INVALID, "{expected}");
        assert!(why.contains(expected), "{why:?} has not {expected:?}");
    }
    let mut options = init!(rws_nats_options);
    options.servers = c"localhost".as_ptr();
    options.flags = 1 << 31;
    assert_eq!(nats(engine, &options).0, rws_status::RWS_E_UNSUPPORTED);
    options.flags = 0;
    assert_eq!(nats(engine, &options).0, rws_status::RWS_OK);
    assert_eq!(nats(engine, &options).0, rws_status::RWS_E_STATE, "once");
    // SAFETY: nobody uses it any more.
    unsafe { rws_engine_free(engine) };
}

const TOPIC: rws_bytes = rws_bytes { data: c"any room.*".as_ptr().cast(), len: 10 };

unsafe extern "C" fn joins(reactor: *mut rws_reactor, conn: rws_conn, _: *mut c_void) {
    // SAFETY: the reactor is lent to this call.
    assert_eq!(unsafe { rws_join(reactor, conn, TOPIC) }, rws_status::RWS_OK);
}

fn stats(engine: *mut rws_engine) -> rws_stats {
    let mut stats = init!(rws_stats);
    // SAFETY: a live engine, and a struct as its size says.
    let status = unsafe { rws_engine_stats(engine, RWS_ANY_REACTOR, &raw mut stats) };
    assert_eq!(status, rws_status::RWS_OK);
    stats
}

#[test]
fn a_publish_reaches_a_member_on_another_engine() {
    let broker = Broker::start("authorization { user: u, password: p }");
    let servers = CString::new(format!("nats://{}", broker.address())).unwrap();
    let mut options = init!(rws_nats_options);
    (options.servers, options.user, options.password) =
        (servers.as_ptr(), c"u".as_ptr(), c"p".as_ptr());
    let mut callbacks = init!(rws_callbacks);
    callbacks.on_open = Some(joins);
    let mut at = init!(rws_endpoint);
    (at.address, at.callbacks) = (c"127.0.0.1".as_ptr(), &raw const callbacks);
    let engines = [(); 2].map(|()| engine());
    let ports = engines.map(|engine| {
        assert_eq!(nats(engine, &options).0, rws_status::RWS_OK);
        let mut port = 0;
        // SAFETY: a live engine, and structs as their sizes say.
        unsafe {
            let listens = rws_engine_listen(engine, &raw const at, &raw mut port, null_mut());
            assert_eq!(listens, rws_status::RWS_OK);
            assert_eq!(rws_engine_start(engine, null_mut()), rws_status::RWS_OK);
        }
        port
    });
    let [there, here] = engines;
    until("both are up", || engines.iter().all(|&engine| stats(engine).bus_up == 1));
    let mut member = Client::connect(ports[1]);
    let text = b"across";
    until("it comes", || {
        // SAFETY: live engines, and a message that is ours.
        unsafe {
            let mut buf = null_mut();
            let bytes = text.as_ptr().cast();
            let made = rws_buf_new(RWS_BINARY, bytes, text.len(), 0, &raw mut buf, null_mut());
            assert_eq!(made, rws_status::RWS_OK);
            let nobody = rws_conn { id: 0 };
            assert_eq!(rws_engine_publish(there, TOPIC, buf, nobody), rws_status::RWS_OK);
            rws_buf_release(buf);
        }
        stats(here).bus_delivered > 0
    });
    member.hears(BINARY, "across");
    assert_eq!((stats(there).nats_connects, stats(there).nats_refused), (1, 0));
    for engine in engines {
        // SAFETY: nobody uses it any more.
        unsafe { rws_engine_free(engine) };
    }
}
