//! Messages that come together and answers to them that leave together: whatever a callback does in
//! the middle of a run, order and contents are those of messages that came one by one.

#[path = "support/service.rs"]
mod service;

use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_kit::{Client, frame};
use service::serve;
use std::time::Duration;

/// Does what a message says, and answers each with itself.
struct Obedient;

impl Handler for Obedient {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let more = SendFlags { more: true, plain: false };
        let whole = SendFlags::default();
        let send = |ctx: &mut Context, opcode, payload: &[u8], flags| {
            ctx.send(conn, opcode, payload, flags).expect("open");
        };
        match message.payload {
            b"abort" => return ctx.abort(conn).expect("open"),
            b"close" => return ctx.close(conn, CloseCode::NORMAL, "asked").expect("open"),
            b"ping" => send(ctx, Opcode::Ping, b"?", whole),
            b"fragments" => {
                send(ctx, Opcode::Text, b"frag", more);
                let refused = ctx.send(conn, Opcode::Text, b"whole", whole);
                assert!(refused.is_err(), "a message is being sent: {refused:?}");
                send(ctx, Opcode::Continuation, b"ments", whole);
            }
            b"shared" => {
                let shared = Outgoing::new(Opcode::Binary, vec![b's'; 5000].into());
                ctx.send_message(conn, &shared).expect("open");
            }
            b"retain" => {
                let kept = ctx.retain(&message);
                ctx.send_message(conn, &kept).expect("open");
            }
            b"long" => send(ctx, Opcode::Binary, &[b'l'; 9000], whole),
            b"bad" => {
                let refused = ctx.send(conn, Opcode::Text, b"\xFFbad", whole);
                assert!(refused.is_err(), "not UTF-8: {refused:?}");
            }
            b"buffered" => {
                let before = ctx.buffered(conn);
                send(ctx, message.opcode, message.payload, whole);
                let count = format!("{}", ctx.buffered(conn) - before);
                return send(ctx, Opcode::Text, count.as_bytes(), whole);
            }
            b"user" => {
                ctx.set_user(conn, message.user + 1).expect("open");
                let user = format!("{}", message.user);
                return send(ctx, Opcode::Text, user.as_bytes(), whole);
            }
            b"pause" => {
                ctx.pause(conn).expect("open");
                let resume = move |ctx: &mut Context| ctx.resume(conn).expect("open");
                ctx.timer_start(Duration::from_millis(20), Box::new(resume));
            }
            _ => {}
        }
        send(ctx, message.opcode, message.payload, whole);
    }
}

/// Sends all messages in one write, and returns all frames until the connection ends.
fn answers(limits: Limits, messages: &[(u8, &[u8])]) -> Vec<(u8, Vec<u8>)> {
    let (_engine, port) = serve(limits, Obedient);
    let mut client = Client::connect(port);
    let run: Vec<u8> = messages.iter().flat_map(|(first, text)| frame(*first, text)).collect();
    client.write(&run);
    client.all()
}

fn text(payload: &[u8]) -> (u8, Vec<u8>) {
    (0x81, payload.to_vec())
}

const CLOSE: (u8, &[u8]) = (0x88, b"\x03\xE8");

#[test]
fn everything_in_the_middle_keeps_its_place() {
    let said: Vec<(u8, &[u8])> = [
        &b"first"[..],
        b"ping",
        b"a",
        b"fragments",
        b"b",
        b"shared",
        b"c",
        b"retain",
        b"d",
        b"long",
        b"e",
        b"bad",
        b"f",
        b"buffered",
        b"g",
        b"user",
        b"user",
        b"pause",
        b"h",
        b"pause",
        b"i",
    ]
    .into_iter()
    .map(|payload| (0x81, payload))
    .chain([(0x82, &b"\xFF\x00"[..]), (0x81, "na\u{EF}ve".as_bytes()), (0x89, b"!"), CLOSE])
    .collect();
    let expected = [
        text(b"first"),
        (0x89, b"?".to_vec()),
        text(b"ping"),
        text(b"a"),
        (0x01, b"frag".to_vec()),
        (0x80, b"ments".to_vec()),
        text(b"fragments"),
        text(b"b"),
        (0x82, vec![b's'; 5000]),
        text(b"shared"),
        text(b"c"),
        text(b"retain"),
        text(b"retain"),
        text(b"d"),
        (0x82, vec![b'l'; 9000]),
        text(b"long"),
        text(b"e"),
        text(b"bad"),
        text(b"f"),
        text(b"buffered"),
        text(b"10"),
        text(b"g"),
        text(b"0"),
        text(b"1"),
        text(b"pause"),
        text(b"h"),
        text(b"pause"),
        text(b"i"),
        (0x82, b"\xFF\x00".to_vec()),
        text("na\u{EF}ve".as_bytes()),
        (0x8A, b"!".to_vec()),
        (0x88, b"\x03\xE8".to_vec()),
    ];
    assert_eq!(answers(Limits::default(), &said), expected);
}

#[test]
fn nothing_follows_an_abort_and_no_answer_a_close() {
    let said: [(u8, &[u8]); 3] = [(0x81, b"a"), (0x81, b"abort"), (0x81, b"b")];
    assert!(answers(Limits::default(), &said).len() <= 1);
    let said: [(u8, &[u8]); 3] = [(0x81, b"a"), (0x81, b"close"), CLOSE];
    let expected = [text(b"a"), (0x88, b"\x03\xE8asked".to_vec())];
    assert_eq!(answers(Limits::default(), &said), expected);
}

#[test]
fn a_violation_comes_behind_the_answers_to_what_came_before_it() {
    for (bad, code) in [((0x81, &b"ab\xFF"[..]), 1007_u16), ((0xC1, b"rsv"), 1002)] {
        let said = [(0x81, &b"a"[..]), (0x81, b"b"), bad, (0x81, b"never")];
        let got = answers(Limits::default(), &said);
        assert_eq!(got[..2], [text(b"a"), text(b"b")]);
        assert_eq!((got[2].0, &got[2].1[..2]), (0x88, &code.to_be_bytes()[..]), "{got:?}");
        assert_eq!(got.len(), 3);
    }
}

#[test]
fn limits_hold_within_a_run() {
    let limits = Limits { message_max: 4, ..Limits::default() };
    let said = [(0x81, &b"1234"[..]), (0x81, b"12345"), (0x81, b"never")];
    let got = answers(limits, &said);
    assert_eq!(got[0], text(b"1234"));
    assert_eq!((got[1].0, &got[1].1[..2]), (0x88, &1009_u16.to_be_bytes()[..]));
    assert_eq!(got.len(), 2);
}
