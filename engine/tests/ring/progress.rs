//! Since when a peer takes nothing of what waits for it.

use crate::harness::{Echo, config, kinds, listener};
use rustix::net::sockopt;
use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

fn asked(echo: &mut Echo) -> Option<u64> {
    let (token, socket) = (echo.token(0), echo.slots[0].socket.expect("open"));
    echo.kernel.progress(socket, token);
    echo.run(|echo| !echo.progress.is_empty());
    echo.progress.pop().expect("one answer")
}

#[test]
fn what_a_peer_takes_is_told_while_a_send_waits() {
    for (name, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        config.sqpoll = sqpoll;
        let mut echo = Echo::new(config, &tuning);
        let mut client = TcpStream::connect(address).expect("connected");
        echo.run(|echo| echo.accepted == 1);
        assert_eq!(asked(&mut echo), None, "{name}: nothing waits");
        let token = echo.token(0);
        echo.slots[0].out = vec![1; 16 << 20];
        echo.advance(token);
        for _ in 0..30 {
            echo.turn(Some(Duration::from_millis(10)));
        }
        assert!(echo.slots[0].sending, "{name}: the peer does not read");
        let before = asked(&mut echo).expect("something waits");
        assert!(before >= 100, "{name}: {before} ms, though nothing was taken for 300");
        // As much as its own system has: then that has room for what waits.
        let held = sockopt::socket_recv_buffer_size(&client).expect("SO_RCVBUF");
        client.read_exact(&mut vec![0; held / 2]).expect("it was sent");
        thread::sleep(Duration::from_millis(20));
        let now = asked(&mut echo).expect("something waits");
        assert!(now < before, "{name}: {now} ms, {before} before it read");
        drop(client);
        echo.run(|echo| echo.closed == 1);
    }
}
