//! The command line.

use crate::Result;
use std::path::{Component, PathBuf};

/// What `--help` says.
pub(crate) const USAGE: &str = "usage: cargo install-ringws --prefix DIR [options]

  --prefix DIR          where to: DIR/lib, DIR/include
  --libdir DIR          of the libraries, below the prefix: lib (the default), lib64,
                        lib/x86_64-linux-gnu
  --destdir DIR         put in front of the prefix, for those who make packages
  --no-tls              without wss://: needs neither AWS-LC nor its build tools
  --nats                with topics across machines by a NATS broker (rws_engine_nats)
  --mimalloc            with mimalloc as the allocator of the library's own Rust code
  --profile NAME        of cargo: release (the default), dev, demo
  --target-dir DIR      where cargo builds

The tools are cc, ld.bfd, objcopy, ar and nm, or what CC, LD, OBJCOPY, AR and NM name; ld must be
GNU ld. Nothing else is asked: no network but cargo's.";

/// An installation.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) prefix: PathBuf,
    /// Below the prefix.
    pub(crate) libdir: PathBuf,
    pub(crate) destdir: Option<PathBuf>,
    pub(crate) no_tls: bool,
    pub(crate) nats: bool,
    pub(crate) mimalloc: bool,
    pub(crate) profile: String,
    pub(crate) target_dir: Option<PathBuf>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Help,
    Install(Options),
}

/// Reads the arguments behind the program's name.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked> {
    let mut options =
        Options { libdir: "lib".into(), profile: "release".into(), ..Options::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value\n\n{USAGE}"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(Asked::Help),
            // Cargo runs this where its user is.
            "--prefix" => options.prefix = std::path::absolute(value()?)?,
            "--libdir" => options.libdir = value()?.into(),
            "--destdir" => options.destdir = Some(std::path::absolute(value()?)?),
            "--no-tls" => options.no_tls = true,
            "--nats" => options.nats = true,
            "--mimalloc" => options.mimalloc = true,
            "--profile" => options.profile = value()?,
            "--target-dir" => options.target_dir = Some(std::path::absolute(value()?)?),
            _ => return Err(format!("{argument}: not known\n\n{USAGE}").into()),
        }
    }
    if options.prefix.as_os_str().is_empty() {
        return Err(format!("--prefix is missing\n\n{USAGE}").into());
    }
    if options.no_tls && options.nats {
        return Err("--nats brings TLS with it: not with --no-tls".into());
    }
    // The files say where things are from where they are themselves.
    let below = options.libdir.components().all(|part| matches!(part, Component::Normal(_)));
    if !below || options.libdir.as_os_str().is_empty() {
        return Err("--libdir must be below the prefix, and relative to it".into());
    }
    Ok(Asked::Install(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Asked> {
        parse(words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn what_is_not_said_has_defaults() {
        let Asked::Install(options) = parsed(&["--prefix", "/opt/x"]).unwrap() else { panic!() };
        assert_eq!(options.prefix, PathBuf::from("/opt/x"));
        assert_eq!(options.libdir, PathBuf::from("lib"));
        assert_eq!(options.profile, "release");
        assert!(!options.no_tls && !options.nats && !options.mimalloc && options.destdir.is_none());
    }

    #[test]
    fn mistakes_are_named() {
        for (words, said) in [
            (&["--prefix"][..], "--prefix needs a value"),
            (&[], "--prefix is missing"),
            (&["--prefix", "/x", "--frefix"], "--frefix: not known"),
            (&["--prefix", "/x", "--no-tls", "--nats"], "--nats brings TLS"),
            (&["--prefix", "/x", "--libdir", "../lib"], "below the prefix"),
            (&["--prefix", "/x", "--libdir", "/lib"], "below the prefix"),
        ] {
            let error = parsed(words).unwrap_err().to_string();
            assert!(error.contains(said), "{words:?}: {error}");
        }
    }
}
