//! Where a broker is.

/// Where brokers listen unless they are told otherwise.
const PORT: u16 = 4_222;

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Its scheme was `tls`.
    pub(super) tls: bool,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// `host`, `host:port`, `[::1]:port`, with `nats://` or `tls://` before it or not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("nats", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some(_) => return Err("the scheme is nats or tls"),
        };
        if rest.contains('@') {
            return Err("user and password have fields of their own");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or("a bracket is not closed")?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| "not an IPv6 address")?;
                (host, behind.strip_prefix(':'))
            }
            None if rest.parse::<std::net::Ipv6Addr>().is_ok() => (rest, None),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err("no host, or one that no name can be");
        }
        let port = match port {
            None => PORT,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err("not a port"),
            },
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read() {
        for (text, host, port, tls) in [
            ("nats.example", "nats.example", 4_222, false),
            ("nats://10.0.0.1:4223", "10.0.0.1", 4_223, false),
            ("tls://a-b_c/", "a-b_c", 4_222, true),
            ("[::1]:5", "::1", 5, false),
            ("::1", "::1", 4_222, false),
        ] {
            let address = Address { host: host.into(), port, tls };
            assert_eq!(Address::parse(text), Ok(address), "{text}");
        }
        assert_eq!(Address::parse("::1").map(|at| at.to_string()), Ok("[::1]:4222".into()));
    }

    #[test]
    fn or_not() {
        for text in
            ["", "nats://", "ws://a", "u:p@h", "a:0", "a:65536", "a:x", "[::1", "[a]:1", "a b"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
