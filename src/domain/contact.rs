//! The person outside, over all channels.
//!
//! Every chat belongs to a contact of its own until that is merged into another one. Merging joins what is known of a
//! person; chats stay apart, each with its own order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::aggregate::{Aggregate, Decided};
use super::command::{NAME_MAX_BYTES, TEXT_MAX_BYTES, Wish, check_name, check_text};
use super::event::EventBody;
use super::field::FieldTarget;
use super::{Event, Millis, Rejection, Rulebook};

/// The most emails, phones or additional ids of one contact.
pub const ADDRESSES_MAX: usize = 20;

/// What is known of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContactDetails {
    /// To show, over what the providers say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most [`ADDRESSES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// At most [`ADDRESSES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// Only people inside see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Of other systems; at most [`ADDRESSES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_ids: Vec<String>,
    /// By the field's id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<Uuid, Value>,
}

/// What to change of a contact; what is absent stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in ContactDetails; `Some(None)` takes away")]
pub struct ContactPatch {
    pub name: Option<Option<String>>,
    pub emails: Option<Vec<String>>,
    pub phones: Option<Vec<String>>,
    pub note: Option<Option<String>>,
    pub additional_ids: Option<Vec<String>>,
}

/// What to do with a contact.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ContactCommandBody {
    Update(Box<ContactPatch>),
    SetField {
        field_id: Uuid,
        value: Value,
    },
    /// Take over what is known of another contact, as far as it is not known of this one.
    Absorb(Box<ContactDetails>),
    /// This is the same person as another contact, which stands for both from now on.
    MergeInto(Uuid),
}

/// A wish about one contact.
pub type ContactCommand = Wish<ContactCommandBody>;

/// A contact; its JSON is the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Derived from its first chat, or by chance.
    pub id: Uuid,
    /// The tenant.
    pub workspace_id: Uuid,
    /// Commits so far.
    pub version: u64,
    /// Events so far.
    pub seq: u64,
    /// What is known.
    pub details: ContactDetails,
    /// The contact that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Uuid>,
}

fn union(known: &mut Vec<String>, more: &[String]) {
    for value in more {
        if known.len() < ADDRESSES_MAX && !known.contains(value) {
            known.push(value.clone());
        }
    }
}

impl ContactDetails {
    fn check(&self) -> Result<(), Rejection> {
        if let Some(name) = &self.name {
            check_name("input.name", name)?;
        }
        check_text("input.note", self.note.as_deref().unwrap_or_default(), TEXT_MAX_BYTES)?;
        for (field, values) in [
            ("input.emails", &self.emails),
            ("input.phones", &self.phones),
            ("input.additionalIds", &self.additional_ids),
        ] {
            if values.len() > ADDRESSES_MAX {
                return Err(Rejection::invalid(field, format!("at most {ADDRESSES_MAX}")));
            }
            for value in values {
                if value.trim().is_empty() {
                    return Err(Rejection::invalid(field, "texts that are not blank"));
                }
                check_text(field, value, NAME_MAX_BYTES)?;
            }
        }
        Ok(())
    }

    fn patched(&self, patch: &ContactPatch) -> Self {
        Self {
            name: patch.name.clone().unwrap_or(self.name.clone()),
            emails: patch.emails.clone().unwrap_or(self.emails.clone()),
            phones: patch.phones.clone().unwrap_or(self.phones.clone()),
            note: patch.note.clone().unwrap_or(self.note.clone()),
            additional_ids: patch.additional_ids.clone().unwrap_or(self.additional_ids.clone()),
            fields: self.fields.clone(),
        }
    }

    fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        joined.name = joined.name.or(other.name.clone());
        joined.note = joined.note.or(other.note.clone());
        union(&mut joined.emails, &other.emails);
        union(&mut joined.phones, &other.phones);
        union(&mut joined.additional_ids, &other.additional_ids);
        for (field, value) in &other.fields {
            joined.fields.entry(*field).or_insert(value.clone());
        }
        joined
    }
}

impl Contact {
    fn next_details(&self, body: &ContactCommandBody, rules: &Rulebook) -> Result<ContactDetails, Rejection> {
        let details = match body {
            ContactCommandBody::Update(patch) => self.details.patched(patch),
            ContactCommandBody::Absorb(other) => self.details.joined(other),
            ContactCommandBody::SetField { field_id, value } => {
                rules.workspace.field(*field_id, FieldTarget::Contact)?.check(value)?;
                let mut details = self.details.clone();
                if value.is_null() {
                    details.fields.remove(field_id);
                } else {
                    details.fields.insert(*field_id, value.clone());
                }
                details
            }
            ContactCommandBody::MergeInto(_) => self.details.clone(),
        };
        details.check()?;
        Ok(details)
    }
}

impl Aggregate for Contact {
    type Command = ContactCommand;
    type Policy = Rulebook;

    fn blank(id: Uuid) -> Self {
        Self {
            id,
            workspace_id: Uuid::nil(),
            version: 0,
            seq: 0,
            details: ContactDetails::default(),
            merged_into: None,
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    fn admit(&self, command: &ContactCommand) -> Result<(), Rejection> {
        if self.seq > 0 && self.workspace_id != command.workspace_id {
            return Err(Rejection::NotFound { what: "contact" });
        }
        Ok(())
    }

    fn decide(&self, command: &ContactCommand, rules: &Rulebook, now: Millis) -> Result<Decided<Self>, Rejection> {
        self.admit(command)?;
        if let ContactCommandBody::MergeInto(into) = &command.body {
            if self.id == *into {
                return Err(Rejection::invalid("into", "another contact"));
            }
            if self.merged_into == Some(*into) {
                return Ok(command.nothing(self.clone()));
            }
            return Ok(command.grant(self, EventBody::ContactMerged { into: *into }, now));
        }
        let details = self.next_details(&command.body, rules)?;
        if details == self.details {
            return Ok(command.nothing(self.clone()));
        }
        let body = EventBody::ContactUpdated {
            from: Box::new(self.details.clone()),
            to: Box::new(details),
        };
        Ok(command.grant(self, body, now))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others belong to other aggregates")]
    fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.version = event.version;
        self.workspace_id = event.workspace_id;
        match &event.body {
            EventBody::ContactUpdated { to, .. } => self.details = (**to).clone(),
            EventBody::ContactMerged { into } => self.merged_into = Some(*into),
            _ => {}
        }
    }
}
