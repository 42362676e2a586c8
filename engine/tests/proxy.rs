//! Connections of proxies that tell whose they are.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Address, AddressLimits, Endpoint, Proxies};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::proto::proxy::tlv;
use ringws_engine::reactor::{Asked, Conn, Context, Handler, Message, Upgrade};
use ringws_kit::{Client, Socket, TEXT, ask, read_to_end, request, tcp, unix};
use service::{at_of, of, reactors, start, stats, until};
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
const SOURCE: &str = "192.0.2.7:40000";

/// Version 2, from there, with these TLVs.
fn binary(source: [u8; 4], tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut rest = [&source[..], &[198, 51, 100, 1, 0x9c, 0x40, 0x01, 0xbb]].concat();
    for (kind, value) in tlvs {
        rest.push(*kind);
        rest.extend((value.len() as u16).to_be_bytes());
        rest.extend_from_slice(value);
    }
    let length = (rest.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11", &length[..], &rest].concat()
}

/// What was told of a connection when it asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    peer: String,
    proxy: Option<String>,
    unique_id: Option<Vec<u8>>,
}

/// Echoes, and says where everybody comes from.
#[derive(Default)]
struct Echo(Mutex<Vec<Told>>);

impl Echo {
    fn note(&self, asked: &Asked<'_>) {
        let text =
            |at: Option<_>| at.map_or("none".into(), |at: std::net::SocketAddr| at.to_string());
        let proxied = asked.proxied();
        self.0.lock().unwrap().push(Told {
            peer: text(asked.peer()),
            proxy: proxied.map(|proxied| text(proxied.proxy)),
            unique_id: proxied
                .and_then(|proxied| proxied.header.tlv(tlv::UNIQUE_ID))
                .map(<[u8]>::to_vec),
        });
    }
}

impl Handler for Echo {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        self.note(upgrade);
        Ok(())
    }
    fn on_request(&self, _: &mut Context, asked: &Asked<'_>) -> Reply {
        self.note(asked);
        Reply::new(204)
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let answer = match message.payload {
            b"who?" => ctx.peer(conn).map_or("none".into(), |at| at.to_string()).into_bytes(),
            other => other.to_vec(),
        };
        ctx.send(conn, message.opcode, &answer, SendFlags::default()).expect("room");
    }
}

struct Service {
    engine: Engine,
    port: u16,
    echo: Arc<Echo>,
}

impl Service {
    fn new(from: &str, change: impl FnOnce(&mut Endpoint)) -> Self {
        let echo = Arc::new(Echo::default());
        let proxies = Some(Proxies::parse(from).expect("networks"));
        let mut endpoint = Endpoint { proxies, ..at_of(echo.clone()) };
        change(&mut endpoint);
        let (engine, port) = start(reactors(1), endpoint);
        Self { engine, port, echo }
    }

    /// Everybody on this machine is a proxy.
    fn of_all() -> Self {
        Self::new("127.0.0.0/8", |_| ())
    }

    /// What was told since this was last asked.
    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.echo.0.lock().unwrap())
    }
}

/// A connection that begins so.
fn begun(port: u16, header: &[u8]) -> TcpStream {
    let mut stream = tcp(port);
    stream.write_all(header).expect("room");
    stream
}

fn who(client: &mut Client<impl Socket>) -> String {
    client.send(TEXT, "who?");
    String::from_utf8(client.receive().1).expect("an address")
}

