//! What a run came to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::figures::Percentiles;
use super::finding::{Invariant, Outcome};
use super::sender::LATE_MS;

/// Everything, as it is written with `--json`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) run: String,
    pub(super) url: String,
    pub(super) channel_id: String,
    pub(super) scenario: &'static str,
    pub(super) asked_rate_per_second: u32,
    pub(super) asked_seconds: u32,
    pub(super) chats: usize,
    pub(super) subscribers: u32,
    /// Ended by hand.
    pub(super) was_interrupted: bool,
    pub(super) messages: Messages,
    pub(super) rate_per_second: f64,
    /// By class, for each message that an answer was about.
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) retries: u64,
    pub(super) subscriptions_resumed: u64,
    pub(super) acknowledge_ms: Percentiles,
    pub(super) deliver_ms: Deliveries,
    pub(super) invariants: Vec<Invariant>,
}

/// How long messages took to a subscriber, by what it subscribed to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Deliveries {
    pub(super) events: Percentiles,
    pub(super) ticket_changed: Percentiles,
    /// Of the messages that a queue showed: the newest of each ticket, as changes of a moment come as one.
    pub(super) queue: Percentiles,
}

/// How many messages.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Messages {
    pub(super) planned: u64,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    /// Due, and never acknowledged. In the times to acknowledgement they count up to the end of the sending.
    pub(super) unacknowledged: u64,
    /// Sent, and never acknowledged.
    pub(super) given_up: u64,
    /// More than `LATE_MS` after they were due.
    pub(super) sent_late: u64,
    /// Because too many requests were under way.
    pub(super) held_by_bound: u64,
    /// Repeats that were answered.
    pub(super) repeats: u64,
}

impl Report {
    /// Something was measured, and nothing is broken.
    pub(super) fn holds(&self) -> bool {
        let is_broken = |invariant: &Invariant| invariant.outcome == Outcome::Broken;
        self.messages.acknowledged > 0 && !self.invariants.iter().any(is_broken)
    }

    fn write_messages(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Messages {
            planned,
            sent,
            acknowledged,
            unacknowledged: _,
            given_up,
            sent_late,
            held_by_bound,
            repeats,
        } = self.messages;
        let unsent = planned.saturating_sub(sent);
        let asked = self.asked_rate_per_second;
        writeln!(f, "  acknowledged   {acknowledged} of {planned} messages")?;
        writeln!(f, "  rate           {:.1}/s of {asked}/s", self.rate_per_second)?;
        if unsent > 0 {
            let why = if self.was_interrupted {
                "interrupted"
            } else {
                "the server was too slow"
            };
            writeln!(f, "  not sent       {unsent} ({why})")?;
        }
        writeln!(f, "  given up       {given_up}")?;
        let late = format!("{sent_late} by more than {LATE_MS} ms");
        writeln!(
            f,
            "  sent late      {late}, {held_by_bound} held by the bound of requests"
        )?;
        writeln!(f, "  retries        {}", self.retries)?;
        if repeats > 0 {
            writeln!(f, "  repeats        {repeats}")?;
        }
        let errors = self.errors.iter().map(|(class, count)| format!("{class} {count}"));
        let errors = errors.collect::<Vec<_>>().join(", ");
        let errors = if errors.is_empty() { "none" } else { &errors };
        writeln!(f, "  errors         {errors}")?;
        writeln!(f, "  resumed        {} subscriptions", self.subscriptions_resumed)
    }

