//! Two tickets of a chat turn out to be one.

use uuid::Uuid;

use super::draft::{Draft, refuse};
use super::{MERGED_MAX, Place, lifecycle};
use crate::domain::Rejection;
use crate::domain::aggregate::Receipt;
use crate::domain::event::EventBody;
use crate::domain::ticket::{Reason, Ticket};

/// Merges the ticket that the command is about into another one of its chat. Its id goes on naming the other one, its
/// messages go with it; where it was open, the other one is open after it.
pub(super) fn merge(draft: &mut Draft<'_>, into: Uuid) -> Result<Receipt, Rejection> {
    let source = draft.the_ticket()?.clone();
    let target = match draft.chat.place(into) {
        Ok(Place::Current) => draft.chat.current_ticket().cloned().map(Box::new),
        Ok(Place::Earlier(number)) => Some(draft.earlier_ticket(number)?),
        Err(Rejection::NotFound { .. }) => None,
        Err(superseded) => return Err(superseded),
    };
    let target = target.ok_or_else(|| Rejection::invalid("into", "another ticket of the same chat"))?;
    if target.id == source.id {
        return Err(Rejection::invalid("into", "another ticket of the same chat"));
    }
    if !target.is_open() && !target.reason.is_restorable() {
        return Err(refuse(target.reason, Reason::InProgress));
    }
    if draft.chat.aliases.len() >= MERGED_MAX {
        return Err(Rejection::LimitReached {
            what: "merged tickets of a chat",
            max: MERGED_MAX,
        });
    }
    lifecycle::pass_active(draft, source.reason);
    let from = draft.the_ticket()?.reason;
    if !from.can_become(Reason::Merged) {
        return Err(refuse(from, Reason::Merged));
    }
    draft.emit(EventBody::TicketMerged {
        from,
        into: target.id,
        target: target.clone(),
    });
    draft.go_to(target.id)?;
    if source.is_open() && !target.is_open() {
        go_on(draft, &source)?;
    }
    Ok(Receipt::default())
}

/// What was open goes on in the other ticket.
fn go_on(draft: &mut Draft<'_>, source: &Ticket) -> Result<(), Rejection> {
    draft.emit_synthetic(EventBody::TicketStatusChanged {
        from: draft.the_ticket()?.reason,
        to: Reason::InProgress,
        until: None,
        trace: None,
    });
    if source.assignee_id.is_some() {
        draft.assign(source.assignee_id);
    }
    Ok(())
}