#[test]
fn the_address_in_the_header_is_the_peers() {
    let service = Service::of_all();
    let v2 = binary([192, 0, 2, 7], &[(5, b"name"), (4, &[0; 100])]);
    for (header, id) in [(LINE, None), (&v2, Some(b"name".to_vec()))] {
        // Cut anywhere, and in one piece with what follows.
        for cut in 0..=header.len() {
            let (first, second) = header.split_at(cut);
            let mut stream = begun(service.port, first);
            stream.write_all(&[second, request("/", &[]).as_bytes()].concat()).expect("room");
            let head = ringws_kit::read_head(&mut stream).expect("an answer");
            assert!(head.starts_with("HTTP/1.1 101 "), "cut at {cut}: {head}");
            let told = service.told();
            assert_eq!(told.len(), 1, "cut at {cut}");
            assert_eq!((&*told[0].peer, &told[0].unique_id), (SOURCE, &id), "cut at {cut}");
            let proxy = told[0].proxy.as_deref().expect("a proxy");
            assert_eq!(proxy, stream.local_addr().expect("an address").to_string());
        }
    }
    let mut client = Client::open(begun(service.port, LINE));
    assert_eq!(who(&mut client), SOURCE, "as long as it lives");
    client.close();
}

#[test]
fn what_names_nobody_leaves_the_address_of_the_socket() {
    let service = Service::of_all();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    let unix = [b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8".as_slice(), &[b'/'; 216]].concat();
    for header in [b"PROXY UNKNOWN ::1 ::2 1 2\r\n".as_slice(), local, &unix] {
        let stream = begun(service.port, header);
        let own = stream.local_addr().expect("an address").to_string();
        let mut client = Client::open(stream);
        assert_eq!(who(&mut client), own);
        let told = Told { peer: own.clone(), proxy: Some(own), unique_id: None };
        assert_eq!(service.told(), [told]);
    }
}

#[test]
fn the_header_is_told_with_each_request_until_the_connection_is_open() {
    let limits = Limits { requests: true, ..Limits::default() };
    let service = Service::new("127.0.0.1", |endpoint| endpoint.limits = limits);
    let mut stream = begun(service.port, &binary([192, 0, 2, 7], &[(5, b"x")]));
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("room");
        let head = ringws_kit::read_head(&mut stream).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    }
    let mut client = Client::open(stream);
    let told = service.told();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|told| told.peer == SOURCE && told.unique_id.as_deref() == Some(b"x")));
    assert_eq!(who(&mut client), SOURCE);
}

/// Whether it comes at once or by bytes: nobody is told anything, and it is counted.
#[test]
fn a_proxy_without_a_header_is_dropped() {
    let service = Service::of_all();
    let get = request("/", &[]).into_bytes();
    for (count, bad) in [&get[..], b"PROXY TCP4 1.2.3.4\r\n", b"\x16\x03\x01"].iter().enumerate() {
        let mut stream = begun(service.port, &[bad, &get[..]].concat());
        assert_eq!(read_to_end(&mut stream), b"");
        until(&service.engine, "it is counted", |stats| {
            of(stats, "refused_by_reason", "proxy") == count as u64 + 1
        });
    }
    assert_eq!(service.told(), []);
    until(&service.engine, "gone", |stats| stats.connections == 0);
}

#[test]
fn a_header_has_the_time_of_the_handshake() {
    let limits = Limits { handshake_timeout_ms: 300, ..Limits::default() };
    let service = Service::new("127.0.0.1", |endpoint| endpoint.limits = limits);
    for part in [&b""[..], &LINE[..20], &binary([1; 4], &[])[..20]] {
        let begun_at = Instant::now();
        let mut stream = begun(service.port, part);
        assert_eq!(read_to_end(&mut stream), b"", "nothing is said to a proxy");
        assert!(begun_at.elapsed() >= Duration::from_millis(295));
    }
    until(&service.engine, "counted", |stats| stats.timeouts == 3);
    // It began when the connection was made: what the header has taken is gone.
    let begun_at = Instant::now();
    let mut stream = begun(service.port, LINE);
    let answer = String::from_utf8(read_to_end(&mut stream)).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408 "), "who is behind the proxy is heard: {answer}");
    assert!(begun_at.elapsed() >= Duration::from_millis(295));
}

