//! Paths that stand for endpoints of their own, and what they leave open.

use super::query;

/// What parts of a path stand for, by the names that its pattern has for them.
pub(crate) type Parameters = Vec<(Box<str>, Vec<u8>)>;

/// A pattern that is none, or that says the same as another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route \"{pattern}\": {why}")]
pub struct InvalidRoute {
    pattern: String,
    why: String,
}

/// Patterns, by the path of a request: `/exact`, `/by/{name}`, `/below/{*rest}`. Of several that
/// match, the one with the longest exact beginning counts.
#[derive(Clone, Debug, Default)]
pub struct Routes(matchit::Router<usize>);

impl Routes {
    /// Each pattern stands for its place among them.
    ///
    /// # Errors
    /// [`InvalidRoute`].
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, InvalidRoute> {
        let mut router = matchit::Router::new();
        for (place, pattern) in patterns.into_iter().enumerate() {
            let invalid = |why| InvalidRoute { pattern: pattern.into(), why };
            if !pattern.starts_with('/') {
                return Err(invalid("does not begin with a slash".into()));
            }
            let inserted = router.insert(pattern, place);
            inserted.map_err(|error| invalid(error.to_string()))?;
        }
        Ok(Self(router))
    }

    /// The place of the pattern that the path of a target matches. The path is decoded before, but
    /// for `%2F`, which separates nothing: it is found in a parameter.
    pub(crate) fn find(&self, target: &str) -> Option<(usize, Parameters)> {
        let path = target.split('?').next().unwrap_or_default();
        // What stays escaped is decoded in the parameters, `%25` too, lest that happen twice.
        let path = query::unescape(path.as_bytes(), |byte| byte == b'/' || byte == b'%');
        let found = self.0.at(std::str::from_utf8(&path).ok()?).ok()?;
        let decode = |(name, value): (&str, &str)| {
            (name.into(), query::decode(value.as_bytes()).into_owned())
        };
        Some((*found.value, found.params.iter().map(decode).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(routes: &Routes, target: &str) -> Option<(usize, String)> {
        let (place, parameters) = routes.find(target)?;
        let text = |(name, value): &(Box<str>, Vec<u8>)| {
            format!("{name}={} ", String::from_utf8_lossy(value))
        };
        Some((place, parameters.iter().map(text).collect()))
    }

    #[test]
    fn the_most_specific_one_is_found() {
        let patterns =
            ["/", "/chat", "/chat/{room}", "/chat/lobby", "/files/{*path}", "/caf\u{e9}"];
        let routes = Routes::new(patterns).unwrap();
        for (target, place, parameters) in [
            ("/", 0, ""),
            ("/?chat", 0, ""),
            ("/chat?a/b", 1, ""),
            ("/ch%61t", 1, ""),
            ("/chat/lobby", 3, ""),
            ("/chat/red", 2, "room=red "),
            ("/chat/a%2Fb%252F%20", 2, "room=a/b%2F  "),
            ("/files/a/b", 4, "path=a/b "),
            ("/files/..%2f", 4, "path=../ "),
            ("/caf%C3%A9", 5, ""),
        ] {
            assert_eq!(found(&routes, target), Some((place, parameters.into())), "{target}");
        }
        for target in ["/chat/", "/chat/a/b", "/Chat", "//chat", "/files/", "/%ff", "/chat%2Flobby"]
        {
            assert_eq!(found(&routes, target), None, "{target}");
        }
        assert_eq!(found(&Routes::default(), "/"), None);
    }

    #[test]
    fn patterns_that_are_none() {
        for patterns in [&["chat"][..], &[""], &["/{}"], &["/{a"], &["/a", "/a"], &["/{*a}/b"]] {
            assert!(Routes::new(patterns.iter().copied()).is_err(), "{patterns:?}");
        }
        let error = Routes::new(["/{a}", "/{b}"]).unwrap_err().to_string();
        assert!(error.starts_with("route \"/{b}\": "), "{error}");
    }
}
