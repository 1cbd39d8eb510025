//! What happens to a message after it was said: edits, deletions, reactions, and how far it has come.

use super::Chat;
use super::draft::Draft;
use super::receive::meet_owner;
use crate::domain::aggregate::{Found, Lookup, Receipt};
use crate::domain::command::{ChatCommand, ChatCommandBody, DedupeKey, MessageName, NAME_MAX_BYTES, check_text};
use crate::domain::event::{EventBody, Profile};
use crate::domain::message::{Amendment, Direction, MessageStatus, Parked};
use crate::domain::{Message, Rejection};

/// First the message, then what is known of it.
pub(super) fn lookup(chat: &Chat, command: &ChatCommand, round: usize) -> Option<Lookup> {
    let ChatCommandBody::Amend {
        message,
        amendment,
        external_id,
        ..
    } = &command.body
    else {
        return None;
    };
    match (round, message) {
        (0, MessageName::External(name)) => Some(Lookup::Keys(vec![DedupeKey::message(name)])),
        (0, MessageName::Seq(seq)) => (*seq <= chat.seq).then(|| Lookup::Events(vec![*seq])),
        (1, _) => {
            let (seq, _) = find(message, &command.found)?;
            let mut keys = match amendment {
                Amendment::Receipt { .. } => {
                    // a name may bring along a deletion that waited for it
                    let statuses = MessageStatus::REPORTED.map(|status| DedupeKey::status(seq, status));
                    let deletion = external_id.as_ref().map(|_| DedupeKey::deletion(seq));
                    statuses.into_iter().chain(deletion).collect()
                }
                Amendment::Delete { .. } => vec![DedupeKey::deletion(seq)],
                Amendment::Edit { .. } | Amendment::React { .. } => Vec::new(),
            };
            keys.extend(external_id.as_deref().map(DedupeKey::message));
            (!keys.is_empty()).then_some(Lookup::Keys(keys))
        }
        _ => None,
    }
}

/// The message's place in the chat, and whether it is an outgoing one.
fn find(name: &MessageName, found: &Found) -> Option<(u64, bool)> {
    match name {
        MessageName::External(name) => {
            let receipt = found.receipt(&DedupeKey::message(name))?;
            // only incoming messages were decided over
            Some((receipt.message_seq?, receipt.trace.is_none()))
        }
        MessageName::Seq(seq) => {
            let message: &Message = found.event(*seq)?.body.message()?;
            Some((*seq, message.direction == Direction::Outgoing))
        }
    }
}

/// How far a message had come before.
fn status(found: &Found, seq: u64) -> MessageStatus {
    let known = |status: &MessageStatus| found.receipt(&DedupeKey::status(seq, *status)).is_some();
    let mut reached = MessageStatus::REPORTED.into_iter().rev().filter(known);
    reached.next().unwrap_or(MessageStatus::Queued)
}

fn check(amendment: &Amendment, external_id: Option<&str>) -> Result<(), Rejection> {
    check_text("externalId", external_id.unwrap_or_default(), NAME_MAX_BYTES)?;
    match amendment {
        Amendment::Edit { content, .. } => content.check(),
        Amendment::React { emoji, .. } => check_text("emoji", emoji.as_deref().unwrap_or_default(), NAME_MAX_BYTES),
        Amendment::Receipt { error, .. } => check_text("error", error.as_deref().unwrap_or_default(), NAME_MAX_BYTES),
        Amendment::Delete { .. } => Ok(()),
    }
}

pub(super) fn amend(
    draft: &mut Draft<'_>,
    name: &MessageName,
    (amendment, of_owner): (&Amendment, bool),
    external_id: Option<&str>,
) -> Result<Receipt, Rejection> {
    check(amendment, external_id)?;
    let found = &draft.command.found;
    let Some((seq, outgoing)) = find(name, found) else {
        return park(draft, name, (amendment, of_owner));
    };
    if of_owner && outgoing && is_authors(amendment) {
        return Err(Rejection::NotFound {
            what: "message of the owner",
        });
    }
    let receipt = Receipt {
        message_seq: Some(seq),
        ..Receipt::default()
    };
    if let Amendment::Receipt { .. } = amendment {
        if !outgoing {
            return Err(Rejection::NotFound {
                what: "outgoing message",
            });
        }
        let before = status(found, seq);
        let named = external_id.filter(|name| found.receipt(&DedupeKey::message(name)).is_none());
        rise(draft, (seq, before), amendment, named);
        return Ok(receipt);
    }
    if matches!(amendment, Amendment::Delete { .. }) {
        let key = DedupeKey::deletion(seq);
        if found.receipt(&key).is_some() {
            return Ok(receipt);
        }
        draft.keys.push(key);
    }
    change(draft, seq, amendment);
    Ok(receipt)
}

