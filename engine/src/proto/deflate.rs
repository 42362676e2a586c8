//! permessage-deflate in the opening handshake, RFC 7692 §7.1: what is offered, accepted and
//! checked.
//!
//! Windows go from 8 to 15 bits. What an offer says wrong declines that offer alone, and the
//! next one is looked at (RFC 7692 §5.1); what an answer says wrong fails the connection (§7.1).

use super::field::{is_token, split, trim};

/// The registered name (RFC 7692 §7). Names are compared byte by byte.
const NAME: &[u8] = b"permessage-deflate";

/// The header that extensions are negotiated in.
pub const FIELD: &str = "Sec-WebSocket-Extensions";

const SERVER_NO_TAKEOVER: &[u8] = b"server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &[u8] = b"client_no_context_takeover";
const SERVER_BITS: &[u8] = b"server_max_window_bits";
const CLIENT_BITS: &[u8] = b"client_max_window_bits";

/// The window of those who say nothing of it, in bits: 32 KiB.
pub const BITS_MAX: u8 = 15;

/// What we want of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Compressors may remember earlier messages, on both sides.
    pub takeover: bool,
    /// The largest window of what we compress, in bits, from 8 to 15.
    pub bits: u8,
}

/// What was agreed on for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its compressor remembers earlier messages.
    pub takeover: bool,
    /// Its window in bits, from 8 to 15; `None` when nothing was said of it.
    pub bits: Option<u8>,
}

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What the server compresses.
    pub server: Sender,
    /// What the client compresses.
    pub client: Sender,
}

/// An answer that does not fit what was offered: the client fails the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an answer on extensions that does not fit the offer")]
pub struct InvalidAnswer;

/// What a server makes of the values of all [`FIELD`] headers of a request: the first offer that
/// it can accept, in the client's order. Other extensions are passed over.
pub fn accept<'h>(values: impl Iterator<Item = &'h [u8]>, terms: &Terms) -> Option<Agreed> {
    values.flat_map(|value| split(value, b',')).find_map(|offer| {
        let offer = Parameters::parse(offer)?.ok()?;
        // Only the client may name its window without a size.
        let server_bits = match offer.server_bits {
            Some(size) => Some(size?.min(terms.bits)),
            None => None,
        };
        Some(Agreed {
            server: Sender {
                takeover: terms.takeover && !offer.server_no_takeover,
                bits: server_bits,
            },
            client: Sender {
                takeover: terms.takeover && !offer.client_no_takeover,
                bits: offer.client_bits.flatten(),
            },
        })
    })
}

/// Appends what a client offers, as the value of one [`FIELD`] header.
pub fn put_offer(terms: &Terms, out: &mut Vec<u8>) {
    out.extend_from_slice(NAME);
    if !terms.takeover {
        put(out, SERVER_NO_TAKEOVER, None);
        put(out, CLIENT_NO_TAKEOVER, None);
    }
    put(out, CLIENT_BITS, (terms.bits < BITS_MAX).then_some(terms.bits));
}

/// What a client makes of the values of all [`FIELD`] headers of the answer to [`put_offer`]:
/// `None` when the server has declined.
///
/// # Errors
/// An extension that was not offered, two of them, a parameter that is unknown, malformed, there
/// twice or out of the range that was offered.
pub fn check_answer<'h>(
    values: impl Iterator<Item = &'h [u8]>,
    terms: &Terms,
) -> Result<Option<Agreed>, InvalidAnswer> {
    let mut agreed = None;
    for element in values.flat_map(|value| split(value, b',')).filter(|e| !e.is_empty()) {
        let answer = Parameters::parse(element).ok_or(InvalidAnswer)?.map_err(|_| InvalidAnswer)?;
        let size =
            |bits: Option<Option<u8>>| bits.map(|size| size.ok_or(InvalidAnswer)).transpose();
        let (server, client) = (size(answer.server_bits)?, size(answer.client_bits)?);
        // RFC 7692 §7.1.1.1: an offer with that parameter is accepted by answering with it.
        let remembers = !terms.takeover && !answer.server_no_takeover;
        if agreed.is_some() || remembers || client.is_some_and(|bits| bits > terms.bits) {
            return Err(InvalidAnswer);
        }
        agreed = Some(Agreed {
            server: Sender { takeover: !answer.server_no_takeover, bits: server },
            client: Sender { takeover: terms.takeover && !answer.client_no_takeover, bits: client },
        });
    }
    Ok(agreed)
}

