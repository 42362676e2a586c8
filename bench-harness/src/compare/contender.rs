//! Who takes part.

use super::wire::{WIRE, Wire};
use crate::error::{Error, Result};
use crate::example::Workspace;
use crate::scenario::{Geometry, Mode, Row};
use crate::server::Launch;
use crate::tls::Certificate;

/// The name of the ceiling of bytes among the servers, and of the program.
pub const CEILING: &str = "ceiling-tcp";
/// The name of the ceiling of frames among the servers.
pub const CEILING_OF_FRAMES: &str = "ceiling-frames";
/// The name of the engine's C example among the servers.
pub const OWN: &str = "ringws-c";
/// The server whose cost all others are put beside: the cheapest that others have made.
pub const REFERENCE: &str = "uwebsockets";
/// Stands in a command line for `--broadcast`.
const BROADCAST: &str = "{broadcast}";
/// The engine's own limit of a message, with which its servers run unless a row goes beyond it.
const MESSAGE_MAX: usize = 1 << 20;

/// A server that takes part.
#[derive(Clone, Debug)]
pub struct Contender {
    /// As printed.
    pub name: String,
    /// How to start it.
    pub launch: Launch,
    /// Whether it only sends back bytes, without WebSocket.
    pub raw: bool,
    /// What it is made of, as its package manager or its own `--version` says.
    pub version: Option<String>,
    /// What else it can do, if anything.
    pub wire: Option<Wire>,
    /// Program and arguments with which it sends each message to all, if it can.
    pub broadcast: Option<Vec<String>>,
    /// What its command line needs for messages of more than 1 MiB.
    pub roomy: Vec<String>,
}

impl Contender {
    /// A WebSocket server of unknown version.
    pub fn new(name: &str, launch: Launch) -> Self {
        let (version, wire, broadcast, roomy) = (None, None, None, Vec::new());
        Self { name: name.into(), launch, raw: false, version, wire, broadcast, roomy }
    }

    /// The ceilings of bytes and of frames, built now if they are not up to date.
    pub fn ceilings() -> Result<[Self; 2]> {
        let program = Workspace::own_program(CEILING)?;
        let program = program.to_string_lossy().into_owned();
        let one = |name: &str, command, raw| {
            let launch = Launch { command, announces: true, cpu: None };
            Self { raw, ..Self::new(name, launch) }
        };
        Ok([
            one(CEILING, vec![program.clone()], true),
            one(CEILING_OF_FRAMES, vec![program, "--frames".into()], false),
        ])
    }

    /// The C example, built now if it is not up to date.
    pub fn example(name: &str, workspace: &Workspace) -> Result<Self> {
        let program = workspace.echo()?.to_string_lossy().into_owned();
        let launch = Launch { command: vec![program, "{port}".into()], announces: true, cpu: None };
        Ok(Self::new(name, launch))
    }

