//! What numbers mean, in words.

/// A close code with its meaning (RFC 6455 §7.4.1 and IANA's registry).
pub(crate) fn close_code(code: u16) -> String {
    let meaning = match code {
        1000 => "done",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "this kind of data is not accepted",
        1005 => return "a Close without a code".into(),
        1006 => return "no Close frame (1006)".into(),
        1007 => "data that is not what it says, such as text that is not UTF-8",
        1008 => "against a policy",
        1009 => "a message too big",
        1010 => "an extension is missing",
        1011 => "an error inside the server",
        1012 => "the service restarts",
        1013 => "try again later",
        1014 => "a bad answer behind the gateway",
        1015 => "TLS has failed",
        3000..=3999 => "a framework's, registered with IANA",
        4000..=4999 => "the application's own",
        _ => "a code that is none",
    };
    format!("Close {code} ({meaning})")
}

/// The beginning of some bytes, in hex.
pub(crate) fn hex(bytes: &[u8], most: usize) -> String {
    let shown = bytes.iter().take(most).map(|byte| format!("{byte:02x}"));
    let mut text = shown.collect::<Vec<_>>().join(" ");
    if bytes.len() > most {
        text.push_str(" ...");
    }
    text
}
