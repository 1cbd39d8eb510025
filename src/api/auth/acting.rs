//! In whose name a key acts. A key of an agent acts as the agent where a command names nobody; with role AGENT it acts as
//! nobody else, and gives work to nobody else.

use uuid::Uuid;

use super::principal::forbidden;
use super::{Principal, Role, Scope};
use crate::api::error::ApiError;
use crate::domain::{Actor, ActorKind, ChatCommandBody, TicketAction};

impl Principal {
    /// Refuses a key of role AGENT to act as another agent, or to give another agent work.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn check_agent(&self, agent_id: Uuid) -> Result<(), ApiError> {
        match self.agent {
            Some((own, Role::Agent)) if own != agent_id => {
                Err(forbidden("a key of role AGENT acts as its own agent alone"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a key to change how an agent works that is neither its own agent, nor a supervisor's, nor has ADMIN.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub(in crate::api) fn check_presence(&self, agent_id: Uuid) -> Result<(), ApiError> {
        if self.agent.is_none() {
            return self.require(Scope::Admin);
        }
        self.check_agent(agent_id)
    }

    /// The agent that a command names, or else the key's own.
    ///
    /// # Errors
    /// As [`check_agent`](Self::check_agent).
    pub fn acting(&self, agent_id: Option<Uuid>) -> Result<Option<Uuid>, ApiError> {
        let own = self.agent.map(|(own, _)| own);
        let acting = agent_id.or(own);
        acting.map_or(Ok(()), |id| self.check_agent(id))?;
        Ok(acting)
    }

    /// Who writes where a command cannot name anybody: the key's agent, or else the key.
    ///
    /// # Errors
    /// As [`check_agent`](Self::check_agent).
    pub(in crate::api) fn author(&self, key: Actor) -> Result<Actor, ApiError> {
        let agent_id = self.acting(None)?;
        Ok(agent_id.map_or(key, |id| Actor::new(ActorKind::Agent, id.to_string())))
    }

    /// The same command, in the name of the key's agent where it names nobody.
    ///
    /// # Errors
    /// As [`check_agent`](Self::check_agent); also where a key of role AGENT answers for a bot.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others name no agent")]
    pub(in crate::api) fn act(&self, mut body: ChatCommandBody) -> Result<ChatCommandBody, ApiError> {
        let Some((_, role)) = self.agent else { return Ok(body) };
        match &mut body {
            ChatCommandBody::Send {
                agent_id,
                responder_epoch,
                ..
            } => {
                if responder_epoch.is_none() {
                    *agent_id = self.acting(*agent_id)?;
                } else if role == Role::Agent {
                    return Err(forbidden("a key of role AGENT does not answer for a bot"));
                }
            }
            ChatCommandBody::Open { assignee_id, .. } => assignee_id.map_or(Ok(()), |id| self.check_agent(id))?,
            ChatCommandBody::TakeoverChat { agent_id } => self.check_agent(*agent_id)?,
            ChatCommandBody::Ticket { action, .. } => self.act_on_ticket(action)?,
            _ => {}
        }
        Ok(body)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others name no agent")]
    fn act_on_ticket(&self, action: &mut TicketAction) -> Result<(), ApiError> {
        match action {
            TicketAction::Take { agent_id }
            | TicketAction::Offer { agent_id }
            | TicketAction::Takeover { agent_id }
            | TicketAction::Assign {
                agent_id: Some(Some(agent_id)),
                ..
            } => self.check_agent(*agent_id),
            TicketAction::AddNote { agent_id, .. } => {
                *agent_id = self.acting(*agent_id)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