    /// From `name=command line` with `{port}` in it. With `{wire}` in it, too, the server
    /// takes part in the rows with compression and encryption, told by what [`Wire`] says; with
    /// `{broadcast}` in broadcasts, told by `--broadcast` in its place.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, line)) if !name.is_empty() && line.contains("{port}") => {
                let mut launch = Launch::parse(line);
                let has = |what: &str| launch.command.iter().any(|word| word == what);
                let (wire, broadcast) = (has(WIRE), has(BROADCAST));
                let without = |what: &str| {
                    let words = launch.command.iter().filter(|word| *word != what);
                    words.cloned().collect::<Vec<_>>()
                };
                let wire = wire.then(|| Wire::all(without(BROADCAST)));
                let told = without(WIRE).into_iter().map(|word| match word.as_str() {
                    BROADCAST => "--broadcast".to_owned(),
                    _ => word,
                });
                let broadcast = broadcast.then(|| told.collect());
                launch.command.retain(|word| word != WIRE && word != BROADCAST);
                Ok(Self { wire, broadcast, ..Self::new(name, launch) })
            }
            _ => Err(Error::Usage(format!("`{text}` is not of the form name=command {{port}}"))),
        }
    }

    /// Whether it takes the geometries of a row.
    fn is_shaped(&self) -> bool {
        [CEILING, CEILING_OF_FRAMES].contains(&self.name.as_str())
    }

    /// The geometries it is measured with in a row, one after the other: `None` is its own.
    pub(super) fn geometries(&self, row: &Row) -> Vec<Option<Geometry>> {
        if row.ceilings.is_empty() || !self.is_shaped() {
            return vec![None];
        }
        row.ceilings.iter().copied().map(Some).collect()
    }

    /// Whether it can take part in a row, as far as compression, encryption and broadcasts go.
    pub(super) fn speaks(&self, row: &Row) -> bool {
        let broadcasts = row.mode != Mode::Broadcast || self.broadcast.is_some();
        broadcasts
            && match &self.wire {
                Some(wire) => wire.speaks(row),
                None => row.is_plain(),
            }
    }

    /// How to start it for messages of this size.
    pub fn launch_for(&self, size: usize) -> Launch {
        let mut launch = self.launch.clone();
        if size > MESSAGE_MAX {
            launch.command.extend(self.roomy.iter().cloned());
        }
        launch
    }

    /// How to start it.
    pub(super) fn launch(
        &self,
        row: &Row,
        geometry: Option<Geometry>,
        cpu: usize,
        certificate: Option<&Certificate>,
    ) -> Launch {
        let mut launch = self.launch_for(row.size);
        launch.cpu = Some(cpu);
        if let Some(command) = self.broadcast.as_ref().filter(|_| row.mode == Mode::Broadcast) {
            launch.command = command.clone();
        }
        if let Some(wire) = self.wire.as_ref().filter(|_| !row.is_plain()) {
            launch.command = wire.command(row, certificate);
        }
        launch.command.extend(geometry.into_iter().flat_map(Geometry::arguments));
        launch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Suite;

    #[test]
    fn a_contender_needs_a_name_and_a_port() {
        let contender = Contender::parse("peer=/opt/echo --port={port} a=b").expect("legal");
        assert_eq!(contender.name, "peer");
        assert_eq!(contender.launch.command, ["/opt/echo", "--port={port}", "a=b"]);
        assert_eq!(contender.wire, None);
        let wire = Contender::parse("peer=/opt/echo {port} {wire} x").expect("legal");
        assert_eq!(wire.launch.command, ["/opt/echo", "{port}", "x"]);
        assert!(wire.wire.is_some_and(|wire| wire.deflate && wire.tls));
        let all = Contender::parse("peer=/opt/hall {broadcast} {port}").expect("legal");
        assert_eq!(all.launch.command, ["/opt/hall", "{port}"]);
        let told = ["/opt/hall", "--broadcast", "{port}"].map(str::to_owned);
        assert_eq!(all.broadcast, Some(told.to_vec()));
        for bad in ["peer", "peer=/opt/echo", "=/opt/echo {port}"] {
            assert!(Contender::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_broadcasts_is_started_so_and_limits_rise_only_where_they_must() {
        let rows = "warmup = 0\nseconds = 1\npairs = 1\n\
             [[row]]\nname = \"a\"\nconnections = 9\nsize = 1\nmode = \"broadcast\"\n\
             [[row]]\nname = \"b\"\nconnections = 1\nsize = 1048576\n\
             [[row]]\nname = \"c\"\nconnections = 1\nsize = 1048577\n";
        let suite = Suite::parse(rows).expect("legal");
        let [all, most, more] = &suite.row[..] else { panic!("three rows") };
        let echo = Contender::new("echo", Launch::parse("echo {port}"));
        assert!(!echo.speaks(all) && echo.speaks(most));
        let words = |line: &str| Launch::parse(line).command;
        let both = Contender {
            broadcast: Some(words("hall {port}")),
            roomy: words("64M"),
            ..Contender::new("both", Launch::parse("echo {port}"))
        };
        assert!(both.speaks(all));
        let line = |row| both.launch(row, None, 0, None).command.join(" ");
        assert_eq!([line(all), line(most)], ["hall {port}", "echo {port}"]);
        assert_eq!(line(more), "echo {port} 64M");
    }

    #[test]
    fn ceilings_alone_take_the_geometries_of_a_row() {
        let suite = Suite::parse(
            "warmup = 0\nseconds = 1\npairs = 1\n[[row]]\nname = \"a\"\nconnections = 1\n\
             size = 1\nceilings = [{ buffers = 8, size = 10 }, { buffers = 4, size = 99 }]",
        )
        .expect("legal");
        let named = |name: &str| Contender::new(name, Launch::parse("x {port}"));
        assert_eq!(named("peer").geometries(&suite.row[0]), [None]);
        let ceiling = named(CEILING);
        let geometries = ceiling.geometries(&suite.row[0]);
        assert_eq!(geometries.len(), 2);
        let launch = ceiling.launch(&suite.row[0], geometries[1], 3, None);
        assert_eq!(launch.command[2..], ["--buffers", "4", "--buffer-size", "99"]);
        assert_eq!(launch.cpu, Some(3));
    }
}