impl Agreed {
    /// Appends what a server answers, as the value of a [`FIELD`] header.
    pub fn put_answer(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME);
        if !self.server.takeover {
            put(out, SERVER_NO_TAKEOVER, None);
        }
        if !self.client.takeover {
            put(out, CLIENT_NO_TAKEOVER, None);
        }
        for (name, bits) in [(SERVER_BITS, self.server.bits), (CLIENT_BITS, self.client.bits)] {
            if bits.is_some() {
                put(out, name, bits);
            }
        }
    }
}

fn put(out: &mut Vec<u8>, name: &[u8], bits: Option<u8>) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(name);
    if let Some(bits) = bits {
        out.extend_from_slice(format!("={bits}").as_bytes());
    }
}

/// A parameter that is unknown, malformed or there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    /// A window may be named without its size.
    server_bits: Option<Option<u8>>,
    client_bits: Option<Option<u8>>,
}

impl Parameters {
    /// Of one element of the list of extensions (RFC 6455 §9.1), `None` if it is another extension.
    fn parse(element: &[u8]) -> Option<Result<Self, Malformed>> {
        let mut parts = split(element, b';');
        (parts.next() == Some(NAME)).then(|| {
            let mut all = Self::default();
            parts.try_for_each(|part| all.take(part))?;
            Ok(all)
        })
    }

    fn take(&mut self, part: &[u8]) -> Result<(), Malformed> {
        let (name, value) = match part.iter().position(|b| *b == b'=') {
            Some(at) => {
                let (name, value) = part.split_at_checked(at).ok_or(Malformed)?;
                (trim(name), Some(trim(value.get(1..).unwrap_or_default())))
            }
            None => (part, None),
        };
        match (name, value) {
            (SERVER_NO_TAKEOVER, None) => set(&mut self.server_no_takeover),
            (CLIENT_NO_TAKEOVER, None) => set(&mut self.client_no_takeover),
            (SERVER_BITS, value) => set_bits(&mut self.server_bits, value),
            (CLIENT_BITS, value) => set_bits(&mut self.client_bits, value),
            _ => Err(Malformed),
        }
    }
}

fn set(flag: &mut bool) -> Result<(), Malformed> {
    match std::mem::replace(flag, true) {
        false => Ok(()),
        true => Err(Malformed),
    }
}

fn set_bits(bits: &mut Option<Option<u8>>, value: Option<&[u8]>) -> Result<(), Malformed> {
    let size = value.map(|value| size(value).ok_or(Malformed)).transpose()?;
    match bits.replace(size) {
        None => Ok(()),
        Some(_) => Err(Malformed),
    }
}

