//! The program itself: its commands, its first key, its ends, and what `verify` finds.

use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::json;

use crate::support::story::run;
use crate::support::{Client, Process, free_port, verify};

const WRONG_ZONE: &str = "tickets that were made at other times than their zone says";
const OTHER_BODY: &str = "tickets whose columns say something else than their body";

fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).envs(environment.iter().copied());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn schema_and_config_print_what_the_repository_keeps() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(root.join("schema.graphql")).unwrap();
    assert_eq!(text(&program(&["schema"], &[]).stdout), schema);
    let config = std::fs::read_to_string(root.join("config/default.toml")).unwrap();
    assert_eq!(text(&program(&["config"], &[]).stdout), config);
}

#[test]
fn wrong_settings_are_named_and_nothing_starts() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", directory];
    let unknown = data.path().join("unknown.toml");
    std::fs::write(&unknown, "[server]\nlisten_on = \"x\"\n").unwrap();
    let with_file = [&serve[..], &["--config", unknown.to_str().unwrap()]].concat();
    let with_redis = [&serve[..], &["--redis", "http://127.0.0.1"]].concat();
    for (arguments, environment, named) in [
        (
            &serve[..],
            vec![("SWITCHBOARD_ADMIN_KEY", "short")],
            "SWITCHBOARD_ADMIN_KEY",
        ),
        (&serve[..], vec![("SWITCHBOARD_ROUTER__NONSENSE", "1")], "nonsense"),
        (
            &serve[..],
            vec![("SWITCHBOARD_STORE__REDIS_PARTITIONS", "0")],
            "redis_partitions",
        ),
        (&with_file[..], vec![], "listen_on"),
        (&with_redis[..], vec![], "Redis URL"),
    ] {
        let output = program(arguments, &environment);
        assert!(!output.status.success());
        assert!(
            text(&output.stderr).contains(named),
            "{named}: {}",
            text(&output.stderr)
        );
    }
    assert!(!data.path().join("switchboard.db").exists());
}

