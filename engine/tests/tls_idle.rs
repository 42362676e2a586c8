//! What an idle connection with TLS costs in memory.

#[path = "tls/certs.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certs;

use certs::Authority;
use ringws_engine::memory::{Batch, Pool};
use ringws_engine::tls::{Client, ClientSettings, Server, ServerSettings, Session};
use ringws_kit::resident;

const SESSIONS: usize = 2_000;

/// Bytes that a session may hold between records, with all that rustls keeps: keys, secrets for
/// the next ones, and the state of the handshake that is still to be answered for.
const EACH_MAX: usize = 5 << 10;

fn take_in(session: &mut Session, bytes: &[u8], pool: &mut Pool) {
    session.carry(bytes, pool);
    if let Some((memory, _)) = session.receive_carried(pool) {
        pool.put(memory);
    }
}

/// The server's side of a connection over which a message went each way.
fn session(server: &Server, client: &Client, pool: &mut Pool) -> Session {
    let mut ours = Session::server(server).expect("a session");
    let mut theirs = Session::client(client, "localhost", pool).expect("a session");
    loop {
        let (there, back) = (theirs.take_output(), ours.take_output());
        if there.is_none() && back.is_none() {
            break;
        }
        for (bytes, to) in [(there, &mut ours), (back, &mut theirs)] {
            if let Some(bytes) = bytes {
                take_in(to, &bytes, pool);
                pool.put(bytes);
            }
        }
    }
    for _ in 0..2 {
        let batch = Batch::new(vec![7; 10_000]);
        theirs.encrypt(&batch, usize::MAX, pool).expect("it is open");
        let bytes = theirs.take_output().expect("records");
        take_in(&mut ours, &bytes, pool);
        pool.put(bytes);
        ours.encrypt(&batch, usize::MAX, pool).expect("it is open");
        pool.put(ours.take_output().expect("records"));
    }
    assert!(ours.is_established() && ours.carried() == 0);
    ours
}

#[test]
fn sessions_are_small() {
    let authority = Authority::new("test");
    let identities = vec![authority.issue(&["localhost"]).identity()];
    let server = Server::new(&ServerSettings { identities, ..ServerSettings::default() });
    let roots = Some(authority.roots());
    let client = Client::new(&ClientSettings { roots, ..ClientSettings::default() });
    let (server, client) = (server.expect("settings"), client.expect("settings"));
    let mut pool = Pool::default();
    let mut sessions: Vec<_> = (0..50).map(|_| session(&server, &client, &mut pool)).collect();
    let before = resident();
    sessions.extend((0..SESSIONS).map(|_| session(&server, &client, &mut pool)));
    let each = (resident() - before) / SESSIONS;
    assert!((500..EACH_MAX).contains(&each), "{each} bytes");
}
