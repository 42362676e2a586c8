//! What the cases must give, `expected.toml`, against what they gave.

use crate::case::CaseId;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The verdict of the suite on one case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Behavior {
    /// What the RFC asks for.
    Ok,
    /// Allowed, but not what the RFC recommends.
    #[serde(rename = "NON-STRICT")]
    NonStrict,
    /// The RFC does not say; the case only records.
    Informational,
    /// What the case is about was not offered.
    Unimplemented,
    /// Closed, with another status code than allowed.
    #[serde(rename = "WRONG CODE")]
    WrongCode,
    /// The TCP connection was dropped without a closing handshake.
    Unclean,
    /// The suite had to drop the TCP connection, which is the server's to do (RFC 6455 §7.1.1).
    #[serde(rename = "FAILED BY CLIENT")]
    FailedByClient,
    /// Against the RFC.
    Failed,
}

impl fmt::Display for Behavior {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Ok => "OK",
            Self::NonStrict => "NON-STRICT",
            Self::Informational => "INFORMATIONAL",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::WrongCode => "WRONG CODE",
            Self::Unclean => "UNCLEAN",
            Self::FailedByClient => "FAILED BY CLIENT",
            Self::Failed => "FAILED",
        })
    }
}

/// What a case gave, an entry of the suite's `index.json`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The messages.
    pub behavior: Behavior,
    /// The closing handshake.
    pub behavior_close: Behavior,
    /// The status code the server closed with, if any.
    pub remote_close_code: Option<u32>,
    /// In milliseconds.
    pub duration: u64,
    /// The name of the report of this case, JSON; the page beside it ends in `.html`.
    pub reportfile: String,
}

/// Whether a case gave what it must.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// OK, as it must be.
    Ok,
    /// Another result that is expected of this case, with a reason.
    Informational,
    /// Anything else.
    Failed,
}

/// The expectations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    default: Pair,
    #[serde(default, rename = "exception")]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    behavior: Behavior,
    behavior_close: Behavior,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    case: CaseId,
    behavior: Behavior,
    behavior_close: Behavior,
    reason: String,
}

impl Expected {
    /// The table that is part of this program.
    pub fn load() -> Result<Self> {
        Self::read(include_str!("../expected.toml"))
    }

    fn read(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).map_err(Error::data("expected.toml"))?;
        for exception in &table.exceptions {
            if exception.reason.trim().is_empty() {
                let reason = format!("no reason given for {}", exception.case);
                return Err(Error::data("expected.toml")(reason));
            }
        }
        Ok(table)
    }

    /// Compares one case; `None` for a case that left no result.
    pub fn verdict(&self, case: &CaseId, outcome: Option<&Outcome>) -> Verdict {
        let gave = outcome.map(|outcome| (outcome.behavior, outcome.behavior_close));
        if gave != Some(self.wanted(case)) {
            return Verdict::Failed;
        }
        if self.exception(case).is_some() { Verdict::Informational } else { Verdict::Ok }
    }

    /// The behaviour and the closing behaviour that a case must give.
    pub fn wanted(&self, case: &CaseId) -> (Behavior, Behavior) {
        match self.exception(case) {
            Some(exception) => (exception.behavior, exception.behavior_close),
            None => (self.default.behavior, self.default.behavior_close),
        }
    }

    /// Why a case may give something else than the default.
    pub fn reason(&self, case: &CaseId) -> Option<&str> {
        self.exception(case).map(|exception| exception.reason.trim())
    }

    fn exception(&self, case: &CaseId) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| exception.case == *case)
    }
}

