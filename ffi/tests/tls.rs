//! TLS through the C ABI: the example under both compilers and linkages, and what rws_tls_*
//! refuse.

mod common;

use common::server::Server;
use common::websocket::converse_over;
use common::{Linkage, compilers, here, scratch, stdout_of, succeed};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ringws_kit::{Client, TEXT, tcp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Files in PEM.
struct Files {
    chain: PathBuf,
    key: PathBuf,
    other: PathBuf,
    roots: PathBuf,
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, text).unwrap();
    path
}

fn files(name: &str) -> Files {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let chain = params.signed_by(&key, &issuer).unwrap();
    let dir = scratch(name);
    Files {
        chain: write(dir.join("chain.pem"), &chain.pem()),
        key: write(dir.join("key.pem"), &key.serialize_pem()),
        other: write(dir.join("other.pem"), &other.serialize_pem()),
        roots: write(dir.join("roots.pem"), &issuer.pem()),
    }
}

/// What connects to a port, and the certificate that is shown there.
fn connect(roots: &Path, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_file(roots).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut conn = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = tcp(port);
    while conn.is_handshaking() {
        conn.complete_io(&mut stream).unwrap();
    }
    StreamOwned::new(conn, stream)
}

#[test]
fn the_example_echoes() {
    let files = files("tls");
    let source = here().join("examples/echo_tls.c");
    let arguments = ["0", files.chain.to_str().unwrap(), files.key.to_str().unwrap(), "200000"];
    for compiler in compilers() {
        for linkage in [Linkage::Static, Linkage::Shared] {
            let program = scratch("tls").join(format!("echo-{}-{linkage:?}", compiler.c));
            compiler.program("c11", &source, linkage, &["-D_POSIX_C_SOURCE=200809L"], &program);
            let server = Server::start(&program, &arguments);
            let open = |port| connect(&files.roots, port);
            converse_over(open, server, 200_000, "TERM", Duration::from_secs(4));
        }
    }
}

/// SIGHUP: who connects afterwards sees the other certificate, who is connected stays.
#[test]
fn the_example_renews_its_certificate() {
    let (old, new) = (files("tls-old"), files("tls-new"));
    let program = scratch("tls-old").join("echo");
    let source = here().join("examples/echo_tls.c");
    let compiler = compilers()[0];
    compiler.program("c11", &source, Linkage::Static, &["-D_POSIX_C_SOURCE=200809L"], &program);
    let (chain, key) = (old.chain.to_str().unwrap(), old.key.to_str().unwrap());
    let server = Server::start(&program, &["0", chain, key, "200000"]);
    let mut before = Client::open(connect(&old.roots, server.port));
    std::fs::copy(&new.chain, &old.chain).unwrap();
    std::fs::copy(&new.key, &old.key).unwrap();
    server.signal("HUP");
    std::thread::sleep(Duration::from_millis(400));
    drop(connect(&new.roots, server.port));
    before.echoes(TEXT, "still here");
    let open = |port| connect(&new.roots, port);
    converse_over(open, server, 200_000, "TERM", Duration::from_secs(8));
}

#[test]
fn what_is_refused_and_why() {
    let files = files("tls-arguments");
    let paths = [&files.chain, &files.key, &files.other, &files.roots];
    let sanitize = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined"];
    for compiler in compilers() {
        for (linkage, options) in
            [(Linkage::Static, &sanitize[..]), (Linkage::Shared, &sanitize[..1])]
        {
            let program = scratch("tls-arguments").join(format!("{}-{linkage:?}", compiler.c));
            let source = here().join("tests/c/tls.c");
            compiler.program("c11", &source, linkage, options, &program);
            let said = stdout_of(Command::new(&program).args(paths));
            assert!(said.ends_with("ok\n"), "{said}");
        }
    }
}

#[test]
fn both_ends_are_ours() {
    let (files, other) = (files("wss"), files("wss-other"));
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined"];
    let program = scratch("wss").join("wss");
    let source = here().join("tests/c/wss.c");
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    let run = |files: [&PathBuf; 4]| {
        let mut command = Command::new("timeout");
        command.arg("60").arg(&program).args(files);
        assert_eq!(stdout_of(&mut command), "ok\n");
    };
    run([&files.chain, &files.key, &files.roots, &other.roots]);
    // As everybody makes one: as the only root it is refused, pinned it is accepted.
    let (own, key) = (scratch("wss").join("own.pem"), scratch("wss").join("own-key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost"]);
    succeed(openssl.arg("-keyout").arg(&key).arg("-out").arg(&own));
    run([&own, &key, &own, &own]);
}
