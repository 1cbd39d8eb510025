//! Telegram: Bot API Updates as a webhook gets them.
//!
//! Shapes as in the Bot API's `Update`, `Message`, `Chat`, `User`, `PhotoSize`, `Document`, `Contact` and `Sticker`; only
//! the fields that are used are named, since new ones come at any time. A chat's owner is the Bot API's chat: the person
//! in a private one, the group otherwise.

use serde::Deserialize;

use super::{Inbound, PayloadError};
use crate::domain::command::{Incoming, NAME_MAX_BYTES};
use crate::domain::event::Profile;
use crate::domain::message::{Amendment, Content};
use crate::domain::{Attachment, DedupeKey, Millis, Rejection};

/// The header that carries the webhook's secret.
pub const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the Bot API's names")]
struct Update {
    update_id: i64,
    message: Option<Message>,
    edited_message: Option<Message>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the Bot API's names")]
struct Message {
    message_id: i64,
    from: Option<User>,
    chat: Chat,
    /// Unix time in seconds.
    date: u64,
    edit_date: Option<u64>,
    text: Option<String>,
    caption: Option<String>,
    #[serde(default)]
    photo: Vec<File>,
    document: Option<File>,
    sticker: Option<File>,
    voice: Option<File>,
    audio: Option<File>,
    video: Option<File>,
    video_note: Option<File>,
    animation: Option<File>,
    contact: Option<Contact>,
    location: Option<Location>,
}

#[derive(Deserialize)]
struct User {
    first_name: String,
    last_name: Option<String>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
    title: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

/// What `PhotoSize`, `Document`, `Sticker`, `Voice` and the like have in common.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the Bot API's names")]
struct File {
    file_id: String,
    file_name: Option<String>,
    mime_type: Option<String>,
    file_size: Option<u64>,
    emoji: Option<String>,
    #[serde(default)]
    width: u64,
    #[serde(default)]
    height: u64,
}

#[derive(Deserialize)]
struct Contact {
    phone_number: String,
    first_name: String,
    last_name: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    longitude: f64,
    latitude: f64,
}

/// Reads one Update.
///
/// # Errors
/// The body is not an Update; the error says where, never what was there.
pub fn parse(body: &[u8]) -> Result<Inbound, PayloadError> {
    let update: Update = serde_json::from_slice(body).map_err(|error| PayloadError::Malformed {
        what: "Telegram Update",
        line: error.line(),
        column: error.column(),
    })?;
    let by_update = DedupeKey::update(&update.update_id.to_string());
    if let Some(message) = update.message {
        return Ok(said(message, by_update));
    }
    if let Some(message) = update.edited_message {
        return Ok(edited(message, by_update));
    }
    Ok(Inbound::Ignored {
        reason: "not a message",
    })
}

/// The Bot API's rule for `secret_token`: 1 to 256 characters of A-Z, a-z, 0-9, `_` and `-`.
///
/// # Errors
/// [`Rejection::InvalidInput`] naming the field.
pub fn check_secret(secret: &str) -> Result<(), Rejection> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if secret.is_empty() || secret.len() > 256 || !secret.chars().all(allowed) {
        return Err(Rejection::invalid(
            "input.config.secretToken",
            "1 to 256 characters of A-Z, a-z, 0-9, _ and -",
        ));
    }
    Ok(())
}

fn said(message: Message, by_update: DedupeKey) -> Inbound {
    let external_id = message.message_id.to_string();
    let keys = vec![DedupeKey::message(&external_id), by_update];
    let owner_external_id = message.chat.id.to_string();
    let in_private = message.chat.kind == "private";
    let sender = message
        .from
        .as_ref()
        .map(|from| full_name(Some(&from.first_name), from.last_name.as_deref()));
    let sent_at = millis(message.date);
    let profile = Profile {
        name: chat_name(&message.chat),
        avatar: None,
    };
    let Some(content) = content(message) else {
        return Inbound::Ignored { reason: "nothing said" };
    };
    Inbound::Message {
        owner_external_id,
        incoming: Incoming {
            external_id: Some(external_id),
            content,
            sent_at: Some(sent_at),
            profile,
            author_name: sender.flatten().filter(|_| !in_private),
        },
        keys,
    }
}

fn edited(message: Message, by_update: DedupeKey) -> Inbound {
    let message_external_id = message.message_id.to_string();
    let owner_external_id = message.chat.id.to_string();
    let edited_at = millis(message.edit_date.unwrap_or(message.date));
    let Some(content) = content(message) else {
        return Inbound::Ignored { reason: "nothing said" };
    };
    Inbound::Amend {
        owner_external_id,
        message_external_id,
        amendment: Amendment::Edit { content, edited_at },
        keys: vec![by_update],
    }
}

fn millis(seconds: u64) -> Millis {
    seconds.saturating_mul(1_000)
}

fn chat_name(chat: &Chat) -> Option<String> {
    match &chat.title {
        Some(title) => full_name(Some(title), None),
        None => full_name(chat.first_name.as_deref(), chat.last_name.as_deref()),
    }
}

/// Both names, without NUL and no longer than a name may be: a valid Update is never refused for a name.
fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts = [first, last].into_iter().flatten();
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let name = cut(&parts.join(" "));
    (!name.trim().is_empty()).then_some(name)
}

fn cut(text: &str) -> String {
    let mut text = text.replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(NAME_MAX_BYTES));
    text
}

/// What a message says; none for a service message.
fn content(message: Message) -> Option<Content> {
    let photo = message.photo.into_iter();
    let photo = photo.max_by_key(|size| size.width.saturating_mul(size.height));
    // an animation comes with a document of the same file
    let document = message.document.filter(|_| message.animation.is_none());
    let files = [
        ("image", photo),
        ("document", document),
        ("sticker", message.sticker),
        ("voice", message.voice),
        ("audio", message.audio),
        ("video", message.video),
        ("video_note", message.video_note),
        ("animation", message.animation),
    ];
    let mut attachments: Vec<Attachment> = files
        .into_iter()
        .filter_map(|(kind, file)| Some(attached(kind, file?)))
        .collect();
    attachments.extend(message.contact.as_ref().map(contact));
    attachments.extend(message.location.as_ref().map(place));
    let text = message.text.or(message.caption);
    let text = text
        .map(|text| text.replace('\0', "\u{fffd}"))
        .filter(|text| !text.is_empty());
    (text.is_some() || !attachments.is_empty()).then_some(Content { text, attachments })
}

fn attached(kind: &str, file: File) -> Attachment {
    Attachment {
        kind: kind.to_owned(),
        url: Some(format!("telegram:file/{}", file.file_id)),
        name: file.file_name.or(file.emoji).map(|name| cut(&name)),
        mime_type: file.mime_type.map(|mime_type| cut(&mime_type)),
        size_bytes: file.file_size,
    }
}

fn contact(contact: &Contact) -> Attachment {
    let name = full_name(Some(&contact.first_name), contact.last_name.as_deref());
    Attachment {
        kind: "contact".to_owned(),
        url: Some(format!("tel:{}", cut(&contact.phone_number))),
        name,
        mime_type: None,
        size_bytes: None,
    }
}

fn place(location: &Location) -> Attachment {
    Attachment {
        kind: "location".to_owned(),
        url: Some(format!("geo:{},{}", location.latitude, location.longitude)),
        name: None,
        mime_type: None,
        size_bytes: None,
    }
}

#[cfg(test)]
mod tests;
