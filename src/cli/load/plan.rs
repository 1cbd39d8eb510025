//! Which message is due when, and in which chat: a function of its index alone, so that nothing has to be kept for it.

use std::num::NonZeroU32;
use std::time::Duration;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// How the messages of a run are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// Evenly over the chats.
    Steady,
    /// Nine of ten to one chat, the others evenly over the rest.
    HotChat,
    /// Every message begins a chat of its own.
    ManyChats,
    /// As steady, and every third message is sent twice or three times with the same external id.
    Redelivery,
    /// As steady, while many sockets watch the tickets change.
    Dashboards,
}

impl Scenario {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::HotChat => "hot-chat",
            Self::ManyChats => "many-chats",
            Self::Redelivery => "redelivery",
            Self::Dashboards => "dashboards",
        }
    }
}

/// Where a message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The chat, from 0.
    pub(super) chat: u32,
    /// The place in the chat, from 0.
    pub(super) n: u32,
}

/// How often a message is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeats {
    /// Beside the first time.
    pub(super) count: u32,
    /// All at once, the first time too; otherwise one after the other.
    pub(super) concurrent: bool,
}

/// The whole run, before it begins.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How messages are spread.
    pub(super) scenario: Scenario,
    /// Part of every external id and text.
    pub(super) run: String,
    /// Messages a second.
    pub(super) rate: NonZeroU32,
    /// Messages altogether.
    pub(super) total: u32,
    chats: NonZeroU32,
    /// Those that the hot chat leaves the rest to.
    cold_chats: NonZeroU32,
}

impl Plan {
    /// `chats` counts where the scenario does not say it by itself; a hot chat has at least one other beside it.
    pub(super) fn new(scenario: Scenario, run: String, rate: NonZeroU32, (total, chats): (u32, NonZeroU32)) -> Self {
        let chats = match scenario {
            Scenario::Steady | Scenario::Redelivery | Scenario::Dashboards => chats,
            Scenario::HotChat => chats.max(NonZeroU32::MIN.saturating_add(1)),
            Scenario::ManyChats => NonZeroU32::new(total).unwrap_or(NonZeroU32::MIN),
        };
        let cold_chats = NonZeroU32::new(chats.get().saturating_sub(1)).unwrap_or(NonZeroU32::MIN);
        Self {
            scenario,
            run,
            rate,
            total,
            chats,
            cold_chats,
        }
    }

    /// How many chats there are at most.
    pub(super) fn chats(&self) -> u32 {
        self.chats.get().min(self.total.max(2))
    }

    /// Where a message belongs.
    pub(super) fn place(&self, index: u32) -> Place {
        if self.scenario != Scenario::HotChat {
            return Place {
                chat: index % self.chats,
                n: index / self.chats,
            };
        }
        let (tens, ones) = (index / 10, index % 10);
        if ones < 9 {
            let n = tens.saturating_mul(9).saturating_add(ones);
            return Place { chat: 0, n };
        }
        Place {
            chat: (tens % self.cold_chats).saturating_add(1),
            n: tens / self.cold_chats,
        }
    }

    /// The message at a place; none past the end.
    pub(super) fn index(&self, place: Place) -> Option<u32> {
        let Place { chat, n } = place;
        let index = match (self.scenario, chat.checked_sub(1)) {
            (Scenario::HotChat, None) => (n / 9).checked_mul(10)?.checked_add(n % 9)?,
            (Scenario::HotChat, Some(cold)) => {
                let tens = n.checked_mul(self.cold_chats.get())?.checked_add(cold)?;
                tens.checked_mul(10)?.checked_add(9)?
            }
            _ => n.checked_mul(self.chats.get())?.checked_add(chat)?,
        };
        Some(index).filter(|index| *index < self.total)
    }

    /// When a message is due, after the start, whatever became of those before it.
    pub(super) fn due(&self, index: u32) -> Duration {
        let nanos = u64::from(index).saturating_mul(SECOND_NS);
        Duration::from_nanos(nanos.checked_div(u64::from(self.rate.get())).unwrap_or(0))
    }

    /// How often a message is sent again.
    pub(super) fn repeats(&self, index: u32) -> Repeats {
        // by the place in the chat as well: otherwise a number of chats that three divides would spare some for ever
        let turn = index.wrapping_add(self.place(index).n);
        let count = match turn % 6 {
            0 => 1,
            3 => 2,
            _ => 0,
        };
        Repeats {
            count: if self.scenario == Scenario::Redelivery {
                count
            } else {
                0
            },
            concurrent: (turn / 6).is_multiple_of(2),
        }
    }