    fn write_times(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "ms from when due", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        let deliver = &self.deliver_ms;
        let dashboards = [
            ("to ticketChanged", &deliver.ticket_changed),
            ("to queue", &deliver.queue),
        ];
        let dashboards = dashboards.into_iter().filter(|(_, times)| times.count > 0);
        let always = [
            ("to acknowledgement", &self.acknowledge_ms),
            ("to events", &deliver.events),
        ];
        for (name, times) in always.into_iter().chain(dashboards) {
            let Percentiles {
                count,
                p50,
                p90,
                p99,
                p99_9,
                max,
            } = times;
            writeln!(
                f,
                "  {name:<22}{count:>10}{p50:>10.1}{p90:>10.1}{p99:>10.1}{p99_9:>10.1}{max:>10.1}"
            )?;
        }
        match self.messages.unacknowledged {
            0 => Ok(()),
            missing => writeln!(
                f,
                "  {missing} were never acknowledged: they count up to the end of the sending"
            ),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { scenario, url, run, .. } = self;
        writeln!(f, "load {scenario} on {url}, run {run}\n")?;
        self.write_messages(f)?;
        writeln!(f)?;
        self.write_times(f)?;
        writeln!(f)?;
        for invariant in &self.invariants {
            let Invariant {
                name,
                outcome,
                sentence,
                examples,
            } = invariant;
            writeln!(f, "  {:<12}{name}: {sentence}", outcome.label())?;
            for example in examples {
                writeln!(f, "              {example}")?;
            }
        }
        if self.messages.acknowledged == 0 {
            writeln!(f, "\n  nothing was acknowledged")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Findings;
    use super::*;

    fn report(acknowledged: u64, invariants: Vec<Invariant>) -> Report {
        let times = Percentiles {
            count: acknowledged,
            p50: 1.25,
            p90: 2.0,
            p99: 3.0,
            p99_9: 4.0,
            max: 5.0,
        };
        Report {
            run: "abc".into(),
            url: "http://127.0.0.1:1/".into(),
            channel_id: "c".into(),
            scenario: "steady",
            asked_rate_per_second: 200,
            asked_seconds: 10,
            chats: 100,
            subscribers: 1,
            was_interrupted: false,
            messages: Messages {
                planned: 2_000,
                sent: 1_999,
                acknowledged,
                unacknowledged: 2,
                given_up: 1,
                sent_late: 2,
                held_by_bound: 0,
                repeats: 0,
            },
            rate_per_second: 199.9,
            errors: BTreeMap::from([("OVERLOADED".into(), 3)]),
            retries: 3,
            subscriptions_resumed: 0,
            acknowledge_ms: times,
            deliver_ms: Deliveries {
                events: times,
                ticket_changed: times,
                queue: Percentiles { count: 0, ..times },
            },
            invariants,
        }
    }

    #[test]
    fn one_broken_promise_is_enough_and_silence_is_no_success() {
        let ok = Invariant::of("a", Findings::default(), "looked".into());
        let unknown = Invariant::not_checked("b", "no such field");
        let broken = Invariant::unreadable("c", &"gone");
        assert!(report(9, vec![ok.clone(), unknown.clone()]).holds());
        assert!(!report(0, vec![ok.clone(), unknown.clone()]).holds());
        assert!(!report(9, vec![ok, broken, unknown]).holds());
    }

    #[test]
    fn programs_find_percentiles_under_their_unit() {
        let value = serde_json::to_value(report(9, vec![Invariant::not_checked("b", "no")])).unwrap();
        assert_eq!(value["acknowledge_ms"]["p99"], 3.0);
        assert_eq!(value["deliver_ms"]["queue"]["p99.9"], 4.0);
        assert_eq!(value["messages"]["unacknowledged"], 2);
        assert_eq!(value["errors"]["OVERLOADED"], 3);
        assert_eq!(value["invariants"][0]["outcome"], "not_checked");
    }

    #[test]
    fn people_see_every_part() {
        let text = report(9, vec![Invariant::unreadable("order", &"gone")]).to_string();
        for part in [
            "9 of 2000",
            "199.9/s of 200/s",
            "OVERLOADED 3",
            "not sent       1",
            "to ticketChanged",
            "2 were never acknowledged",
            "BROKEN      order",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("to queue"), "nobody watched one: {text}");
    }
}
