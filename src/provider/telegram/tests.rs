//! What each kind of Update becomes. A fixture is a whole Update in the Bot API's shapes.

use serde_json::{Value, json};

use super::*;
use crate::domain::id::sha256_hex;
use crate::provider::secret_matches;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/telegram/", $name, ".json"))
    };
}

/// The owner's external id, what was said, and the keys as they are stored.
fn message_of(update: &str) -> (String, Incoming, Vec<String>) {
    let Inbound::Message {
        owner_external_id,
        incoming,
        keys,
    } = parse(update.as_bytes()).unwrap()
    else {
        panic!("not a message: {update}");
    };
    let keys = keys.iter().map(|key| key.as_str().to_owned()).collect();
    (owner_external_id, incoming, keys)
}

/// The owner's external id, the message's, the new content and the time of an edit.
fn edit_of(update: &str) -> (String, String, Content, Millis) {
    let Inbound::Amend {
        owner_external_id,
        message_external_id,
        amendment: Amendment::Edit { content, edited_at },
        ..
    } = parse(update.as_bytes()).unwrap()
    else {
        panic!("not an edit: {update}");
    };
    (owner_external_id, message_external_id, content, edited_at)
}

fn is_ignored(update: &str) -> bool {
    matches!(
        parse(update.as_bytes()).unwrap(),
        Inbound::Ignored { reason } if !reason.is_empty()
    )
}

/// The text fixture after a change of its message.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut update: Value = serde_json::from_str(fixture!("text")).unwrap();
    change(&mut update["message"]);
    update.to_string()
}

/// The message of an update, as the edited one of the same update.
fn as_edit(update: &str) -> String {
    let mut update: Value = serde_json::from_str(update).unwrap();
    update["edited_message"] = update["message"].take();
    update.as_object_mut().unwrap().remove("message");
    update.to_string()
}

fn file(kind: &str, id: &str, name: Option<&str>, mime_type: Option<&str>, size: u64) -> Attachment {
    Attachment {
        kind: kind.to_owned(),
        url: Some(format!("telegram:file/{id}")),
        name: name.map(str::to_owned),
        mime_type: mime_type.map(str::to_owned),
        size_bytes: Some(size),
    }
}

#[test]
fn a_text_of_a_person() {
    let (owner, incoming, keys) = message_of(fixture!("text"));
    assert_eq!(owner, "987654321");
    assert_eq!(keys, ["m:1365", "u:830412001"]);
    assert_eq!(incoming.external_id.as_deref(), Some("1365"));
    assert_eq!(incoming.sent_at, Some(1_763_700_000_000));
    assert_eq!(incoming.profile.name.as_deref(), Some("Ada Fischer"));
    assert_eq!(incoming.profile.avatar, None);
    assert_eq!(incoming.author_name, None);
    let text = "Hello! 👋 Is order 4711 on its way?\nhttps://shop.example/orders/4711";
    assert_eq!(incoming.content.text.as_deref(), Some(text));
    assert!(incoming.content.attachments.is_empty());
}

#[test]
fn a_member_of_a_group_is_the_author_and_the_group_is_the_owner() {
    let (owner, incoming, keys) = message_of(fixture!("group"));
    assert_eq!(owner, "-1001234567890");
    assert_eq!(keys, ["m:88", "u:830412007"]);
    let name = incoming.profile.name.as_deref();
    assert_eq!(name, Some("Orders & Deliveries"));
    assert_eq!(incoming.author_name.as_deref(), Some("Noor Haddad"));
}

#[test]
fn an_edit_names_its_message_and_its_own_time() {
    let update = fixture!("edited_message");
    let (owner, target, content, edited_at) = edit_of(update);
    assert_eq!(owner, "987654321");
    assert_eq!(target, "1365");
    assert_eq!(edited_at, 1_763_700_060_000);
    assert_eq!(content.text.as_deref(), Some("Hello! Is order 4712 on its way?"));
    let Ok(Inbound::Amend { keys, .. }) = parse(update.as_bytes()) else {
        panic!("not an edit");
    };
    // the message's own key would make the edit a repeat of the message
    assert_eq!(keys, [DedupeKey::update("830412002")]);
}

#[test]
fn an_edit_without_its_time_has_the_message_s() {
    let (_, _, _, edited_at) = edit_of(&as_edit(fixture!("text")));
    assert_eq!(edited_at, 1_763_700_000_000);
}

#[test]
fn an_edited_caption_keeps_its_photo() {
    let (_, target, content, _) = edit_of(&as_edit(fixture!("photo")));
    assert_eq!(target, "1366");
    assert_eq!(content.text.as_deref(), Some("The box came open"));
    assert_eq!(content.attachments.len(), 1);
}

#[test]
fn of_a_photo_the_largest_size_counts_wherever_it_stands() {
    let (_, incoming, _) = message_of(fixture!("photo"));
    assert_eq!(incoming.content.text.as_deref(), Some("The box came open"));
    let expected = file("image", "AgACAgIAAxkBAAIFVgy", None, None, 143_307);
    assert_eq!(incoming.content.attachments, [expected]);
}

#[test]
fn files_are_named_by_their_kind_and_have_the_provider_s_id() {
    let document = file(
        "document",
        "BQACAgIAAxkBAAIFV2",
        Some("invoice 4711.pdf"),
        Some("application/pdf"),
        48_213,
    );
    let sticker = file("sticker", "CAACAgIAAxkBAAIFWW", Some("🙏"), None, 26_458);
    let voice = file("voice", "AwACAgIAAxkBAAIFWm", None, Some("audio/ogg"), 15_320);
    let animation = file(
        "animation",
        "CgACAgIAAxkBAAIFW2",
        Some("thanks.mp4"),
        Some("video/mp4"),
        90_211,
    );
    for (update, expected) in [
        (fixture!("document"), document),
        (fixture!("sticker"), sticker),
        (fixture!("voice"), voice),
        (fixture!("animation"), animation),
    ] {
        let (_, incoming, _) = message_of(update);
        assert_eq!(incoming.content.text, None);
        assert_eq!(incoming.content.attachments, [expected]);
        incoming.check().unwrap();
    }
}

