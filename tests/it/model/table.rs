//! The design's sections 2 and 3 as tables.

use super::words::{Rules, Step, Ticket, Wish};

const NEW: [&str; 4] = ["INBOUND", "MANUAL", "HANDOVER", "OUTBOUND"];
const ACTIVE: [&str; 3] = ["IN_PROGRESS", "PENDING_CUSTOMER", "ON_HOLD"];
const ENDED: [&str; 3] = ["COMPLETED", "CLOSED", "AUTO_CLOSED"];
const AWAY: [&str; 2] = ["SPAM", "DELETED"];

pub fn status(reason: &str) -> &'static str {
    if NEW.contains(&reason) {
        "NEW"
    } else if ACTIVE.contains(&reason) {
        "ACTIVE"
    } else {
        "INACTIVE"
    }
}

/// Which steps lead where: the step, the reasons that it is legal from, where it leads (`*`: back, or nowhere else).
const TABLE: [(&str, &[&[&str]], &str); 11] = [
    ("take", &[&NEW], "IN_PROGRESS"),
    ("complete", &[&ACTIVE], "COMPLETED"),
    ("close", &[&ACTIVE], "CLOSED"),
    ("reopen", &[&ENDED], "IN_PROGRESS"),
    ("hold", &[&ACTIVE], "ON_HOLD"),
    ("pend", &[&["IN_PROGRESS", "ON_HOLD"]], "PENDING_CUSTOMER"),
    ("resume", &[&["PENDING_CUSTOMER", "ON_HOLD"]], "IN_PROGRESS"),
    ("spam", &[&NEW, &ACTIVE, &ENDED], "SPAM"),
    ("unspam", &[&["SPAM"]], "*"),
    ("delete", &[&NEW, &ACTIVE, &ENDED, &["SPAM"]], "DELETED"),
    ("restore", &[&["DELETED"]], "*"),
];

fn leads(step: &str, from: &str) -> Option<&'static str> {
    let row = TABLE.iter().find(|row| row.0 == step)?;
    row.1.iter().any(|reasons| reasons.contains(&from)).then_some(row.2)
}

/// Every step from every reason that a ticket under its own id can have, and whether it is legal.
pub fn every_step() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let reasons = NEW.into_iter().chain(ACTIVE).chain(ENDED).chain(AWAY);
    let pairs = reasons.flat_map(|from| TABLE.iter().map(move |row| (row.0, from)));
    pairs.map(|(step, from)| (step, from, leads(step, from).is_some()))
}

