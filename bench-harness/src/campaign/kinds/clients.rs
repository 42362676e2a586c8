//! Peers that break off.

use super::{Kind, PLAIN};
use crate::campaign::message;
use crate::campaign::oracle::UNCOUNTED;
use crate::campaign::scene::Scene;
use crate::error::{Error, Result};
use crate::frame::{self, BINARY};
use crate::handshake;
use rustix::net::sockopt::set_socket_linger;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A reset behind every byte.
pub(super) const RESETS: Kind = Kind {
    name: "resets",
    what: "Connections are reset (SO_LINGER of 0) behind every byte of the handshake and of a \
           frame, one after the other: all are told, none leaves anything behind.",
    act: resets,
    ..PLAIN
};

fn resets(scene: &mut Scene<'_>) -> Result<()> {
    let server = scene.subject()?.address;
    let mut whole = handshake::request(server, &format!("/{UNCOUNTED}"));
    let head = whole.len();
    let body = message::build(scene.plan.seed, UNCOUNTED, 0, scene.small());
    frame::append(&mut whole, BINARY, &body, Some([9, 8, 7, 6]));
    let (begin, mut made) = (Instant::now(), 0usize);
    while begin.elapsed() < scene.duration() || made <= whole.len() {
        let cut = made % (whole.len() + 1);
        // Every second round waits for the 101: then what follows finds an open connection.
        let waits = cut > head && (made / whole.len()) % 2 == 1;
        reset(server, &whole, cut, waits.then_some(head))?;
        made += 1;
        if made.is_multiple_of(64) {
            scene.sleep(Duration::ZERO)?;
        }
    }
    scene.end();
    let rate = made as f64 / begin.elapsed().as_secs_f64();
    scene.note(format!("{made} resets, {rate:.0} a second, at {} offsets", whole.len() + 1));
    Ok(())
}

fn reset(server: SocketAddr, whole: &[u8], cut: usize, head: Option<usize>) -> Result<()> {
    let what = "connecting in a storm of resets";
    let mut socket = TcpStream::connect(server).map_err(Error::io(what))?;
    let mut from = 0;
    if let Some(head) = head {
        socket.set_read_timeout(Some(Duration::from_secs(5))).map_err(Error::io(what))?;
        socket.write_all(&whole[..head]).map_err(Error::io(what))?;
        handshake::read_response(&mut socket)?;
        from = head;
    }
    socket.write_all(&whole[from..cut]).map_err(Error::io(what))?;
    set_socket_linger(&socket, Some(Duration::ZERO)).map_err(Error::io("SO_LINGER"))
}
