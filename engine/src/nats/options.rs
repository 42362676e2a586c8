//! What a client of the broker is made from.

use super::address::Address;
use super::nkey::{Credentials, Nkey};
use super::subject::{PREFIX_MAX, is_prefix};
use crate::tls;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where the broker is, and who we are. Zero means the default.
#[derive(Clone, Default)]
pub struct Options {
    /// `host:port`, `nats://host:port` or `tls://host:port`, several of one cluster: at least one.
    /// The port is 4222 unless one is given.
    pub servers: Vec<String>,
    /// Try them in this order, rather than in one by lot, and before those that a broker names.
    pub in_order: bool,
    /// Do not connect to servers that a broker names, only to these.
    pub no_discovery: bool,
    /// What the broker's monitoring calls us; empty: `ringws`.
    pub name: String,
    /// All subjects begin with it: engines that have it in common hear each other. Tokens with dots
    /// between, at most 128 bytes; empty: `ringws`.
    pub subject_prefix: String,
    /// Together with `password`. At most one way of saying who we are is given.
    pub user: Option<String>,
    /// With `user`.
    pub password: Option<String>,
    /// A token.
    pub token: Option<String>,
    /// The seed of a user's key pair, `SU...`.
    pub nkey_seed: Option<String>,
    /// A file of credentials, as `nsc` writes it; read again for every connection.
    pub credentials: Option<PathBuf>,
    /// Connect with TLS under these settings, and else not at all. `None`: with TLS if a server's
    /// scheme is `tls` or it asks for TLS, trusting whom the system trusts.
    pub tls: Option<tls::Client>,
    /// What the server's certificate must be for; `None`: the host that is connected to.
    pub tls_name: Option<String>,
    /// Milliseconds before trying all servers again, at first; doubled each time up to
    /// `reconnect_max_ms`, of which a random part is waited. Default 100.
    pub reconnect_min_ms: u32,
    /// At most; default 10,000. A broker that refuses our credentials is asked again after that,
    /// and as much again by lot.
    pub reconnect_max_ms: u32,
    /// Milliseconds until a server must have accepted, greeted and let us in; default 5,000.
    pub connect_timeout_ms: u32,
    /// A broker that has said nothing for so many milliseconds is asked for a sign of life, and is
    /// lost if it says nothing for as long again; default 10,000.
    pub ping_interval_ms: u32,
    /// Bytes that may wait for the broker to take them beside the engine's own queue, before that
    /// is left to fill; default 1 MiB, at least 4 KiB.
    pub pending_max: u32,
}

/// What is wrong with which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Invalid {
    /// As the field of [`Options`].
    pub field: &'static str,
    /// What to do about it.
    pub why: String,
}

/// How we say who we are.
#[derive(Clone)]
pub(super) enum Login {
    None,
    Password { user: String, password: String },
    Token(String),
    Nkey(Arc<Nkey>),
    File(PathBuf),
}

/// Options that can be used.
pub(super) struct Checked {
    pub(super) servers: Vec<Address>,
    pub(super) in_order: bool,
    pub(super) discovers: bool,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) login: Login,
    pub(super) tls: Option<tls::Client>,
    pub(super) tls_name: Option<String>,
    pub(super) reconnect_min: Duration,
    pub(super) reconnect_max: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) pending_max: usize,
}

fn invalid<T>(field: &'static str, why: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { field, why: why.into() })
}

impl Options {
    pub(super) fn check(self) -> Result<Checked, Invalid> {
        let login = self.login()?;
        let mut servers = Vec::new();
        for text in &self.servers {
            match Address::parse(text) {
                Ok(address) => servers.push(address),
                Err(why) => return invalid("servers", format!("\"{text}\": {why}")),
            }
        }
        if servers.is_empty() {
            return invalid("servers", "at least one is needed");
        }
        let or = |text: String| if text.is_empty() { "ringws".to_owned() } else { text };
        let (name, prefix) = (or(self.name), or(self.subject_prefix));
        if !is_prefix(&prefix) {
            let text = format!(
                "tokens of visible characters without * > %, with dots between, not beginning with \
                 $ or _, at most {PREFIX_MAX} bytes"
            );
            return invalid("subject_prefix", text);
        }
        if let Some(name) = &self.tls_name
            && rustls::pki_types::ServerName::try_from(name.as_str()).is_err()
        {
            return invalid("tls_name", "not a name that a certificate can have");
        }
        let or = |ms: u32, default: u64| {
            Duration::from_millis(if ms == 0 { default } else { u64::from(ms) })
        };
        let reconnect_min = or(self.reconnect_min_ms, 100);
        let reconnect_max = or(self.reconnect_max_ms, 10_000);
        if reconnect_max < reconnect_min {
            return invalid("reconnect_max_ms", "less than reconnect_min_ms");
        }
        let pending_max = if self.pending_max == 0 { 1 << 20 } else { self.pending_max };
        if pending_max < 4_096 {
            return invalid("pending_max", "less than 4 KiB");
        }
        Ok(Checked {
            servers,
            in_order: self.in_order,
            discovers: !self.no_discovery,
            name,
            prefix,
            login,
            tls: self.tls,
            tls_name: self.tls_name,
            reconnect_min,
            reconnect_max,
            connect_timeout: or(self.connect_timeout_ms, 5_000),
            ping_interval: or(self.ping_interval_ms, 10_000),
            pending_max: pending_max as usize,
        })
    }

