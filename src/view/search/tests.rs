use super::*;
use crate::view::schema::EMBEDDED;

fn empty() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    EMBEDDED.reset(&connection).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    connection
}

/// What a ticket is about, or else the name of a chat's owner.
fn write(connection: &Connection, of: (u128, Option<u32>), body: &str) {
    write_in(connection, Uuid::nil(), of, body);
}

fn write_in(connection: &Connection, workspace: Uuid, (chat, ticket): (u128, Option<u32>), body: &str) {
    let chat = Uuid::from_u128(chat);
    let mut known = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO chat (id, workspace, channel, external_id, blocked, tickets, owned, responder_epoch,
               contact, version, seq, created_at, updated_at) VALUES (?1, ?2, x'', '', 0, 0, 0, 0, x'', 1, 1, 1, 1)",
        )
        .unwrap();
    known.execute(params![chat.as_bytes(), workspace.as_bytes()]).unwrap();
    let mut doc = connection
        .prepare_cached("INSERT INTO doc (chat, ticket) VALUES (?1, ?2)")
        .unwrap();
    let id = doc.insert(params![chat.as_bytes(), ticket]).unwrap();
    let mut words = connection
        .prepare_cached("INSERT INTO words (rowid, scope, body) VALUES (?1, ?2, ?3)")
        .unwrap();
    words.execute(params![id, scope(workspace, chat), body]).unwrap();
}

fn tickets(connection: &Connection, text: &str) -> Vec<(Uuid, u32)> {
    let found = hits(connection, Uuid::nil(), text).unwrap();
    let mut tickets: Vec<_> = found.tickets().map(|(chat, number)| (*chat, number)).collect();
    tickets.sort_unstable();
    tickets
}

fn assert_cut(connection: &Connection, text: &str, is_cut: bool) {
    let found = hits(connection, Uuid::nil(), text).unwrap();
    assert_eq!(found.is_cut, is_cut, "{text}");
    let (_, is_cut_for_chats) = chats(connection, Uuid::nil(), text).unwrap();
    assert_eq!(is_cut_for_chats, is_cut, "{text}");
}

#[test]
fn a_search_that_is_cut_off_says_so() {
    let connection = empty();
    let last = u32::try_from(HITS_MAX).unwrap();
    for number in 1..last {
        write(&connection, (1, Some(number)), "order rare");
    }
    for is_cut in [false, true] {
        assert_cut(&connection, "order", is_cut);
        assert_cut(&connection, "order rare", is_cut);
        // what is nowhere is known to be
        assert_cut(&connection, "no order", false);
        assert_cut(&connection, "nothing", false);
        write(&connection, (1, Some(last)), "order rare");
    }
}

#[test]
fn a_rare_word_leads_to_the_old_places_of_a_common_one() {
    let connection = empty();
    let chat = Uuid::from_u128(1);
    write(&connection, (1, None), "rarely");
    write(&connection, (1, Some(1)), "hello");
    write(&connection, (1, Some(2)), "goodbye");
    for number in (1..).take(HITS_MAX) {
        write(&connection, (2, Some(number)), "hello there");
    }
    for text in ["rarely hello", "hel rar"] {
        assert_eq!(tickets(&connection, text), [(chat, 1)], "{text}");
        let (found, _) = chats(&connection, Uuid::nil(), text).unwrap();
        assert_eq!(found, HashSet::from([chat]), "{text}");
        assert_cut(&connection, text, false);
    }
    assert!(tickets(&connection, "rarely hello there").is_empty());
    // in more places than those of a rare one, but in few chats
    for other in (3..).take(CHATS_MAX - 1) {
        write(&connection, (other, None), "rarely");
    }
    assert_eq!(tickets(&connection, "rarely hello"), [(chat, 1)]);
    write(&connection, (2_000, None), "rarely");
    assert_cut(&connection, "rarely hello", true);
}

#[test]
fn words_that_are_in_fewer_chats_lead_to_those_in_more() {
    let connection = empty();
    let chat = Uuid::from_u128(1);
    write(&connection, (1, Some(1)), "hello medium");
    for other in 1..=50 {
        write(&connection, (other, None), "rarely");
    }
    for number in (2..).take(60) {
        write(&connection, (100, Some(number)), "medium");
    }
    for number in (2..).take(HITS_MAX + 1) {
        write(&connection, (2, Some(number)), "hello");
    }
    for text in ["rarely medium hello", "hello rarely medium"] {
        assert_eq!(tickets(&connection, text), [(chat, 1)], "{text}");
        assert_cut(&connection, text, false);
    }
    // the newest of what is too much there too
    let newest = tickets(&connection, "rarely hello");
    assert_eq!(newest.len(), HITS_MAX);
    assert!(!newest.contains(&(chat, 1)));
    assert_cut(&connection, "rarely hello", true);
}

#[test]
fn what_others_say_is_not_found_and_hides_nothing() {
    let connection = empty();
    let (own, others) = (Uuid::from_u128(1), Uuid::from_u128(9));
    write(&connection, (1, None), "acme");
    write(&connection, (1, Some(1)), "hello");
    write_in(&connection, others, (2, None), "acme other");
    for number in (1..).take(HITS_MAX + 1) {
        write_in(&connection, others, (2, Some(number)), "hello");
    }
    for text in ["acme hello", "acme", "hello"] {
        let (found, is_cut) = chats(&connection, Uuid::nil(), text).unwrap();
        assert_eq!((found, is_cut), (HashSet::from([own]), false), "{text}");
    }
    assert_eq!(tickets(&connection, "acme hello"), [(own, 1)]);
    for text in ["other", "other hello"] {
        assert!(chats(&connection, Uuid::nil(), text).unwrap().0.is_empty(), "{text}");
    }
    assert_cut(&connection, "acme hello", false);
}

#[test]
fn the_beginning_of_a_word_is_enough_from_three_letters_on() {
    let connection = empty();
    for number in 1..=200 {
        write(&connection, (1, Some(number)), &format!("box parcél{number} wine"));
    }
    for (text, begins) in [
        ("par", ""),
        ("PARC", ""),
        ("parce", ""),
        ("parcel1", "1"),
        ("parcèl19", "19"),
        ("Parcel2", "2"),
        ("box-parcel1", "1"),
        ("box-parcel2", "2"),
        ("win--", ""),
    ] {
        let numbers = (1..=200_u32).filter(|number| number.to_string().starts_with(begins));
        let expected: Vec<_> = numbers.map(|number| (Uuid::from_u128(1), number)).collect();
        assert_eq!(tickets(&connection, text), expected, "{text}");
    }
    for text in ["wi", "w--", "parcel5-w", "x-parcel2", "box-wine", "parcel3000"] {
        assert!(tickets(&connection, text).is_empty(), "{text}");
    }
}

#[test]
fn words_are_cut_up_as_the_index_does() {
    let connection = empty();
    let text = "Größe o'clock ΣΊΣΥΦΟΣ naïve a-b +49 İzmir 東京";
    write(&connection, (1, Some(1)), text);
    let indexed = all(
        &connection,
        "SELECT term FROM vocabulary WHERE col = 'body' ORDER BY offset",
        [],
        |row| row.get::<_, String>(0),
    );
    assert_eq!(words(&connection, text).unwrap().concat(), indexed.unwrap());
    let marked = words(&connection, &format!("{MARK}chat")).unwrap();
    assert_eq!(marked, [["chat"]]);
}
