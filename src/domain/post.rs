//! What is said in public: comments under a company's posts, and product reviews. Each may be made a ticket.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::aggregate::{Aggregate, Decided};
use super::command::{NAME_MAX_BYTES, URL_MAX_BYTES, Wish, check_name, check_text};
use super::event::{EventBody, Profile};
use super::message::Content;
use super::{Event, Millis, Rejection};

/// Which kind of public word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PostKind {
    /// Under a post of the company.
    Comment,
    /// Of a product.
    Review,
}

impl PostKind {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Comment => "COMMENT",
            Self::Review => "REVIEW",
        }
    }
}

/// What was said, by whom and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostBody {
    /// Comment or review.
    pub kind: PostKind,
    /// The channel.
    pub channel_id: Uuid,
    /// The provider's id of the comment or review.
    pub external_id: String,
    /// The provider's id of its author, as in their private messages.
    pub owner_external_id: String,
    /// What the provider says of the author.
    pub profile: Profile,
    /// What it says.
    pub content: Content,
    /// A review's stars, 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
    /// The post or product that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where it can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the provider says it was written; at first, when it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Millis>,
}

impl PostBody {
    fn check(&self) -> Result<(), Rejection> {
        check_name("input.externalId", &self.external_id)?;
        check_name("input.owner.externalId", &self.owner_external_id)?;
        self.profile.check()?;
        // a review may have stars alone
        let says_nothing = self.content == Content::default();
        if !(says_nothing && self.kind == PostKind::Review && self.stars.is_some()) {
            self.content.check()?;
        }
        check_text(
            "input.subject",
            self.subject.as_deref().unwrap_or_default(),
            NAME_MAX_BYTES,
        )?;
        check_text("input.url", self.url.as_deref().unwrap_or_default(), URL_MAX_BYTES)?;
        if self.stars.is_some_and(|stars| !(1..=5).contains(&stars)) {
            return Err(Rejection::invalid("input.stars", "1 to 5"));
        }
        Ok(())
    }
}

/// What to do with a comment or review.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum PostCommandBody {
    /// It came in, or came in again as its author changed it.
    Receive(Box<PostBody>),
    Delete,
    /// It stands in a ticket now.
    Converted {
        chat_id: Uuid,
        ticket_id: Uuid,
    },
}

/// A wish about one comment or review.
pub type PostCommand = Wish<PostCommandBody>;

/// A comment or review; its JSON is the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// Derived from the channel and the provider's id.
    pub id: Uuid,
    /// The tenant.
    pub workspace_id: Uuid,
    /// Commits so far.
    pub version: u64,
    /// Events so far.
    pub seq: u64,
    /// None only before the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<PostBody>>,
    /// When it came in.
    pub created_at: Millis,
    /// The last event.
    pub updated_at: Millis,
    /// When its author took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Millis>,
    /// The chat in which it was made a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<Uuid>,
    /// The ticket that it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_id: Option<Uuid>,
}

impl Aggregate for Post {
    type Command = PostCommand;
    type Policy = ();

    fn blank(id: Uuid) -> Self {
        Self {
            id,
            workspace_id: Uuid::nil(),
            version: 0,
            seq: 0,
            body: None,
            created_at: 0,
            updated_at: 0,
            deleted_at: None,
            chat_id: None,
            ticket_id: None,
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

    fn admit(&self, command: &PostCommand) -> Result<(), Rejection> {
        if self.seq > 0 && self.workspace_id != command.workspace_id {
            return Err(Rejection::NotFound { what: "post" });
        }
        Ok(())
    }

    fn decide(&self, command: &PostCommand, (): &(), now: Millis) -> Result<Decided<Self>, Rejection> {
        let not_found = Rejection::NotFound { what: "post" };
        self.admit(command)?;
        let body = match (&command.body, &self.body) {
            (PostCommandBody::Receive(post), None) => {
                post.check()?;
                let mut post = post.clone();
                post.sent_at = post.sent_at.or(Some(now));
                EventBody::PostReceived { post }
            }
            (PostCommandBody::Receive(post), Some(known)) => {
                post.check()?;
                let mut to = post.clone();
                to.sent_at = to.sent_at.or(known.sent_at);
                if to == *known || self.deleted_at.is_some() {
                    return Ok(command.nothing(self.clone()));
                }
                let from = known.clone();
                EventBody::PostEdited { from, to }
            }
            (_, None) => return Err(not_found),
            (PostCommandBody::Delete, Some(_)) if self.deleted_at.is_some() => {
                return Ok(command.nothing(self.clone()));
            }
            (PostCommandBody::Delete, Some(_)) => EventBody::PostDeleted { deleted_at: now },
            (PostCommandBody::Converted { .. }, Some(_)) if self.ticket_id.is_some() => {
                return Ok(command.nothing(self.clone()));
            }
            (PostCommandBody::Converted { chat_id, ticket_id }, Some(_)) => EventBody::PostConverted {
                chat_id: *chat_id,
                ticket_id: *ticket_id,
            },
        };
        Ok(command.grant(self, body, now))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others belong to other aggregates")]
    fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.version = event.version;
        self.workspace_id = event.workspace_id;
        self.updated_at = event.at;
        match &event.body {
            EventBody::PostReceived { post } => {
                self.created_at = event.at;
                self.body = Some(post.clone());
            }
            EventBody::PostEdited { to, .. } => self.body = Some(to.clone()),
            EventBody::PostDeleted { deleted_at } => self.deleted_at = Some(*deleted_at),
            EventBody::PostConverted { chat_id, ticket_id } => {
                self.chat_id = Some(*chat_id);
                self.ticket_id = Some(*ticket_id);
            }
            _ => {}
        }
    }
}
