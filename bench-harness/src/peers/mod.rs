//! What ringws is compared with: installed, built, described.
//!
//! Sources are under `peers/`; what is downloaded and built goes to `target/peers`. Each is an echo
//! on one thread, tuned as its authors advise. One that cannot be prepared does not keep the others
//! from it: its error says what is missing.

mod native;
mod own;
mod rust;
mod script;
pub mod smoke;
mod tool;
mod uws;

use crate::compare::{Contender, Wire};
use crate::error::{Error, Result};
use crate::example::Workspace;
use crate::server::Launch;
use std::path::{Path, PathBuf};

/// All that can be prepared: the engine's own echoes, the ceilings, the peers. Those in Rust also
/// with `-system` after the name: with the system's allocator. mimalloc makes small messages
/// cheaper and those of 16 MiB dearer, for sockudo-ws and its codec several times. All in Rust but
/// tokio-uring with `-each`, too: every answer is flushed, as in their authors' echo examples.
/// Those that compress also with `-default`: at the settings they have when nobody tells them.
pub const NAMES: [&str; 22] = [
    "ringws-c",
    "ringws-c-busy",
    "ringws-c-epoll",
    "ringws-c-loop",
    "ringws-c-two",
    "ringws-c-mimalloc",
    "ringws-rust",
    "ringws-rust-system",
    "ringws-aio",
    "ceiling-tcp",
    "ceiling-frames",
    "ceiling-epoll",
    "tokio-uring",
    "sockudo-ws",
    "fastwebsockets",
    "tokio-tungstenite",
    "tokio-websockets",
    "beast",
    "libwebsockets",
    "uwebsockets",
    "node-ws",
    "picows",
];

/// Prepares servers by their names, in this order; `progress` is called before each.
pub fn prepare(
    names: &[&str],
    workspace: &Workspace,
    progress: &dyn Fn(&str),
) -> Vec<(String, Result<Contender>)> {
    let one = |name: &&str| {
        progress(&format!("preparing {name}"));
        ((*name).to_owned(), contender(name, workspace))
    };
    names.iter().map(one).collect()
}

fn contender(name: &str, workspace: &Workspace) -> Result<Contender> {
    let (base, defaults) = name.strip_suffix("-default").map_or((name, false), |it| (it, true));
    let Built { command, raw, version, mut wire, broadcast, roomy } = match base {
        "ringws-c" | "ringws-c-busy" | "ringws-c-epoll" | "ringws-c-loop" | "ringws-c-two"
        | "ringws-c-mimalloc" | "ringws-rust" | "ringws-rust-system" | "ringws-aio" => {
            own::echo(base, workspace)?
        }
        "ceiling-tcp" | "ceiling-frames" | "ceiling-epoll" => own::ceiling(base, workspace)?,
        "beast" => native::echo(&native::BEAST, workspace)?,
        "libwebsockets" => native::echo(&native::LIBWEBSOCKETS, workspace)?,
        "uwebsockets" => uws::echo(workspace, defaults)?,
        "node-ws" => script::node(workspace)?,
        "picows" => script::python(workspace)?,
        _ => {
            let known = NAMES.join(", ");
            let variant = rust::variant(base).ok_or_else(|| {
                Error::Usage(format!("there is no peer `{name}`; known: {known}"))
            })?;
            rust::echo(variant, workspace)?
        }
    };
    match &mut wire {
        Some(wire) if wire.deflate => wire.defaults = defaults,
        _ if defaults => return Err(Error::Usage(format!("{base} does not compress"))),
        _ => {}
    }
    let launch = Launch { command, announces: true, cpu: None };
    let version = Some(version);
    Ok(Contender { raw, version, wire, broadcast, roomy, ..Contender::new(name, launch) })
}

/// What a preparation yields.
#[derive(Debug)]
struct Built {
    /// Program and arguments, `{port}` among them.
    command: Vec<String>,
    /// Whether it only sends back bytes.
    raw: bool,
    version: String,
    /// What it can do besides, and how it is called then.
    wire: Option<Wire>,
    /// How it is called to send each message to all.
    broadcast: Option<Vec<String>>,
    /// What it needs behind the command for messages of more than 1 MiB.
    roomy: Vec<String>,
}

impl Built {
    /// A WebSocket server that is called with the port.
    fn program(path: PathBuf, version: String) -> Self {
        Self::called(called(&path), version)
    }

    /// The same, called in its own way.
    fn called(command: Vec<String>, version: String) -> Self {
        Self { command, raw: false, version, wire: None, broadcast: None, roomy: Vec::new() }
    }

    /// The same program compresses and encrypts.
    fn with_wire(mut self, deflate: bool, tls: bool) -> Self {
        let command = self.command.clone();
        self.wire = (deflate || tls).then_some(Wire { command, deflate, tls, defaults: false });
        self
    }
}

