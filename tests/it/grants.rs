//! API keys on the pure core: what they open, and how they change and go.

use serde_json::json;
use switchboard::domain::key::{KEYS_MAX, KeyPatch, Role, Scope, USE_ACCURACY_MS};
use switchboard::domain::people::Agent;
use switchboard::domain::{
    Aggregate, ApiKey, Channel, ChannelType, EventBody, KeyCommand, KeyGrant, PolicyPatch, Rejection, Setting,
    Workspace, WorkspaceCommandBody, id,
};
use uuid::Uuid;

use crate::support::{ask, code, types};

const KEY: Uuid = Uuid::from_u128(1);
const CHANNEL: Uuid = Uuid::from_u128(2);
const AGENT: Uuid = Uuid::from_u128(3);

fn asked(workspace: &mut Workspace, command: KeyCommand, now: u64) -> Result<Vec<&'static str>, Rejection> {
    ask(workspace, &(), WorkspaceCommandBody::Key(command), now).map(|events| types(&events))
}

/// With an agent, a channel, and a key that opens everything.
fn workspace() -> Workspace {
    let mut workspace = Workspace::blank(id::first_workspace());
    let agent = Setting::Agent(Box::new(Agent::named(AGENT, "Robin")));
    let channel = Channel {
        id: CHANNEL,
        kind: ChannelType::Api,
        name: "shop".into(),
        policy: PolicyPatch::default(),
        hook_secret_hash: None,
    };
    for body in [
        WorkspaceCommandBody::Create { name: "test".into() },
        WorkspaceCommandBody::CreateSetting(agent),
        WorkspaceCommandBody::CreateChannel(Box::new(channel)),
        WorkspaceCommandBody::Key(KeyCommand::Create(Box::new(ApiKey::admin("first", "first", 1)))),
    ] {
        ask(&mut workspace, &(), body, 1).unwrap();
    }
    workspace
}

fn grant(scopes: &[Scope]) -> KeyGrant {
    KeyGrant {
        name: "script".into(),
        scopes: scopes.to_vec(),
        channel_ids: Vec::new(),
        agent_id: None,
        role: None,
        expires_at: None,
    }
}

fn create(grant: KeyGrant) -> KeyCommand {
    KeyCommand::Create(Box::new(ApiKey::new(KEY, grant, "one", 10)))
}

fn rotate(hash: &str, old_expires_at: u64) -> KeyCommand {
    KeyCommand::Rotate {
        id: KEY,
        hash: hash.into(),
        old_expires_at,
    }
}

fn update(id: Uuid, patch: KeyPatch) -> KeyCommand {
    let patch = Box::new(patch);
    KeyCommand::Update { id, patch }
}

fn hashes(workspace: &Workspace) -> Vec<(&str, Option<u64>)> {
    let secrets = workspace.key(KEY).unwrap().secrets.iter();
    secrets
        .map(|secret| (secret.hash.as_str(), secret.expires_at))
        .collect()
}

#[test]
fn two_secrets_open_a_key_at_most_and_the_older_ends_in_time() {
    let mut workspace = workspace();
    assert_eq!(
        asked(&mut workspace, create(grant(&[Scope::Read])), 10).unwrap(),
        ["key.created"]
    );
    assert_eq!(asked(&mut workspace, rotate("two", 100), 20).unwrap(), ["key.rotated"]);
    assert_eq!(hashes(&workspace), [("one", Some(100)), ("two", None)]);
    assert_eq!(code(asked(&mut workspace, rotate("three", 200), 99)), "LIMIT_REACHED");
    asked(&mut workspace, rotate("three", 300), 100).unwrap();
    assert_eq!(hashes(&workspace), [("two", Some(300)), ("three", None)]);
    // a secret ends no later than it would have
    assert_eq!(code(asked(&mut workspace, rotate("four", 900), 299)), "LIMIT_REACHED");
    asked(&mut workspace, rotate("four", 200), 200).unwrap();
    assert_eq!(hashes(&workspace), [("four", None)], "both end at once");
    let made: Vec<u64> = workspace
        .key(KEY)
        .unwrap()
        .secrets
        .iter()
        .map(|secret| secret.created_at)
        .collect();
    assert_eq!(made, [200]);
}

