//! The ordinary case, in every way a ring can be made.

use crate::harness::{Echo, config, kinds, listener, pattern};
use ringws_engine::ring::Credentials;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

/// Sends `len` bytes while reading them back.
fn client(mut stream: impl Read + Write, seed: u64, len: usize) {
    let bytes = pattern(seed, len);
    let mut back = vec![0; len];
    for (sent, received) in bytes.chunks(50_000).zip(back.chunks_mut(50_000)) {
        stream.write_all(sent).expect("written");
        stream.read_exact(received).expect("read");
    }
    assert!(bytes == back, "not what was sent");
}

#[test]
fn echoes_over_tcp_and_knows_the_peers() {
    for (name, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        config.sqpoll = sqpoll;
        let mut echo = Echo::new(config, &tuning);
        let clients: Vec<_> = (0..20)
            .map(|seed| {
                thread::spawn(move || {
                    let stream = TcpStream::connect(address).expect("connected");
                    let local = stream.local_addr().expect("an address");
                    client(&stream, seed, 10 + seed as usize * 10_000);
                    stream.shutdown(Shutdown::Write).expect("shut down");
                    assert_eq!((&stream).read(&mut [0]).expect("the end"), 0);
                    local
                })
            })
            .collect();
        echo.run(|echo| echo.closed == 20);
        let mut wanted: Vec<_> =
            clients.into_iter().map(|client| Some(client.join().expect(name))).collect();
        wanted.sort();
        echo.peers.sort();
        assert_eq!(echo.peers, wanted, "{name}");
        assert_eq!((echo.errors.len(), echo.accept_errors.len()), (0, 0), "{name}");
    }
}

#[test]
fn echoes_over_a_unix_socket_in_shared_pieces() {
    let path = std::env::temp_dir().join(format!("ringws-ring-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let unix = UnixListener::bind(&path).expect("bound");
    let mut echo = Echo::new(config(vec![unix.into()]), &Default::default());
    // 300 pieces of a kibibyte and more: several sends of 64 pieces each.
    echo.pieces = 7;
    let there = path.clone();
    let one = thread::spawn(move || {
        client(UnixStream::connect(there).expect("connected"), 1, 200_000);
    });
    echo.run(|echo| echo.closed == 1);
    one.join().expect("echoed");
    assert_eq!(echo.peers, [None]);
    std::fs::remove_file(path).expect("removed");
}

/// From a thread that is somebody else, where we may have one.
#[test]
fn it_is_known_who_connects_to_a_unix_socket() {
    use rustix::process::{Gid, Uid, getegid, geteuid};
    for (name, sqpoll, tuning) in kinds() {
        let path = std::env::temp_dir().join(format!("ringws-who-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let unix = UnixListener::bind(&path).expect("bound");
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("ours");
        let mut config = config(vec![unix.into()]);
        config.sqpoll = sqpoll;
        let mut echo = Echo::new(config, &tuning);
        let there = path.clone();
        let clients = thread::spawn(move || {
            let visit = || {
                let stream = UnixStream::connect(&there).expect("connected");
                client(&stream, 1, 1_000);
                (geteuid().as_raw(), getegid().as_raw())
            };
            let mut all = vec![visit(), visit()];
            if geteuid().is_root() {
                rustix::thread::set_thread_gid(Gid::from_raw(65_533)).expect("root may");
                rustix::thread::set_thread_uid(Uid::from_raw(65_534)).expect("root may");
                all.push((65_534, 65_533));
                assert_eq!(visit(), all[2]);
            }
            all
        });
        let count = if geteuid().is_root() { 3 } else { 2 };
        echo.run(|echo| echo.closed == count);
        let pid = std::process::id() as i32;
        let who = clients.join().expect(name).into_iter();
        let who = who.map(|(uid, gid)| Some(Credentials { pid, uid, gid }));
        assert_eq!(echo.credentials, who.collect::<Vec<_>>(), "{name}");
        assert!(echo.peers.iter().all(Option::is_none));
        assert_eq!(echo.accept_errors.len(), 0, "{name}");
        std::fs::remove_file(path).expect("removed");
    }
    let (fd, address) = listener();
    let mut echo = Echo::new(config(vec![fd]), &Default::default());
    let there = thread::spawn(move || {
        client(TcpStream::connect(address).expect("connected"), 1, 10);
    });
    echo.run(|echo| echo.closed == 1);
    there.join().expect("echoed");
    assert_eq!(echo.credentials, [None], "nobody is known by TCP");
}

#[test]
fn a_thousand_connections() {
    for ordinary in [false, true] {
        let (fd, address) = listener();
        let tuning = ringws_engine::ring::Tuning { ordinary, ..Default::default() };
        let mut echo = Echo::new(config(vec![fd]), &tuning);
        let clients = thread::spawn(move || {
            let mut all: Vec<_> =
                (0..1_000).map(|_| TcpStream::connect(address).expect("connected")).collect();
            for round in 0..3u64 {
                for (index, stream) in all.iter_mut().enumerate() {
                    stream.write_all(&pattern(round + index as u64, 100)).expect("written");
                }
                for (index, stream) in all.iter_mut().enumerate() {
                    let mut back = [0; 100];
                    stream.read_exact(&mut back).expect("read");
                    assert_eq!(back[..], pattern(round + index as u64, 100));
                }
            }
        });
        echo.run(|echo| echo.closed == 1_000);
        clients.join().expect("echoed");
        assert!(echo.peers.iter().all(Option::is_some));
        assert_eq!(echo.errors, []);
    }
}
