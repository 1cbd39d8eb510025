//! What may be set of a chat and a ticket beside the status.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::Draft;
use crate::domain::Rejection;
use crate::domain::aggregate::Receipt;
use crate::domain::command::{SUMMARY_MAX_BYTES, TEXT_MAX_BYTES, check_subject, check_text};
use crate::domain::event::{EventBody, TicketField};
use crate::domain::field::FieldTarget;
use crate::domain::ticket::{Priority, Rating, TAGS_MAX};

pub(super) fn set_blocked(draft: &mut Draft<'_>, blocked: bool) -> Receipt {
    match (draft.chat.owner.blocked, blocked) {
        (false, true) => draft.emit(EventBody::ChatOwnerBlocked {}),
        (true, false) => draft.emit(EventBody::ChatOwnerUnblocked {}),
        _ => {}
    }
    Receipt::default()
}

pub(super) fn set_removed(draft: &mut Draft<'_>, removed: bool) -> Receipt {
    match (draft.chat.removed_at.is_some(), removed) {
        (false, true) => draft.emit(EventBody::ChatRemoved {}),
        (true, false) => draft.emit(EventBody::ChatRestored {}),
        _ => {}
    }
    Receipt::default()
}

pub(super) fn add_tag(draft: &mut Draft<'_>, tag_id: Uuid) -> Result<Receipt, Rejection> {
    if draft.rules.workspace.tag(tag_id).is_none() {
        return Err(Rejection::NotFound { what: "tag" });
    }
    let tags = &draft.the_ticket()?.tags;
    if !tags.contains(&tag_id) {
        if tags.len() >= TAGS_MAX {
            return Err(Rejection::LimitReached {
                what: "tags of a ticket",
                max: TAGS_MAX,
            });
        }
        draft.emit(EventBody::TicketTagAdded { tag_id });
    }
    Ok(Receipt::default())
}

pub(super) fn remove_tag(draft: &mut Draft<'_>, tag_id: Uuid) -> Result<Receipt, Rejection> {
    if draft.the_ticket()?.tags.contains(&tag_id) {
        draft.emit(EventBody::TicketTagRemoved { tag_id });
    }
    Ok(Receipt::default())
}

fn change(draft: &mut Draft<'_>, field: TicketField, from: Value, to: Value) -> Receipt {
    if from != to {
        draft.emit(EventBody::TicketFieldChanged { field, from, to });
    }
    Receipt::default()
}

pub(super) fn set_field(draft: &mut Draft<'_>, field_id: Uuid, value: &Value) -> Result<Receipt, Rejection> {
    let field = draft.rules.workspace.field(field_id, FieldTarget::Ticket)?;
    field.check(value)?;
    let from = draft.the_ticket()?.fields.get(&field_id).cloned().unwrap_or_default();
    Ok(change(draft, TicketField::Custom(field_id), from, value.clone()))
}

pub(super) fn set_subject(draft: &mut Draft<'_>, subject: Option<&str>) -> Result<Receipt, Rejection> {
    check_subject(subject)?;
    let from = json!(draft.the_ticket()?.subject);
    Ok(change(draft, TicketField::Subject, from, json!(subject)))
}

pub(super) fn set_priority(draft: &mut Draft<'_>, priority: Priority) -> Result<Receipt, Rejection> {
    let from = json!(draft.the_ticket()?.priority);
    Ok(change(draft, TicketField::Priority, from, json!(priority)))
}

pub(super) fn set_summary(draft: &mut Draft<'_>, summary: &str) -> Result<Receipt, Rejection> {
    check_text("summary", summary, SUMMARY_MAX_BYTES)?;
    let from = draft.the_ticket()?.summary.clone();
    if from != summary {
        let to = summary.to_owned();
        draft.emit(EventBody::TicketSummaryChanged { from, to });
    }
    Ok(Receipt::default())
}

pub(super) fn rate(draft: &mut Draft<'_>, score: u8, comment: Option<&str>) -> Result<Receipt, Rejection> {
    if !(1..=3).contains(&score) {
        return Err(Rejection::invalid("score", "1 (poor), 2 (normal) or 3 (good)"));
    }
    check_text("comment", comment.unwrap_or_default(), TEXT_MAX_BYTES)?;
    let ticket = draft.the_ticket()?;
    let known = ticket.ratings.iter().find(|known| known.episode == ticket.episode);
    let rating = Rating {
        score,
        comment: comment.map(str::to_owned),
        episode: ticket.episode,
        created_at: known.map_or(draft.now, |known| known.created_at),
        updated_at: draft.now,
    };
    let from = known.map(|known| known.score);
    draft.emit(EventBody::TicketRated { rating, from });
    Ok(Receipt::default())
}

pub(super) fn mark_viewed(draft: &mut Draft<'_>) -> Result<Receipt, Rejection> {
    draft.the_ticket()?;
    draft.emit(EventBody::TicketViewed {});
    Ok(Receipt::default())
}