/// From 8 to 15, without a leading zero (RFC 7692 §7.1.2.1), perhaps in quotes: what is in them is
/// then a token (RFC 6455 §9.1).
fn size(value: &[u8]) -> Option<u8> {
    let value = match value {
        [b'"', inner @ .., b'"'] if is_token(inner) => inner,
        value => value,
    };
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Terms = Terms { takeover: false, bits: 15 };
    const TAKEOVER: Terms = Terms { takeover: true, bits: 15 };

    /// The server's answer to one header.
    fn answer(terms: &Terms, offers: &str) -> Option<String> {
        let mut out = Vec::new();
        accept([offers.as_bytes()].into_iter(), terms)?.put_answer(&mut out);
        Some(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn the_four_parameters_are_answered() {
        for (offer, expected) in [
            ("permessage-deflate", "permessage-deflate"),
            ("  permessage-deflate ;client_max_window_bits", "permessage-deflate"),
            (
                "permessage-deflate; client_max_window_bits=9",
                "permessage-deflate; client_max_window_bits=9",
            ),
            (
                "permessage-deflate; server_max_window_bits=8",
                "permessage-deflate; server_max_window_bits=8",
            ),
            (
                "permessage-deflate; server_max_window_bits = \"10\"",
                "permessage-deflate; server_max_window_bits=10",
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                "permessage-deflate; server_max_window_bits=15",
            ),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                "permessage-deflate; client_no_context_takeover",
            ),
        ] {
            assert_eq!(answer(&TAKEOVER, offer).as_deref(), Some(expected), "{offer}");
        }
        let shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(answer(&SHARED, "permessage-deflate").as_deref(), Some(shared));
        let small = Terms { bits: 11, ..TAKEOVER };
        let offer = "permessage-deflate; server_max_window_bits=13";
        let expected = "permessage-deflate; server_max_window_bits=11";
        assert_eq!(answer(&small, offer).as_deref(), Some(expected));
        assert_eq!(answer(&small, "permessage-deflate").as_deref(), Some("permessage-deflate"));
    }

    #[test]
    fn what_is_wrong_declines_its_offer_alone() {
        for parameters in [
            "unknown",
            "",
            "=",
            "server_max_window_bits",
            "server_max_window_bits=",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=0",
            "server_max_window_bits=010",
            "server_max_window_bits=15x",
            "server_max_window_bits=1 0",
            "server_max_window_bits=\"10",
            "server_max_window_bits=\"\"",
            "server_max_window_bits=\" 10\"",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=",
            "client_max_window_bits; client_max_window_bits=12",
            "server_no_context_takeover=1",
            "client_no_context_takeover=\"\"",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "Server_no_context_takeover",
        ] {
            let offer = format!("permessage-deflate; {parameters}");
            assert_eq!(answer(&TAKEOVER, &offer), None, "{offer}");
            if parameters.matches('"').count() % 2 == 0 {
                let both = format!("{offer}, permessage-deflate; server_max_window_bits=12");
                let expected = Some("permessage-deflate; server_max_window_bits=12".to_owned());
                assert_eq!(answer(&TAKEOVER, &both), expected, "{both}");
            }
        }
    }

    #[test]
    fn other_extensions_are_passed_over() {
        for other in ["", ",", "permessage-edflate", "PERMESSAGE-DEFLATE", "permessage-deflatex"] {
            assert_eq!(answer(&TAKEOVER, other), None, "{other}");
        }
        let among = "x-webkit-deflate-frame, a; b=\"permessage-deflate, ; \\\" c\" ,, \
                     permessage-deflate; client_max_window_bits";
        assert_eq!(answer(&TAKEOVER, among).as_deref(), Some("permessage-deflate"));
        assert_eq!(answer(&TAKEOVER, "a; b=\"permessage-deflate, permessage-deflate"), None);
    }

    #[test]
    fn the_last_of_a_thousand_offers_is_found() {
        let mut offers = "permessage-deflate; x, ".repeat(1_000);
        offers += "permessage-deflate; server_no_context_takeover";
        assert!(answer(&TAKEOVER, &offers).is_some());
        let values = offers.split(", ").map(str::as_bytes);
        assert!(accept(values, &TAKEOVER).is_some(), "over many headers too");
    }

    fn check(terms: &Terms, values: &[&str]) -> Result<Option<Agreed>, InvalidAnswer> {
        check_answer(values.iter().map(|value| value.as_bytes()), terms)
    }

    #[test]
    fn a_server_answers_what_its_client_offers() {
        for takeover in [false, true] {
            for bits in 8..=15 {
                for server_bits in 8..=15 {
                    let client = Terms { takeover, bits };
                    let server = Terms { takeover: true, bits: server_bits };
                    let mut offer = Vec::new();
                    put_offer(&client, &mut offer);
                    let agreed = accept([&offer[..]].into_iter(), &server).expect("acceptable");
                    let mut answer = Vec::new();
                    agreed.put_answer(&mut answer);
                    let seen = check_answer([&answer[..]].into_iter(), &client);
                    assert_eq!(seen, Ok(Some(agreed)), "{client:?} {server:?}");
                    assert_eq!(agreed.server.takeover, takeover);
                    assert_eq!(agreed.client.bits, (bits < 15).then_some(bits));
                }
            }
        }
    }

    #[test]
    fn an_answer_must_fit_the_offer() {
        let small = Terms { bits: 12, ..TAKEOVER };
        assert_eq!(check(&small, &[]), Ok(None));
        assert_eq!(check(&small, &["", " ,, "]), Ok(None));
        assert!(check(&small, &[", permessage-deflate,,", ","]).is_ok_and(|a| a.is_some()));
        assert!(check(&small, &["permessage-deflate; client_max_window_bits=12"]).is_ok());
        for bad in [
            &["permessage-edflate"][..],
            &["permessage-deflate, permessage-deflate"],
            &["permessage-deflate", "permessage-deflate"],
            &["permessage-deflate, x"],
            &["permessage-deflate; x"],
            &["permessage-deflate; client_max_window_bits=13"],
            &["permessage-deflate; client_max_window_bits=7"],
            &["permessage-deflate; client_max_window_bits"],
            &["permessage-deflate; server_max_window_bits"],
            &["permessage-deflate; server_max_window_bits=16"],
            &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
        ] {
            assert_eq!(check(&small, bad), Err(InvalidAnswer), "{bad:?}");
        }
        // We could not follow a server that remembers.
        assert_eq!(check(&SHARED, &["permessage-deflate"]), Err(InvalidAnswer));
        assert!(check(&SHARED, &["permessage-deflate; server_no_context_takeover"]).is_ok());
    }
}
