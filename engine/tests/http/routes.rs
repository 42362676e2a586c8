//! Routes: paths that act as endpoints of their own.

use super::running::{at, reactors, start, until};
use super::service::{Asker, Pages};
use ringws_engine::config::{Endpoint, Route};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::proto::{Opcode, Origins};
use ringws_engine::reactor::{Asked, Conn, Context, Handler, Message, Upgrade};
use ringws_kit::{BINARY, Client, Socket, TEXT, tcp};
use std::sync::Arc;

/// Says what it was called with.
struct Named(&'static str);

impl Named {
    fn says(&self, asked: &Asked<'_>) -> String {
        let room = asked.request().parameter("room").unwrap_or(b"-");
        format!("{} {} {}", self.0, asked.user(), String::from_utf8_lossy(room))
    }
}

impl Handler for Named {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        let says = self.says(upgrade);
        upgrade.add_header("X-Says", says.as_bytes()).expect("a header");
        match upgrade.request().query() {
            Some("moved") => {
                let mut moved = Refusal::new(307).with_body("over there");
                moved.add_header("Location", b"/there").expect("a header");
                Err(moved)
            }
            _ => Ok(()),
        }
    }
    fn on_request(&self, _: &mut Context, asked: &Asked<'_>) -> Reply {
        Reply::new(200).with_body(format!("{} {}", self.says(asked), asked.request().body().len()))
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, _: Message<'_>) {
        let says = format!("{} {:?}", self.0, ctx.user(conn));
        ctx.send(conn, Opcode::Text, says.as_bytes(), SendFlags::default()).expect("room");
    }
}

fn route(pattern: &str, name: &'static str, user: usize, limits: Limits) -> Route {
    let origins = Origins::Same;
    Route { pattern: pattern.into(), handler: Arc::new(Named(name)), limits, origins, user }
}

fn serve() -> (Engine, u16) {
    let small = Limits { message_max: 10, requests: true, body_max: 4, ..Limits::default() };
    let sockets = Limits::default();
    let routes = vec![
        route("/small/{room}", "small", 1, small),
        route("/small/lobby", "lobby", 2, Limits { requests: true, ..sockets }),
        Route { origins: Origins::Any, ..route("/sockets/{*room}", "sockets", 3, sockets) },
    ];
    let limits = Limits { requests: true, ..Limits::default() };
    let mut endpoint = Endpoint { limits, routes, user: 9, ..at(Pages) };
    endpoint.per_address.connections_max = 2;
    start(reactors(1), endpoint)
}

fn says(port: u16, target: &str, more: &[(&str, &str)]) -> (String, Client) {
    let client = Client::open_with(tcp(port), target, more);
    let says = ringws_kit::field(client.head(), "X-Says").unwrap_or_default().to_owned();
    (says, client)
}

#[test]
fn each_path_has_its_handler_limits_and_user() {
    let (engine, port) = serve();
    let (said, mut client) = says(port, "/small/r%2fd?x", &[]);
    assert_eq!(said, "small 1 r/d");
    client.send(BINARY, [0; 10]);
    client.hears(TEXT, "small Some(1)");
    client.send(BINARY, [0; 11]);
    client.closed_with(1009);
    drop(client);
    // One at a time is let in: who comes before the other's end was noticed is not.
    let nobody = || until(&engine, "it has gone", |stats| stats.connections == 0);
    nobody();
    let (said, mut client) = says(port, "/small/lobby", &[]);
    assert_eq!(said, "lobby 2 -");
    client.send(BINARY, [0; 11]);
    client.hears(TEXT, "lobby Some(2)");
    client.close();
    drop(client);
    nobody();
    let (said, client) = says(port, "/sockets/a/b", &[("Origin", "https://elsewhere.example")]);
    assert_eq!(said, "sockets 3 a/b");
    client.reset();
    nobody();
    let (said, mut client) = says(port, "/other", &[]);
    assert_eq!(said, "");
    client.echoes(TEXT, "an endpoint as ever");
    client.close();
    drop(client);
    // The address was let in anew each time: those of routes are counted as they came.
    until(&engine, "all have gone", |stats| stats.connections == 0 && stats.address_closed == 0);
}

#[test]
fn each_request_of_a_connection_has_its_own_route() {
    let (engine, port) = serve();
    let mut asker = Asker::connect(port);
    for _ in 0..2 {
        asker.gets("/small/red", 200, "small 1 red 0");
        asker.gets("/small/lobby?room=x", 200, "lobby 2 - 0");
        asker.gets("/small/", 200, "GET /small/ /small/  ");
        asker.say("POST /small/red HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(asker.answer().2, b"small 1 red 4");
        asker.say("POST /small/lobby HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        asker.say("5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(asker.answer().2, b"lobby 2 - 5");
    }
    asker.say("POST /small/red HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(asker.answer().0, 413, "the limit of the route");
    asker.ends();
    let mut asker = Asker::connect(port);
    asker.gets("/small/red", 200, "small 1 red 0");
    asker.ask("GET", "/sockets/x");
    assert_eq!(asker.answer().0, 426, "a route without requests");
    asker.ends();
    until(&engine, "the end", |stats| stats.connections == 0 && stats.requests_refused == 2);
}

#[test]
fn an_upgrade_is_sent_elsewhere() {
    let (_engine, port) = serve();
    let mut asker = Asker(tcp(port));
    asker.say(&ringws_kit::request("/small/x?moved", &[]));
    let (status, head, body) = asker.answer();
    assert_eq!((status, &*body), (307, &b"over there"[..]), "{head}");
    assert_eq!(ringws_kit::field(&head, "Location"), Some("/there"));
    assert_eq!(ringws_kit::field(&head, "Connection"), Some("close"));
    asker.0.half_close();
    asker.ends();
}

#[test]
fn routes_that_are_none_are_refused() {
    let engine = Engine::new(reactors(1)).expect("an engine");
    let good = Limits::default();
    let bad = Limits { head_max: 1, ..good };
    for (pattern, limits, why) in [
        ("small", good, "does not begin with a slash"),
        ("/{", good, "route \"/{\""),
        ("/x", bad, "route \"/x\": head_max"),
    ] {
        let endpoint = Endpoint { routes: vec![route(pattern, "", 0, limits)], ..at(Pages) };
        match engine.listen(endpoint) {
            Err(Error::Invalid(text)) => assert!(text.contains(why), "{text}"),
            other => panic!("{pattern}: {other:?}"),
        }
    }
}
