//! Gives tickets that nobody has to whoever has room, the longest waiting first.
//!
//! It follows the log: what was given by hand or has ended changes the desks, and whoever comes back, gets room or is
//! added makes it look at what waits. To give a ticket, a place at the agent's desk is committed first and the assignment
//! second; a crash between the two leaves a place that is given back when it is looked over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Processes, new_id, pause, refusal, rule};
use crate::domain::policy::AssignmentMode;
use crate::domain::{
    Aggregate as _, ChannelPolicy, ChatCommand, ChatCommandBody, Desk, DeskCommand, DeskCommandBody, Event, EventBody,
    Rejection, Scope, Status, Ticket, TicketAction, id,
};
use crate::live::{EventFilter, From, LiveError, Settings, Step, Tail, Topic};
use crate::router::RouterError;
use crate::view::{Pool, TicketRow};

/// How often what waits is looked at even if nothing happened: somebody's working hours may have begun.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often desks are compared with the tickets that agents have.
const LOOK_OVER_EVERY: Duration = Duration::from_mins(1);
/// A place that no ticket answers to is given back after so long, in milliseconds.
const UNANSWERED_MS: u64 = 30_000;
/// How many waiting tickets are read at once, from how many pools, and how often some are given in one turn.
const WAITING_MAX: usize = 100;
const POOLS_MAX: usize = 200;
const PASSES_MAX: usize = 4;
/// The most news of one turn.
const NEWS_MAX: usize = 1_024;
/// How many desks are changed at once.
const DESKS_AT_ONCE: usize = 64;
/// How far a turn moves at weight 1. Who was away falls behind by no more.
const STRIDE: u64 = 1_000_000;
/// The pause after a failure, in milliseconds.
const PAUSE_MS: u64 = 1_000;
/// How long this node's view may take to show what was just given.
const OWN_WRITES_WAIT: Duration = Duration::from_secs(2);
/// How long a node may be behind when desks are looked over.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Whose desk, in which workspace.
type DeskOf = (Uuid, Uuid);

/// The one task of a node that gives tickets.
#[derive(Debug)]
pub(super) struct Assigner {
    processes: Processes,
    /// As this node knows them; the desk itself has the last word.
    desks: HashMap<DeskOf, Desk>,
    /// Workspaces in which something may be given.
    changed: HashSet<Uuid>,
    /// Workspaces whose desks are kept.
    given_in: HashSet<Uuid>,
}

/// What became of an attempt to give a ticket.
enum Given {
    /// It has somebody now.
    Yes,
    /// Somebody else is about to give it.
    Elsewhere,
    /// Nobody has room.
    Nobody,
}

/// The channels of a workspace on which tickets are given by themselves.
fn giving(settings: &Settings, workspace_id: Uuid) -> Vec<Uuid> {
    let Some(workspace) = settings.workspace(workspace_id) else {
        return Vec::new();
    };
    let default = workspace.policy.assignment;
    let channels = workspace.channels.iter();
    channels
        .filter(|channel| channel.policy.assignment.unwrap_or(default) != AssignmentMode::Manual)
        .map(|channel| channel.id)
        .collect()
}

impl Assigner {
    pub(super) fn new(processes: Processes) -> Self {
        Self {
            processes,
            desks: HashMap::new(),
            changed: HashSet::new(),
            given_in: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.follow(stop).await {
                tracing::warn!(%error, "cannot follow what is to be assigned; trying again");
                pause(stop, PAUSE_MS).await;
            }
        }
    }