/// Whether only who wrote a message does this to it.
fn is_authors(amendment: &Amendment) -> bool {
    matches!(amendment, Amendment::Edit { .. } | Amendment::Delete { .. })
}

/// Keeps it until its message comes.
fn park(
    draft: &mut Draft<'_>,
    name: &MessageName,
    (amendment, of_owner): (&Amendment, bool),
) -> Result<Receipt, Rejection> {
    let MessageName::External(external_id) = name else {
        return Err(Rejection::NotFound { what: "message" });
    };
    check_text("messageExternalId", external_id, NAME_MAX_BYTES)?;
    meet_owner(draft, &Profile::default())?;
    draft.emit(EventBody::MessageParked {
        parked: Box::new(Parked {
            external_id: external_id.clone(),
            amendment: amendment.clone(),
            of_owner,
        }),
    });
    Ok(Receipt::default())
}

fn change(draft: &mut Draft<'_>, message_seq: u64, amendment: &Amendment) {
    draft.message_id = Some(crate::domain::id::message(draft.chat.id, message_seq));
    match amendment.clone() {
        Amendment::Edit { content, edited_at } => draft.emit(EventBody::MessageEdited {
            message_seq,
            content,
            edited_at,
        }),
        Amendment::Delete { deleted_at } => draft.emit(EventBody::MessageDeleted {
            message_seq,
            deleted_at,
        }),
        Amendment::React { author, emoji, at } => draft.emit(EventBody::MessageReaction {
            message_seq,
            author,
            emoji,
            at,
        }),
        Amendment::Receipt { .. } => {}
    }
}

/// Takes a receipt in, if it tells of something further; how far the message has come then. A name that the provider
/// gives with it is kept in any case, and brings along what waited for it.
fn rise(
    draft: &mut Draft<'_>,
    (message_seq, before): (u64, MessageStatus),
    amendment: &Amendment,
    named: Option<&str>,
) {
    let Amendment::Receipt { status, error, at } = amendment else {
        return;
    };
    let rises = before.can_rise(*status);
    if !rises && named.is_none() {
        return;
    }
    let status = if rises { *status } else { before };
    draft.message_id = Some(crate::domain::id::message(draft.chat.id, message_seq));
    if rises {
        draft.keys.push(DedupeKey::status(message_seq, status));
    }
    draft.keys.extend(named.map(DedupeKey::message));
    draft.emit(EventBody::MessageStatusChanged {
        message_seq,
        status,
        external_id: named.map(str::to_owned),
        error: error.clone(),
        at: *at,
    });
    if let Some(named) = named {
        release(draft, named, (message_seq, true), status);
    }
}

/// What waited for a message that is there now. `before` is how far the message has come; an incoming one takes no
/// receipts.
pub(super) fn release(
    draft: &mut Draft<'_>,
    external_id: &str,
    (message_seq, outgoing): (u64, bool),
    before: MessageStatus,
) {
    let waiting: Vec<Parked> = draft.waiting(external_id);
    let mut reached = before;
    for Parked {
        amendment, of_owner, ..
    } in waiting
    {
        if of_owner && outgoing && is_authors(&amendment) {
            continue;
        }
        if let Amendment::Receipt { status, .. } = &amendment {
            if reached.can_rise(*status) {
                rise(draft, (message_seq, reached), &amendment, None);
                reached = *status;
            }
            continue;
        }
        if matches!(amendment, Amendment::Delete { .. }) {
            let key = DedupeKey::deletion(message_seq);
            if draft.keys.contains(&key) || draft.command.found.receipt(&key).is_some() {
                continue;
            }
            draft.keys.push(key);
        }
        change(draft, message_seq, &amendment);
    }
}
