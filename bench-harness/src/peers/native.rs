//! Peers in C and C++: the libraries of the system, the system's compiler.

use super::Built;
use super::tool::{directory, run};
use crate::error::{Error, Result};
use crate::example::Workspace;
use std::process::Command;

/// How one is built.
#[derive(Debug)]
pub(super) struct Native {
    /// Also the name of the program.
    name: &'static str,
    /// Under `peers`.
    source: &'static str,
    /// The environment variable that names the compiler, and what it is without.
    compiler: (&'static str, &'static str),
    flags: &'static [&'static str],
    /// After the source.
    libraries: &'static [&'static str],
    /// A header, and its macro with the version.
    version: (&'static str, &'static str),
    /// What to install in Debian and its kin.
    packages: &'static [&'static str],
}

/// Boost.Beast.
pub(super) const BEAST: Native = Native {
    name: "beast",
    source: "cpp/beast.cpp",
    compiler: ("CXX", "c++"),
    flags: &["-std=c++17", "-O3", "-DNDEBUG", "-flto=auto", "-march=native"],
    libraries: &["-lssl", "-lcrypto", "-lpthread"],
    version: ("boost/version.hpp", "BOOST_LIB_VERSION"),
    packages: &["g++", "libboost-dev", "libssl-dev"],
};

/// libwebsockets.
pub(super) const LIBWEBSOCKETS: Native = Native {
    name: "libwebsockets",
    source: "c/libwebsockets.c",
    compiler: ("CC", "cc"),
    flags: &["-std=gnu11", "-O3", "-DNDEBUG", "-march=native"],
    libraries: &["-lwebsockets", "-lssl", "-lcrypto"],
    version: ("lws_config.h", "LWS_LIBRARY_VERSION"),
    packages: &["gcc", "libwebsockets-dev", "libssl-dev"],
};

/// What uWebSockets is built on; its sources come from elsewhere.
pub(super) const UWEBSOCKETS: Native = Native {
    name: "uwebsockets",
    source: "cpp/uwebsockets.cpp",
    compiler: ("CXX", "c++"),
    flags: &[],
    libraries: &[],
    version: ("libdeflate.h", "LIBDEFLATE_VERSION_STRING"),
    packages: &["g++", "libssl-dev", "zlib1g-dev", "libdeflate-dev"],
};

/// The version of what it is built on; installs what is missing where that is allowed.
pub(super) fn present(native: &Native) -> Result<String> {
    version(native).or_else(|_| {
        install(native.packages)?;
        version(native)
    })
}

/// Compiles it.
pub(super) fn echo(native: &Native, workspace: &Workspace) -> Result<Built> {
    let version = present(native)?;
    let program = directory(workspace.target.join("peers/native"))?.join(native.name);
    let source = workspace.root.join("bench-harness/peers").join(native.source);
    let mut command = compiler(native.compiler);
    command.args(native.flags).arg(source).args(native.libraries).arg("-o").arg(&program);
    run(&mut command, &remedy(native.packages))?;
    let compiled_by = run(compiler(native.compiler).arg("--version"), "")?;
    let compiler = compiled_by.lines().next().unwrap_or_default().to_owned();
    Ok(Built::program(program, format!("{version}, {compiler}")).with_wire(true, true))
}

/// What an environment variable names, or the default.
pub(super) fn compiler((variable, default): (&str, &str)) -> Command {
    let words = std::env::var(variable).unwrap_or_else(|_| default.into());
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(default));
    command.args(words);
    command
}

/// What the headers say they are: the same on every distribution.
fn version(native: &Native) -> Result<String> {
    let (header, name) = native.version;
    let mut shell = compiler(native.compiler);
    shell.args(["-E", "-P", "-x", "c", "-include", header, "/dev/null", "-dM"]);
    let macros = run(&mut shell, &remedy(native.packages))?;
    defined(&macros, name).ok_or_else(|| Error::Usage(format!("{header} does not define {name}")))
}

/// The value of a macro in what the preprocessor lists: without quotes, and without the dash of
/// an empty suffix.
fn defined(macros: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let (found, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        (found == name).then(|| value.trim_matches(['"', '-']).replace('_', "."))
    };
    macros.lines().find_map(value)
}

fn remedy(packages: &[&str]) -> String {
    format!("install {} (Debian's names)", packages.join(", "))
}

fn install(packages: &[&str]) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Usage(format!("{}; only root may do it here", remedy(packages))));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command, &remedy(packages))
    };
    // Without lists nothing is found; old lists name what is gone.
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_macro_is_found() {
        let macros = "#define A_B \"1\"\n#define A \"1_74-\"\n#define C\n";
        assert_eq!(defined(macros, "A").as_deref(), Some("1.74"));
        assert_eq!(defined(macros, "C"), None);
        assert_eq!(defined(macros, "D"), None);
    }
}
