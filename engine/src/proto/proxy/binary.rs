//! Version 2: binary, with TLVs (§2.2).

use super::{BINARY_FIXED, BINARY_SIGNATURE, BadProxyHeader, ProxyHeader, tlv};
use core::net::{IpAddr, SocketAddr};
use crc::{CRC_32_ISCSI, Crc};

/// As of RFC 4960, Appendix B.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Flags and the outcome of verifying, before the TLVs inside that of TLS (§2.2.6).
const SSL_FIXED: usize = 5;

/// Parses a whole header, whose signature and version were seen.
pub(super) fn parse(header: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    let (fixed, rest) = header.split_at_checked(BINARY_FIXED).unwrap_or_default();
    let Some([command, family, ..]) = fixed.get(BINARY_SIGNATURE.len()..) else {
        return Err(BadProxyHeader::Signature);
    };
    match command & 0xf {
        // Of LOCAL the whole block is discarded, the family too.
        0 => return Ok(ProxyHeader::default()),
        1 => {}
        _ => return Err(BadProxyHeader::Command),
    }
    let addresses = match family {
        // Unspecified: what follows may be anything.
        0x00 => return Ok(ProxyHeader::default()),
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(BadProxyHeader::Family),
    };
    let (addresses, tlvs) = rest.split_at_checked(addresses).ok_or(BadProxyHeader::Family)?;
    check(header, tlvs)?;
    Ok(ProxyHeader { source: source(addresses), tlvs: tlvs.into() })
}

/// Source, destination, and their ports. A Unix socket's path is nobody's address on the network.
fn source(addresses: &[u8]) -> Option<SocketAddr> {
    let (ip, port): (IpAddr, _) = match addresses.len() {
        12 => ((*addresses.first_chunk::<4>()?).into(), addresses.get(8..)?),
        36 => ((*addresses.first_chunk::<16>()?).into(), addresses.get(32..)?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port.first_chunk()?)))
}

/// Whether TLVs end where the header does, and are what they say.
fn check(header: &[u8], tlvs: &[u8]) -> Result<(), BadProxyHeader> {
    if !are_whole(tlvs) {
        return Err(BadProxyHeader::Tlv);
    }
    let mut at = header.len() - tlvs.len();
    for (kind, value) in Tlvs(tlvs) {
        let begins = at + 3;
        at = begins + value.len();
        match u16::from(kind) {
            tlv::CRC32C => {
                let sum = value.try_into().map_err(|_| BadProxyHeader::Tlv)?;
                // "Replace the 32 bits of the checksum field [...] with all '0's" (§2.2.3).
                let mut digest = CRC.digest();
                digest.update(header.get(..begins).unwrap_or_default());
                digest.update(&[0; 4]);
                digest.update(header.get(at..).unwrap_or_default());
                if digest.finalize() != u32::from_be_bytes(sum) {
                    return Err(BadProxyHeader::Checksum);
                }
            }
            tlv::SSL if !value.get(SSL_FIXED..).is_some_and(are_whole) => {
                return Err(BadProxyHeader::Tlv);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether nothing is left over behind the last one.
fn are_whole(tlvs: &[u8]) -> bool {
    Tlvs(tlvs).map(|(_, value)| 3 + value.len()).sum::<usize>() == tlvs.len()
}

/// The value of the first one of a type: one inside another has that one's type before its own.
pub(super) fn find(tlvs: &[u8], kind: u16) -> Option<&[u8]> {
    let [outer, inner] = kind.to_be_bytes();
    let of = |tlvs, kind| Tlvs(tlvs).find(|&(this, _)| this == kind).map(|(_, value)| value);
    match u16::from(outer) {
        0 => of(tlvs, inner),
        tlv::SSL => of(of(tlvs, outer)?.get(SSL_FIXED..)?, inner),
        _ => None,
    }
}

/// Type, length in two bytes, value. Ends where no whole one follows.
pub(super) struct Tlvs<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, high, low, rest @ ..] = self.0 else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*kind, value))
    }
}