#[test]
fn secrets_of_one_moment_are_told_apart() {
    let mut workspace = workspace();
    asked(&mut workspace, create(grant(&[Scope::Read])), 10).unwrap();
    asked(&mut workspace, rotate("two", 100), 10).unwrap();
    let secrets = &workspace.key(KEY).unwrap().secrets;
    assert_eq!((secrets[0].created_at, secrets[1].created_at), (10, 11));
}

#[test]
fn a_key_changes_and_goes() {
    let mut workspace = workspace();
    asked(&mut workspace, create(grant(&[Scope::Read])), 10).unwrap();
    let patch = KeyPatch {
        scopes: Some(vec![Scope::Write, Scope::Ingest]),
        channel_ids: Some(vec![CHANNEL]),
        expires_at: Some(Some(1_000)),
        ..KeyPatch::default()
    };
    assert_eq!(
        asked(&mut workspace, update(KEY, patch.clone()), 20).unwrap(),
        ["key.updated"]
    );
    let key = workspace.key(KEY).unwrap();
    assert_eq!(key.grant.name, "script");
    assert_eq!(
        (key.grant.scopes.len(), key.grant.channel_ids.as_slice()),
        (2, &[CHANNEL][..])
    );
    assert!(key.is_live(999) && !key.is_live(1_000));
    assert!(
        asked(&mut workspace, update(KEY, patch), 30).unwrap().is_empty(),
        "nothing is new"
    );
    let lasting = KeyPatch {
        expires_at: Some(None),
        ..KeyPatch::default()
    };
    asked(&mut workspace, update(KEY, lasting), 40).unwrap();
    assert_eq!(workspace.key(KEY).unwrap().grant.expires_at, None);
    assert_eq!(
        asked(&mut workspace, KeyCommand::Revoke(KEY), 50).unwrap(),
        ["key.revoked"]
    );
    assert!(workspace.key(KEY).is_none());
    for command in [
        KeyCommand::Revoke(KEY),
        update(KEY, KeyPatch::default()),
        rotate("two", 1),
        KeyCommand::Use { id: KEY, at: 60 },
    ] {
        assert_eq!(code(asked(&mut workspace, command, 60)), "NOT_FOUND");
    }
}

#[test]
fn the_last_lasting_admin_key_stays() {
    let mut workspace = workspace();
    let first = id::key("first");
    let lower = KeyPatch {
        scopes: Some(vec![Scope::Write]),
        ..KeyPatch::default()
    };
    let end = KeyPatch {
        expires_at: Some(Some(1_000)),
        ..KeyPatch::default()
    };
    // neither of these can stand in for it
    asked(&mut workspace, create(grant(&[Scope::Write])), 10).unwrap();
    let mut passing = ApiKey::admin("passing", "passing", 10);
    passing.grant.expires_at = Some(10_000);
    asked(&mut workspace, KeyCommand::Create(Box::new(passing)), 10).unwrap();
    for command in [
        KeyCommand::Revoke(first),
        update(first, lower.clone()),
        update(first, end.clone()),
    ] {
        assert_eq!(code(asked(&mut workspace, command, 20)), "LAST_ADMIN_KEY");
    }
    let other = ApiKey::admin("other", "other", 30);
    asked(&mut workspace, KeyCommand::Create(Box::new(other)), 30).unwrap();
    asked(&mut workspace, update(first, end), 40).unwrap();
    asked(&mut workspace, update(first, lower), 50).unwrap();
    asked(&mut workspace, KeyCommand::Revoke(first), 60).unwrap();
    assert_eq!(
        code(asked(&mut workspace, KeyCommand::Revoke(id::key("other")), 70)),
        "LAST_ADMIN_KEY"
    );
}