/// The results of one process of the suite, its `index.json`.
pub fn outcomes(text: &str, agent: &str) -> Result<BTreeMap<CaseId, Outcome>> {
    let mut agents: BTreeMap<String, BTreeMap<String, Outcome>> =
        serde_json::from_str(text).map_err(Error::data("index.json"))?;
    // A process that could run no case lists no agent.
    let cases = agents.remove(agent).unwrap_or_default();
    let parse = |(id, outcome): (String, Outcome)| Ok((id.parse()?, outcome));
    let parsed: std::result::Result<_, String> = cases.into_iter().map(parse).collect();
    parsed.map_err(Error::data("index.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    const INDEX: &str = r#"{"ringws-c": {
        "6.4.3": {"behavior": "NON-STRICT", "behaviorClose": "OK", "duration": 2004,
                  "remoteCloseCode": 1007, "reportfile": "ringws_c_case_6_4_3.json"},
        "7.1.6": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL", "duration": 8,
                  "remoteCloseCode": null, "reportfile": "ringws_c_case_7_1_6.json"}}}"#;

    fn case(text: &str) -> CaseId {
        text.parse().expect("a case")
    }

    fn gave(behavior: Behavior, behavior_close: Behavior) -> Outcome {
        let reportfile = String::new();
        Outcome { behavior, behavior_close, remote_close_code: None, duration: 1, reportfile }
    }

    #[test]
    fn only_ok_is_expected_by_default() {
        let expected = Expected::load().expect("the table reads");
        let verdict = |outcome: Outcome| expected.verdict(&case("1.1.1"), Some(&outcome));
        assert_eq!(verdict(gave(Behavior::Ok, Behavior::Ok)), Verdict::Ok);
        for bad in [
            Behavior::NonStrict,
            Behavior::Informational,
            Behavior::Unimplemented,
            Behavior::WrongCode,
            Behavior::Unclean,
            Behavior::FailedByClient,
            Behavior::Failed,
        ] {
            assert_eq!(verdict(gave(bad, Behavior::Ok)), Verdict::Failed, "{bad}");
            assert_eq!(verdict(gave(Behavior::Ok, bad)), Verdict::Failed, "{bad}");
        }
        assert_eq!(expected.verdict(&case("1.1.1"), None), Verdict::Failed);
        assert_eq!(expected.wanted(&case("1.1.1")), (Behavior::Ok, Behavior::Ok));
    }

    #[test]
    fn exceptions_must_give_what_they_say() {
        let expected = Expected::load().expect("the table reads");
        let info = gave(Behavior::Informational, Behavior::Informational);
        for id in ["7.1.6", "7.13.1", "7.13.2"] {
            let verdict = |outcome: &Outcome| expected.verdict(&case(id), Some(outcome));
            assert_eq!(verdict(&info), Verdict::Informational);
            assert_eq!(verdict(&gave(Behavior::Informational, Behavior::Ok)), Verdict::Failed);
            assert_eq!(verdict(&gave(Behavior::Ok, Behavior::Ok)), Verdict::Failed);
            assert_eq!(expected.verdict(&case(id), None), Verdict::Failed);
        }
    }

    #[test]
    fn exceptions_are_known_cases_once_each_with_a_reason() {
        let expected = Expected::load().expect("the table reads");
        let all = Spec::load().expect("reads").set("core").expect("a set");
        let mut cases: Vec<&CaseId> = expected.exceptions.iter().map(|it| &it.case).collect();
        assert!(cases.iter().all(|id| all.iter().any(|case| case.id == **id)));
        let count = cases.len();
        cases.sort();
        cases.dedup();
        assert_eq!((cases.len(), count), (3, 3));

        let table = include_str!("../expected.toml");
        let reasonless = "[[exception]]\ncase = \"1.1.1\"\nbehavior = \"OK\"\n\
                          behavior_close = \"OK\"\nreason = \" \"\n";
        assert!(Expected::read(&format!("{table}\n{reasonless}")).is_err());
    }

    #[test]
    fn results_of_the_suite() {
        let outcomes = outcomes(INDEX, "ringws-c").expect("reads");
        assert_eq!(outcomes.len(), 2);
        let outcome = &outcomes[&case("6.4.3")];
        assert_eq!(outcome.behavior, Behavior::NonStrict);
        assert_eq!(outcome.behavior_close, Behavior::Ok);
        assert_eq!((outcome.duration, outcome.remote_close_code), (2004, Some(1007)));
        assert!(super::outcomes(INDEX, "another").expect("reads").is_empty());
        assert!(super::outcomes("{}", "ringws-c").expect("reads").is_empty());
        assert!(super::outcomes("", "ringws-c").is_err());
        assert!(super::outcomes(&INDEX.replace("6.4.3", "six"), "ringws-c").is_err());
        assert!(super::outcomes(&INDEX.replace("NON-STRICT", "odd"), "ringws-c").is_err());
    }
}