/// A program with the port.
fn called(path: &Path) -> Vec<String> {
    vec![path.to_string_lossy().into_owned(), "{port}".into()]
}

/// How a server was tuned, in a sentence; `None` for a name that is not known. The allocator is
/// part of the version.
pub fn tuning(name: &str) -> Option<&'static str> {
    if let Some(base) = name.strip_suffix("-default") {
        return tuning(base).map(|_| "compresses at the settings it has by itself; else the same");
    }
    let name = match rust::variant(name) {
        Some(variant) if variant.each => {
            return Some(
                "one flush per answer, the loop of the echo in its examples; else the same",
            );
        }
        Some(variant) => variant.program,
        None => name,
    };
    own_tuning(name).or_else(|| peer_tuning(name))
}

fn own_tuning(name: &str) -> Option<&'static str> {
    Some(match name {
        "ringws-c" => "the C example, library linked statically, system allocator",
        "ringws-c-busy" => "the C example, looking for work for 100 us before it sleeps",
        "ringws-c-epoll" => "the C example by epoll, as where io_uring is forbidden",
        "ringws-c-loop" => "the C example; a broadcast is a loop over all connections",
        "ringws-c-two" => "the C example; a broadcast goes through two reactors",
        "ringws-c-mimalloc" => "the C example, library built with its feature `mimalloc`",
        "ringws-rust" => "the Rust example, mimalloc",
        "ringws-rust-system" => "the Rust example, system allocator",
        "ringws-aio" => "the protocol on tokio-uring (`engine::aio`), its example",
        "ceiling-tcp" => "bytes, io_uring: multishot receive, provided buffers, no protocol",
        "ceiling-frames" => "frames unmasked and re-framed in place on io_uring, no checks",
        "ceiling-epoll" => "bytes, epoll: edge-triggered, one recv and one send per readiness",
        _ => return None,
    })
}

fn peer_tuning(name: &str) -> Option<&'static str> {
    Some(match name {
        "tokio-uring" => {
            "io_uring, one receive and one send in turn; codec of sockudo-ws, one send per \
             receive; target-cpu=native"
        }
        "sockudo-ws" => {
            "feed, flushed by the next read (its README's echo); no heartbeats; \
             target-cpu=native"
        }
        "fastwebsockets" => {
            "after_handshake, writev, unconstrained task; answers to one read joined by a \
             BufWriter of 16 KiB (plain writes cost 15 times more at depth 64, the same at 1); \
             target-cpu=native"
        }
        "tokio-tungstenite" => {
            "feed while messages are ready, then flush (per-message flush costs 10 times more at \
             depth 64); read buffer 32 KiB (the default 128 KiB, zeroed per read, costs small \
             messages twice as much); target-cpu=native"
        }
        "tokio-websockets" => {
            "ready messages taken, then fed and flushed once (per-message flush costs 8 times \
             more at depth 64); frames unsplit, no limits, unconstrained task; \
             target-cpu=native"
        }
        "beast" => {
            "asynchronous, no locks, no timers, messages unsplit, answers to one read joined; \
             compression compiled out where it is off, else memLevel 8; -O3 -flto -march=native"
        }
        "libwebsockets" => {
            "64 KiB receive buffers, writes until the pipe is choked (one per callback costs 1.4 \
             times more at depth 64); -O3 -march=native"
        }
        "uwebsockets" => {
            "the loop of its EchoServer, 64 MiB of payload and backpressure, no idle timeout; \
             SHARED_COMPRESSOR on libdeflate, or a compressor of 256 KiB for each connection on \
             zlib, at its fixed level 6; SSLApp; -O3 -flto -march=native"
        }
        "node-ws" => {
            "bufferutil, socket corked per read (uncorked costs 6.5 times more at \
             depth 64)"
        }
        "picows" => {
            "core API under uvloop, sockets of aiofastnet (its default); no batching to be had; \
             does not validate text"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_described() {
        for name in NAMES {
            assert!(tuning(name).is_some_and(|text| text.len() > 10), "{name}");
        }
        assert_eq!(tuning("beast-system"), None);
        assert_eq!(tuning("sockudo-ws-system"), tuning("sockudo-ws"));
        assert!(tuning("beast-default").is_some_and(|text| text.contains("by itself")));
        assert_eq!(tuning("nonsense-default"), None);
        assert_ne!(tuning("sockudo-ws-each"), tuning("sockudo-ws"));
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_known_are_named() {
        let workspace = Workspace { root: "/nowhere".into(), target: "/nowhere".into() };
        let mut prepared = prepare(&["ws4py"], &workspace, &|_| {});
        let (name, result) = prepared.pop().expect("one for one");
        assert_eq!(name, "ws4py");
        assert!(result.expect_err("unknown").to_string().contains("libwebsockets"));
    }
}
