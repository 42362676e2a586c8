//! The servers that are measured at scale.

use crate::error::{Error, Result};
use crate::example::Workspace;
use crate::machine;
use crate::peers;
use crate::server::{Launch, Server, free_port};
use crate::tls::Certificate;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

const SOURCE: &str = "bench-harness/peers/c/ringws_scale.c";

/// What the engine is told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Reactors, and connections of each.
    pub reactors: usize,
    /// See above.
    pub connections_max: usize,
    /// A Ping after half of it.
    pub idle_timeout_ms: u64,
    /// Upgrades in a second that members are let in by; 0: all.
    pub admitted_per_second: u64,
}

/// A server that runs.
#[derive(Debug)]
pub struct Subject {
    /// Its process.
    pub server: Server,
    /// Where what one sends is sent to all.
    pub members: SocketAddr,
    /// Where it echoes and tells its counters, if it does both beside the broadcast.
    pub echo: Option<SocketAddr>,
    /// Where it echoes encrypted, if it does.
    pub secure: Option<SocketAddr>,
}

/// Builds the engine's server; where it is.
pub fn prepare() -> Result<PathBuf> {
    let workspace = Workspace::find()?;
    let program = workspace.programs()?.join("scale");
    workspace.compile_echo(SOURCE, &workspace.library()?, &program)?;
    Ok(program)
}

/// Builds uWebSockets; how it is called.
pub fn prepare_peer() -> Result<Vec<String>> {
    let workspace = Workspace::find()?;
    let mut found = peers::prepare(&["uwebsockets"], &workspace, &|_| {});
    let (_, contender) = found.pop().ok_or_else(|| Error::Usage("no such peer".into()))?;
    contender?.broadcast.ok_or_else(|| Error::Usage("it sends to nobody".into()))
}

impl Subject {
    /// Starts the engine's server. `ports`: those of a former one, or any.
    pub fn start(
        program: &Path,
        settings: Settings,
        cpu: usize,
        ports: Option<(u16, u16)>,
    ) -> Result<Self> {
        Self::start_with(program, settings, cpu, ports, None)
    }

    /// The same with an encrypted echo, too.
    pub fn start_secure(
        program: &Path,
        settings: Settings,
        cpu: usize,
        certificate: &Certificate,
    ) -> Result<Self> {
        Self::start_with(program, settings, cpu, None, Some(certificate))
    }

    fn start_with(
        program: &Path,
        settings: Settings,
        cpu: usize,
        ports: Option<(u16, u16)>,
        certificate: Option<&Certificate>,
    ) -> Result<Self> {
        machine::allow_all_descriptors()?;
        let (port, members) = ports.map_or_else(|| Ok((free_port()?, free_port()?)), Ok)?;
        let Settings { reactors, connections_max, idle_timeout_ms, admitted_per_second } = settings;
        let mut command = vec![program.to_string_lossy().into_owned()];
        let (reactors, connections_max) = (reactors as u64, connections_max as u64);
        let numbers = [port.into(), members.into(), reactors, connections_max, idle_timeout_ms];
        command.extend(numbers.map(|number: u64| number.to_string()));
        command.push(admitted_per_second.to_string());
        let secure = certificate.map(|_| free_port()).transpose()?;
        if let (Some(port), Some(certificate)) = (secure, certificate) {
            let files = [&certificate.certificate, &certificate.key];
            command.push(port.to_string());
            command.extend(files.map(|file| file.to_string_lossy().into_owned()));
        }
        let server = Server::start(&Launch { command, announces: true, cpu: Some(cpu) })?;
        let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (members, secure) = (here(members), secure.map(here));
        Ok(Self { members, echo: Some(server.address), secure, server })
    }

    /// Starts a server that sends to all what one sends, and does nothing else.
    pub fn start_peer(command: &[String], cpu: usize) -> Result<Self> {
        machine::allow_all_descriptors()?;
        let launch = Launch { command: command.to_vec(), announces: true, cpu: Some(cpu) };
        let server = Server::start(&launch)?;
        Ok(Self { members: server.address, echo: None, secure: None, server })
    }
}
