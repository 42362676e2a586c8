//! Why TLS has failed, in words: the library's name the cases of its own code.

/// What the library calls a certificate that it refuses.
const BAD: &str = "invalid peer certificate: ";

/// What was wrong.
pub(crate) fn told(why: &str) -> String {
    if is_plain(why) {
        return "the peer does not speak TLS (is it ws://?)".into();
    }
    let Some(bad) = why.strip_prefix(BAD) else { return why.into() };
    let is = |name: &str| bad.contains(name);
    let text = if is("CaUsedAsEndEntity") {
        "a CA's certificate used as a server's: make it with basicConstraints CA:FALSE"
    } else if bad == "UnknownIssuer" {
        "who has issued it is not trusted"
    } else if is("UnsupportedSignatureAlgorithmForPublicKey") {
        "the CA that is trusted by its issuer's name has another kind of key: another CA made it"
    } else if is("UnsupportedSignatureAlgorithm") {
        "it is signed in a way that is not supported"
    } else if bad == "BadSignature" {
        "the CA that is trusted by its issuer's name has not signed it"
    } else {
        return format!("{BAD}{}", names(bad));
    };
    format!("{BAD}{text}")
}

/// What to do next.
pub(crate) fn next(why: &str) -> &'static str {
    if is_plain(why) {
        "ws:// is without TLS; wss:// may have another port"
    } else if why.contains("CaUsedAsEndEntity") {
        "--insecure takes whatever is shown"
    } else if why.contains("not valid for name") {
        "the URL must have a name that it is for; --insecure takes whatever is shown"
    } else if why.contains("fatal alert") {
        "the server has refused: what it logs may tell more"
    } else {
        "--ca FILE names who has issued the certificate, --insecure takes whatever is shown"
    }
}

/// What came first was no record of TLS (RFC 8446 §5.1).
fn is_plain(why: &str) -> bool {
    why.contains("InvalidContentType")
}

/// Names and addresses without their kinds: `IpAddress(127.0.0.1) or DnsName("a.b")`.
fn names(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, behind) in [("IpAddress(", ")"), ("DnsName(\"", "\")")] {
        while let Some((head, rest)) = text.split_once(before)
            && let Some((name, tail)) = rest.split_once(behind)
        {
            text = format!("{head}{name}{tail}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_of_the_library_are_told_in_words() {
        for (why, says) in [
            ("Other(OtherError(CaUsedAsEndEntity))", "make it with basicConstraints CA:FALSE"),
            ("UnknownIssuer", "is not trusted"),
            ("BadSignature", "has not signed it"),
            (
                "UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id: [6] }",
                "another kind of key",
            ),
            ("UnsupportedSignatureAlgorithmContext { x: [6] }", "not supported"),
            ("only for IpAddress(127.0.0.9) or DnsName(\"a.b\")", "only for 127.0.0.9 or a.b"),
        ] {
            let told = told(&format!("{BAD}{why}"));
            assert!(told.starts_with(BAD) && told.contains(says), "{told}");
            assert!(!told.contains(['{', '[', '(']), "{told}");
        }
        assert_eq!(told("timed out"), "timed out");
        let name = "certificate not valid for name \"a\"; certificate is only valid for b";
        assert!(next(name).contains("the URL must have a name"));
        assert!(!next("received fatal alert: DecodeError").contains("--ca"));
    }
}
