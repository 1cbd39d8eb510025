//! What can happen.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, Profile};
use crate::domain::chat::ChatResponder;
use crate::domain::contact::ContactDetails;
use crate::domain::field::{Field, Tag};
use crate::domain::key::{ApiKey, KeyGrant, KeySecret};
use crate::domain::message::{Content, MessageStatus, Parked};
use crate::domain::people::{Agent, Responder, Team};
use crate::domain::post::PostBody;
use crate::domain::ticket::{Circumstance, Rating, Reason, Ticket};
use crate::domain::webhook::{Webhook, WebhookSecret, WebhookTerms};
use crate::domain::workspace::Channel;
use crate::domain::{Message, Millis, Owner, PolicyPatch, Trace};

/// Which kind of aggregate an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the aggregates")]
pub enum Scope {
    Chat,
    Workspace,
    Contact,
    Post,
    Desk,
}

/// A field of a ticket that anybody may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TicketField {
    /// What it is about.
    Subject,
    /// How urgent it is.
    Priority,
    /// One that the workspace defined.
    Custom(Uuid),
}

/// What happened, with what is needed to rebuild the state from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "fields are named as the types they change")]
pub enum EventBody {
    /// A chat began.
    #[serde(rename = "chat.created")]
    ChatCreated { channel_id: Uuid, owner: Owner },
    /// The owner's name or picture changed.
    #[serde(rename = "chat.updated")]
    ChatUpdated { from: Profile, to: Profile },
    /// Somebody else answers the chat, or the responder has it or has it no longer.
    #[serde(rename = "chat.responder_changed")]
    ChatResponderChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ChatResponder>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<ChatResponder>,
        owns: bool,
        epoch: u32,
    },
    /// The channel's auto-close period, as the chat's deadline knows it, changed.
    #[serde(rename = "chat.policy_changed")]
    ChatPolicyChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Millis>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Millis>,
    },
    /// The owner was blocked.
    #[serde(rename = "chat.owner_blocked")]
    ChatOwnerBlocked {},
    /// The owner was unblocked.
    #[serde(rename = "chat.owner_unblocked")]
    ChatOwnerUnblocked {},
    /// The chat was put out of sight.
    #[serde(rename = "chat.removed")]
    ChatRemoved {},
    /// The chat was brought back.
    #[serde(rename = "chat.restored")]
    ChatRestored {},
    /// The owner said something.
    #[serde(rename = "message.received")]
    MessageReceived { message: Box<Message> },
    /// Somebody answered.
    #[serde(rename = "message.sent")]
    MessageSent { message: Box<Message> },
    /// The provider said how far a message has come.
    #[serde(rename = "message.status_changed")]
    MessageStatusChanged {
        message_seq: u64,
        status: MessageStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        at: Millis,
    },
    /// A message's content was replaced by its author.
    #[serde(rename = "message.edited")]
    MessageEdited {
        message_seq: u64,
        content: Content,
        edited_at: Millis,
    },
    /// A message was taken back by its author.
    #[serde(rename = "message.deleted")]
    MessageDeleted { message_seq: u64, deleted_at: Millis },
    /// Somebody reacted to a message, or took that back.
    #[serde(rename = "message.reaction")]
    MessageReaction {
        message_seq: u64,
        author: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<String>,
        at: Millis,
    },
    /// Something was said about a message that has not come yet.
    #[serde(rename = "message.parked")]
    MessageParked { parked: Box<Parked> },
    /// Somebody wrote a note that the owner does not see.
    #[serde(rename = "note.added")]
    NoteAdded { message: Box<Message> },
    /// A ticket was made.
    #[serde(rename = "ticket.created")]
    TicketCreated {
        number: u32,
        reason: Reason,
        circumstance: Circumstance,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Trace>,
    },
    /// A ticket's status or reason changed.
    #[serde(rename = "ticket.status_changed")]
    TicketStatusChanged {
        from: Reason,
        to: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Millis>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Trace>,
    },
    /// A ticket was given to somebody else.
    #[serde(rename = "ticket.assignee_changed")]
    TicketAssigneeChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Uuid>,
    },
    /// A ticket was given to another team.
    #[serde(rename = "ticket.team_changed")]
    TicketTeamChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Uuid>,
    },
    /// A person took a ticket over.
    #[serde(rename = "ticket.taken_over")]
    TicketTakenOver { agent_id: Uuid },
    /// The responder gave a ticket to people.
    #[serde(rename = "ticket.handed_over")]
    TicketHandedOver {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team_id: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
    },
    /// A ticket got a tag.
    #[serde(rename = "ticket.tag_added")]
    TicketTagAdded { tag_id: Uuid },
    /// A ticket lost a tag.
    #[serde(rename = "ticket.tag_removed")]
    TicketTagRemoved { tag_id: Uuid },
    /// A field of a ticket changed.
    #[serde(rename = "ticket.field_changed")]
    TicketFieldChanged { field: TicketField, from: Value, to: Value },
    /// A ticket's summary changed.
    #[serde(rename = "ticket.summary_changed")]
    TicketSummaryChanged { from: String, to: String },
    /// The assignee looked at a ticket.
    #[serde(rename = "ticket.viewed")]
    TicketViewed {},
    /// A ticket was merged into another one of its chat, which is shown as it was then.
    #[serde(rename = "ticket.merged")]
    TicketMerged {
        from: Reason,
        into: Uuid,
        target: Box<Ticket>,
    },
    /// The owner rated an episode of a ticket.
    #[serde(rename = "ticket.rated")]
    TicketRated {
        rating: Rating,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u8>,
    },
    /// A workspace was made.
    #[serde(rename = "workspace.created")]
    WorkspaceCreated { name: String },
    /// What channels leave open changed.
    #[serde(rename = "workspace.updated")]
    WorkspaceUpdated { policy: Box<PolicyPatch> },
    /// A channel was connected.
    #[serde(rename = "channel.created")]
    ChannelCreated { channel: Box<Channel> },
    /// A channel's name, policy or secret changed; what is absent stayed.
    #[serde(rename = "channel.updated")]
    ChannelUpdated {
        id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default)]
        policy: Box<PolicyPatch>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hook_secret_hash: Option<String>,
    },
    /// A person inside was added.
    #[serde(rename = "agent.created")]
    AgentCreated { agent: Box<Agent> },
    /// Something about a person inside changed.
    #[serde(rename = "agent.updated")]
    AgentUpdated { from: Box<Agent>, to: Box<Agent> },
    /// A team was made.
    #[serde(rename = "team.created")]
    TeamCreated { team: Team },
    /// A team changed.
    #[serde(rename = "team.updated")]
    TeamUpdated { from: Team, to: Team },
    /// A responder was added.
    #[serde(rename = "responder.created")]
    ResponderCreated { responder: Responder },
    /// A responder changed, or got another version.
    #[serde(rename = "responder.updated")]
    ResponderUpdated { from: Responder, to: Responder },
    /// A tag was made.
    #[serde(rename = "tag.created")]
    TagCreated { tag: Tag },
    /// A tag was renamed.
    #[serde(rename = "tag.updated")]
    TagUpdated { from: Tag, to: Tag },
    /// A field was defined.
    #[serde(rename = "field.created")]
    FieldCreated { field: Field },
    /// A field's name or options changed.
    #[serde(rename = "field.updated")]
    FieldUpdated { from: Field, to: Field },
    /// An API key was made.
    #[serde(rename = "key.created")]
    KeyCreated { key: Box<ApiKey> },
    /// What an API key opens changed.
    #[serde(rename = "key.updated")]
    KeyUpdated {
        id: Uuid,
        from: Box<KeyGrant>,
        to: Box<KeyGrant>,
    },
    /// An API key got another secret; those before end at `old_expires_at`, or when they would have.
    #[serde(rename = "key.rotated")]
    KeyRotated {
        id: Uuid,
        secret: KeySecret,
        old_expires_at: Millis,
    },
    /// An API key opens nothing any more.
    #[serde(rename = "key.revoked")]
    KeyRevoked { id: Uuid },
    /// An API key was used, for the first time in an hour or more.
    #[serde(rename = "key.used")]
    KeyUsed { id: Uuid, at: Millis },
    /// Somebody wants to be told what happens.
    #[serde(rename = "webhook.created")]
    WebhookCreated { webhook: Box<Webhook> },
    /// Where a webhook is told what changed, or whether it is.
    #[serde(rename = "webhook.updated")]
    WebhookUpdated {
        id: Uuid,
        from: Box<WebhookTerms>,
        to: Box<WebhookTerms>,
    },
    /// Requests of a webhook are signed with another secret; those before end at `old_expires_at`, or when they would have.
    #[serde(rename = "webhook.rotated")]
    WebhookRotated {
        id: Uuid,
        secret: WebhookSecret,
        old_expires_at: Millis,
    },
    /// A webhook is told nothing any more.
    #[serde(rename = "webhook.deleted")]
    WebhookDeleted { id: Uuid },
    /// What is known of a person outside changed.
    #[serde(rename = "contact.updated")]
    ContactUpdated {
        from: Box<ContactDetails>,
        to: Box<ContactDetails>,
    },
    /// A contact was found to be the same person as another one.
    #[serde(rename = "contact.merged")]
    ContactMerged { into: Uuid },
    /// Somebody commented or reviewed in public.
    #[serde(rename = "post.received")]
    PostReceived { post: Box<PostBody> },
    /// A comment or review was changed by its author.
    #[serde(rename = "post.edited")]
    PostEdited { from: Box<PostBody>, to: Box<PostBody> },
    /// A comment or review was taken back.
    #[serde(rename = "post.deleted")]
    PostDeleted { deleted_at: Millis },
    /// A comment or review was made a ticket.
    #[serde(rename = "post.converted")]
    PostConverted { ticket_id: Uuid, chat_id: Uuid },
    /// A ticket counts towards an agent's capacity.
    #[serde(rename = "agent.reserved")]
    AgentReserved {
        agent_id: Uuid,
        ticket_id: Uuid,
        pass: u64,
        by_hand: bool,
    },
    /// A ticket counts towards an agent's capacity no longer.
    #[serde(rename = "agent.released")]
    AgentReleased { agent_id: Uuid, ticket_id: Uuid },
}