/// Starts it without a key of ours, and reads what it prints until it listens.
fn greeting(data: &Path) -> String {
    use std::io::{BufRead as _, BufReader};
    let port = free_port();
    let mut child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut greeting = format!("{port}\n");
    while !greeting.contains("API key") {
        greeting.push_str(&lines.next().unwrap().unwrap());
        greeting.push('\n');
    }
    if let Some(key) = greeting.split_whitespace().find(|word| word.starts_with("sbk_")) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = Client::new(&format!("http://127.0.0.1:{port}"), key);
        assert_eq!(
            runtime.block_on(client.data("{ channels { id } }", json!({}))),
            json!({ "channels": [] })
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    greeting
}

#[test]
fn the_first_start_prints_a_key_that_works_and_no_other_does() {
    let data = tempfile::tempdir().unwrap();
    let first = greeting(data.path());
    assert!(first.contains("sbk_"), "{first}");
    let key = first.split_whitespace().find(|word| word.starts_with("sbk_")).unwrap();
    assert!(!greeting(data.path()).contains("sbk_"));
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key.as_bytes()),
            "the key is kept hashed only"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_exits_0() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), None).await;
    let client = process.client();
    let channel = client.channel().await;
    let says = (0..100).map(|number| {
        let (client, channel) = (client.clone(), channel.clone());
        tokio::spawn(async move {
            client
                .try_say(&channel, &format!("o{}", number % 5), &format!("m{number}"), "x")
                .await
        })
    });
    let says: Vec<_> = says.collect();
    let early = client.say(&channel, "o1", "early", "x").await;
    assert_eq!(tokio::task::block_in_place(|| process.terminate()).code(), Some(0));
    let answers = futures_util::future::join_all(says).await;
    process.restart().await;
    let mut stored = Vec::new();
    for owner in 0..5 {
        let chat = client
            .say(&channel, &format!("o{owner}"), &format!("late{owner}"), "x")
            .await["chat"]["id"]
            .clone();
        stored.extend(client.messages(chat.as_str().unwrap()).await);
    }
    let is_stored = |external_id: &str| stored.iter().any(|(_, known)| known == external_id);
    assert!(is_stored("early") && early["message"]["seq"].is_u64());
    for (number, answer) in answers.into_iter().enumerate() {
        assert!(
            answer.unwrap().is_none() || is_stored(&format!("m{number}")),
            "m{number} was acknowledged"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_serves_one_process() {
    let data = tempfile::tempdir().unwrap();
    let _process = Process::start(data.path(), None).await;
    let (clean, said) = verify(data.path(), None);
    assert!(
        !clean && said.contains("in use by another switchboard process"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_every_damage() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), None).await;
    let client = process.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    let mut chat = String::new();
    for number in 0..3 {
        let receipt = client.say(&channel, "ada", &format!("m{number}"), "hello").await;
        chat = receipt["chat"]["id"].as_str().unwrap().to_owned();
        let ticket = receipt["ticket"]["id"].as_str().unwrap();
        client
            .ticket_command("assignTicket", ticket, &format!(", agentId: \"{agent}\""))
            .await;
    }
    let review = format!("kind: REVIEW, channelId: \"{channel}\", externalId: \"r1\", stars: 2");
    let review = format!("ingestPost(input: {{ {review}, owner: {{ externalId: \"ada\" }} }})");
    run(&client, &review, "id").await;
    run(&client, "createContact(input: { name: \"Noor\" })", "id").await;
    assert!(tokio::task::block_in_place(|| process.terminate()).success());
    let (clean, said) = process.verify();
    assert!(clean && said.contains("0 differences"), "{said}");
    let (path, chat) = (data.path().join("switchboard.db"), chat.as_str());
    for (damage, repair, found) in [
        (
            "UPDATE aggregate SET snapshot = replace(snapshot, '\"pendingChatMessages\":3', '\"pendingChatMessages\":4')",
            "UPDATE aggregate SET snapshot = replace(snapshot, '\"pendingChatMessages\":4', '\"pendingChatMessages\":3')",
            chat,
        ),
        (
            "UPDATE aggregate SET version = version + 1 WHERE id IN (SELECT id FROM chat)",
            "UPDATE aggregate SET version = version - 1 WHERE id IN (SELECT id FROM chat)",
            chat,
        ),
        (
            "UPDATE ticket SET body = replace(body, 'IN_PROGRESS', 'ON_HOLD')",
            "UPDATE ticket SET body = replace(body, 'ON_HOLD', 'IN_PROGRESS')",
            chat,
        ),
        ("UPDATE chat SET name = 'Bob'", "UPDATE chat SET name = 'Ada'", chat),
        (
            "UPDATE message SET seq = seq + 100 WHERE seq = (SELECT max(seq) FROM message)",
            "UPDATE message SET seq = seq - 100 WHERE seq > 100",
            chat,
        ),
        (
            "UPDATE log SET seq = seq + 100 WHERE seq = (SELECT max(seq) FROM log WHERE aggregate IN (SELECT id FROM chat))",
            "UPDATE log SET seq = seq - 100 WHERE seq > 100",
            chat,
        ),
        (
            "INSERT INTO counter (workspace, assignee, channel, team, status, tickets, pending)
             SELECT workspace, assignee, channel, x'02', status, 1, 0 FROM counter",
            "DELETE FROM counter WHERE team = x'02'",
            "counters of tickets",
        ),
        (
            "UPDATE counter SET tickets = tickets + 1 WHERE (assignee, channel) = (x'01', x'01')",
            "UPDATE counter SET tickets = tickets - 1 WHERE (assignee, channel) = (x'01', x'01')",
            "counters of tickets",
        ),
        (
            "DELETE FROM counter WHERE assignee = x'01' AND channel <> x'01'",
            "INSERT INTO counter (workspace, assignee, channel, team, status, tickets, pending)
             SELECT workspace, x'01', channel, team, status, tickets, pending FROM counter
             WHERE length(assignee) = 16 AND channel <> x'01'",
            "tickets that the counters lack",
        ),
        (
            "UPDATE counter SET tickets = 0, pending = 0 WHERE tickets = 1",
            "UPDATE counter SET tickets = 1, pending = 3 WHERE assignee <> x''",
            "tickets that the counters lack",
        ),
        (
            "UPDATE list SET tickets = tickets + 1",
            "UPDATE list SET tickets = tickets - 1",
            "lists whose number of tickets is wrong",
        ),
        (
            "UPDATE by_updated SET at = at + 1",
            "UPDATE by_updated SET at = at - 1",
            "places of tickets under a wrong key",
        ),
        (
            "UPDATE by_waiting SET at = at + 1",
            "UPDATE by_waiting SET at = at - 1",
            "places of tickets under a wrong key",
        ),
        (
            "UPDATE by_created SET at = at + 1",
            "UPDATE by_created SET at = at - 1",
            "places of tickets under a wrong key",
        ),
        (
            "INSERT INTO by_created SELECT list + 1000, at, ticket, created FROM by_created",
            "DELETE FROM by_created WHERE list > 1000",
            "places of tickets too few or too many",
        ),
        (
            "UPDATE ticket SET responder = x'01'",
            "UPDATE ticket SET responder = NULL",
            "places of tickets too few or too many",
        ),
        (
            "UPDATE list SET id = id + 1000",
            "UPDATE list SET id = id - 1000",
            "places of tickets under a wrong key",
        ),
        (
            "UPDATE by_waiting SET created = created + 1",
            "UPDATE by_waiting SET created = created - 1",
            "places of tickets under a wrong key",
        ),
        (
            "UPDATE zone_updated SET least = least + 1",
            "UPDATE zone_updated SET least = least - 1",
            WRONG_ZONE,
        ),
        (
            "UPDATE zone_waiting SET most = most - 1",
            "UPDATE zone_waiting SET most = most + 1",
            WRONG_ZONE,
        ),
        (
            "DELETE FROM zone_updated",
            "INSERT INTO zone_updated (list, at, least, most, eras)
             SELECT list, -9223372036854775808, created, created, 1 << ((created >> 31) & 63) FROM by_updated",
            WRONG_ZONE,
        ),
        (
            "UPDATE zone_waiting SET list = list + 1000",
            "UPDATE zone_waiting SET list = list - 1000",
            WRONG_ZONE,
        ),
        (
            "UPDATE ticket SET opened_at = opened_at + 1",
            "UPDATE ticket SET opened_at = opened_at - 1",
            OTHER_BODY,
        ),
        (
            "UPDATE ticket SET number = number + 1",
            "UPDATE ticket SET number = number - 1",
            OTHER_BODY,
        ),
        (
            "UPDATE ticket SET status = 'NEW'",
            "UPDATE ticket SET status = 'ACTIVE'",
            OTHER_BODY,
        ),
        (
            "UPDATE ticket SET team = zeroblob(16), assignee = NULL, tags = zeroblob(16)",
            "UPDATE ticket SET team = NULL, tags = x'',
               assignee = (SELECT assignee FROM counter WHERE length(assignee) = 16 LIMIT 1)",
            OTHER_BODY,
        ),
        (
            "UPDATE ticket SET removed = 1",
            "UPDATE ticket SET removed = 0",
            "tickets whose columns say something else than their chat",
        ),
        (
            "UPDATE chat SET responder_id = zeroblob(16)",
            "UPDATE chat SET responder_id = NULL",
            "chats whose column names another responder",
        ),
        ("UPDATE chat SET blocked = 1", "UPDATE chat SET blocked = 0", chat),
        ("UPDATE chat SET owned = 1", "UPDATE chat SET owned = 0", chat),
        (
            "UPDATE chat SET removed_at = 1",
            "UPDATE chat SET removed_at = NULL",
            chat,
        ),
        (
            "UPDATE post SET kind = 'COMMENT'",
            "UPDATE post SET kind = 'REVIEW'",
            "comments and reviews whose columns say something else than their body",
        ),
        (
            "UPDATE contact SET merged_into = zeroblob(16)",
            "UPDATE contact SET merged_into = NULL",
            "contacts whose columns say something else than their body",
        ),
        (
            "DELETE FROM doc WHERE id = (SELECT max(doc) FROM message)",
            "INSERT INTO doc (id, chat, seq) SELECT doc, chat, seq FROM message WHERE doc NOT IN (SELECT id FROM doc)",
            "messages and documents that do not name each other",
        ),
        (
            "INSERT INTO doc (id, chat, seq) SELECT 1000, chat, seq FROM message ORDER BY seq LIMIT 1",
            "DELETE FROM doc WHERE id = 1000",
            "messages and documents that do not name each other",
        ),
        (
            "INSERT INTO words (rowid, scope, body) VALUES (1000, 'one', 'word')",
            "DELETE FROM words WHERE rowid = 1000",
            "documents without words, and words without a document",
        ),
    ] {
        let changed = Connection::open(&path).unwrap().execute(damage, []).unwrap();
        assert!(changed > 0, "{damage}");
        let (clean, said) = process.verify();
        assert!(!clean && said.contains(found), "{damage}\n{said}");
        Connection::open(&path).unwrap().execute(repair, []).unwrap();
    }
    let (clean, said) = process.verify();
    assert!(clean, "{said}");
}
