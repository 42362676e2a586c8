//! uWebSockets, from the sources that the crate `libuwebsockets-sys` brings along: the way to them
//! that a package registry offers. Built as its own build does, with libdeflate, which it is
//! fastest with, or for `-default` without.

use super::Built;
use super::native::{self, UWEBSOCKETS};
use super::tool::{cargo, directory, read, run};
use crate::error::{Error, Result};
use crate::example::Workspace;
use std::path::{Path, PathBuf};

const CRATE: &str = "libuwebsockets-sys";
const CARGO: &str = "it needs cargo and crates.io";
const COMPILERS: &str = "install g++, libssl-dev, zlib1g-dev, libdeflate-dev (Debian's names)";

/// Compiles it.
pub(super) fn echo(workspace: &Workspace, defaults: bool) -> Result<Built> {
    let libdeflate = native::present(&UWEBSOCKETS)?;
    let (sources, version) = sources(workspace)?;
    let at = directory(workspace.target.join("peers/uws"))?;
    let program = at.join(if defaults { "uwebsockets-zlib" } else { "uwebsockets" });
    let flags = ["-O3", "-DNDEBUG", "-flto=auto", "-march=native", "-DLIBUS_USE_OPENSSL"];
    let sockets = sources.join("uSockets/src");
    let mut objects = Vec::new();
    for file in ["bsd", "context", "loop", "socket", "eventing/epoll_kqueue", "crypto/openssl"] {
        let object = at.join(file.replace('/', "-") + ".o");
        let mut cc = native::compiler(("CC", "cc"));
        cc.args(flags).arg("-std=c11").arg("-I").arg(&sockets).arg("-c");
        cc.arg(sockets.join(file).with_extension("c")).arg("-o").arg(&object);
        run(&mut cc, COMPILERS)?;
        objects.push(object);
    }
    let mut cxx = native::compiler(("CXX", "c++"));
    cxx.args(flags).arg("-std=c++20").arg("-I").arg(&sockets).arg("-I").arg(sources.join("src"));
    let own = workspace.root.join("bench-harness/peers/cpp/uwebsockets.cpp");
    cxx.arg(own).arg(sockets.join("crypto/sni_tree.cpp")).args(&objects);
    if !defaults {
        cxx.arg("-DUWS_USE_LIBDEFLATE").arg("-ldeflate");
    }
    cxx.args(["-lz", "-lssl", "-lcrypto", "-lpthread", "-o"]).arg(&program);
    run(&mut cxx, COMPILERS)?;
    let compression = match defaults {
        true => "zlib".to_owned(),
        false => format!("libdeflate {libdeflate}"),
    };
    let version = format!("{CRATE} {version}, {compression}, OpenSSL");
    let mut built = Built::program(program, version).with_wire(true, true);
    built.broadcast = Some([built.command.as_slice(), &["--broadcast".to_owned()]].concat());
    Ok(built)
}

/// Where cargo has put the sources, and the version of the crate that has them.
fn sources(workspace: &Workspace) -> Result<(PathBuf, String)> {
    let manifest = workspace.root.join("bench-harness/peers/uws/Cargo.toml");
    let mut command = cargo(manifest.parent().unwrap_or(Path::new(".")));
    run(command.args(["fetch", "--quiet", "--locked"]), CARGO)?;
    let mut command = cargo(manifest.parent().unwrap_or(Path::new(".")));
    command.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&run(&mut command, CARGO)?)
        .map_err(|error| Error::Usage(format!("cargo metadata: {error}")))?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array);
    let text = |package: &serde_json::Value, key| package.get(key)?.as_str().map(str::to_owned);
    let package =
        packages.into_iter().flatten().find(|it| text(it, "name").as_deref() == Some(CRATE));
    let found = package.and_then(|it| Some((text(it, "manifest_path")?, text(it, "version")?)));
    let (path, version) =
        found.ok_or_else(|| Error::Usage(format!("cargo metadata does not name {CRATE}")))?;
    let sources = Path::new(&path).with_file_name("uWebSockets");
    read(&sources.join("src/App.h"))?;
    Ok((sources, version))
}