    /// Which repeats are known by, and which a retry uses again.
    pub(super) fn external_id(&self, index: u32) -> String {
        format!("{}-{index}", self.run)
    }

    /// The message that an external id names; none where it is not of this run.
    pub(super) fn index_of(&self, external_id: &str) -> Option<u32> {
        let index = external_id.strip_prefix(&self.run)?.strip_prefix('-')?.parse().ok()?;
        Some(index).filter(|index| *index < self.total)
    }

    /// What a message says: the run, its chat and its place there.
    pub(super) fn text(&self, index: u32) -> String {
        let Place { chat, n } = self.place(index);
        format!("{} {chat} {n}", self.run)
    }

    /// Who writes in a chat.
    pub(super) fn owner(&self, chat: u32) -> String {
        format!("{}-{chat}", self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIOS: [Scenario; 5] = [
        Scenario::Steady,
        Scenario::HotChat,
        Scenario::ManyChats,
        Scenario::Redelivery,
        Scenario::Dashboards,
    ];

    fn plan(scenario: Scenario, total: u32, chats: u32) -> Plan {
        let number = |number| NonZeroU32::new(number).unwrap();
        Plan::new(scenario, "abc".into(), number(200), (total, number(chats)))
    }

    #[test]
    fn every_message_has_a_place_of_its_own_and_chats_fill_in_order() {
        for scenario in SCENARIOS {
            for chats in [1, 2, 7, 100] {
                let plan = plan(scenario, 1_003, chats);
                let mut next = std::collections::HashMap::new();
                for index in 0..plan.total {
                    let place = plan.place(index);
                    assert!(place.chat < plan.chats(), "{scenario:?} {chats} {index}");
                    let n = next.entry(place.chat).or_insert(0);
                    assert_eq!(place.n, *n, "{scenario:?} {chats} {index}");
                    *n += 1;
                    assert_eq!(plan.index(place), Some(index), "{scenario:?} {chats} {index}");
                    assert_eq!(plan.index_of(&plan.external_id(index)), Some(index));
                }
                for (chat, n) in next {
                    assert_eq!(plan.index(Place { chat, n }), None, "past the end of {chat}");
                }
            }
        }
    }

    #[test]
    fn messages_are_due_at_the_rate_and_never_drift() {
        let plan = plan(Scenario::Steady, 5_000_000, 3);
        assert_eq!(plan.due(0), Duration::ZERO);
        assert_eq!(plan.due(1), Duration::from_millis(5));
        assert_eq!(plan.due(200), Duration::from_secs(1));
        assert_eq!(plan.due(4_999_800), Duration::from_secs(24_999));
    }

    #[test]
    fn nine_of_ten_are_hot() {
        let plan = plan(Scenario::HotChat, 1_000, 100);
        let hot = (0..1_000).filter(|index| plan.place(*index).chat == 0).count();
        assert_eq!(hot, 900);
    }

    #[test]
    fn a_third_is_repeated_once_or_twice_and_half_of_that_at_once() {
        let redelivery = plan(Scenario::Redelivery, 60_000, 99);
        let repeats: Vec<_> = (0..60_000).map(|index| redelivery.repeats(index)).collect();
        let of = |count| repeats.iter().filter(|repeats| repeats.count == count).count();
        for count in [1, 2] {
            assert!((9_500..10_500).contains(&of(count)), "{} times {count}", of(count));
        }
        let repeated = repeats.iter().filter(|repeats| repeats.count > 0);
        let at_once = repeated.filter(|repeats| repeats.concurrent).count();
        assert!((9_000..11_000).contains(&at_once), "{at_once}");
        let steady = plan(Scenario::Steady, 60_000, 99);
        assert!((0..60_000).all(|index| steady.repeats(index).count == 0));
    }

    #[test]
    fn external_ids_of_others_name_nothing() {
        let plan = plan(Scenario::Steady, 10, 3);
        for other in ["", "abc", "abc-", "abc-10", "abc--1", "abd-1", "abc-w1", "1"] {
            assert_eq!(plan.index_of(other), None, "{other}");
        }
    }
}
