//! The program `openssl s_client`: its TLS under a WebSocket client made by hand.

use super::Target;
use super::socket::{CLOSE, Socket};
use ringws_kit::{Client, FIN};
use std::io::{Read, Result, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The plaintext side of the program.
struct Pipes {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Read for Pipes {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.stdout.read(buffer)
    }
}

impl Write for Pipes {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stdin.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.stdin.flush()
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects as a client.
pub(crate) fn connect(target: &Target) -> Box<dyn Socket> {
    let mut command = Command::new("timeout");
    // Without `-quiet` it takes lines that begin with certain letters for its own commands.
    command.args(["120", "openssl", "s_client", "-quiet", "-verify_return_error"]);
    command.args(["-verify_ip", "127.0.0.1", "-connect", &format!("127.0.0.1:{}", target.port)]);
    command.arg("-CAfile").arg(target.roots().expect("over TLS alone"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let client = Client::open(Pipes { child, stdin, stdout });
    Box::new(ByHand { client, closing: false })
}

/// The client, with what answers a Close.
struct ByHand {
    client: Client<Pipes>,
    closing: bool,
}

impl Socket for ByHand {
    fn send(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        self.closing |= opcode == CLOSE;
        self.client.send(opcode | if fin { FIN } else { 0 }, payload);
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let (first, payload) = self.client.message();
        let opcode = first & !FIN;
        if opcode == CLOSE && !self.closing {
            self.send(true, opcode, &payload);
        }
        (opcode, payload)
    }
}
