//! When a bus is woken for what was published.

use super::room::Room;
use super::service::reactors;
use ringws_engine::broker::{Bus, BusConfig, Call, Port};
use ringws_engine::conn::Limits;
use ringws_kit::{Client, TEXT, until};
use std::net::TcpStream;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A member's socket, to be looked at when the bus is woken next, and what was seen then.
#[derive(Clone, Default)]
struct Watch {
    member: Arc<Mutex<Option<TcpStream>>>,
    had_it: Arc<Mutex<Option<bool>>>,
    joined: Arc<Mutex<bool>>,
}

impl Watch {
    /// Runs on whichever thread has something for the bus: a turn goes on behind it.
    fn look(&self) {
        if let Some(member) = self.member.lock().unwrap().take() {
            let has_some = member.peek(&mut [0]).is_ok_and(|count| count > 0);
            *self.had_it.lock().unwrap() = Some(has_some);
        }
    }
}

impl Bus for Watch {
    fn run(self: Box<Self>, mut port: Port) {
        let (wake, woken) = sync_channel(1);
        let watch = Self::clone(&self);
        port.on_wake(Arc::new(move || {
            watch.look();
            let _ = wake.try_send(());
        }));
        port.inbound().up(1_000);
        loop {
            match port.next_call() {
                Some(Call::Stop) => break,
                Some(Call::Interest { on, .. }) => *self.joined.lock().unwrap() = on,
                Some(Call::Send { .. }) => (),
                None => _ = woken.recv_timeout(Duration::from_millis(10)),
            }
        }
    }
}

#[test]
fn members_here_have_it_before_the_bus_is_woken() {
    let watch = Watch::default();
    let room = Room::with(reactors(1), Limits::default(), |engine| {
        engine.set_bus(BusConfig::default(), Box::new(watch.clone())).expect("the first bus");
    });
    let mut publisher = Client::connect(room.port);
    let stream = TcpStream::connect(("127.0.0.1", room.port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
    let mut member = Client::open(stream.try_clone().expect("a descriptor"));
    member.send(TEXT, "join blue");
    member.hears(TEXT, "Ok(true)");
    until("interest", || *watch.joined.lock().unwrap());
    *watch.member.lock().unwrap() = Some(stream);
    publisher.send(TEXT, "say blue words");
    until("woken", || watch.had_it.lock().unwrap().is_some());
    assert_eq!(*watch.had_it.lock().unwrap(), Some(true), "the bus came first");
    member.hears(TEXT, "words");
}
