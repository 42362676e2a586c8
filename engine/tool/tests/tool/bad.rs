//! A server with faults: it looks at no mask, no version, no length of a Ping and no UTF-8, and
//! closes with 1000 whatever it was told. Else it is as others. Under `/silent` it does not echo.

use ringws_kit::{CLOSE, Frame, PONG, answer, close, field, read_head};
use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};

/// Its port. It goes with the test.
pub(crate) fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever hangs up ends his own thread.
            std::thread::spawn(move || drop(talk(stream)));
        }
    });
    port
}

fn talk(mut stream: TcpStream) -> Result<()> {
    let head = read_head(&mut stream)?;
    let key = field(&head, "Sec-WebSocket-Key").unwrap_or_default();
    stream.write_all(answer(key, &[]).as_bytes())?;
    loop {
        let (first, payload) = read(&mut stream)?;
        let answer = match first & 0x7F {
            _ if first & 0x70 != 0 => (CLOSE, close(1002, "reserved")),
            0..=2 if head.starts_with("GET /silent") => continue,
            0..=2 => (first, payload),
            9 => (PONG, payload[..payload.len().min(125)].to_vec()),
            10 => continue,
            _ => (CLOSE, close(1000, "")),
        };
        stream.write_all(&Frame::new(answer.0, &answer.1).unmasked().bytes())?;
        if answer.0 == CLOSE {
            return Ok(());
        }
    }
}

/// A frame, masked or not.
fn read(stream: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes[..2])?;
    let (first, second) = (bytes[0], bytes[1]);
    let len = match second & 0x7F {
        126 => {
            stream.read_exact(&mut bytes[6..])?;
            usize::from(u16::from_be_bytes([bytes[6], bytes[7]]))
        }
        len => usize::from(len),
    };
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        stream.read_exact(&mut key)?;
    }
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    Ok((first, payload))
}