#[test]
fn others_than_proxies_are_closed_unheard() {
    let service = Service::new("127.0.0.9, 10.0.0.0/8", |_| ());
    for (count, bytes) in [LINE, request("/", &[]).as_bytes()].iter().enumerate() {
        let mut stream = tcp(service.port);
        // It may be gone by now.
        let _ = stream.write_all(bytes);
        assert_eq!(read_to_end(&mut stream), b"");
        let count = count as u64 + 1;
        until(&service.engine, "counted", |stats| stats.strangers_closed == count);
    }
    assert_eq!((stats(&service.engine).accepted, service.told()), (0, vec![]));
}

/// Then it is still where they come from, and not what they say, that decides.
#[test]
fn others_than_proxies_are_served_where_they_may_be() {
    let service = Service::new("10.0.0.0/8", |endpoint| {
        endpoint.proxies.as_mut().expect("proxies").direct = true;
    });
    let stream = tcp(service.port);
    let own = stream.local_addr().expect("an address").to_string();
    let mut client = Client::open(stream);
    assert_eq!(who(&mut client), own);
    assert_eq!(service.told(), [Told { peer: own, ..Told::default() }]);
    let head = ask(&mut begun(service.port, LINE), "/", &[]).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

/// Those of the client's, not of the proxy's: and each that has come goes again.
#[test]
fn limits_of_addresses_are_those_of_clients() {
    let per_address = AddressLimits { connections_max: 1, ..AddressLimits::default() };
    let service = Service::new("127.0.0.1", |endpoint| endpoint.per_address = per_address);
    // Whoever has not told counts for nobody.
    let silent: Vec<_> = (0..5).map(|_| begun(service.port, b"PROXY ")).collect();
    let from = |last| begun(service.port, &binary([192, 0, 2, last], &[]));
    let mut clients: Vec<_> = (1..4).map(|last| Client::open(from(last))).collect();
    for _ in 0..2 {
        assert_eq!(read_to_end(&mut from(2)), b"", "one is enough");
    }
    until(&service.engine, "counted", |stats| stats.address_closed == 2);
    clients.iter_mut().for_each(|client| client.echoes(TEXT, "not harmed"));
    drop((silent, clients.remove(1)));
    until(&service.engine, "they have gone", |stats| stats.connections == 2);
    Client::open(from(2)).echoes(TEXT, "has its place");
    // Neither has who was refused, nor who never told, taken somebody's place with him.
    assert_eq!(read_to_end(&mut from(1)), b"");
    assert_eq!(read_to_end(&mut from(3)), b"");
}

#[test]
fn upgrades_in_a_second_are_counted_by_client() {
    let per_address = AddressLimits { upgrades_per_second: 1, ..AddressLimits::default() };
    let service = Service::new("127.0.0.1", |endpoint| endpoint.per_address = per_address);
    for last in 1..6 {
        Client::open(begun(service.port, &binary([192, 0, 2, last], &[])));
    }
    assert_eq!(stats(&service.engine).address_refused, 0);
}

#[test]
fn a_proxy_may_come_by_a_unix_socket() {
    let path: PathBuf = std::env::temp_dir().join(format!("ringws-proxy-{}", std::process::id()));
    let service = Service::new("unix", |endpoint| {
        endpoint.address = Address::Unix(path.clone());
        endpoint.per_address.connections_max = 1;
    });
    let mut stream = unix(&path);
    stream.write_all(LINE).expect("room");
    let mut client = Client::open(stream);
    assert_eq!(who(&mut client), SOURCE);
    let told = Told { peer: SOURCE.into(), proxy: Some("none".into()), unique_id: None };
    assert_eq!(service.told(), [told]);
    let mut second = unix(&path);
    second.write_all(LINE).expect("room");
    assert_eq!(read_to_end(&mut second), b"", "the address has its limit here, too");
    let mut local = unix(&path);
    local.write_all(b"PROXY UNKNOWN\r\n").expect("room");
    assert_eq!(who(&mut Client::open(local)), "none");
}