macro_rules! kinds {
    ($($scope:ident $variant:ident $name:literal,)*) => {
        /// Every type of event.
        pub const NAMES: &[&str] = &[$($name),*];

        /// Which kind of aggregate events of a type belong to.
        #[must_use]
        pub fn scope_of(name: &str) -> Option<Scope> {
            match name {
                $($name => Some(Scope::$scope),)*
                _ => None,
            }
        }

        impl EventBody {
            /// The type in the API and in the log.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }

            /// Which kind of aggregate it happened to.
            #[must_use]
            pub fn scope(&self) -> Scope {
                match self {
                    $(Self::$variant { .. } => Scope::$scope,)*
                }
            }
        }
    };
}

kinds! {
    Chat ChatCreated "chat.created",
    Chat ChatUpdated "chat.updated",
    Chat ChatResponderChanged "chat.responder_changed",
    Chat ChatPolicyChanged "chat.policy_changed",
    Chat ChatOwnerBlocked "chat.owner_blocked",
    Chat ChatOwnerUnblocked "chat.owner_unblocked",
    Chat ChatRemoved "chat.removed",
    Chat ChatRestored "chat.restored",
    Chat MessageReceived "message.received",
    Chat MessageSent "message.sent",
    Chat MessageStatusChanged "message.status_changed",
    Chat MessageEdited "message.edited",
    Chat MessageDeleted "message.deleted",
    Chat MessageReaction "message.reaction",
    Chat MessageParked "message.parked",
    Chat NoteAdded "note.added",
    Chat TicketCreated "ticket.created",
    Chat TicketStatusChanged "ticket.status_changed",
    Chat TicketAssigneeChanged "ticket.assignee_changed",
    Chat TicketTeamChanged "ticket.team_changed",
    Chat TicketTakenOver "ticket.taken_over",
    Chat TicketHandedOver "ticket.handed_over",
    Chat TicketTagAdded "ticket.tag_added",
    Chat TicketTagRemoved "ticket.tag_removed",
    Chat TicketFieldChanged "ticket.field_changed",
    Chat TicketSummaryChanged "ticket.summary_changed",
    Chat TicketViewed "ticket.viewed",
    Chat TicketMerged "ticket.merged",
    Chat TicketRated "ticket.rated",
    Workspace WorkspaceCreated "workspace.created",
    Workspace WorkspaceUpdated "workspace.updated",
    Workspace ChannelCreated "channel.created",
    Workspace ChannelUpdated "channel.updated",
    Workspace AgentCreated "agent.created",
    Workspace AgentUpdated "agent.updated",
    Workspace TeamCreated "team.created",
    Workspace TeamUpdated "team.updated",
    Workspace ResponderCreated "responder.created",
    Workspace ResponderUpdated "responder.updated",
    Workspace TagCreated "tag.created",
    Workspace TagUpdated "tag.updated",
    Workspace FieldCreated "field.created",
    Workspace FieldUpdated "field.updated",
    Workspace KeyCreated "key.created",
    Workspace KeyUpdated "key.updated",
    Workspace KeyRotated "key.rotated",
    Workspace KeyRevoked "key.revoked",
    Workspace KeyUsed "key.used",
    Workspace WebhookCreated "webhook.created",
    Workspace WebhookUpdated "webhook.updated",
    Workspace WebhookRotated "webhook.rotated",
    Workspace WebhookDeleted "webhook.deleted",
    Contact ContactUpdated "contact.updated",
    Contact ContactMerged "contact.merged",
    Post PostReceived "post.received",
    Post PostEdited "post.edited",
    Post PostDeleted "post.deleted",
    Post PostConverted "post.converted",
    Desk AgentReserved "agent.reserved",
    Desk AgentReleased "agent.released",
}

impl EventBody {
    /// The message that it brings.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        if let Self::MessageReceived { message } | Self::MessageSent { message } | Self::NoteAdded { message } = self {
            return Some(message);
        }
        None
    }

    /// Whether it happened to a ticket and not to a chat, its owner or a message that was there before.
    #[must_use]
    pub fn is_of_ticket(&self) -> bool {
        match self.message() {
            Some(message) => !message.is_off_ticket(),
            None => self.name().starts_with("ticket."),
        }
    }
}
