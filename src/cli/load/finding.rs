//! What was found, and what that means for a promise of the server.

use serde::Serialize;

/// How many examples are kept of each kind.
const EXAMPLES_MAX: usize = 5;

/// How often something was found, and what the first looked like.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    count: u64,
    examples: Vec<String>,
}

impl Findings {
    /// One more.
    pub(super) fn note(&mut self, example: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }

    /// Those of another place as well.
    pub(super) fn join(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
    }
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Ok,
    Broken,
    NotChecked,
}

impl Outcome {
    /// As the report says it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Broken => "BROKEN",
            Self::NotChecked => "not checked",
        }
    }
}

/// A promise of the server, seen from outside.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Invariant {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    /// What was compared with what.
    pub(super) sentence: String,
    pub(super) examples: Vec<String>,
}

impl Invariant {
    /// Holds where nothing was found. `sentence` says what was looked at.
    pub(super) fn of(name: &'static str, findings: Findings, sentence: String) -> Self {
        if findings.count == 0 {
            return Self {
                name,
                outcome: Outcome::Ok,
                sentence,
                examples: Vec::new(),
            };
        }
        let times = if findings.count == 1 { "violation" } else { "violations" };
        Self {
            name,
            outcome: Outcome::Broken,
            sentence: format!("{} {times}; {sentence}", findings.count),
            examples: findings.examples,
        }
    }

    /// The server did not let itself be asked, which is no way to keep a promise.
    pub(super) fn unreadable(name: &'static str, why: &impl std::fmt::Display) -> Self {
        Self {
            name,
            outcome: Outcome::Broken,
            sentence: format!("could not be read: {why}"),
            examples: Vec::new(),
        }
    }

    /// There was nothing to compare.
    pub(super) fn not_checked(name: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            name,
            outcome: Outcome::NotChecked,
            sentence: sentence.into(),
            examples: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_counts_and_five_are_shown() {
        let mut findings = Findings::default();
        (0..9).for_each(|number| findings.note(|| format!("number {number}")));
        let mut joined = Findings::default();
        joined.note(|| "first".into());
        joined.join(&findings);
        let broken = Invariant::of("name", joined, "10 compared".into());
        assert_eq!(broken.outcome, Outcome::Broken);
        assert_eq!(broken.sentence, "10 violations; 10 compared");
        assert_eq!(broken.examples.len(), 5);
        let holds = Invariant::of("name", Findings::default(), "10 compared".into());
        assert_eq!((holds.outcome, holds.sentence.as_str()), (Outcome::Ok, "10 compared"));
    }
}
