//! Document 001, transcribed: every field, parameter and bound by its own name. All fields of bodies and answers are
//! required; `nullable` is the document's word. Where it leaves the values of an enum open, they are those of the issue.

/// A route.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub query: &'static str,
    /// Empty: none.
    pub body: &'static str,
    pub answer: Answer,
}

/// What a 200 is.
#[derive(Clone, Copy)]
pub enum Answer {
    One(&'static str),
    Many(&'static str),
}

const DETAILS: &str = "
    assigneeEmail string nullable
    assigneeId uuid nullable
    assigneeName string nullable
    assigneePicture string nullable
    channelId uuid nullable
    channelName string nullable
    channelType channelType nullable
    chatId uuid
    chatIsRemoved boolean
    chatOwnerId uuid
    completedAt date-time nullable
    createdAt date-time
    id uuid
    isOwnerBlocked boolean nullable
    ongoingAt date-time nullable
    ownerEmail string nullable
    ownerEntity ownerEntity
    ownerIdentifier string nullable
    ownerName string nullable
    pendingChatMessages integer
    responderEntity responderEntity
    responderId uuid
    responderName string
    responderPicture string nullable
    responderVersionId uuid nullable
    responderVersionNumber integer nullable
    status status
    summary string
    ticketingTeamId uuid nullable
    ticketingTeamName string nullable
    ticketingTeamPicture string nullable
    workspaceId uuid";

const TICKET: &str = "
    createdAt date-time
    id uuid
    updatedAt date-time
    assigneeId uuid nullable
    chatId uuid
    circumstance circumstance
    completedAt date-time nullable
    lastViewedAt date-time nullable
    ongoingAt date-time nullable
    status status
    summary string
    ticketingTeamId uuid nullable";

const LIST: &str = "
    assigneeIds uuids default=[]
    chatIds uuids default=[]
    includeRemoved boolean nullable
    pageNumber number minimum=1 default=1
    pageSize number minimum=1 maximum=100 default=10
    responderIds uuids default=[]
    responderVersionIds uuids default=[]
    search string
    status status required
    tagIds uuids default=[]";

/// The values of an enum.
pub fn values(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "status" => Some(&["pending", "ongoing", "completed"]),
        "circumstance" => Some(&["takeover", "handover", "inbound", "manual", "outbound"]),
        "ownerEntity" => Some(&["external-user", "user"]),
        "responderEntity" => Some(&["agent", "user"]),
        "channelType" => Some(&[
            "whatsapp",
            "telegram",
            "instagram",
            "facebook",
            "vk",
            "line",
            "web",
            "email",
            "api",
            "shopee",
            "lazada",
            "tiktok",
        ]),
        _ => None,
    }
}

pub static ROUTES: [Route; 8] = [
    Route {
        method: "get",
        path: "/api/v1/tickets/{id}/details",
        query: "",
        body: "",
        answer: Answer::One(DETAILS),
    },
    Route {
        method: "get",
        path: "/api/v1/tickets/details",
        query: LIST,
        body: "",
        answer: Answer::Many(DETAILS),
    },
    Route {
        method: "patch",
        path: "/api/v1/tickets/{id}/complete",
        query: "",
        body: "userId uuid",
        answer: Answer::One(TICKET),
    },
    Route {
        method: "post",
        path: "/api/v1/tickets",
        query: "",
        body: "
            chatId uuid
            ticketingTeamId uuid nullable
            assigneeId uuid
            status status",
        answer: Answer::One(TICKET),
    },
    Route {
        method: "post",
        path: "/api/v1/tickets/{ticketId}/tags",
        query: "",
        body: "tagId uuid",
        answer: Answer::One(
            "
            createdAt date-time
            updatedAt date-time
            tagId uuid
            ticketId uuid",
        ),
    },
    Route {
        method: "delete",
        path: "/api/v1/tickets/{ticketId}/tags/{tagId}",
        query: "",
        body: "",
        answer: Answer::One("message string"),
    },
    Route {
        method: "patch",
        path: "/api/v1/tickets/{id}/takeover",
        query: "",
        body: "assigneeId uuid",
        answer: Answer::One(TICKET),
    },
    Route {
        method: "patch",
        path: "/api/v1/tickets/{id}/assignee",
        query: "",
        body: "assigneeId uuid",
        answer: Answer::One(TICKET),
    },
];

/// A line of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub name: &'static str,
    pub kind: &'static str,
    pub nullable: bool,
    pub required: bool,
    pub default: Option<&'static str>,
    pub minimum: Option<&'static str>,
    pub maximum: Option<&'static str>,
}

/// The lines of a table.
pub fn lines(table: &'static str) -> Vec<Line> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    lines.map(line).collect()
}

fn line(text: &'static str) -> Line {
    let mut words = text.split_whitespace();
    let mut line = Line {
        name: words.next().unwrap(),
        kind: words.next().unwrap(),
        ..Line::default()
    };
    for word in words {
        match word.split_once('=') {
            None if word == "nullable" => line.nullable = true,
            None if word == "required" => line.required = true,
            Some(("default", value)) => line.default = Some(value),
            Some(("minimum", value)) => line.minimum = Some(value),
            Some(("maximum", value)) => line.maximum = Some(value),
            _ => panic!("{text}"),
        }
    }
    line
}

/// The parameters of a path.
pub fn path_parameters(path: &str) -> Vec<&str> {
    let parts = path.split('/');
    let parts = parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    parts.collect()
}
