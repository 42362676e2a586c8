//! The header that a proxy writes before the bytes of a client whose connection it forwards: the
//! PROXY protocol of HAProxy, versions 1 (a line) and 2 (binary, with TLVs).
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

mod binary;
mod text;

use super::input::Input;
use core::net::SocketAddr;

/// Bytes of version 1, with CRLF (§2.1).
const TEXT_MAX: usize = 107;
const TEXT_SIGNATURE: &[u8] = b"PROXY ";
/// Bytes of version 2 behind the first 16: addresses of Unix sockets take 216, and a certificate of
/// a client in DER, which is the largest TLV that anybody sends, some 2 KiB.
const BINARY_MAX: usize = 4 << 10;
const BINARY_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length (§2.2).
const BINARY_FIXED: usize = 16;

/// What is wrong with what should be a header. The connection is to be dropped (§2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProxyHeader {
    /// What came is the beginning of neither version.
    #[error("what came is no PROXY header")]
    Signature,
    /// A version other than 2 in a binary header, or a command other than LOCAL and PROXY.
    #[error("a PROXY header of an unknown version or command")]
    Command,
    /// Version 1: more than 107 bytes. Version 2: more than 4 KiB.
    #[error("a PROXY header that is too long")]
    TooLong,
    /// Version 1: a line that is not as it should be.
    #[error("a PROXY header whose line is malformed")]
    Line,
    /// A family or protocol that is none, or addresses that are of another family or do not fit
    /// into the length.
    #[error("a PROXY header whose addresses are not of its family")]
    Family,
    /// TLVs that do not end where the header does, or a value that is too short.
    #[error("a PROXY header whose TLVs do not fit")]
    Tlv,
    /// The CRC-32C is that of other bytes.
    #[error("a PROXY header with a wrong checksum")]
    Checksum,
}

/// A header that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    pub(super) source: Option<SocketAddr>,
    pub(super) tlvs: Box<[u8]>,
}

impl ProxyHeader {
    /// Where the connection comes from. `None` if that is the proxy itself (`LOCAL`: it looks
    /// whether we are alive), or nothing that has an address (`UNKNOWN`, unspecified, Unix
    /// sockets): then the address of the transport is the peer's.
    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    /// The value of the first TLV of a type, for one inside the TLV of TLS `0x2000 | type`: see
    /// [`tlv`].
    pub fn tlv(&self, kind: u16) -> Option<&[u8]> {
        binary::find(&self.tlvs, kind)
    }

    /// All TLVs in their order.
    pub fn tlvs(&self) -> impl Iterator<Item = (u8, &[u8])> {
        binary::Tlvs(&self.tlvs)
    }

    /// Bytes of memory that it keeps.
    pub fn held(&self) -> usize {
        self.tlvs.len()
    }
}

/// Types of TLVs (§2.2), as [`ProxyHeader::tlv`] takes them.
pub mod tlv {
    /// The protocol that was agreed on in TLS, as in ALPN.
    pub const ALPN: u16 = 0x01;
    /// The host that the client wants, as in SNI.
    pub const AUTHORITY: u16 = 0x02;
    /// CRC-32C of the header. It was verified.
    pub const CRC32C: u16 = 0x03;
    /// Padding.
    pub const NOOP: u16 = 0x04;
    /// The proxy's name of the connection.
    pub const UNIQUE_ID: u16 = 0x05;
    /// The client speaks TLS with the proxy: a byte of flags, four of what verifying its
    /// certificate has come to, 0 if it is valid, and TLVs inside.
    pub const SSL: u16 = 0x20;
    /// The network namespace.
    pub const NETNS: u16 = 0x30;
    /// In that of TLS: its version.
    pub const SSL_VERSION: u16 = 0x2021;
    /// In that of TLS: the common name of the client's certificate.
    pub const SSL_CN: u16 = 0x2022;
    /// In that of TLS: the cipher.
    pub const SSL_CIPHER: u16 = 0x2023;
    /// In that of TLS: how the proxy's certificate is signed.
    pub const SSL_SIG_ALG: u16 = 0x2024;
    /// In that of TLS: the key of the proxy's certificate.
    pub const SSL_KEY_ALG: u16 = 0x2025;
}

/// Reads a header that may come in parts, cut anywhere. A byte that cannot belong to one is found
/// when it comes.
#[derive(Debug, Default)]
pub struct ProxyReader {
    /// What has come, when it did not come whole. Takes no memory before.
    collected: Vec<u8>,
}

impl ProxyReader {
    /// Bytes that it holds.
    pub fn collected(&self) -> usize {
        self.collected.len()
    }

    /// Takes input up to the end of the header; bytes behind it stay in `input`. `None` when it
    /// goes on after this input.
    ///
    /// # Errors
    /// What came is no header: the connection is to be dropped.
    pub fn feed(&mut self, input: &mut Input<'_>) -> Result<Option<ProxyHeader>, BadProxyHeader> {
        let old = self.collected.len();
        let come = input.peek();
        // No header is longer: so a flood is not copied before it is refused.
        let come = come.get(..BINARY_FIXED + BINARY_MAX - old).unwrap_or(come);
        if old == 0
            && let Some(end) = end_of(come)?
        {
            return parse(input.take(end)).map(Some);
        }
        let all = come.len();
        self.collected.extend_from_slice(come);
        let Some(end) = end_of(&self.collected)? else {
            input.take(all);
            return Ok(None);
        };
        input.take(end - old);
        let collected = std::mem::take(&mut self.collected);
        parse(collected.get(..end).unwrap_or_default()).map(Some)
    }
}

/// Where the header ends, if all of it is there.
fn end_of(bytes: &[u8]) -> Result<Option<usize>, BadProxyHeader> {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, due)| byte == due);
    if begins(BINARY_SIGNATURE) {
        return match bytes.get(BINARY_SIGNATURE.len()..) {
            Some([command, ..]) if command >> 4 != 2 => Err(BadProxyHeader::Command),
            Some([_, _, high, low, rest @ ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                match length {
                    ..=BINARY_MAX => Ok((rest.len() >= length).then_some(BINARY_FIXED + length)),
                    _ => Err(BadProxyHeader::TooLong),
                }
            }
            _ => Ok(None),
        };
    }
    if !begins(TEXT_SIGNATURE) {
        return Err(BadProxyHeader::Signature);
    }
    match memchr::memchr(b'\n', bytes.get(..TEXT_MAX).unwrap_or(bytes)) {
        Some(at) => Ok(Some(at + 1)),
        None if bytes.len() >= TEXT_MAX => Err(BadProxyHeader::TooLong),
        None => Ok(None),
    }
}

fn parse(header: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    match header.strip_prefix(TEXT_SIGNATURE) {
        Some(line) => Ok(ProxyHeader { source: text::parse(line)?, ..ProxyHeader::default() }),
        None => binary::parse(header),
    }
}

#[cfg(test)]
mod tests;
