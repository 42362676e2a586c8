use super::*;

const ADDRESSES: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0x01, 0xbb];
const SOURCE: &str = "192.0.2.7:40000";
/// CRC-32C of the header below, computed by another program.
const SUM: [u8; 4] = [0x5f, 0xaf, 0xe5, 0x02];

/// Version 2, with these bytes behind the first 16.
fn binary(command: u8, family: u8, rest: &[&[u8]]) -> Vec<u8> {
    let rest = rest.concat();
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [BINARY_SIGNATURE, &[command, family], &length, &rest].concat()
}

fn one(kind: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind, high, low], value].concat()
}

/// Reads it whole and cut at every byte, with a request behind it, which is left.
fn read(header: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    const BEHIND: &[u8] = b"GET / HTTP/1.1\r\n";
    let all = [header, BEHIND].concat();
    let by = |sizes: &mut dyn Iterator<Item = usize>| {
        let (mut reader, mut from) = (ProxyReader::default(), 0);
        while from < all.len() {
            let until = sizes.next().map_or(all.len(), |size| (from + size).min(all.len()));
            let mut part = all[from..until].to_vec();
            let mut input = Input::new(&mut part);
            if let Some(read) = reader.feed(&mut input)? {
                assert_eq!([input.peek(), &all[until..]].concat(), BEHIND, "{header:?}");
                return Ok(read);
            }
            assert!(input.is_empty());
            assert_eq!(reader.collected(), until);
            from = until;
        }
        panic!("not whole: {header:?}");
    };
    let whole = by(&mut std::iter::empty());
    for cut in 1..header.len() {
        assert_eq!(by(&mut std::iter::once(cut)), whole, "cut at {cut}");
    }
    assert_eq!(by(&mut std::iter::repeat(1)), whole);
    whole
}

fn source(header: &[u8]) -> Result<Option<String>, BadProxyHeader> {
    read(header).map(|header| header.source().map(|at| at.to_string()))
}

#[test]
fn a_line_says_who_comes() {
    let source = |line: &str| source(format!("PROXY {line}\r\n").as_bytes());
    let told = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(source("TCP4 192.0.2.7 198.51.100.1 40000 443"), told(SOURCE));
    assert_eq!(source("TCP4 0.0.0.0 255.255.255.255 0 65535"), told("0.0.0.0:0"));
    assert_eq!(source("TCP6 2001:db8::1 ::1 1 2"), told("[2001:db8::1]:1"));
    let longest = "ffff:f...f:ffff:ffff:ffff:ffff:ffff:ffff".replace("f...f", "ffff");
    assert_eq!(
        source(&format!("TCP6 {longest} {longest} 65535 65535")),
        told(&format!("[{longest}]:65535"))
    );
    assert_eq!(source("UNKNOWN"), Ok(None));
    // The longest line (§2.1).
    let longest = format!("UNKNOWN {longest} {longest} 65535 65535");
    assert_eq!(longest.len() + "PROXY \r\n".len(), TEXT_MAX);
    assert_eq!(source(&longest), Ok(None));
    assert_eq!(source(&format!("{longest}0")), Err(BadProxyHeader::TooLong));
}