#[test]
fn a_grant_is_whole_and_known() {
    let mut workspace = workspace();
    let unknown = Uuid::from_u128(99);
    let of_agent = |agent_id, role| KeyGrant {
        agent_id,
        role,
        ..grant(&[Scope::Write])
    };
    let on = |scopes: &[Scope], channel_ids: Vec<Uuid>| KeyGrant {
        channel_ids,
        ..grant(scopes)
    };
    for (bad, expected) in [
        (grant(&[]), "BAD_USER_INPUT"),
        (grant(&[Scope::Read, Scope::Write, Scope::Read]), "BAD_USER_INPUT"),
        (of_agent(Some(AGENT), None), "BAD_USER_INPUT"),
        (of_agent(None, Some(Role::Agent)), "BAD_USER_INPUT"),
        (of_agent(Some(unknown), Some(Role::Agent)), "NOT_FOUND"),
        (on(&[Scope::Read], vec![unknown]), "NOT_FOUND"),
        (on(&[Scope::Read], vec![CHANNEL; 101]), "BAD_USER_INPUT"),
        (on(&[Scope::Admin], vec![CHANNEL]), "BAD_USER_INPUT"),
        (
            KeyGrant {
                scopes: vec![Scope::Admin],
                ..of_agent(Some(AGENT), Some(Role::Agent))
            },
            "BAD_USER_INPUT",
        ),
        (
            KeyGrant {
                name: " ".into(),
                ..grant(&[Scope::Read])
            },
            "BAD_USER_INPUT",
        ),
    ] {
        let shown = format!("{bad:?}");
        assert_eq!(code(asked(&mut workspace, create(bad), 10)), expected, "{shown}");
    }
    let mut supervisor = of_agent(Some(AGENT), Some(Role::Supervisor));
    supervisor.channel_ids = vec![CHANNEL];
    asked(&mut workspace, create(supervisor), 10).unwrap();
    assert_eq!(
        code(asked(&mut workspace, create(grant(&[Scope::Read])), 10)),
        "ALREADY_EXISTS"
    );
    let widened = KeyPatch {
        scopes: Some(vec![Scope::Admin]),
        ..KeyPatch::default()
    };
    assert_eq!(code(asked(&mut workspace, update(KEY, widened), 10)), "BAD_USER_INPUT");
    let known = workspace.keys[0].clone();
    workspace.keys = vec![known; KEYS_MAX];
    let one_more = ApiKey::admin("more", "more", 10);
    let one_more = KeyCommand::Create(Box::new(one_more));
    assert_eq!(code(asked(&mut workspace, one_more, 10)), "LIMIT_REACHED");
}

#[test]
fn a_use_is_remembered_once_an_hour() {
    let mut workspace = workspace();
    asked(&mut workspace, create(grant(&[Scope::Read])), 10).unwrap();
    let used = |at| KeyCommand::Use { id: KEY, at };
    let (first, later) = (5_000, 5_000 + USE_ACCURACY_MS);
    assert_eq!(asked(&mut workspace, used(first), first).unwrap(), ["key.used"]);
    assert!(asked(&mut workspace, used(later - 1), later).unwrap().is_empty());
    // another node's clock is behind
    assert!(asked(&mut workspace, used(1), later).unwrap().is_empty());
    assert_eq!(workspace.key(KEY).unwrap().last_used_at, Some(first));
    assert_eq!(asked(&mut workspace, used(later), later).unwrap(), ["key.used"]);
    assert_eq!(workspace.key(KEY).unwrap().last_used_at, Some(later));
}

#[test]
fn a_key_from_before_scopes_opens_everything() {
    let stored = json!({ "type": "key.created", "data": { "key": { "id": KEY, "name": "old", "hash": "abc" } } });
    let EventBody::KeyCreated { key } = serde_json::from_value(stored).unwrap() else {
        panic!("another event");
    };
    assert_eq!((key.id, key.grant.name.as_str(), key.created_at), (KEY, "old", 0));
    assert_eq!(key.grant.scopes, [Scope::Admin]);
    assert_eq!((key.secrets.len(), key.secrets[0].hash.as_str()), (1, "abc"));
    assert!(key.is_live(u64::MAX) && key.secrets[0].is_live(u64::MAX));
    let written = serde_json::to_value(&*key).unwrap();
    assert!(written["hash"].is_null(), "{written:#}");
    assert_eq!(serde_json::from_value::<ApiKey>(written).unwrap(), *key);
}