type Outcome = Result<Option<(&'static str, Option<u64>)>, &'static str>;

#[derive(Clone, Debug)]
pub struct Model {
    rules: Rules,
    pub tickets: Vec<Ticket>,
    /// From a merged ticket's number to the one it became.
    merged: Vec<(u32, u32)>,
    pub blocked: bool,
    pub removed: bool,
    pub bot_owns: bool,
    /// The bot spoke last, or has the chat.
    bot_near: bool,
    pub epoch: u32,
    unanswered: u32,
    /// The reason of the ticket that was asked for last, before the step.
    pub asked: &'static str,
    begun: bool,
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            tickets: Vec::new(),
            merged: Vec::new(),
            blocked: false,
            removed: false,
            bot_owns: false,
            bot_near: false,
            epoch: 0,
            unanswered: 0,
            asked: "",
            begun: false,
        }
    }

    fn resolve(&self, mut number: u32) -> u32 {
        while let Some((_, into)) = self.merged.iter().find(|(from, _)| *from == number) {
            number = *into;
        }
        number
    }

    /// The number of the ticket that a message meets; 0: none.
    pub fn current(&self) -> u32 {
        self.resolve(self.tickets.len() as u32)
    }

    fn at(&mut self, number: u32) -> &mut Ticket {
        &mut self.tickets[number as usize - 1]
    }

    fn reason(&self, number: u32) -> &'static str {
        self.tickets
            .get((number as usize).wrapping_sub(1))
            .map_or("", |ticket| ticket.reason)
    }

    fn is_open(&self) -> bool {
        let reason = self.reason(self.current());
        !reason.is_empty() && status(reason) != "INACTIVE"
    }

    pub fn due(&self) -> Option<u64> {
        let ticket = self.tickets.get((self.current() as usize).wrapping_sub(1))?;
        match ticket.reason {
            "ON_HOLD" => ticket.hold_until,
            "IN_PROGRESS" | "PENDING_CUSTOMER" => self.rules.auto_close.map(|after| ticket.active_at + after),
            _ => None,
        }
    }

    fn create(&mut self, reason: &'static str, now: u64) {
        self.tickets.push(Ticket {
            reason,
            episode: 1,
            waiting: (self.unanswered > 0).then_some(now),
            pending: std::mem::take(&mut self.unanswered),
            assignee: None,
            ended_at: None,
            ongoing_at: None,
            answered_at: None,
            hold_until: None,
            active_at: now,
            former: Vec::new(),
        });
    }

    fn go(&mut self, number: u32, to: &'static str, now: u64) {
        let ticket = self.at(number);
        let (from, was) = (status(ticket.reason), ticket.reason);
        ticket.hold_until = None;
        ticket.active_at = now;
        match (from, status(to)) {
            ("NEW", "ACTIVE") => ticket.ongoing_at = Some(now),
            ("INACTIVE", "ACTIVE") => {
                ticket.episode += 1;
                ticket.ongoing_at = Some(now);
                ticket.ended_at = None;
                ticket.former.clear();
            }
            ("ACTIVE", "INACTIVE") => {
                ticket.ended_at = Some(now);
                ticket.waiting = None;
            }
            ("INACTIVE", "INACTIVE") if ticket.former.last() == Some(&to) => drop(ticket.former.pop()),
            ("INACTIVE", "INACTIVE") => ticket.former.push(was),
            _ => {}
        }
        ticket.reason = to;
    }

    fn person(&mut self) {
        self.bot_owns = false;
        self.bot_near = false;
        self.epoch += 1;
    }

    /// Gives a ticket to somebody: work begins, and the bot is out.
    fn give(&mut self, number: u32, to: Option<bool>, now: u64) {
        if to.is_some() && status(self.reason(number)) == "NEW" {
            self.go(number, "IN_PROGRESS", now);
        }
        self.at(number).assignee = to;
        if to.is_some() && number == self.current() && self.bot_near {
            self.person();
        }
    }

    fn back_to_bot(&mut self) {
        if self.rules.responder {
            self.bot_owns = true;
            self.bot_near = true;
        }
    }

    pub fn step(&mut self, wish: Wish, now: u64) -> Outcome {
        let begins = matches!(wish, Wish::Say { .. } | Wish::Outbound);
        if !self.begun && !begins {
            return Err("NOT_FOUND");
        }
        match wish {
            Wish::Say { sent_at } => return Ok(Some(self.say(sent_at, now))),
            Wish::Answer { by } => self.answer(by, now),
            Wish::BotAnswer { epoch } => {
                if epoch < self.epoch {
                    return Err("STALE_RESPONDER");
                }
                self.bot_near = true;
                self.spoken(now, false);
            }
            Wish::Outbound => {
                self.begun = true;
                self.removed = false;
                if !self.is_open() {
                    self.create("OUTBOUND", now);
                }
                self.spoken(now, true);
            }
            Wish::Open { by } => {
                if self.is_open() {
                    return Err("ALREADY_OPEN");
                }
                self.removed = false;
                self.create("MANUAL", now);
                if by.is_some() {
                    self.give(self.current(), by, now);
                }
            }
            Wish::Handover => {
                self.removed = false;
                if !self.is_open() {
                    self.create("HANDOVER", now);
                }
                self.bot_owns = false;
            }
            Wish::TakeoverChat { here } => {
                self.removed = false;
                if !self.is_open() {
                    self.create("MANUAL", now);
                }
                self.take_over(here, now);
            }
            Wish::Block => self.blocked = true,
            Wish::Unblock => self.blocked = false,
            Wish::Remove => self.removed = true,
            Wish::Bring => self.removed = false,
            Wish::Time => {
                if self.due().is_some_and(|due| due <= now) {
                    let current = self.current();
                    if self.reason(current) == "ON_HOLD" {
                        self.go(current, "IN_PROGRESS", now);
                    } else {
                        self.go(current, "AUTO_CLOSED", now);
                        self.back_to_bot();
                    }
                }
            }
            Wish::Do { number, step } => return self.act(number, step, now),
        }
        Ok(None)
    }

    fn take_over(&mut self, here: bool, now: u64) {
        let current = self.current();
        if status(self.reason(current)) == "NEW" {
            self.go(current, "IN_PROGRESS", now);
        }
        self.at(current).assignee = Some(here);
        self.person();
    }

    /// Something public was said from inside.
    fn spoken(&mut self, now: u64, by_person: bool) {
        self.unanswered = 0;
        let current = self.current();
        if current > 0 {
            let ticket = self.at(current);
            ticket.pending = 0;
            ticket.waiting = None;
            ticket.active_at = now;
            if by_person && ticket.answered_at.is_none() {
                ticket.answered_at = Some(now);
            }
        }
    }

    fn answer(&mut self, by: Option<bool>, now: u64) {
        if self.bot_owns && !self.is_open() {
            self.create("MANUAL", now);
        }
        let current = self.current();
        if current > 0 {
            if status(self.reason(current)) == "NEW" {
                self.go(current, "IN_PROGRESS", now);
                let ticket = self.at(current);
                ticket.assignee = ticket.assignee.or(by);
            }
            if self.bot_near {
                self.person();
            }
        }
        self.spoken(now, true);
    }

    /// Section 3: the rule, and the time since the end where it was looked at.
    fn say(&mut self, sent_at: Option<u64>, now: u64) -> (&'static str, Option<u64>) {
        self.begun = true;
        let current = self.current();
        let reason = self.reason(current);
        let silenced = if self.blocked {
            Some("owner_blocked")
        } else {
            (reason == "SPAM").then_some("last_ticket_spam")
        };
        if let Some(rule) = silenced {
            return (rule, None);
        }
        self.removed = false;
        let to_bot = match (reason, self.rules.responder) {
            ("", true) => Some("no_ticket_responder"),
            (ended, true) if ENDED.contains(&ended) && self.bot_owns => Some("responder_owns_chat"),
            _ => None,
        };
        if let Some(rule) = to_bot {
            self.bot_owns = true;
            self.bot_near = true;
            self.unanswered += 1;
            return (rule, None);
        }
        let answer = match reason {
            "" => ("no_ticket", None),
            "DELETED" => ("last_ticket_deleted", None),
            open if !ENDED.contains(&open) => ("ticket_open", None),
            _ => {
                let sent = sent_at.unwrap_or(now).min(now).max(now.saturating_sub(self.rules.skew));
                let elapsed = sent.saturating_sub(self.at(current).ended_at.unwrap());
                let rule = match self.rules.restore {
                    None => "restore_forever",
                    Some(period) if period > 0 && elapsed <= period => "within_restore_period",
                    Some(_) => "after_restore_period",
                };
                (rule, Some(elapsed))
            }
        };
        match answer.0 {
            "ticket_open" if matches!(reason, "PENDING_CUSTOMER" | "ON_HOLD") => self.go(current, "IN_PROGRESS", now),
            "ticket_open" => {}
            "restore_forever" | "within_restore_period" => {
                self.go(current, "IN_PROGRESS", now);
                self.reopened(current);
            }
            _ => {
                self.create("INBOUND", now);
                self.bot_owns = false;
            }
        }
        let current = self.current();
        let ticket = self.at(current);
        ticket.pending += 1;
        ticket.waiting = ticket.waiting.or(Some(now));
        ticket.active_at = now;
        answer
    }

    fn reopened(&mut self, number: u32) {
        self.bot_owns = false;
        let keeps = match self.rules.on_reopen {
            0 => true,
            1 => self.at(number).assignee == Some(true),
            _ => false,
        };
        if !keeps {
            self.at(number).assignee = None;
        }
        if self.rules.on_reopen == 3 {
            self.bot_owns = true;
            self.bot_near = true;
        }
    }

    fn act(&mut self, number: u32, step: Step, now: u64) -> Outcome {
        if number == 0 || number > self.tickets.len() as u32 {
            return Err("NOT_FOUND");
        }
        let number = self.resolve(number);
        let (reason, is_current) = (self.reason(number), number == self.current());
        self.asked = reason;
        match step {
            Step::Assign { to } => self.give(number, to, now),
            Step::View => {}
            Step::Offer => {
                let open = is_current && status(reason) != "INACTIVE";
                if !open || self.at(number).assignee.is_some() || self.bot_owns {
                    return Err("ALREADY_ASSIGNED");
                }
                self.give(number, Some(true), now);
            }
            Step::Takeover { here } => {
                if !is_current {
                    return Err("TICKET_SUPERSEDED");
                }
                if status(reason) == "INACTIVE" {
                    return Err("INVALID_TRANSITION");
                }
                self.take_over(here, now);
            }
            Step::Merge { into } => return self.merge(number, into, now),
            _ => return self.walk(number, step, now),
        }
        Ok(None)
    }

    fn walk(&mut self, number: u32, step: Step, now: u64) -> Outcome {
        let (reason, is_current) = (self.reason(number), number == self.current());
        let to = leads(step.name(), reason).ok_or("INVALID_TRANSITION")?;
        let to = if to == "*" {
            self.at(number).former.last().copied().unwrap_or("IN_PROGRESS")
        } else {
            to
        };
        if status(reason) == "INACTIVE" && status(to) == "ACTIVE" && !is_current {
            return Err("TICKET_SUPERSEDED");
        }
        match step {
            Step::Hold { until: Some(until) } if until <= now => return Err("BAD_USER_INPUT"),
            Step::Take { here } => {
                self.give(number, Some(here), now);
                return Ok(None);
            }
            Step::Spam | Step::Delete if status(reason) == "NEW" => self.go(number, "IN_PROGRESS", now),
            Step::Reopen => self.removed = false,
            _ => {}
        }
        self.go(number, to, now);
        match step {
            Step::Hold { until } => self.at(number).hold_until = until,
            Step::Complete | Step::Close => self.back_to_bot(),
            Step::Reopen if self.bot_near => self.person(),
            _ => {}
        }
        Ok(None)
    }

    fn merge(&mut self, number: u32, into: u32, now: u64) -> Outcome {
        let into = self.resolve(into);
        if into == number {
            return Err("BAD_USER_INPUT");
        }
        let (from, target) = (self.reason(number), self.reason(into));
        let was_open = status(from) != "INACTIVE";
        if AWAY.contains(&target) || AWAY.contains(&from) {
            return Err("INVALID_TRANSITION");
        }
        if status(from) == "NEW" {
            self.go(number, "IN_PROGRESS", now);
        }
        let assignee = self.at(number).assignee;
        self.go(number, "MERGED", now);
        self.merged.push((number, into));
        if was_open && status(target) == "INACTIVE" {
            self.go(into, "IN_PROGRESS", now);
            let other = self.at(into);
            other.assignee = assignee.or(other.assignee);
        }
        Ok(None)
    }
}