#[test]
fn a_line_that_is_not_as_it_should_be_is_refused() {
    for line in [
        "TCP4 192.0.2.7 198.51.100.1 40000 443\n",
        "TCP4 192.0.2.7 198.51.100.1 40000\r\n",
        "TCP4 192.0.2.7 198.51.100.1 40000 443 1\r\n",
        "TCP4 192.0.2.7 198.51.100.1 40000 443 \r\n",
        "TCP4  192.0.2.7 198.51.100.1 40000 443\r\n",
        "TCP4 192.0.2.7 198.51.100.1 +4000 443\r\n",
        "TCP4 192.0.2.7 198.51.100.1 040 443\r\n",
        "TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
        "TCP4 192.0.2.7 198.51.100.1 1 \r\n",
        "TCP4 192.0.2.7 198.51.100.1 1 443\r\r\n",
        "UNKNOWNS\r\n",
        "\r\n",
        "TCP4\r\n",
    ] {
        assert_eq!(source(format!("PROXY {line}").as_bytes()), Err(BadProxyHeader::Line), "{line}");
    }
    for line in [
        "TCP4 ::1 ::1 1 2",
        "TCP6 192.0.2.7 198.51.100.1 1 2",
        "TCP4 192.0.2.07 198.51.100.1 1 2",
        "TCP4 192.0.2 198.51.100.1 1 2",
        "TCP6 fe80::1%1 ::1 1 2",
        "TCP6 [::1] [::1] 1 2",
        "TCP5 192.0.2.7 198.51.100.1 1 2",
        "tcp4 192.0.2.7 198.51.100.1 1 2",
        "UDP4 192.0.2.7 198.51.100.1 1 2",
    ] {
        let line = format!("PROXY {line}\r\n");
        assert_eq!(source(line.as_bytes()), Err(BadProxyHeader::Family), "{line}");
    }
    for other in ["GET / HTTP/1.1\r\n", "PROXX ", "proxy TCP4", " PROXY ", "\r\n\r\n\0\r\nQUIZ"] {
        assert_eq!(source(other.as_bytes()), Err(BadProxyHeader::Signature), "{other}");
    }
    assert_eq!(source(&[0xff; 3]), Err(BadProxyHeader::Signature));
    assert_eq!(source(b"PROXY TCP4 \xff 198.51.100.1 1 2\r\n"), Err(BadProxyHeader::Line));
}

#[test]
fn the_same_in_binary() {
    let v6 = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], [0; 16]].concat();
    for (header, told) in [
        (binary(0x21, 0x11, &[ADDRESSES]), Some(SOURCE)),
        (binary(0x21, 0x12, &[ADDRESSES]), Some(SOURCE)),
        (binary(0x21, 0x21, &[&v6, &[0, 9, 0, 1]]), Some("[2001:db8::7]:9")),
        (binary(0x21, 0x22, &[&v6, &[0, 9, 0, 1]]), Some("[2001:db8::7]:9")),
        (binary(0x21, 0x31, &[&[b'/'; 216]]), None),
        (binary(0x21, 0x32, &[&[0; 216]]), None),
        (binary(0x21, 0x00, &[]), None),
        (binary(0x21, 0x00, &[b"anything"]), None),
        (binary(0x20, 0x00, &[]), None),
        // Of LOCAL nothing but the length counts.
        (binary(0x20, 0xff, &[ADDRESSES]), None),
        (binary(0x20, 0x11, &[b"short"]), None),
    ] {
        assert_eq!(source(&header), Ok(told.map(str::to_owned)), "{header:x?}");
    }
}

#[test]
fn what_is_no_version_2_is_refused() {
    for (header, why) in [
        (binary(0x11, 0x11, &[ADDRESSES]), BadProxyHeader::Command),
        (binary(0x31, 0x11, &[ADDRESSES]), BadProxyHeader::Command),
        (binary(0x22, 0x11, &[ADDRESSES]), BadProxyHeader::Command),
        (binary(0x21, 0x10, &[ADDRESSES]), BadProxyHeader::Family),
        (binary(0x21, 0x01, &[ADDRESSES]), BadProxyHeader::Family),
        (binary(0x21, 0x13, &[ADDRESSES]), BadProxyHeader::Family),
        (binary(0x21, 0x41, &[ADDRESSES]), BadProxyHeader::Family),
        (binary(0x21, 0x11, &[&ADDRESSES[1..]]), BadProxyHeader::Family),
        (binary(0x21, 0x21, &[ADDRESSES]), BadProxyHeader::Family),
        (binary(0x21, 0x31, &[&[0; 215]]), BadProxyHeader::Family),
        (binary(0x21, 0x11, &[ADDRESSES, &[1]]), BadProxyHeader::Tlv),
        (binary(0x21, 0x11, &[ADDRESSES, &[1, 0, 2, 0]]), BadProxyHeader::Tlv),
        (binary(0x21, 0x11, &[ADDRESSES, &one(3, &[0; 3])]), BadProxyHeader::Tlv),
        (binary(0x21, 0x11, &[ADDRESSES, &one(0x20, &[1; 4])]), BadProxyHeader::Tlv),
        (binary(0x21, 0x11, &[ADDRESSES, &one(0x20, &[1, 0, 0, 0, 0, 0x21])]), BadProxyHeader::Tlv),
        (binary(0x21, 0x11, &[&[0; BINARY_MAX + 1]]), BadProxyHeader::TooLong),
    ] {
        assert_eq!(source(&header), Err(why), "{header:x?}");
    }
    let most = one(4, &[0; BINARY_MAX - 12 - 3]);
    let most = binary(0x21, 0x11, &[ADDRESSES, &most]);
    assert_eq!(most.len(), BINARY_FIXED + BINARY_MAX);
    assert_eq!(read(&most).unwrap().held(), BINARY_MAX - 12);
}

