//! An encrypted connection stays with the thread that has its keys.

use super::certs::Authority;
use super::peer::Dial;
use super::running::{at, reactors, start};
use super::service::settings;
use ringws_engine::config::Endpoint;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Context, Handler, MoveError, Upgrade};
use ringws_engine::tls::Server;

/// Wants each on the next reactor, and serves it where it is.
struct Restless;

impl Handler for Restless {
    fn on_upgrade(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        assert_eq!(upgrade.move_to((ctx.index() + 1) % 2), Err(MoveError::Tls));
        assert!(!upgrade.moved());
        Ok(())
    }
}

#[test]
fn it_does_not_move_and_is_served_where_it_is() {
    let authority = Authority::new("test");
    let server = Server::new(&settings(&[&authority.issue(&["localhost"])])).unwrap();
    let (engine, port) = start(reactors(2), Endpoint { tls: Some(server), ..at(Restless) });
    let _peer = Dial::new(&authority).open(port).unwrap();
    let stats = engine.stats(None).unwrap();
    assert_eq!((stats.upgraded, stats.handed_over, stats.adopted), (1, 0, 0));
}