#[test]
fn audio_video_and_video_notes_are_attachments() {
    for kind in ["audio", "video", "video_note"] {
        let update = changed(|message| {
            message[kind] = json!({
                "file_id": "id", "file_unique_id": "unique", "duration": 3, "file_size": 7
            });
        });
        let (_, incoming, _) = message_of(&update);
        assert_eq!(incoming.content.attachments, [file(kind, "id", None, None, 7)]);
    }
}

#[test]
fn a_contact_has_its_names_and_its_number() {
    let (_, incoming, _) = message_of(fixture!("contact"));
    let [contact] = incoming.content.attachments.as_slice() else {
        panic!("one attachment");
    };
    assert_eq!(contact.kind, "contact");
    assert_eq!(contact.name.as_deref(), Some("Mara Lind"));
    assert_eq!(contact.url.as_deref(), Some("tel:+4915112345678"));
}

#[test]
fn a_place_has_its_latitude_first() {
    let (_, incoming, _) = message_of(fixture!("location"));
    let [place] = incoming.content.attachments.as_slice() else {
        panic!("one attachment");
    };
    assert_eq!(place.kind, "location");
    assert_eq!(place.url.as_deref(), Some("geo:52.520008,13.404954"));
}

#[test]
fn what_nobody_said_to_the_company_is_ignored() {
    assert!(is_ignored(fixture!("new_chat_members")));
    assert!(is_ignored(&as_edit(fixture!("new_chat_members"))));
    assert!(is_ignored(fixture!("callback_query")));
    assert!(is_ignored(fixture!("channel_post")));
    assert!(is_ignored(r#"{"update_id":1,"a_kind_of_next_year":{"message":7}}"#));
}

#[test]
fn a_valid_update_is_never_refused_for_a_name() {
    let long = format!("x{}", "é".repeat(300));
    let update = changed(|message| {
        message["chat"]["first_name"] = json!(long);
        message["text"] = Value::Null;
        message["document"] = json!({
            "file_id": "id", "file_unique_id": "unique", "file_name": long, "mime_type": long
        });
    });
    let (_, incoming, _) = message_of(&update);
    incoming.check().unwrap();
    // "x" and 127 letters of two bytes: the 128th would end past 256
    assert_eq!(incoming.profile.name.as_deref().map(str::len), Some(255));
    let file = &incoming.content.attachments[0];
    assert_eq!(file.name.as_deref().map(str::len), Some(255));
    assert_eq!(file.mime_type.as_deref().map(str::len), Some(255));
    assert_eq!(file.size_bytes, None);
}

#[test]
fn nul_is_replaced_in_names_and_texts() {
    let update = changed(|message| {
        message["chat"]["first_name"] = json!("A\0da");
        message["text"] = json!("a\0b");
    });
    let (_, incoming, _) = message_of(&update);
    incoming.check().unwrap();
    let name = incoming.profile.name.as_deref();
    assert_eq!(name, Some("A\u{fffd}da Fischer"));
    assert_eq!(incoming.content.text.as_deref(), Some("a\u{fffd}b"));
}

#[test]
fn a_person_without_a_name_has_none() {
    let update = changed(|message| {
        message["chat"] = json!({ "id": 987_654_321, "first_name": "", "type": "private" });
    });
    let (owner, incoming, _) = message_of(&update);
    assert_eq!(owner, "987654321");
    assert_eq!(incoming.profile.name, None);
}

#[test]
fn a_malformed_body_is_placed_but_not_quoted() {
    let secret = "do not log me";
    let not_a_number = changed(|message| message["message_id"] = json!(secret));
    let no_chat = changed(|message| {
        message.as_object_mut().unwrap().remove("chat");
    });
    let unclosed = format!(r#"{{"update_id":1,"message":{{"text":"{secret}""#);
    for body in [secret, "", "{}", "[]", &not_a_number, &no_chat, &unclosed] {
        let error = parse(body.as_bytes()).expect_err(body).to_string();
        assert!(!error.contains(secret), "{error}");
        assert!(error.contains("Telegram Update"), "{error}");
    }
    let body = format!("{{\n\"update_id\": 1,\n\"message\": \"{secret}\"\n}}");
    let PayloadError::Malformed { line, .. } = parse(body.as_bytes()).unwrap_err();
    assert_eq!(line, 3);
}

#[test]
fn a_secret_keeps_the_bot_api_s_rule() {
    let longest = "x".repeat(256);
    for secret in ["a", "AZaz09_-", &longest] {
        check_secret(secret).unwrap();
    }
    let too_long = "x".repeat(257);
    for secret in ["", "a b", "a.b", "ä", "a\n", &too_long] {
        let refused = check_secret(secret).unwrap_err();
        assert_eq!(refused.code(), "BAD_USER_INPUT");
    }
}

#[test]
fn only_the_whole_secret_matches() {
    let stored = sha256_hex(b"right-secret");
    assert!(secret_matches(Some(b"right-secret"), &stored));
    for given in ["", "right-secre", "right-secret1", "Right-secret", &stored] {
        assert!(!secret_matches(Some(given.as_bytes()), &stored), "{given}");
    }
    assert!(!secret_matches(None, &stored));
    assert!(!secret_matches(Some(b"right-secret"), ""));
}
