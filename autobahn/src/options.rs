//! The command line.

use crate::build::{Client, Server};
use crate::case::Pattern;
use crate::error::{Error, Result};
use crate::mode::Mode;
use crate::spec::{Case, Spec};
use clap::Parser;
use std::num::NonZeroUsize;

/// Runs the Autobahn conformance suite against an echo server or a client.
///
/// Needs `wstest` on PATH, or a Python 2.7 with which to install it under the target directory.
/// Exits with 0 when every case is as expected, with 1 when not, with 2 when it could not run.
#[derive(Parser)]
#[command(bin_name = "cargo autobahn")]
pub struct Options {
    /// The server to build, start and test [default: c]
    #[arg(long, value_enum, conflicts_with = "url")]
    server: Option<Server>,
    /// The client to build and test, instead of a server
    #[arg(long, value_enum, conflicts_with_all = ["server", "url"])]
    client: Option<Client>,
    /// A server that already runs and echoes, like ws://127.0.0.1:9001
    #[arg(long)]
    url: Option<String>,
    /// The cases to run, like `1.*,6.4.*` or `12.*.1-4`
    #[arg(long, value_delimiter = ',')]
    cases: Vec<Pattern>,
    /// The cases to run, a set of specs/cases.toml [default: core, groups 1 to 10]
    #[arg(long, conflicts_with = "cases")]
    set: Option<String>,
    /// Run all 517 cases, the set `full`; of the C programs with --deflate
    #[arg(long, conflicts_with_all = ["cases", "set"])]
    full: bool,
    /// How many processes of the suite run at once [default: the number of CPUs]
    #[arg(long)]
    shards: Option<NonZeroUsize>,
    #[command(flatten)]
    mode: Mode,
}

/// Who is tested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tested<'a> {
    /// An echo server of ours.
    Server(Server),
    /// An echo server that runs already, by its address.
    Url(&'a str),
    /// A client of ours.
    Client(Client),
}

impl Tested<'_> {
    /// Its name in the reports.
    pub fn agent(self) -> String {
        match self {
            Self::Server(server) => server.agent(),
            Self::Url(_) => "server",
            Self::Client(client) => client.agent(),
        }
        .to_owned()
    }
}

impl Options {
    /// Who is tested.
    pub fn tested(&self) -> Result<Tested<'_>> {
        let tested = match (self.client, &self.url) {
            (Some(client), _) => Tested::Client(client),
            (None, Some(url)) => Tested::Url(url),
            (None, None) => Tested::Server(self.server.unwrap_or(Server::C)),
        };
        let has_modes = matches!(tested, Tested::Client(_) | Tested::Server(Server::C));
        if self.mode.is_special() && !has_modes {
            let why = "the modes are those of the C programs (--server c, --client c)";
            return Err(Error::Usage(why.to_owned()));
        }
        Ok(tested)
    }

    /// The modes to run it in. All cases are not to be had without permessage-deflate, which the
    /// examples and servers that run already may have by themselves.
    pub fn mode(&self) -> Mode {
        let by_default = self.server.is_none_or(|server| server == Server::C) && self.url.is_none();
        Mode { deflate: self.mode.deflate || (self.full && by_default), ..self.mode }
    }

    /// The cases to run.
    pub fn select(&self, spec: &Spec) -> Result<Vec<Case>> {
        match self.cases.as_slice() {
            [] if self.full => spec.set("full"),
            [] => spec.set(self.set.as_deref().unwrap_or("core")),
            patterns => spec.select(patterns),
        }
    }

    /// How many processes of the suite run at once.
    pub fn shards(&self) -> usize {
        let cpus = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.shards.unwrap_or_else(cpus).get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &str) -> Options {
        let words = std::iter::once("autobahn").chain(args.split_whitespace());
        Options::try_parse_from(words).expect("they parse")
    }

    fn count(args: &str) -> usize {
        options(args).select(&Spec::load().expect("reads")).expect("they match").len()
    }

    #[test]
    fn who_is_tested() {
        let test = |args, want| assert_eq!(options(args).tested().expect("no clash"), want);
        test("", Tested::Server(Server::C));
        test("--stream --buffer 64", Tested::Server(Server::C));
        test("--server aio", Tested::Server(Server::Aio));
        test("--client c --tls", Tested::Client(Client::C));
        test("--url ws://h", Tested::Url("ws://h"));
        for args in ["--url ws://h --tls", "--server aio --tls"] {
            assert!(options(args).tested().is_err(), "{args}");
        }
        for args in ["--server c --url ws://h", "--client c --server c", "--full --set core"] {
            let words = std::iter::once("autobahn").chain(args.split_whitespace());
            assert!(Options::try_parse_from(words).is_err(), "{args}");
        }
    }

    #[test]
    fn which_cases() {
        assert!(options("--full").mode().deflate && options("--full --client c").mode().deflate);
        assert!(!options("").mode().deflate && !options("--full --url ws://h").mode().deflate);
        assert_eq!((count(""), count("--set core"), count("--full")), (301, 301, 517));
        assert_eq!(count("--cases 12.*.1-4,1.1"), 28);
        let unknown = options("--set other").select(&Spec::load().expect("reads"));
        assert!(unknown.is_err_and(|error| error.to_string().contains("core, deflate, full")));
    }
}
