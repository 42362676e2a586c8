//! Ranks: which files of a module stand on which. Floors keep modules apart; inside one, a file may
//! name only files below it, so that it can be read without those above.

use super::rules::{File, Findings, finding};
use super::source::{blank, is_word, line_of, matching_brace};

/// The order of the files of one module.
pub(crate) struct Ranks {
    /// Its directory below `engine/src`.
    pub(crate) module: &'static str,
    /// Its files without `.rs`, `receive` for `receive/mod.rs`, from the bottom up. Files of one
    /// line do not name each other. What the module's own `mod.rs` defines is below all; what it
    /// passes on counts as of the file that defines it.
    pub(crate) ranks: &'static [&'static [&'static str]],
    /// Names that point up and are known to: of which file, of which.
    pub(crate) known: &'static [(&'static str, &'static str)],
}

/// The modules whose files have ranks.
pub(crate) const RANKS: [Ranks; 2] = [CONN, REACTOR];

const CONN: Ranks = Ranks {
    module: "conn",
    ranks: &[
        &["cause", "clock", "handshake", "limits", "receive/batch", "receive/reading"],
        &["carry"],
        &["event", "send/waiting", "send/deflation"],
        &["send/stalled"],
        &["receive/progress"],
        &["tools"],
        &["env"],
        &["send/outbox"],
        &["send/overtake", "send/transmit", "send/writer"],
        &["receive/part", "handshake/asked", "handshake/http"],
        &["receive/inflate"],
        &["state"],
        &[
            "send",
            "send/age",
            "send/deflate",
            "send/latest",
            "send/line",
            "send/long_way",
            "send/policy",
            "close",
            "deadline",
            "shed",
            "receive/carry",
            "receive/hold",
            "receive/direct",
        ],
        &["handshake/requests", "handshake/client"],
        &["handshake/server"],
        &["receive"],
    ],
    known: &[],
};

const REACTOR: Ranks = Ranks {
    module: "reactor",
    ranks: &[
        // What a reactor is made of that calls nobody.
        &[
            "core",
            "core/addresses",
            "core/admission",
            "core/arena",
            "core/backlogs",
            "core/counter",
            "core/early",
            "core/endpoints",
            "core/holdings",
            "core/key",
            "core/labels",
            "core/log",
        ],
        &["core/appetite", "core/budget", "core/histogram"],
        &["core/counters"],
        &[
            "core/counting",
            "core/loads",
            "core/name",
            "core/spoken",
            "core/peer",
            "core/proxies",
            "core/receive_mode",
            "core/seam",
            "core/served",
            "core/wheel",
            "core/link",
            "core/publishers",
        ],
        &["core/rare", "core/behind", "core/carried"],
        &[
            "core/adopt",
            "core/gauge",
            "core/later",
            "core/mailbox",
            "core/parting",
            "core/timers",
            "core/slab",
            "core/topics",
        ],
        &["core/ending", "core/mail", "core/own", "core/proxied", "core/secure", "core/inbox"],
        &["core/history", "core/lane", "core/lines", "core/replays", "core/to_bus"],
        &["core/crossing"],
        &["core/directory"],
        &["core/logs"],
        // What belongs to one task and names no handler either.
        &["api", "client", "deliver", "io", "io/listeners", "io/direct", "deliver/handshakes"],
        &["deliver/shared", "client/dials", "client/refusal", "api/closed", "api/upgrade"],
        // Context, handler, target and handle, which name each other; then what they can do.
        &["api/contract"],
        &[
            "api/adopt",
            "api/bus",
            "api/call",
            "api/context",
            "api/handle",
            "api/history",
            "api/metrics",
            "api/publish",
            "api/queues",
            "api/setup",
            "api/timers",
            "api/topics",
            "api/turns",
        ],
        &[
            "api/crossing",
            "api/endpoints",
            "api/later",
            "api/succession",
            "client/target",
            "client/greet",
            "deliver/writer",
            "deliver/admit",
            "deliver/inflating",
            "deliver/weigh",
        ],
        &["deliver/requests"],
        &["deliver/deliver"],
        // The reactor itself, then what its turns call, and above all the turn.
        &["state"],
        &["client/connect", "client/refused", "deliver/tls", "deliver/line", "census"],
        &[
            "io/accept",
            "io/backlogs",
            "io/carried",
            "io/proxied",
            "io/lifetime",
            "io/moves",
            "io/mail",
            "io/parting",
            "io/passing",
            "io/receive_mode",
            "io/relieve",
            "io/rest",
            "io/reconcile",
            "io/stop",
            "io/teardown",
            "io/topics",
            "io/transport",
        ],
    ],
    known: &[],
};

/// Names in the files of a module that do not point down.
pub(crate) fn check_ranks(files: &[File], table: &Ranks) -> Findings {
    let mut found = Vec::new();
    let mut used = Vec::new();
    let sources: Vec<Source> = files.iter().filter_map(|file| Source::new(file, table)).collect();
    for source in sources.iter().filter(|source| !source.name.is_empty()) {
        let Some(rank) = table.rank(&source.name) else {
            found.push(finding(source.file, 1, format!("{} has no rank", source.name)));
            continue;
        };
        for (at, path) in source.paths() {
            let Some(named) = resolve(&path, &sources) else { continue };
            if named.is_empty() || named == source.name || table.rank(&named) < Some(rank) {
                continue;
            }
            let is_known = |known: &&(&str, &str)| known.0 == source.name && known.1 == named;
            let known = table.known.iter().find(is_known);
            match known {
                Some(known) => used.push(known),
                None => {
                    let line = line_of(&source.code, at);
                    let what = format!("{} names {named}, which is not below it", source.name);
                    found.push(finding(source.file, line, what));
                }
            }
        }
    }
    let idle = table.known.iter().filter(|known| !used.contains(known));
    found.extend(idle.map(|(of, named)| format!("{of} does not name {named} any more")));
    found
}

/// Circles of imports: files of one module that name each other, directly or through others.
pub(crate) fn check_circles(files: &[File], module: &'static str) -> Findings {
    let table = Ranks { module, ranks: &[], known: &[] };
    let sources: Vec<Source> = files.iter().filter_map(|file| Source::new(file, &table)).collect();
    let names = |source: &Source<'_>| -> Vec<usize> {
        let named = source.paths().into_iter().filter_map(|(_, path)| resolve(&path, &sources));
        let other = |name: &String| *name != source.name && !name.is_empty();
        let place = |name| sources.iter().position(|other| other.name == name);
        named.filter(other).filter_map(place).collect()
    };
    let edges: Vec<Vec<usize>> = sources.iter().map(names).collect();
    let reaches = |from: usize, to: usize| {
        let (mut seen, mut next) = (vec![false; edges.len()], edges[from].clone());
        while let Some(at) = next.pop() {
            if at == to {
                return true;
            }
            if !std::mem::replace(&mut seen[at], true) {
                next.extend(&edges[at]);
            }
        }
        false
    };
    let in_circle =
        (0..sources.len()).filter(|&at| !sources[at].name.is_empty() && reaches(at, at));
    let all: Vec<&str> = in_circle.map(|at| sources[at].name.as_str()).collect();
    match all.is_empty() {
        true => Vec::new(),
        false => vec![format!("{module}: in circles of imports: {}", all.join(", "))],
    }
}

