//! A reactor on the host's own thread and in the host's own loop, over real sockets.

mod common;

use common::server::Server;
use common::websocket::converse;
use common::{Linkage, compilers, here, scratch, stdout_of};
use rcgen::{CertificateParams, KeyPair};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn turns_when_its_descriptor_is_readable() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let dir = scratch("attach");
    let (chain, pem) = (dir.join("chain.pem"), dir.join("key.pem"));
    std::fs::write(&chain, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&pem, key.serialize_pem()).unwrap();
    for compiler in compilers() {
        let program = dir.join(format!("attach-{}", compiler.c));
        let source = here().join("tests/c/attach.c");
        compiler.program("c11", &source, Linkage::Static, &["-D_GNU_SOURCE"], &program);
        // A program that hangs fails.
        let mut command = Command::new("timeout");
        assert_eq!(stdout_of(command.arg("120").arg(program).arg(&chain).arg(&pem)), "ok\n");
    }
}

/// Where asio is installed, which it must be where `RINGWS_ALL_COMPILERS` is set.
#[test]
fn the_example_lives_in_the_loop_of_asio() {
    if !Path::new("/usr/include/asio.hpp").exists() {
        assert!(std::env::var_os("RINGWS_ALL_COMPILERS").is_none(), "no libasio-dev");
        return;
    }
    let compiler = compilers()[0];
    let program = scratch("asio").join("embed_asio");
    let source = here().join("examples/embed_asio.cpp");
    compiler.program("c++17", &source, Linkage::Static, &[], &program);
    let server = Server::start(&program, &["0"]);
    converse(server, 1 << 20, "TERM", Duration::from_secs(20));
}
