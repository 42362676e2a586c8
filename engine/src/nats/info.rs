//! What a broker says of itself (`INFO`), and what we say of us (`CONNECT`).

use super::nkey::Credentials;
use super::options::Login;
use serde_json::{Map, Value};

/// What of it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) name: String,
    pub(super) version: String,
    /// Bytes of the largest message that it takes.
    pub(super) max_payload: usize,
    /// To be signed.
    pub(super) nonce: Option<String>,
    pub(super) tls_required: bool,
    pub(super) tls_available: bool,
    /// Others of the same cluster, `host:port`.
    pub(super) others: Vec<String>,
    /// It is about to leave, and wants to be left.
    pub(super) lame_duck: bool,
}

impl Info {
    /// `None`: not a JSON object.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let Ok(Value::Object(all)) = serde_json::from_slice(json) else { return None };
        let text = |key: &str| all.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |key: &str| all.get(key).and_then(Value::as_bool).unwrap_or(false);
        let others = all.get("connect_urls").and_then(Value::as_array);
        let others = others.into_iter().flatten().filter_map(Value::as_str);
        let max_payload = all.get("max_payload").and_then(Value::as_u64).unwrap_or(0);
        Some(Self {
            name: text("server_name").or_else(|| text("server_id")).unwrap_or_default(),
            version: text("version").unwrap_or_default(),
            max_payload: usize::try_from(max_payload).unwrap_or(usize::MAX),
            nonce: text("nonce"),
            tls_required: flag("tls_required"),
            tls_available: flag("tls_available"),
            others: others.map(str::to_owned).collect(),
            lame_duck: flag("ldm"),
        })
    }
}

/// The line that answers it. Frames of our own do not come back (`echo`), and nobody is told of
/// frames that nobody wanted (`no_responders`).
///
/// # Errors
/// The credentials cannot be read any more.
pub(super) fn connect(
    info: &Info,
    secure: bool,
    name: &str,
    login: &Login,
) -> Result<String, String> {
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    for (key, value) in [
        ("verbose", false),
        ("pedantic", false),
        ("echo", false),
        ("headers", false),
        ("no_responders", false),
        ("tls_required", secure),
    ] {
        put(key, value.into());
    }
    put("protocol", 1.into());
    put("lang", "ringws".into());
    put("version", env!("CARGO_PKG_VERSION").into());
    put("name", name.into());
    let nonce = info.nonce.as_deref().unwrap_or_default();
    match login {
        Login::None => {}
        Login::Password { user, password } => {
            put("user", user.as_str().into());
            put("pass", password.as_str().into());
        }
        Login::Token(token) => {
            put("auth_token", token.as_str().into());
        }
        Login::Nkey(nkey) => {
            put("nkey", nkey.public().into());
            put("sig", nkey.sign(nonce).into());
        }
        Login::File(path) => {
            // Read each time: what has run out is replaced there.
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            let Credentials { jwt, nkey } = text
                .and_then(|text| Credentials::parse(&text))
                .map_err(|why| format!("reading {}: {why}", path.display()))?;
            put("jwt", jwt.into());
            put("sig", nkey.sign(nonce).into());
        }
    }
    Ok(format!("CONNECT {}\r\n", Value::Object(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_nothing() {
        assert_eq!(Info::parse(b"{}"), Some(Info::default()));
        for broken in [&b""[..], b"{", b"[]", b"{\"a\":}", b"\xff"] {
            assert_eq!(Info::parse(broken), None);
        }
    }

    #[test]
    fn what_a_broker_of_a_cluster_says() {
        let text = br#"{"server_id":"ND","server_name":"n1","version":"2.9.10","proto":1,"port":1,
            "headers":true,"auth_required":true,"max_payload":1048576,"client_id":5,"nonce":"abc",
            "connect_urls":["10.0.0.1:4222","[::1]:4222",7],"ldm":true,"tls_available":true}"#;
        let info = Info::parse(text).unwrap();
        assert_eq!((&*info.name, &*info.version, info.max_payload), ("n1", "2.9.10", 1 << 20));
        assert_eq!(info.others, ["10.0.0.1:4222", "[::1]:4222"]);
        assert_eq!(info.nonce.as_deref(), Some("abc"));
        assert!(info.lame_duck && info.tls_available && !info.tls_required);
    }

    #[test]
    fn what_we_say_is_one_line() {
        let login = Login::Password { user: "a\"b".into(), password: "c\r\nd\\".into() };
        let line = connect(&Info::default(), true, "n", &login).unwrap();
        let json = line.strip_prefix("CONNECT ").and_then(|line| line.strip_suffix("\r\n"));
        let json = json.filter(|json| !json.contains(['\r', '\n'])).expect("one line");
        let all: Value = serde_json::from_str(json).unwrap();
        assert_eq!((&all["user"], &all["pass"]), (&"a\"b".into(), &"c\r\nd\\".into()));
        assert_eq!((&all["echo"], &all["tls_required"]), (&false.into(), &true.into()));
    }
}