impl Ranks {
    fn rank(&self, name: &str) -> Option<usize> {
        self.ranks.iter().position(|files| files.contains(&name))
    }
}

/// A file of the module, without its tests.
struct Source<'f> {
    file: &'f File,
    /// As in [`Ranks::ranks`]; empty for the module's own `mod.rs`.
    name: String,
    /// The path of what the file is, from the root of the crate.
    path: Vec<String>,
    /// Names of the module's root are below `path[..depth]`.
    depth: usize,
    code: String,
}

impl<'f> Source<'f> {
    fn new(file: &'f File, table: &Ranks) -> Option<Self> {
        let inside = file.path.strip_prefix("engine/src/")?.strip_suffix(".rs")?;
        let name = inside.strip_prefix(table.module)?.strip_prefix('/')?;
        if name == "tests" || name.starts_with("tests/") {
            return None;
        }
        let name = name.strip_suffix("mod").filter(|dir| dir.is_empty() || dir.ends_with('/'));
        let name = name.unwrap_or(&inside[table.module.len() + 1..]).trim_end_matches('/');
        let root: Vec<String> = table.module.split('/').map(str::to_owned).collect();
        let depth = root.len();
        let own = name.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        let path = root.into_iter().chain(own).collect();
        let code = blank(&file.text);
        let end = code.find("\nmod tests {").unwrap_or(code.len());
        Some(Self { file, name: name.to_owned(), path, depth, code: code[..end].to_owned() })
    }

