//! Which colour a server has: that of its family, everywhere the same.

/// What a server is written in, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// On the engine that is measured.
    Own,
    /// The ceilings.
    Ceiling,
    /// Rust libraries.
    Rust,
    /// C and C++ libraries.
    C,
    /// Servers under an interpreter.
    Script,
    /// Added on the command line.
    Other,
}

impl Family {
    pub(super) const ALL: [Self; 6] =
        [Self::Own, Self::Ceiling, Self::Rust, Self::C, Self::Script, Self::Other];

    pub(super) fn of(server: &str) -> Self {
        match server.strip_suffix("-default").unwrap_or(server) {
            _ if server.starts_with("ringws") => Self::Own,
            _ if server.starts_with("ceiling") => Self::Ceiling,
            "tokio-uring" | "sockudo-ws" | "fastwebsockets" | "tokio-tungstenite"
            | "tokio-websockets" => Self::Rust,
            "beast" | "libwebsockets" | "uwebsockets" | "uWebSockets" => Self::C,
            "node-ws" | "picows" => Self::Script,
            _ => Self::Other,
        }
    }

    /// Of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Ceiling => "ceiling",
            Self::Rust => "rust",
            Self::C => "c",
            Self::Script => "script",
            Self::Other => "other",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Own => "ringws",
            Self::Ceiling => "ceilings (not servers)",
            Self::Rust => "Rust",
            Self::C => "C and C++",
            Self::Script => "JavaScript, Python",
            Self::Other => "other",
        }
    }
}

/// The colours and what they stand for, of the families among these servers.
pub(super) fn legend<'a>(servers: impl Iterator<Item = &'a str> + Clone) -> String {
    let there = |family: &Family| servers.clone().any(|server| Family::of(server) == *family);
    let items = Family::ALL.into_iter().filter(there).map(|family| {
        format!("<span><i class=\"key {}\"></i>{}</span>", family.class(), family.label())
    });
    format!("<p class=\"legend\">{}</p>", items.collect::<String>())
}
