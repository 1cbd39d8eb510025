//! Hours of a week in a time zone.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{Millis, Rejection};

/// The most intervals of one schedule.
pub const INTERVALS_MAX: usize = 50;
/// The end of a day, in minutes.
const DAY_MINUTES: u16 = 1_440;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// From a minute of a day on, up to another and without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The day on which it begins.
    pub day: Day,
    /// 0 to 1,439.
    pub from_minute: u16,
    /// 1 to 1,440; below `from_minute` it is one of the next day.
    pub to_minute: u16,
}

/// When somebody works, or an office is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// A name of the IANA time zone database, as `Europe/Berlin`.
    pub time_zone: String,
    /// At most [`INTERVALS_MAX`].
    pub intervals: Vec<Interval>,
}

fn minute(time: Time) -> u16 {
    let (hour, minute) = (i32::from(time.hour()), i32::from(time.minute()));
    u16::try_from(hour.saturating_mul(60).saturating_add(minute)).unwrap_or(0)
}

impl Schedule {
    /// Whether `at` is inside an interval, by the clock on the wall of the time zone.
    #[must_use]
    pub fn is_open(&self, at: Millis) -> bool {
        let Some(local) = self.local(at) else { return false };
        let (today, now) = (local.weekday(), minute(local.time()));
        self.intervals.iter().any(|interval| {
            let (day, from, to) = (interval.day.weekday(), interval.from_minute, interval.to_minute);
            if from < to {
                return day == today && (from..to).contains(&now);
            }
            (day == today && now >= from) || (day.next() == today && now < to)
        })
    }

    fn local(&self, at: Millis) -> Option<Zoned> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let instant = Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
        Some(instant.to_zoned(zone))
    }

    /// Refuses an unknown time zone and minutes that are none.
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<(), Rejection> {
        if TimeZone::get(&self.time_zone).is_err() {
            return Err(Rejection::invalid(
                "timeZone",
                "a name of the IANA time zone database, as Europe/Berlin",
            ));
        }
        if self.intervals.len() > INTERVALS_MAX {
            return Err(Rejection::invalid("intervals", format!("at most {INTERVALS_MAX}")));
        }
        for interval in &self.intervals {
            let (from, to) = (interval.from_minute, interval.to_minute);
            if from >= DAY_MINUTES || !(1..=DAY_MINUTES).contains(&to) || from == to {
                return Err(Rejection::invalid(
                    "intervals",
                    "a begin from 00:00 to 23:59 and another end from 00:01 to 24:00",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        let instant: Timestamp = text.parse().unwrap();
        u64::try_from(instant.as_millisecond()).unwrap()
    }

    fn schedule(day: Day, from_minute: u16, to_minute: u16) -> Schedule {
        Schedule {
            time_zone: "Europe/Berlin".into(),
            intervals: vec![Interval {
                day,
                from_minute,
                to_minute,
            }],
        }
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall_through_summer_time() {
        let hours = schedule(Day::Monday, 9 * 60, 17 * 60);
        // 12 January 2026 and 13 July 2026 are Mondays; Berlin is an hour ahead in winter, two in summer
        for (instant, open) in [
            ("2026-01-12T07:59:59Z", false),
            ("2026-01-12T08:00:00Z", true),
            ("2026-01-12T15:59:59Z", true),
            ("2026-01-12T16:00:00Z", false),
            ("2026-07-13T06:59:59Z", false),
            ("2026-07-13T07:00:00Z", true),
            ("2026-07-14T07:00:00Z", false),
        ] {
            assert_eq!(hours.is_open(at(instant)), open, "{instant}");
        }
    }

    #[test]
    fn a_night_shift_ends_on_the_next_day() {
        let hours = schedule(Day::Sunday, 22 * 60, 6 * 60);
        for (instant, open) in [
            ("2026-01-11T20:59:00Z", false),
            ("2026-01-11T21:00:00Z", true),
            ("2026-01-12T04:59:00Z", true),
            ("2026-01-12T05:00:00Z", false),
            ("2026-01-12T21:00:00Z", false),
        ] {
            assert_eq!(hours.is_open(at(instant)), open, "{instant}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        assert!(schedule(Day::Monday, 0, 1_440).check().is_ok());
        assert!(schedule(Day::Monday, 1_439, 1).check().is_ok());
        for (from, to) in [(1_440, 1), (0, 0), (0, 1_441), (60, 60)] {
            assert!(schedule(Day::Monday, from, to).check().is_err(), "{from} {to}");
        }
        let mut many = schedule(Day::Monday, 0, 1_440);
        many.intervals = vec![many.intervals[0]; INTERVALS_MAX];
        assert!(many.check().is_ok());
        many.intervals.push(many.intervals[0]);
        assert!(many.check().is_err());
        let nowhere = Schedule {
            time_zone: "Europe/Atlantis".into(),
            intervals: Vec::new(),
        };
        assert!(nowhere.check().is_err());
        assert!(!nowhere.is_open(0));
    }
}
