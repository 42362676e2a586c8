//! Who is in the table, in which role, and how each is driven.

use super::report::Report;
use super::script::run;
use super::socket::{Socket, converse, serve};
use super::{Mode, Target, fast, install, openssl, ours, tungstenite};
use crate::common::server::Server;
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

/// What the peer cannot do in a cell that passed; or why there is no such cell.
pub(crate) type Outcome = Result<BTreeMap<String, String>, &'static str>;

/// A peer in one role.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Goes through a cell; panics when something is wrong.
    pub(crate) cell: fn(Mode) -> Outcome,
}

pub(crate) const PEERS: [Peer; 13] = [
    Peer { name: "websockets -> ringws", cell: websockets_client },
    Peer { name: "ws -> ringws", cell: ws_client },
    Peer { name: "Node's own -> ringws", cell: builtin_client },
    Peer { name: "aiohttp -> ringws", cell: aiohttp_client },
    Peer { name: "libcurl -> ringws", cell: curl_client },
    Peer { name: "openssl s_client -> ringws", cell: openssl_client },
    Peer { name: "tungstenite -> ringws", cell: tungstenite_client },
    Peer { name: "fastwebsockets -> ringws", cell: fast_client },
    Peer { name: "ringws -> websockets", cell: websockets_server },
    Peer { name: "ringws -> ws", cell: ws_server },
    Peer { name: "ringws -> aiohttp", cell: aiohttp_server },
    Peer { name: "ringws -> tungstenite", cell: tungstenite_server },
    Peer { name: "ringws -> fastwebsockets", cell: fast_server },
];

/// A client that is a program, against our server.
fn program(mode: Mode, mut command: Command, name: &str) -> Outcome {
    let report = ours::served(mode, |target, stop, report| {
        command.arg(install::program(name)).arg(target.url());
        command.arg(ours::MESSAGE_MAX.to_string());
        if let Some(roots) = target.roots() {
            command.arg("--roots").arg(roots);
            command.env("NODE_EXTRA_CA_CERTS", roots);
        }
        if target.mode.deflate {
            command.arg("--deflate");
        }
        // Those that check more do so once: what is between the ends is the same.
        if target.mode.tls || target.mode.deflate {
            command.arg("--brief");
        }
        run(command, stop, report);
    });
    Ok(report.complete())
}

/// A client that is driven from here, against our server.
fn driven(mode: Mode, connect: fn(&Target) -> Box<dyn Socket>) -> Outcome {
    let report: Report = ours::served(mode, |target, stop, report| {
        converse(&mut || connect(target), stop, report);
    });
    Ok(report.complete())
}

fn websockets_client(mode: Mode) -> Outcome {
    program(mode, install::python(), "websockets_client.py")
}

fn ws_client(mode: Mode) -> Outcome {
    program(mode, install::node_with_ws(), "ws_client.mjs")
}

fn builtin_client(mode: Mode) -> Outcome {
    program(mode, install::node_with_websocket(), "builtin_client.mjs")
}

fn aiohttp_client(mode: Mode) -> Outcome {
    program(mode, install::python(), "aiohttp_client.py")
}

fn curl_client(mode: Mode) -> Outcome {
    if mode.deflate {
        return Err("libcurl has no permessage-deflate");
    }
    program(mode, install::python(), "curl_client.py")
}

fn openssl_client(mode: Mode) -> Outcome {
    if !mode.tls {
        return Err("s_client is TLS; the WebSocket on it is made by hand");
    }
    if mode.deflate {
        return Err("what is made by hand here does not compress");
    }
    driven(mode, openssl::connect)
}

fn tungstenite_client(mode: Mode) -> Outcome {
    if mode.deflate {
        return Err("tungstenite has no permessage-deflate");
    }
    driven(mode, tungstenite::connect)
}

fn fast_client(mode: Mode) -> Outcome {
    if mode.deflate {
        return Err("fastwebsockets has no permessage-deflate");
    }
    driven(mode, fast::connect)
}

/// A server that is a program, under our client.
fn server_program(mode: Mode, mut command: Command, name: &str) -> Outcome {
    command.arg(install::program(name)).args(ours::tls_flags(mode));
    if mode.deflate {
        command.arg("--deflate");
    }
    let server = Server::spawn(&mut command);
    let report = ours::connected(&Target { mode, port: server.port });
    server.signal("TERM");
    let status = server.wait(ours::STOP_MAX);
    assert!(status.success(), "{name} ended with {status}");
    Ok(report.complete())
}

/// A server that is driven from here, under our client.
fn served_here(mode: Mode, accept: fn(TcpStream, Mode) -> Box<dyn Socket>) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        // To the end of the program: the next cell has a listener of its own.
        for stream in listener.incoming() {
            serve(accept(stream.unwrap(), mode).as_mut());
        }
    });
    Ok(ours::connected(&Target { mode, port }).complete())
}

fn websockets_server(mode: Mode) -> Outcome {
    server_program(mode, install::python(), "websockets_server.py")
}

fn ws_server(mode: Mode) -> Outcome {
    server_program(mode, install::node_with_ws(), "ws_server.mjs")
}

fn aiohttp_server(mode: Mode) -> Outcome {
    let mut missing = server_program(mode, install::python(), "aiohttp_server.py")?;
    missing.insert("fragments to us".to_owned(), "aiohttp has no call that sends them".to_owned());
    Ok(missing)
}

fn tungstenite_server(mode: Mode) -> Outcome {
    if mode.deflate {
        return Err("tungstenite has no permessage-deflate");
    }
    served_here(mode, tungstenite::accept)
}

fn fast_server(mode: Mode) -> Outcome {
    if mode.deflate {
        return Err("fastwebsockets has no permessage-deflate");
    }
    served_here(mode, fast::accept)
}
