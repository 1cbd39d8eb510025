//! Who is given what nobody has: in turn, by load, never more than there is room for.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::domain::{Actor, Desk, DeskCommand, DeskCommandBody, id};
use switchboard::process::Processes;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::story::{run, text};
use crate::support::{Client, Process, Redis, TestApp, eventually};

async fn agent(client: &Client, more: &str) -> String {
    let made = run(
        client,
        &format!("createAgent(input: {{ name: \"Agent\" {more} }})"),
        "id",
    )
    .await;
    text(&made, "/id").to_owned()
}

async fn say(client: &Client, channel: &str, owner: usize) -> String {
    let said = client
        .say(channel, &format!("owner{owner}"), &format!("m{owner}"), "hello")
        .await;
    text(&said, "/ticket/id").to_owned()
}

/// How many open tickets each has; "" is nobody.
async fn loads(client: &Client) -> BTreeMap<String, usize> {
    let query = "{ tickets(filter: { statuses: [NEW, ACTIVE] }, first: 100, orderBy: CREATED_ASC) { edges { node { assignee { id } } } } }";
    let data = client.data(query, json!({})).await;
    let mut loads = BTreeMap::new();
    for edge in data["tickets"]["edges"].as_array().unwrap() {
        let assignee = edge["node"]["assignee"]["id"].as_str().unwrap_or_default();
        *loads.entry(assignee.to_owned()).or_default() += 1;
    }
    loads
}

async fn loads_become(client: &Client, expected: &[(&str, usize)]) {
    let expected: BTreeMap<String, usize> = expected
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(id, count)| ((*id).to_owned(), *count))
        .collect();
    eventually(&format!("{expected:?}"), || async {
        (loads(client).await == expected).then_some(())
    })
    .await;
    // and it stays so
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(loads(client).await, expected);
}

async fn assignee(client: &Client, ticket: &str) -> Value {
    let query = "query($id: UUID!) { ticket(id: $id) { assignee { id } status } }";
    client.data(query, json!({ "id": ticket })).await["ticket"].clone()
}

