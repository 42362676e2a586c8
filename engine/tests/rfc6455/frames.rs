//! §5.1, §5.2, §5.3, §5.5 and §5.7: the header, alone.

use ringws_engine::proto::header::{Decoded, HEADER_MAX, decode, encode};
use ringws_engine::proto::{
    FrameReader, Header, Input, Opcode, Role, Violation, mask::rotate, mask::unmask,
};

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn server(bytes: &[u8]) -> Result<Decoded, Violation> {
    decode(bytes, Role::Server, false)
}

fn client(bytes: &[u8]) -> Result<Decoded, Violation> {
    decode(bytes, Role::Client, false)
}

/// Reads one whole frame and returns its header and its payload unmasked.
fn frame(role: Role, bytes: &[u8]) -> (Header, Vec<u8>) {
    let mut bytes = bytes.to_vec();
    let mut input = Input::new(&mut bytes);
    let piece = FrameReader::new(role).next(&mut input).unwrap().unwrap();
    assert!(piece.first && piece.last);
    unmask(piece.data, piece.key);
    let found = (piece.header, piece.data.to_vec());
    assert!(input.is_empty());
    found
}

/// An example: who reads it, its header, its payload masked and plain, and what it means.
type Example<'a> = (Role, &'a [u8], &'a [u8], &'a [u8], Header);

fn header(opcode: Opcode, fin: bool, len: u64, mask: Option<[u8; 4]>) -> Header {
    Header { len, mask, opcode, fin, rsv1: false }
}

/// §5.7: the examples, byte for byte, in both directions.
#[test]
fn section_5_7_examples() {
    let hello = b"Hello".as_slice();
    let masked_hello = [0x7F, 0x9F, 0x4D, 0x51, 0x58];
    let binary: Vec<u8> = (0..=255).collect();
    let large = vec![0x5A; 65_536];
    let cases: [Example<'_>; 8] = [
        (Role::Client, &[0x81, 0x05], hello, hello, header(Opcode::Text, true, 5, None)),
        (
            Role::Server,
            &[0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D],
            &masked_hello,
            hello,
            header(Opcode::Text, true, 5, Some(KEY)),
        ),
        (Role::Client, &[0x01, 0x03], b"Hel", b"Hel", header(Opcode::Text, false, 3, None)),
        (Role::Client, &[0x80, 0x02], b"lo", b"lo", header(Opcode::Continuation, true, 2, None)),
        (Role::Client, &[0x89, 0x05], hello, hello, header(Opcode::Ping, true, 5, None)),
        (
            Role::Server,
            &[0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D],
            &masked_hello,
            hello,
            header(Opcode::Pong, true, 5, Some(KEY)),
        ),
        (
            Role::Client,
            &[0x82, 0x7E, 0x01, 0x00],
            &binary,
            &binary,
            header(Opcode::Binary, true, 256, None),
        ),
        (
            Role::Client,
            &[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0],
            &large,
            &large,
            header(Opcode::Binary, true, 65_536, None),
        ),
    ];
    for (role, head, wire, plain, expected) in cases {
        let found = frame(role, &[head, wire].concat());
        assert_eq!(found, (expected, plain.to_vec()));
        let mut out = [0; HEADER_MAX];
        let n = encode(&expected, &mut out);
        assert_eq!(&out[..n], head);
    }
}

/// §5.2: every first byte. Alone it is already accepted or refused, and for the right reason.
#[test]
fn section_5_2_every_first_byte() {
    for b0 in 0..=255u8 {
        for rsv1_allowed in [false, true] {
            let nibble = b0 & 0x0F;
            let data = matches!(nibble, 1 | 2);
            let control = nibble >= 8;
            let expected = if b0 & 0x30 != 0 || b0 & 0x40 != 0 && !(rsv1_allowed && data) {
                Err(Violation::ReservedBits)
            } else if !matches!(nibble, 0..=2 | 8..=10) {
                Err(Violation::ReservedOpcode)
            } else if control && b0 & 0x80 == 0 {
                Err(Violation::ControlFragmented)
            } else {
                Ok(Decoded::Incomplete(2))
            };
            assert_eq!(decode(&[b0], Role::Server, rsv1_allowed), expected, "{b0:02x}");
            let whole = decode(&[b0, 0x80, 1, 2, 3, 4], Role::Server, rsv1_allowed);
            match expected {
                Err(violation) => assert_eq!(whole, Err(violation), "{b0:02x}"),
                Ok(_) => {
                    let Ok(Decoded::Complete(header, 6)) = whole else { panic!("{b0:02x}") };
                    assert_eq!(header.opcode as u8, nibble);
                    assert_eq!(header.fin, b0 & 0x80 != 0);
                    assert_eq!(header.rsv1, b0 & 0x40 != 0);
                    assert_eq!(header.mask, Some([1, 2, 3, 4]));
                }
            }
        }
    }
}

