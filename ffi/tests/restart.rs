//! `examples/restart.c` as four processes, one after the other, under the sanitizers: its clients
//! count all the time, and notice nothing.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{Client, TEXT};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Says something until it is over, and hears how often it has: by all processes together.
fn count(mut client: Client, over: &AtomicBool) -> u64 {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        client.send(TEXT, "again");
        client.hears(TEXT, number.to_string());
    }
    number
}

/// Ends the counting, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn start(program: &Path, door: &Path) -> Server {
    Server::start(program, &["0".as_ref(), door.as_os_str()])
}

#[test]
fn clients_count_on_over_restarts() {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let dir = scratch("restart");
    let (program, door) = (dir.join("restart"), dir.join("door"));
    let source = here().join("examples/restart.c");
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    // What a process has left that was killed is no hindrance.
    drop(std::fs::remove_file(&door));
    drop(std::os::unix::net::UnixListener::bind(&door).unwrap());

    let mut server = start(&program, &door);
    let port = server.port;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ends = Over(&over);
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let client = Client::connect(port).with_patience(PATIENCE);
                scope.spawn(|| count(client, &over))
            })
            .collect();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            let next = start(&program, &door);
            assert_eq!(next.port, port);
            let mut before = std::mem::replace(&mut server, next);
            assert_eq!(before.says_until_its_end(), "10 passed on, 0 left: success\n");
            assert_eq!(before.wait(PATIENCE).code(), Some(0));
        }
        drop(ends);
        for client in clients {
            assert!(client.join().unwrap() > 3);
        }
    });
    // Whoever comes now begins at one, in the last of them.
    let mut late = Client::connect(port);
    late.send(TEXT, "hello");
    late.hears(TEXT, "1");
}