    async fn follow(&mut self, stop: &CancellationToken) -> Result<(), LiveError> {
        let topic = Topic::Events(EventFilter::default());
        let mut tail = self.processes.live.tail(None, topic, From::Now).await?;
        self.desks.clear();
        let mut looked_over: Option<Instant> = None;
        loop {
            if looked_over.is_none_or(|at| at.elapsed() >= LOOK_OVER_EVERY) {
                self.look_over().await?;
                looked_over = Some(Instant::now());
            }
            for workspace_id in std::mem::take(&mut self.changed) {
                self.serve(workspace_id).await?;
            }
            let wait = if self.changed.is_empty() {
                LOOK_EVERY
            } else {
                Duration::ZERO
            };
            let first = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                first = tokio::time::timeout(wait, tail.next()) => first,
            };
            match first {
                Err(_) => self.look_everywhere(),
                Ok(first) => match first? {
                    None => return Ok(()),
                    Some(Step::Gap(..)) => looked_over = None,
                    Some(Step::Event(event, _)) => {
                        if self.take_in(&mut tail, &event).await? {
                            looked_over = None;
                        }
                    }
                },
            }
        }
    }

    /// Workspaces in which tickets are given by themselves; in others nobody keeps count.
    fn look_everywhere(&mut self) {
        let settings = self.processes.live.settings();
        self.changed.extend(settings.giving().map(|workspace| workspace.id));
    }

    /// Takes in an event and all that wait after it; whether some were missed.
    async fn take_in(&mut self, tail: &mut Tail, first: &Event) -> Result<bool, LiveError> {
        let mut wishes = BTreeMap::new();
        let mut missed = self.note(first, &mut wishes);
        for _ in 0..NEWS_MAX {
            match tail.next().now_or_never() {
                Some(Ok(Some(Step::Event(event, _)))) => missed |= self.note(&event, &mut wishes),
                Some(Ok(Some(Step::Gap(..)))) => missed = true,
                Some(Err(error)) => return Err(error),
                Some(Ok(None)) | None => break,
            }
        }
        self.change_desks(wishes).await;
        Ok(missed)
    }

    /// What an event changes: a desk, or what may be given. Whether desks are to be looked over after it, since tickets
    /// may be given now that were not counted before.
    fn note(&mut self, event: &Event, wishes: &mut BTreeMap<(DeskOf, Uuid), bool>) -> bool {
        let workspace_id = event.workspace_id;
        if !self.processes.live.settings().gives_in(workspace_id) {
            self.given_in.remove(&workspace_id);
            return false;
        }
        match event.body.scope() {
            Scope::Workspace => {
                self.changed.insert(workspace_id);
            }
            Scope::Desk => self.note_desk(event),
            Scope::Chat => {
                if let Some(ticket) = &event.ticket {
                    self.note_ticket(event, ticket, wishes);
                }
            }
            Scope::Contact | Scope::Post => {}
        }
        self.given_in.insert(workspace_id)
    }

    fn note_desk(&mut self, event: &Event) {
        let (EventBody::AgentReserved { agent_id, .. } | EventBody::AgentReleased { agent_id, .. }) = &event.body
        else {
            return;
        };
        if matches!(event.body, EventBody::AgentReleased { .. }) {
            self.changed.insert(event.workspace_id);
        }
        let desk_of = (event.workspace_id, *agent_id);
        match self.desks.get_mut(&desk_of) {
            Some(desk) if desk.seq.saturating_add(1) == event.seq => desk.apply(event),
            Some(desk) if desk.seq < event.seq => {
                // something was missed: it is read again when it is asked for
                self.desks.remove(&desk_of);
            }
            _ => {}
        }
    }

    fn note_ticket(&mut self, event: &Event, ticket: &Ticket, wishes: &mut BTreeMap<(DeskOf, Uuid), bool>) {
        if let EventBody::TicketAssigneeChanged { from: Some(from), .. } = &event.body {
            wishes.insert(((event.workspace_id, *from), ticket.id), false);
        }
        let moved = matches!(
            event.body,
            EventBody::TicketAssigneeChanged { .. }
                | EventBody::TicketStatusChanged { .. }
                | EventBody::TicketMerged { .. }
        );
        if let Some(assignee) = ticket.assignee_id.filter(|_| moved) {
            let holds = ticket.status() != Status::Inactive;
            wishes.insert(((event.workspace_id, assignee), ticket.id), holds);
        }
        if ticket.is_open() && ticket.assignee_id.is_none() {
            self.changed.insert(event.workspace_id);
        }
    }

    /// Lets desks count what was given by hand, and no longer what has ended.
    async fn change_desks(&mut self, wishes: BTreeMap<(DeskOf, Uuid), bool>) {
        let wishes: Vec<_> = wishes
            .into_iter()
            .filter(|((desk_of, ticket_id), holds)| {
                let known = self.desks.get(desk_of);
                known.is_none_or(|desk| desk.tickets.contains_key(ticket_id) != *holds)
            })
            .collect();
        for some in wishes.chunks(DESKS_AT_ONCE) {
            let asked = some.iter().map(|((desk_of, ticket_id), holds)| {
                let (agent_id, ticket_id) = (desk_of.1, *ticket_id);
                self.ask(
                    *desk_of,
                    if *holds {
                        DeskCommandBody::Occupy { agent_id, ticket_id }
                    } else {
                        DeskCommandBody::Release { agent_id, ticket_id }
                    },
                )
            });
            for answer in join_all(asked).await {
                if let Err(error) = answer {
                    tracing::warn!(%error, "a desk could not be changed; it is looked over later");
                }
            }
        }
    }

    async fn ask(&self, (workspace_id, agent_id): DeskOf, body: DeskCommandBody) -> Result<Desk, RouterError> {
        let command = DeskCommand {
            id: new_id(),
            workspace_id,
            actor: rule("assignment"),
            keys: Vec::new(),
            body_hash: None,
            body,
        };
        let desk_id = id::desk(workspace_id, agent_id);
        let answer = self.processes.router.desk(desk_id, command).await?;
        Ok((*answer.state).clone())
    }

    async fn desk(&mut self, desk_of: DeskOf) -> Result<&Desk, LiveError> {
        if !self.desks.contains_key(&desk_of) {
            let desk = self.read_desk(desk_of).await?;
            self.desks.insert(desk_of, desk);
        }
        Ok(self.desks.entry(desk_of).or_insert_with(|| Desk::blank(Uuid::nil())))
    }

    async fn read_desk(&self, (workspace_id, agent_id): DeskOf) -> Result<Desk, LiveError> {
        let desk_id = id::desk(workspace_id, agent_id);
        let snapshot = self.processes.store.load(desk_id).await?;
        let desk = snapshot.and_then(|snapshot| serde_json::from_str(&snapshot.json).ok());
        Ok(desk.unwrap_or_else(|| Desk::blank(desk_id)))
    }

    /// Gives what waits in a workspace, as far as somebody has room; what is more than a turn is left to the next.
    async fn serve(&mut self, workspace_id: Uuid) -> Result<(), LiveError> {
        let view = self.processes.live.view().clone();
        let mut exhausted: HashSet<Pool> = HashSet::new();
        let mut passes = 0;
        while passes < PASSES_MAX {
            let settings = self.processes.live.settings();
            let mut pools = view
                .waiting_pools(workspace_id, giving(&settings, workspace_id))
                .await?;
            pools.retain(|pool| !exhausted.contains(pool));
            pools.truncate(POOLS_MAX);
            if pools.is_empty() {
                return Ok(());
            }
            let (mut given, before) = (false, exhausted.len());
            for (row, channel_id) in view.waiting(workspace_id, pools, WAITING_MAX).await? {
                let pool = (channel_id, row.ticket.team_id);
                if exhausted.contains(&pool) {
                    continue;
                }
                let policy = settings.policy(channel_id);
                match self.give(workspace_id, &row, &policy).await? {
                    Given::Yes => given = true,
                    Given::Elsewhere => {}
                    Given::Nobody => drop(exhausted.insert(pool)),
                }
            }
            if given {
                passes = passes.saturating_add(1);
            } else if exhausted.len() == before {
                return Ok(());
            }
        }
        self.changed.insert(workspace_id);
        Ok(())
    }

    async fn give(&mut self, workspace_id: Uuid, row: &TicketRow, policy: &ChannelPolicy) -> Result<Given, LiveError> {
        let ticket_id = row.ticket.id;
        for (agent_id, floor, stride) in self.candidates(workspace_id, &row.ticket, policy).await? {
            let desk_of = (workspace_id, agent_id);
            let reserve = DeskCommandBody::Reserve {
                agent_id,
                ticket_id,
                floor,
                stride,
            };
            let reserved = self.ask(desk_of, reserve).await;
            if let Some(refused) = refusal(&reserved) {
                self.desks.remove(&desk_of);
                if *refused == Rejection::AlreadyAssigned {
                    return Ok(Given::Elsewhere);
                }
                continue;
            }
            match reserved {
                Ok(desk) => self.desks.insert(desk_of, desk),
                Err(error) => {
                    tracing::warn!(%error, "a place at a desk could not be kept");
                    return Ok(Given::Nobody);
                }
            };
            return Ok(self.offer(workspace_id, row, agent_id).await);
        }
        Ok(Given::Nobody)
    }

    /// Assigns the ticket to whom a place is kept for it; gives the place back if somebody else was first.
    async fn offer(&mut self, workspace_id: Uuid, row: &TicketRow, agent_id: Uuid) -> Given {
        let ticket_id = row.ticket.id;
        let body = ChatCommandBody::ticket(ticket_id, TicketAction::Offer { agent_id });
        let command = ChatCommand::new(new_id(), workspace_id, rule("assignment"), body);
        let pending = self.processes.router.submit(row.chat_id, workspace_id, command);
        let answer = match pending {
            Ok(pending) => pending.answer().await,
            Err(error) => Err(error),
        };
        if let Ok(answer) = &answer {
            // otherwise the next look would find it waiting still
            let live = &self.processes.live;
            live.wait_for(answer.partition, answer.position, OWN_WRITES_WAIT).await;
            return Given::Yes;
        }
        if refusal(&answer).is_some() {
            let release = DeskCommandBody::Release { agent_id, ticket_id };
            if let Ok(desk) = self.ask((workspace_id, agent_id), release).await {
                self.desks.insert((workspace_id, agent_id), desk);
            }
        } else if let Err(error) = answer {
            // it may have happened: the place stays until it is looked over
            tracing::warn!(%error, "a ticket could not be given");
        }
        Given::Elsewhere
    }

    /// Who may be given a ticket, in the order in which they are asked, with where their turn counts from and how far it
    /// moves.
    async fn candidates(
        &mut self,
        workspace_id: Uuid,
        ticket: &Ticket,
        policy: &ChannelPolicy,
    ) -> Result<Vec<(Uuid, u64, u64)>, LiveError> {
        let settings = self.processes.live.settings();
        let Some(workspace) = settings.workspace(workspace_id) else {
            return Ok(Vec::new());
        };
        let team = ticket
            .team_id
            .or(policy.default_team_id)
            .and_then(|id| workspace.team(id));
        let members: Vec<(Uuid, u32)> = match team {
            Some(team) => team
                .members
                .iter()
                .map(|member| (member.agent_id, member.weight))
                .collect(),
            None => workspace.agents.iter().map(|agent| (agent.id, 1)).collect(),
        };
        let now = self.processes.clock.now();
        let mut found = Vec::new();
        for (agent_id, weight) in members {
            let Some(agent) = workspace.agent(agent_id).filter(|agent| agent.is_available(now)) else {
                continue;
            };
            let desk = self.desk((workspace_id, agent_id)).await?;
            let load = desk.tickets.len();
            if load < agent.room() {
                found.push((agent_id, weight, desk.pass, load));
            }
        }
        let furthest = found.iter().map(|(_, _, pass, _)| *pass).max().unwrap_or(0);
        let floor = furthest.saturating_sub(STRIDE);
        found.sort_by_key(|(agent_id, _, pass, load)| {
            let turn = (*pass).max(floor);
            let last_handler = policy.last_handler_first && ticket.last_handler_id == Some(*agent_id);
            let busy = match policy.assignment {
                AssignmentMode::LeastBusy => *load,
                AssignmentMode::Manual | AssignmentMode::RoundRobin => 0,
            };
            (!last_handler, busy, turn, *agent_id)
        });
        let asked = found.into_iter();
        Ok(asked
            .map(|(agent_id, weight, _, _)| {
                let stride = STRIDE.checked_div(u64::from(weight)).unwrap_or(STRIDE);
                (agent_id, floor, stride)
            })
            .collect())
    }

    /// Compares every desk with the tickets that its agent has, after a start, a gap, and now and then.
    async fn look_over(&mut self) -> Result<(), LiveError> {
        self.processes.live.catch_up(CATCH_UP).await?;
        let settings = self.processes.live.settings();
        let view = self.processes.live.view().clone();
        let now = self.processes.clock.now();
        for workspace in settings.giving() {
            self.given_in.insert(workspace.id);
            for agent in &workspace.agents {
                let desk_of = (workspace.id, agent.id);
                let held = view
                    .held(workspace.id, agent.id, crate::domain::desk::PLACES_MAX)
                    .await?;
                let held: HashSet<Uuid> = held.into_iter().map(|row| row.ticket.id).collect();
                let desk = self.read_desk(desk_of).await?;
                let unanswered = desk.tickets.iter().filter(|(ticket_id, since)| {
                    !held.contains(ticket_id) && since.saturating_add(UNANSWERED_MS) <= now
                });
                let mut wishes: BTreeMap<(DeskOf, Uuid), bool> = unanswered
                    .map(|(ticket_id, _)| ((desk_of, *ticket_id), false))
                    .collect();
                let uncounted = held.iter().filter(|ticket_id| !desk.tickets.contains_key(ticket_id));
                wishes.extend(uncounted.map(|ticket_id| ((desk_of, *ticket_id), true)));
                self.desks.insert(desk_of, desk);
                self.change_desks(wishes).await;
            }
        }
        self.look_everywhere();
        Ok(())
    }
}
