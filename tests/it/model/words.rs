//! What is said to the domain and to the model.

/// What a channel decides, in the model's words.
#[derive(Clone, Debug)]
pub struct Rules {
    pub restore: Option<u64>,
    pub responder: bool,
    pub skew: u64,
    /// KEEP, KEEP_IF_AVAILABLE, QUEUE, BOT.
    pub on_reopen: usize,
    pub auto_close: Option<u64>,
}

/// What is done to a ticket. `here`: by or to the agent who is available.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Take { here: bool },
    Assign { to: Option<bool> },
    Offer,
    Takeover { here: bool },
    Complete,
    Close,
    Reopen,
    Hold { until: Option<u64> },
    Pend,
    Resume,
    Spam,
    Unspam,
    Merge { into: u32 },
    Delete,
    Restore,
    View,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Take { .. } => "take",
            Self::Assign { .. } => "assign",
            Self::Offer => "offer",
            Self::Takeover { .. } => "takeover",
            Self::Complete => "complete",
            Self::Close => "close",
            Self::Reopen => "reopen",
            Self::Hold { .. } => "hold",
            Self::Pend => "pend",
            Self::Resume => "resume",
            Self::Spam => "spam",
            Self::Unspam => "unspam",
            Self::Merge { .. } => "merge",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::View => "view",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Say { sent_at: Option<u64> },
    Answer { by: Option<bool> },
    BotAnswer { epoch: u32 },
    Outbound,
    Open { by: Option<bool> },
    Handover,
    TakeoverChat { here: bool },
    Block,
    Unblock,
    Remove,
    Bring,
    Time,
    Do { number: u32, step: Step },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub reason: &'static str,
    pub episode: u32,
    pub pending: u32,
    pub waiting: Option<u64>,
    pub assignee: Option<bool>,
    pub ended_at: Option<u64>,
    pub ongoing_at: Option<u64>,
    pub answered_at: Option<u64>,
    pub hold_until: Option<u64>,
    pub active_at: u64,
    pub former: Vec<&'static str>,
}