/// §5.1: who masks. The second byte shows it.
#[test]
fn section_5_1_masking() {
    assert_eq!(server(b"\x81\x05Hello"), Err(Violation::Unmasked));
    assert_eq!(server(&[0x81, 0x00]), Err(Violation::Unmasked));
    assert_eq!(client(&[0x81, 0x80]), Err(Violation::Masked));
    assert_eq!(client(&[0x89, 0xFE]), Err(Violation::Masked));
    assert_eq!(server(&[0x81]), Ok(Decoded::Incomplete(2)));
}

/// §5.5: the length of control frames; the second byte shows it.
#[test]
fn section_5_5_control_length() {
    for opcode in [0x88, 0x89, 0x8A] {
        assert_eq!(client(&[opcode, 125]).map(|d| matches!(d, Decoded::Complete(..))), Ok(true));
        assert_eq!(client(&[opcode, 126]), Err(Violation::ControlTooLong));
        assert_eq!(client(&[opcode, 127]), Err(Violation::ControlTooLong));
        assert_eq!(server(&[opcode, 0x80 | 126]), Err(Violation::ControlTooLong));
    }
}

/// §5.2: the minimal number of bytes must be used, and the top bit must be 0.
#[test]
fn section_5_2_minimal_length() {
    for len in 0..126u16 {
        let [a, b] = len.to_be_bytes();
        assert_eq!(client(&[0x82, 126, a, b]), Err(Violation::NonMinimalLength));
    }
    assert_eq!(
        client(&[0x82, 126, 0, 126]),
        Ok(Decoded::Complete(header(Opcode::Binary, true, 126, None), 4))
    );
    let long = |len: u64| client(&[&[0x82, 127][..], &len.to_be_bytes()].concat());
    for len in [0, 5, 125, 126, 65_535] {
        assert_eq!(long(len), Err(Violation::NonMinimalLength));
    }
    for len in [65_536, u64::from(u32::MAX), 1 << 32, (1 << 63) - 1] {
        let expected = header(Opcode::Binary, true, len, None);
        assert_eq!(long(len), Ok(Decoded::Complete(expected, 10)));
    }
    for len in [1 << 63, u64::MAX] {
        assert_eq!(long(len), Err(Violation::LengthOverflow));
    }
    // As early as it shows.
    assert_eq!(client(&[0x82, 127, 0x80]), Err(Violation::LengthOverflow));
    assert_eq!(client(&[0x82, 127, 0, 0, 0, 0, 0]), Ok(Decoded::Incomplete(10)));
    assert_eq!(client(&[0x82, 127, 0, 0, 0, 0, 0, 0]), Err(Violation::NonMinimalLength));
    assert_eq!(client(&[0x82, 127, 0, 0, 0, 0, 0, 1]), Ok(Decoded::Incomplete(10)));
}

/// Encoding and decoding agree on all classes of length; cut anywhere, the decoder says how much
/// it needs.
#[test]
fn round_trip_of_all_length_classes() {
    let lengths =
        [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20, u64::from(u32::MAX), (1 << 63) - 1];
    for (opcode, fin) in [(Opcode::Text, true), (Opcode::Continuation, false)] {
        for len in lengths {
            for (role, mask) in [(Role::Client, None), (Role::Server, Some(KEY))] {
                for rsv1 in [false, opcode == Opcode::Text] {
                    let header = Header { len, mask, opcode, fin, rsv1 };
                    let mut out = [0xEE; HEADER_MAX];
                    let n = encode(&header, &mut out);
                    assert!(out[n..].iter().all(|b| *b == 0xEE));
                    let expected = Ok(Decoded::Complete(header, n));
                    assert_eq!(decode(&out, role, true), expected);
                    assert_eq!(decode(&out[..n], role, true), expected);
                    for cut in 0..n {
                        let needed = if cut < 2 { 2 } else { n };
                        let expected = Ok(Decoded::Incomplete(needed));
                        assert_eq!(decode(&out[..cut], role, true), expected, "{len} {cut}");
                    }
                }
            }
        }
    }
}

/// §5.3: octet i is masked with octet i modulo 4 of the key, wherever a piece begins.
#[test]
fn section_5_3_masking_in_pieces() {
    let plain: Vec<u8> = (0..200u8).collect();
    let masked: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ KEY[i % 4]).collect();
    for cut in 0..=plain.len() {
        let mut data = masked.clone();
        let (a, b) = data.split_at_mut(cut);
        unmask(a, KEY);
        unmask(b, rotate(KEY, cut));
        assert_eq!(data, plain);
    }
}
