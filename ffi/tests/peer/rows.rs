//! Who is in the table, in which role, and how each is driven.

use super::report::Report;
use super::script::run;
use super::socket::{Socket, converse};
use super::{Mode, Target, fast, install, openssl, ours, tungstenite};
use std::collections::BTreeMap;
use std::process::Command;

/// What the peer cannot do in a cell that passed; or why there is no such cell.
pub(crate) type Outcome = Result<BTreeMap<String, String>, &'static str>;

/// A peer in one role.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Goes through a cell; panics when something is wrong.
    pub(crate) cell: fn(Mode) -> Outcome,
}

pub(crate) const PEERS: [Peer; 8] = [
    Peer { name: "websockets -> ringws", cell: websockets_client },
    Peer { name: "ws -> ringws", cell: ws_client },
    Peer { name: "Node's own -> ringws", cell: builtin_client },
    Peer { name: "aiohttp -> ringws", cell: aiohttp_client },
    Peer { name: "libcurl -> ringws", cell: curl_client },
    Peer { name: "openssl s_client -> ringws", cell: openssl_client },
    Peer { name: "tungstenite -> ringws", cell: tungstenite_client },
    Peer { name: "fastwebsockets -> ringws", cell: fast_client },
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
    program(mode, install::python(), "curl_client.py")
}

fn openssl_client(mode: Mode) -> Outcome {
    if !mode.tls {
        return Err("s_client is TLS; the WebSocket on it is made by hand");
    }
    driven(mode, openssl::connect)
}

fn tungstenite_client(mode: Mode) -> Outcome {
    driven(mode, tungstenite::connect)
}

fn fast_client(mode: Mode) -> Outcome {
    driven(mode, fast::connect)
}
