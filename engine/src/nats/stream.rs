//! A connection's bytes, with TLS or without; nothing here waits.

use rustls::ClientConnection;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

/// Room to read into, at first.
const FIRST: usize = 64 << 10;
/// More than this is given back when it is not needed any more.
const KEPT: usize = 1 << 20;
/// Less room than this is not worth a system call.
const LEAST: usize = 16 << 10;

/// What has come and is not understood yet.
pub(super) struct Input {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self { memory: vec![0; FIRST], start: 0, end: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// So many bytes at the front are done with.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Room for more. It doubles with what has come, whatever a length has claimed.
    fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.memory.len() > KEPT {
                self.memory = vec![0; FIRST];
            }
        }
        if self.memory.len() - self.end < LEAST {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.memory.len() - self.end < LEAST {
            self.memory.resize(2 * self.memory.len(), 0);
        }
        &mut self.memory[self.end..]
    }
}

/// What is to be sent.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        // What was sent is dropped when it is as much as what would have to be moved.
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    /// As if the socket had taken all.
    #[cfg(test)]
    pub(super) fn take(&mut self) -> Vec<u8> {
        let all = self.unsent().to_vec();
        self.sent(all.len());
        all
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
    }
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// So many bytes; there may be more.
    Bytes(usize),
    /// Nothing is there.
    Nothing,
    /// Nothing will come any more.
    End,
}

/// A socket that does not block, and perhaps TLS on it.
pub(super) struct Stream {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// From now on by TLS.
    pub(super) fn secure(&mut self, connection: ClientConnection) {
        self.tls = Some(Box::new(connection));
    }

    /// Whether there is something that only waits for the socket.
    pub(super) fn wants_write(&self, output: &Output) -> bool {
        match &self.tls {
            None => output.len() > 0,
            Some(tls) => tls.wants_write() || output.len() > 0 && !tls.is_handshaking(),
        }
    }

    /// Reads once.
    ///
    /// # Errors
    /// The connection is lost, or its TLS is wrong: why, for people.
    pub(super) fn read(&mut self, input: &mut Input) -> Result<Came, String> {
        let Some(tls) = &mut self.tls else {
            return came(self.socket.read(input.room()), input);
        };
        match came(tls.reader().read(input.room()), input)? {
            Came::Nothing => {}
            found => return Ok(found),
        }
        match tls.read_tls(&mut self.socket) {
            Ok(0) => return Ok(Came::End),
            Ok(_) => {}
            Err(error) if is_for_later(&error) => return Ok(Came::Nothing),
            Err(error) => return Err(error.to_string()),
        }
        if let Err(error) = tls.process_new_packets() {
            // The alert says to the server what is wrong with it, if there is room.
            let _ = tls.write_tls(&mut self.socket);
            return Err(format!("TLS: {error}"));
        }
        match came(tls.reader().read(input.room()), input)? {
            // Whatever it was, it was something.
            Came::Nothing => Ok(Came::Bytes(0)),
            found => Ok(found),
        }
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn write(&mut self, output: &mut Output) -> Result<(), String> {
        loop {
            let written = match &mut self.tls {
                Some(tls) if tls.wants_write() => tls.write_tls(&mut self.socket).map(drop),
                Some(tls) if tls.is_handshaking() => return Ok(()),
                _ if output.len() == 0 => return Ok(()),
                Some(tls) => {
                    let buffered = tls.writer().write(output.unsent());
                    buffered.map(|bytes| output.sent(bytes))
                }
                None => self.socket.write(output.unsent()).map(|bytes| output.sent(bytes)),
            };
            match written {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn is_for_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn came(read: std::io::Result<usize>, input: &mut Input) -> Result<Came, String> {
    match read {
        Ok(0) => Ok(Came::End),
        Ok(bytes) => {
            input.end += bytes;
            Ok(Came::Bytes(bytes))
        }
        Err(error) if is_for_later(&error) => Ok(Came::Nothing),
        // TLS without its close_notify: the connection is over all the same.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Came::End),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_comes_and_is_given_back() {
        let mut input = Input::new();
        for _ in 0..8 {
            let room = input.room().len();
            assert!(room >= LEAST);
            input.end += room;
        }
        let all = input.bytes().len();
        assert!(input.memory.len() <= 2 * (all + LEAST));
        input.consume(all - 1);
        assert!(input.room().len() > KEPT && input.bytes().len() == 1);
        input.consume(1);
        assert_eq!((input.room().len(), input.memory.len()), (FIRST, FIRST));
    }

    #[test]
    fn what_is_sent_in_parts_stays_in_order() {
        let (mut output, mut sent, mut pushed) = (Output::default(), Vec::new(), Vec::new());
        for number in 0..1_000_u32 {
            let text = number.to_string();
            output.push(&[text.as_bytes(), b","]);
            pushed.extend_from_slice(format!("{text},").as_bytes());
            let some = output.len().min(number as usize % 7);
            sent.extend_from_slice(&output.unsent()[..some]);
            output.sent(some);
        }
        sent.extend_from_slice(output.unsent());
        output.sent(output.len());
        assert!(sent == pushed && output.len() == 0);
    }
}
