//! Echo on tungstenite, as in its examples: a thread for each connection.

use std::net::TcpListener;
use tungstenite::accept;

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound").port());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let Ok(mut socket) = accept(stream) else { return };
            while let Ok(message) = socket.read() {
                if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                    return;
                }
            }
        });
    }
}
