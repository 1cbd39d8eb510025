//! What the tables keep beside the records, found out anew: counters, lists, zones, columns, words.

use super::View;
use super::read::number;
use crate::sqlite::ReadError;

/// The counters as they should be: a ticket counts under its own assignee and, where it has one, under any; and of each
/// under its own channel and under any.
const COUNTED: &str = "
    SELECT workspace, iif(of_any, x'01', coalesce(assignee, x'')), iif(on_any, x'01', channel), coalesce(team, x''),
      status, sum(tickets), sum(pending)
    FROM (SELECT workspace, assignee, channel, team, status, count(*) AS tickets, sum(pending) AS pending
          FROM ticket NOT INDEXED WHERE removed = 0 AND reason <> 'DELETED' GROUP BY 1, 2, 3, 4, 5)
      CROSS JOIN (SELECT 0 AS of_any UNION ALL SELECT 1) CROSS JOIN (SELECT 0 AS on_any UNION ALL SELECT 1)
    WHERE assignee IS NOT NULL OR NOT of_any GROUP BY 1, 2, 3, 4, 5";

/// What is kept and should not be, in words, with how to count it.
const RECOUNTS: [(&str, &str); 13] = [
    (
        "counters of tickets",
        "SELECT count(*) FROM (
           SELECT workspace, assignee, channel, team, status, tickets, pending FROM counter EXCEPT {counted})",
    ),
    (
        "tickets that the counters lack",
        "SELECT count(*) FROM (
           {counted} EXCEPT SELECT workspace, assignee, channel, team, status, tickets, pending FROM counter)",
    ),
    (
        "lists whose number of tickets is wrong",
        "SELECT count(*) FROM list WHERE tickets <> (SELECT count(*) FROM by_created WHERE list = list.id)
           OR tickets <> (SELECT count(*) FROM by_updated WHERE list = list.id)
           OR tickets <> (SELECT count(*) FROM by_waiting WHERE list = list.id)",
    ),
    (
        "places of tickets under a wrong key",
        "SELECT count(*) FROM by_created c LEFT JOIN ticket t ON t.id = c.ticket LEFT JOIN list l ON l.id = c.list
         WHERE t.id IS NULL OR l.id IS NULL OR (t.created_at, t.created_at) <> (c.at, c.created)
           OR t.workspace <> l.workspace OR t.reason <> l.reason OR t.priority <> l.priority
           OR t.removed <> l.removed OR instr(t.lists, unhex(printf('%016X', l.id))) = 0
           OR NOT EXISTS (SELECT 1 FROM by_updated u
                WHERE (u.list, u.at, u.ticket, u.created) = (c.list, t.updated_at, t.id, t.created_at))
           OR NOT EXISTS (SELECT 1 FROM by_waiting w
                WHERE (w.list, w.at, w.ticket, w.created) = (c.list, t.waiting, t.id, t.created_at))
           OR NOT CASE l.dimension WHEN 0 THEN l.value = x'' WHEN 1 THEN l.value = t.channel
                WHEN 2 THEN l.value = coalesce(t.assignee, x'') WHEN 3 THEN l.value = t.team
                WHEN 4 THEN l.value = t.responder ELSE instr(t.tags, l.value) > 0 END",
    ),
    (
        "places of tickets too few or too many",
        "SELECT abs((SELECT count(*) FROM by_created) - (SELECT coalesce(sum(length(lists) / 8), 0) FROM ticket))
           + (SELECT count(*) FROM ticket WHERE length(lists) / 8 <> 3 + (team IS NOT NULL) + (responder IS NOT NULL)
                + length(tags) / 16)",
    ),
    (
        "tickets that were made at other times than their zone says",
        "SELECT (SELECT count(*) FROM by_updated p LEFT JOIN zone_updated z
                   ON z.list = p.list AND z.at = (SELECT max(at) FROM zone_updated WHERE list = p.list AND at <= p.at)
                 WHERE z.list IS NULL OR p.created < z.least OR p.created > z.most
                   OR (z.eras >> ((p.created >> 31) & 63)) & 1 = 0)
           + (SELECT count(*) FROM by_waiting p LEFT JOIN zone_waiting z
                ON z.list = p.list AND z.at = (SELECT max(at) FROM zone_waiting WHERE list = p.list AND at <= p.at)
              WHERE z.list IS NULL OR p.created < z.least OR p.created > z.most
                OR (z.eras >> ((p.created >> 31) & 63)) & 1 = 0)",
    ),
    (
        "tickets whose columns say something else than their body",
        "SELECT count(*) FROM ticket WHERE
           (lower(hex(id)), number, reason, priority, lower(hex(assignee)), lower(hex(team)), lower(hex(tags)), pending)
           IS NOT (replace(body ->> 'id', '-', ''), body ->> 'number', body ->> 'reason',
             coalesce(body ->> 'priority', 'MEDIUM'), replace(coalesce(body ->> 'assigneeId', ''), '-', ''),
             replace(coalesce(body ->> 'teamId', ''), '-', ''),
             (SELECT replace(coalesce(group_concat(value, ''), ''), '-', '') FROM json_each(body, '$.tags')),
             body ->> 'pendingChatMessages')
           OR (opened_at, created_at, updated_at, waiting) IS NOT (body ->> 'openedAt', body ->> 'createdAt',
             body ->> 'updatedAt', coalesce(body ->> 'waitingSince', (body ->> 'createdAt') + (1 << 48)))
           OR status <> CASE WHEN reason IN ('INBOUND', 'OUTBOUND', 'HANDOVER', 'MANUAL') THEN 'NEW'
                WHEN reason IN ('IN_PROGRESS', 'PENDING_CUSTOMER', 'ON_HOLD') THEN 'ACTIVE' ELSE 'INACTIVE' END",
    ),
    (
        "tickets whose columns say something else than their chat",
        "SELECT count(*) FROM ticket t LEFT JOIN chat c ON c.id = t.chat
         WHERE c.id IS NULL OR (t.workspace, t.channel, t.responder, t.removed)
           IS NOT (c.workspace, c.channel, c.responder_id, c.removed_at IS NOT NULL)",
    ),
    (
        "chats whose column names another responder",
        "SELECT count(*) FROM chat
         WHERE lower(hex(responder_id)) <> replace(coalesce(responder ->> 'id', ''), '-', '')",
    ),
    (
        "comments and reviews whose columns say something else than their body",
        "SELECT count(*) FROM post WHERE (lower(hex(id)), lower(hex(workspace)), lower(hex(channel)), kind, created_at)
           IS NOT (replace(body ->> 'id', '-', ''), replace(body ->> 'workspaceId', '-', ''),
             replace(body ->> '$.body.channelId', '-', ''), body ->> '$.body.kind', body ->> 'createdAt')",
    ),
    (
        "contacts whose columns say something else than their body",
        "SELECT count(*) FROM contact WHERE (lower(hex(id)), lower(hex(workspace)), lower(hex(merged_into)))
           IS NOT (replace(body ->> 'id', '-', ''), replace(body ->> 'workspaceId', '-', ''),
             replace(coalesce(body ->> 'mergedInto', ''), '-', ''))",
    ),
    (
        "messages and documents that do not name each other",
        "SELECT (SELECT count(*) FROM message m LEFT JOIN doc d ON d.id = m.doc
                 WHERE m.doc IS NOT NULL AND (d.chat, d.seq) IS NOT (m.chat, m.seq))
           + (SELECT count(*) FROM doc d LEFT JOIN message m ON (m.chat, m.seq) = (d.chat, d.seq)
              WHERE d.seq > 0 AND m.doc IS NOT d.id)",
    ),
    (
        "documents without words, and words without a document",
        "SELECT (SELECT count(*) FROM doc WHERE id NOT IN (SELECT id FROM words_docsize))
           + (SELECT count(*) FROM words_docsize WHERE id NOT IN (SELECT id FROM doc))",
    ),
];

impl View {
    /// Finds out anew what the tables keep beside the records, over all workspaces: what differs, and how often. It
    /// reads every ticket, message and place.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn recount(&self) -> Result<Vec<(&'static str, u64)>, ReadError> {
        self.ask(|connection| {
            let mut differences = Vec::new();
            for (what, sql) in RECOUNTS {
                let count = connection.query_row(&sql.replace("{counted}", COUNTED), [], |row| number(row, 0))?;
                if count > 0 {
                    differences.push((what, count));
                }
            }
            Ok(differences)
        })
        .await
    }
}