    fn login(&self) -> Result<Login, Invalid> {
        let given = [
            ("user", self.user.is_some()),
            ("token", self.token.is_some()),
            ("nkey_seed", self.nkey_seed.is_some()),
            ("credentials", self.credentials.is_some()),
        ];
        let mut given = given.iter().filter(|(_, given)| *given);
        if let (Some((one, _)), Some((other, _))) = (given.next(), given.next()) {
            return invalid(other, format!("not together with {one}"));
        }
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => {
                return Ok(Login::Password { user: user.clone(), password: password.clone() });
            }
            (Some(_), None) => return invalid("password", "a user without one"),
            (None, Some(_)) => return invalid("user", "a password without one"),
            (None, None) => {}
        }
        if let Some(seed) = &self.nkey_seed {
            return match Nkey::from_seed(seed) {
                Ok(nkey) => Ok(Login::Nkey(Arc::new(nkey))),
                Err(why) => invalid("nkey_seed", why),
            };
        }
        if let Some(path) = &self.credentials {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            return match text.and_then(|text| Credentials::parse(&text)) {
                Ok(_) => Ok(Login::File(path.clone())),
                Err(why) => invalid("credentials", format!("{}: {why}", path.display())),
            };
        }
        Ok(self.token.clone().map_or(Login::None, Login::Token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Options)) -> Result<Checked, Invalid> {
        let mut options = Options { servers: vec!["a".into()], ..Options::default() };
        change(&mut options);
        options.check()
    }

    #[test]
    fn defaults() {
        let all = with(|_| {}).ok().unwrap();
        assert_eq!((&*all.name, &*all.prefix, all.pending_max), ("ringws", "ringws", 1 << 20));
        let times = [all.reconnect_min, all.reconnect_max, all.connect_timeout, all.ping_interval];
        assert_eq!(times.map(|time| time.as_millis()), [100, 10_000, 5_000, 10_000]);
        assert!(all.discovers && !all.in_order && matches!(all.login, Login::None));
    }

    /// Each error names its field.
    #[test]
    fn what_cannot_be_used() {
        let some = |text: &str| Some(text.to_owned());
        type Change = Box<dyn FnOnce(&mut Options)>;
        let cases: [(&str, Change); 13] = [
            ("servers", Box::new(|all| all.servers.clear())),
            ("servers", Box::new(|all| all.servers.push("http://a".into()))),
            ("subject_prefix", Box::new(|all| all.subject_prefix = "a b".into())),
            ("password", Box::new(move |all| all.user = some("u"))),
            ("user", Box::new(move |all| all.password = some("p"))),
            ("nkey_seed", Box::new(move |all| all.nkey_seed = some("SUX"))),
            ("credentials", Box::new(|all| all.credentials = Some("/nowhere/at/all".into()))),
            ("credentials", Box::new(|all| all.credentials = Some("/dev/null".into()))),
            ("tls_name", Box::new(move |all| all.tls_name = some("no name"))),
            ("reconnect_max_ms", Box::new(|all| all.reconnect_max_ms = 99)),
            ("reconnect_max_ms", Box::new(|all| all.reconnect_min_ms = 10_001)),
            ("pending_max", Box::new(|all| all.pending_max = 4_095)),
            (
                "token",
                Box::new(move |all| {
                    (all.user, all.password, all.token) = (some("u"), some("p"), some("t"));
                }),
            ),
        ];
        for (field, change) in cases {
            assert_eq!(with(change).err().map(|error| error.field), Some(field));
        }
    }
}