    /// The paths that begin with `crate`, `self` or `super`, from the root of the crate.
    fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut all = Vec::new();
        for word in ["crate::", "self::", "super::"] {
            for (at, _) in self.code.match_indices(word) {
                if self.code[..at].ends_with(|c| is_word(c) || c == ':') {
                    continue;
                }
                let (mut tree, mut base) = (&self.code[at + word.len()..], &self.path[..]);
                if word == "crate::" {
                    base = &[];
                } else if word == "super::" {
                    base = &base[..base.len().saturating_sub(1)];
                }
                while let Some(rest) = tree.strip_prefix("super::") {
                    (tree, base) = (rest, &base[..base.len().saturating_sub(1)]);
                }
                all.extend(leaves(tree, base).into_iter().map(|path| (at, path)));
            }
        }
        all
    }

    /// What it passes on from others: `pub use a::B` is `B`, found at `a::B`.
    fn passed_on(&self) -> Vec<Vec<String>> {
        let exports = self.code.match_indices("use ").filter(|(at, _)| {
            let line = self.code[..*at].rsplit('\n').next().unwrap_or_default();
            line.starts_with("pub") && line.ends_with([' ', ')'])
        });
        let tree = |at: usize| self.code[at + "use ".len()..].trim_start_matches("self::");
        exports.flat_map(|(at, _)| leaves(tree(at), &self.path)).collect()
    }
}

/// The file of a module that a path leads to; `None` for a path out of the module.
fn resolve(path: &[String], sources: &[Source<'_>]) -> Option<String> {
    let within = |source: &Source<'_>| path.starts_with(&source.path);
    let longest = sources.iter().filter(|s| within(s)).max_by_key(|s| s.path.len())?;
    let Some(name) = path.get(longest.path.len()) else { return Some(longest.name.clone()) };
    let passed = longest.passed_on().into_iter().find(|path| path.last() == Some(name));
    match passed {
        Some(at) if at.len() > longest.depth => resolve(&at, sources),
        _ => Some(longest.name.clone()),
    }
}

/// All paths of `a::{b::C, d}` behind a base.
fn leaves(tree: &str, base: &[String]) -> Vec<Vec<String>> {
    let tree = tree.trim_start();
    if let Some(inside) = tree.strip_prefix('{') {
        let end = matching_brace(tree, 0).unwrap_or(tree.len());
        return split(&inside[..end - 1]).into_iter().flat_map(|part| leaves(part, base)).collect();
    }
    let word: String = tree.chars().take_while(|&c| is_word(c)).collect();
    let mut path = base.to_vec();
    if word.is_empty() {
        return vec![path];
    }
    let rest = &tree[word.len()..];
    path.push(word);
    rest.strip_prefix("::").map_or_else(|| vec![path.clone()], |rest| leaves(rest, &path))
}

/// The parts between commas that are in no further braces.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).collect()
}
