//! Who we are, by a key pair: a seed signs what the broker asks (an Ed25519 signature of its
//! nonce), and a file of credentials has a token of the account beside the seed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use crc::{CRC_16_XMODEM, Crc};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};

/// The first five bits of a seed: it is written with an `S`.
const SEED: u8 = 18 << 3;
/// Those of a user's key: `U`.
const USER: u8 = 20 << 3;
const CHECK: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// A user's key pair.
pub(super) struct Nkey(Ed25519KeyPair);

impl Nkey {
    /// From a seed as the broker's tools write it: `SU…`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn from_seed(text: &str) -> Result<Self, &'static str> {
        let bytes = BASE32_NOPAD.decode(text.trim().as_bytes());
        let bytes = bytes.map_err(|_| "not base32")?;
        let Some((bytes, check)) = bytes.split_last_chunk::<2>() else { return Err("too short") };
        if CHECK.checksum(bytes) != u16::from_le_bytes(*check) {
            return Err("its checksum is wrong");
        }
        let [first, second, seed @ ..] = bytes else { return Err("too short") };
        let of = (first & 7) << 5 | second >> 3;
        if first & 0xf8 != SEED || of != USER {
            return Err("not the seed of a user (SU...)");
        }
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| "not of 32 bytes")
    }

    /// As the broker's configuration has it: `U…`.
    pub(super) fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.0.public_key().as_ref());
        let check = CHECK.checksum(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }

    /// What the broker verifies.
    pub(super) fn sign(&self, nonce: &str) -> String {
        BASE64URL_NOPAD.encode(self.0.sign(nonce.as_bytes()).as_ref())
    }
}

/// What a file of credentials (`nsc`, `nats-account`) has.
pub(super) struct Credentials {
    pub(super) jwt: String,
    pub(super) nkey: Nkey,
}

impl Credentials {
    /// # Errors
    /// What is missing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let section = |name: &str| {
            let begin = format!("BEGIN {name}");
            let mut lines = text.lines().skip_while(|line| !line.contains(&begin)).skip(1);
            lines.find(|line| !line.trim().is_empty()).map(str::trim)
        };
        let jwt = section("NATS USER JWT").ok_or("no \"BEGIN NATS USER JWT\" in it")?;
        let seed = section("USER NKEY SEED").ok_or("no \"BEGIN USER NKEY SEED\" in it")?;
        let nkey = Nkey::from_seed(seed).map_err(|why| format!("its seed: {why}"))?;
        Ok(Self { jwt: jwt.into(), nkey })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the documentation of nats.io, "NKeys".
    const SEED_TEXT: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    #[test]
    fn a_seed_has_its_public_key() {
        let nkey = Nkey::from_seed(SEED_TEXT).ok().unwrap();
        assert_eq!(nkey.public(), PUBLIC);
        assert_eq!(nkey.sign("nonce").len(), 86);
    }

    #[test]
    fn what_is_none_is_refused() {
        let mut wrong = SEED_TEXT.to_owned();
        wrong.replace_range(10..11, "A");
        for (text, why) in [
            ("", "too short"),
            ("1", "not base32"),
            (&wrong, "its checksum is wrong"),
            (PUBLIC, "not the seed of a user (SU...)"),
        ] {
            assert_eq!(Nkey::from_seed(text).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn a_file_of_credentials() {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.e30.sig\n------END NATS USER JWT------\n\n\
             *** IMPORTANT ***\n\n-----BEGIN USER NKEY SEED-----\n{SEED_TEXT}\n\
             ------END USER NKEY SEED------\n"
        );
        let credentials = Credentials::parse(&text).ok().unwrap();
        assert_eq!(
            (&*credentials.jwt, credentials.nkey.public().as_str()),
            ("eyJ0.e30.sig", PUBLIC)
        );
        assert!(Credentials::parse("").is_err_and(|why| why.contains("JWT")));
        let cut = text.split("-----BEGIN USER").next().unwrap();
        assert!(Credentials::parse(cut).is_err_and(|why| why.contains("SEED")));
    }
}