#[test]
fn values_are_found_by_type() {
    let inside = [one(0x21, b"TLSv1.3"), one(0x22, b"client"), one(0x21, b"another")].concat();
    let ssl = [&[7, 0, 0, 0, 1][..], &inside].concat();
    let header = binary(
        0x21,
        0x11,
        &[
            ADDRESSES,
            &one(1, b"h2"),
            &one(0x20, &ssl),
            &one(5, b""),
            &one(0xe0, b"x"),
            &one(1, b""),
        ],
    );
    let header = read(&header).unwrap();
    assert_eq!(header.source().map(|at| at.to_string()).as_deref(), Some(SOURCE));
    assert_eq!(header.tlv(tlv::ALPN), Some(&b"h2"[..]), "the first");
    assert_eq!(header.tlv(tlv::UNIQUE_ID), Some(&b""[..]), "there, and empty");
    assert_eq!(header.tlv(tlv::SSL), Some(&ssl[..]));
    assert_eq!(header.tlv(tlv::SSL_VERSION), Some(&b"TLSv1.3"[..]));
    assert_eq!(header.tlv(tlv::SSL_CN), Some(&b"client"[..]));
    assert_eq!(header.tlv(0xe0), Some(&b"x"[..]));
    for absent in [tlv::AUTHORITY, tlv::SSL_CIPHER, 0x21, 0x0121, 0xe021, 0xff] {
        assert_eq!(header.tlv(absent), None, "{absent:#x}");
    }
    let kinds: Vec<u8> = header.tlvs().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [1, 0x20, 5, 0xe0, 1]);
}

#[test]
fn a_checksum_is_that_of_the_whole_header() {
    let with = |sum: [u8; 4]| {
        let tlvs = [one(2, b"example.com"), one(3, &sum), one(4, &[0])].concat();
        binary(0x21, 0x11, &[ADDRESSES, &tlvs])
    };
    let good = with(SUM);
    assert_eq!(read(&good).unwrap().tlv(tlv::AUTHORITY), Some(&b"example.com"[..]));
    assert_eq!(source(&with([0; 4])), Err(BadProxyHeader::Checksum));
    // Any bit counts but those that make another TLV of the checksum itself.
    let kind = BINARY_FIXED + ADDRESSES.len() + 3 + "example.com".len();
    assert_eq!(good[kind], 3);
    for at in (BINARY_FIXED..good.len()).filter(|&at| at != kind) {
        let mut spoilt = good.clone();
        spoilt[at] ^= 1;
        assert!(read(&spoilt).is_err(), "byte {at}");
    }
    // Of two neither can be that of the other with zeros.
    let two = [one(3, &SUM), one(3, &SUM)].concat();
    assert_eq!(source(&binary(0x21, 0x11, &[ADDRESSES, &two])), Err(BadProxyHeader::Checksum));
}