async fn available(client: &Client, agent: &str, availability: &str) {
    let set = format!("setAgentAvailability(agentId: \"{agent}\", availability: {availability})");
    assert_eq!(run(client, &set, "availability").await["availability"], availability);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_turn_by_weight() {
    let app = TestApp::start().await;
    let client = app.client();
    let (robin, sam, away) = (
        agent(&client, "").await,
        agent(&client, "").await,
        agent(&client, ", availability: AWAY").await,
    );
    let members = format!(
        "[{{ agentId: \"{robin}\", weight: 3 }}, {{ agentId: \"{sam}\" }}, {{ agentId: \"{away}\", weight: 9 }}]"
    );
    let team = run(
        &client,
        &format!("createTeam(input: {{ name: \"Support\", members: {members} }})"),
        "id",
    )
    .await;
    let outsider = agent(&client, "").await;
    let policy = json!({ "assignment": "ROUND_ROBIN", "defaultTeamId": team["id"] });
    let channel = client.channel_with(policy).await;
    for owner in 0..16 {
        say(&client, &channel, owner).await;
    }
    loads_become(&client, &[(&robin, 12), (&sam, 4), (&away, 0), (&outsider, 0)]).await;
    let query = "{ tickets(filter: { statuses: [NEW] }) { totalCount } }";
    assert_eq!(
        client.data(query, json!({})).await["tickets"]["totalCount"],
        0,
        "who is assigned works on it"
    );
    // who comes back is not flooded with what they missed
    available(&client, &away, "AVAILABLE").await;
    for owner in 16..29 {
        say(&client, &channel, owner).await;
    }
    eventually("all are given", || async {
        (!loads(&client).await.contains_key("")).then_some(())
    })
    .await;
    let after = loads(&client).await;
    assert!(after[&sam] > 4 && after[&robin] > 12 && after[&away] >= 6, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_load_up_to_capacity_and_the_longest_waiting_first() {
    let app = TestApp::start().await;
    let client = app.client();
    let (robin, sam) = (
        agent(&client, ", capacity: 2").await,
        agent(&client, ", capacity: 3").await,
    );
    let never = "workingHours: { timeZone: \"UTC\", intervals: [] }";
    let asleep = agent(&client, &format!(", {never}")).await;
    let channel = client
        .channel_with(json!({ "assignment": "LEAST_BUSY", "restorePeriodMs": 0 }))
        .await;
    let mut tickets = Vec::new();
    for owner in 0..8 {
        tickets.push(say(&client, &channel, owner).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    loads_become(&client, &[(&robin, 2), (&sam, 3), ("", 3)]).await;
    for waiting in &tickets[5..] {
        assert_eq!(
            assignee(&client, waiting).await,
            json!({ "assignee": null, "status": "NEW" })
        );
    }
    // room for one: the longest waiting gets it
    let of_robin = eventually("a ticket of Robin's", || async {
        for ticket in &tickets[..5] {
            if assignee(&client, ticket).await["assignee"]["id"] == json!(robin) {
                return Some(ticket.clone());
            }
        }
        None
    })
    .await;
    client.ticket_command("completeTicket", &of_robin, "").await;
    loads_become(&client, &[(&robin, 2), (&sam, 3), ("", 2)]).await;
    assert_eq!(assignee(&client, &tickets[5]).await["assignee"]["id"], json!(robin));
    // who goes away keeps what they have and gets nothing more
    available(&client, &robin, "AWAY").await;
    client.ticket_command("completeTicket", &tickets[5], "").await;
    loads_become(&client, &[(&robin, 1), (&sam, 3), ("", 2)]).await;
    available(&client, &robin, "AVAILABLE").await;
    loads_become(&client, &[(&robin, 2), (&sam, 3), ("", 1)]).await;
    assert_eq!(assignee(&client, &tickets[6]).await["assignee"]["id"], json!(robin));
    // what is given by hand counts, and somebody's day begins
    let by_hand = format!(", agentId: \"{sam}\"");
    client.ticket_command("assignTicket", &tickets[7], &by_hand).await;
    say(&client, &channel, 9).await;
    loads_become(&client, &[(&robin, 2), (&sam, 4), ("", 1)]).await;
    run(
        &client,
        &format!("updateAgent(id: \"{asleep}\", input: {{ workingHours: null }})"),
        "id",
    )
    .await;
    loads_become(&client, &[(&robin, 2), (&sam, 4), (&asleep, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_to_be_given_waits() {
    let app = TestApp::start().await;
    let client = app.client();
    let robin = agent(&client, "").await;
    let (channel, other) = (client.channel().await, client.channel().await);
    let mut chats = Vec::new();
    for owner in ["blocked", "removed", "waits"] {
        let said = client.say(&channel, owner, owner, "hello").await;
        chats.push(text(&said, "/chat/id").to_owned());
    }
    client.say(&other, "elsewhere", "m1", "hello").await;
    let blocked = format!("(chatId: \"{}\")", chats[0]);
    run(&client, &format!("blockOwner{blocked}"), "cursor").await;
    run(&client, &format!("removeChat(chatId: \"{}\")", chats[1]), "cursor").await;
    let policy = "input: { policy: { assignment: ROUND_ROBIN } }";
    run(&client, &format!("updateChannel(id: \"{channel}\", {policy})"), "id").await;
    loads_become(&client, &[(&robin, 1), ("", 2)]).await;
    run(&client, &format!("unblockOwner{blocked}"), "cursor").await;
    loads_become(&client, &[(&robin, 2), ("", 1)]).await;
    run(&client, &format!("updateChannel(id: \"{other}\", {policy})"), "id").await;
    loads_become(&client, &[(&robin, 3)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_had_the_chat_comes_first_when_asked() {
    let app = TestApp::start().await;
    let client = app.client();
    let (robin, sam) = (agent(&client, "").await, agent(&client, "").await);
    let policy = json!({ "assignment": "LEAST_BUSY", "restorePeriodMs": 0, "lastHandlerFirst": true });
    let channel = client.channel_with(policy).await;
    let first = say(&client, &channel, 0).await;
    eventually("it is given", || async {
        (!assignee(&client, &first).await["assignee"].is_null()).then_some(())
    })
    .await;
    client
        .ticket_command("assignTicket", &first, &format!(", agentId: \"{sam}\""))
        .await;
    client.ticket_command("completeTicket", &first, "").await;
    let busy = say(&client, &channel, 1).await;
    client
        .ticket_command("assignTicket", &busy, &format!(", agentId: \"{sam}\""))
        .await;
    let again = client.say(&channel, "owner0", "again", "hello again").await;
    let again = text(&again, "/ticket/id");
    eventually("it is given", || async {
        (!assignee(&client, again).await["assignee"].is_null()).then_some(())
    })
    .await;
    assert_eq!(
        assignee(&client, again).await["assignee"]["id"],
        json!(sam),
        "not {robin}, who has less"
    );
}

/// Places at desks over time, from the log: no desk ever held more than its agent's capacity.
async fn fullest(app: &TestApp, agents: &[String]) -> HashMap<String, usize> {
    let mut fullest: HashMap<String, usize> = HashMap::new();
    for agent in agents {
        let agent_id: Uuid = agent.parse().unwrap();
        let desk_id = id::desk(id::first_workspace(), agent_id);
        let history = app.node.store.history(desk_id, 0, 1_000).await.unwrap();
        let mut desk = <Desk as switchboard::domain::Aggregate>::blank(desk_id);
        for record in history {
            switchboard::domain::Aggregate::apply(&mut desk, &record.event);
            let most = fullest.entry(agent.clone()).or_default();
            *most = (*most).max(desk.tickets.len());
        }
    }
    fullest
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_never_exceed_a_capacity() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    let (first, second) = (one.client(), two.client());
    let mut agents = Vec::new();
    for _ in 0..3 {
        agents.push(agent(&first, ", capacity: 4").await);
    }
    let channel = first
        .channel_with(json!({ "assignment": "LEAST_BUSY", "restorePeriodMs": 0 }))
        .await;
    let says = (0..40).map(|owner| {
        let (client, channel) = (if owner % 2 == 0 { &first } else { &second }, &channel);
        async move { say(client, channel, owner).await }
    });
    let mut tickets = futures_util::future::join_all(says).await;
    let full: Vec<(&str, usize)> = agents
        .iter()
        .map(|agent| (agent.as_str(), 4))
        .chain([("", 28)])
        .collect();
    loads_become(&first, &full).await;
    for round in 0..4 {
        // what is done by either node makes room for what waits
        let mut done = 0;
        for ticket in tickets.clone() {
            let client = if round % 2 == 0 { &first } else { &second };
            if done < 7 && assignee(client, &ticket).await["status"] == "ACTIVE" {
                client.ticket_command("completeTicket", &ticket, "").await;
                tickets.retain(|known| *known != ticket);
                done += 1;
            }
        }
        let waiting = tickets.len().saturating_sub(12);
        let expected: Vec<(&str, usize)> = agents
            .iter()
            .map(|agent| (agent.as_str(), 4))
            .chain([("", waiting)])
            .collect();
        loads_become(&second, &expected).await;
    }
    for (agent, most) in fullest(&one, &agents).await {
        assert!(most <= 4, "{agent} had {most} places taken at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_no_ticket_answers_to_is_given_back() {
    let app = TestApp::start().await;
    let client = app.client();
    let robin = agent(&client, ", capacity: 1").await;
    let channel = client.channel_with(json!({ "assignment": "ROUND_ROBIN" })).await;
    let agent_id: Uuid = robin.parse().unwrap();
    // what a crash between the place and the assignment leaves behind
    let command = DeskCommand {
        id: Uuid::from_u128(1),
        workspace_id: id::first_workspace(),
        actor: Actor::system(),
        keys: Vec::new(),
        body_hash: None,
        body: DeskCommandBody::Reserve {
            agent_id,
            ticket_id: Uuid::from_u128(2),
            floor: 0,
            stride: 1,
        },
    };
    let desk_id = id::desk(id::first_workspace(), agent_id);
    app.node.services.router.desk(desk_id, command).await.unwrap();
    say(&client, &channel, 0).await;
    loads_become(&client, &[("", 1)]).await;
    app.clock.advance(30_001);
    let processes = Processes {
        router: app.node.services.router.clone(),
        live: app.node.services.live.clone(),
        store: app.node.store.clone(),
        clock: app.clock.clone(),
    };
    let stop = CancellationToken::new();
    let again = tokio::spawn({
        let stop = stop.clone();
        async move { processes.run(stop).await }
    });
    loads_become(&client, &[(&robin, 1)]).await;
    stop.cancel();
    again.await.unwrap();
}

async fn killed_while_giving(redis: Option<&Redis>) {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), redis).await;
    let client = process.client();
    let mut agents = Vec::new();
    for _ in 0..3 {
        agents.push(agent(&client, ", capacity: 5").await);
    }
    let policy = json!({ "assignment": "LEAST_BUSY", "restorePeriodMs": 0 });
    let channel = client.channel_with(policy).await;
    for round in 0..10 {
        let says = (0..12).map(|owner| {
            let (client, channel) = (&client, &channel);
            async move {
                client
                    .try_say(channel, &format!("r{round}o{owner}"), "m1", "hello")
                    .await
            }
        });
        // the answers come before everything is given: the kill is in the middle of it
        let said = futures_util::future::join_all(says).await;
        for ticket in said.iter().flatten().take(6) {
            let _ = client
                .ticket_command("completeTicket", text(ticket, "/ticket/id"), "")
                .await;
        }
        tokio::time::sleep(Duration::from_millis(3 * (round % 4))).await;
        process.kill();
        process.restart().await;
    }
    let held = loads(&client).await;
    for agent in &agents {
        assert!(held.get(agent).copied().unwrap_or_default() <= 5, "{held:?}");
    }
    process.kill();
    let (whole, report) = process.verify();
    assert!(whole, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_giving_exceed_no_capacity_on_sqlite() {
    killed_while_giving(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_giving_exceed_no_capacity_on_redis() {
    let redis = Redis::start();
    killed_while_giving(Some(&redis)).await;
}
