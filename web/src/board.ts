import "./board.css";

import { createClient, type Client } from "graphql-ws";

import { HTTP_URL, SOCKET_URL, readKey, writeKey } from "./key";

interface Ticket {
  id: string;
  number: number;
  status: "NEW" | "ACTIVE" | "INACTIVE";
  reason: string;
  pendingChatMessages: number;
  updatedAt: string;
  version: number;
  assignee: { name: string } | null;
  chat: { id: string; owner: { name: string | null; externalId: string }; channel: { name: string; type: string } };
}

interface Details extends Ticket {
  lastDecision: { decision: string; rule: string; restorePeriodMs: number | null; elapsedMs: number | null } | null;
  messages: { edges: { node: { id: string; direction: string; author: { kind: string; name: string | null }; text: string | null; sentAt: string } }[] };
}

type Change = { __typename: "TicketChange"; cursor: string; ticket: Ticket } | { __typename: "Gap"; cursor: string; reason: string };

const FIELDS = `id number status reason pendingChatMessages updatedAt version assignee { name }
  chat { id owner { name externalId } channel { name type } }`;
/** How many cards a column shows; the rest is a query away. */
const CARDS_MAX = 50;

const find = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const [board, panel, signIn, error, connection] = ["#board", "#panel", "#sign-in", "#error", "#connection"].map((name) => find(name)) as
  [HTMLElement, HTMLElement, HTMLFormElement, HTMLElement, HTMLElement];

const tickets = new Map<string, Ticket>();
let key = readKey();
let client: Client | undefined;
let opened: string | undefined;

function make<K extends keyof HTMLElementTagNameMap>(name: K, text = "", className = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function show(state: "off" | "waiting" | "live", text: string): void {
  connection.dataset["state"] = state;
  connection.textContent = text;
}

function complain(text: string): void {
  error.textContent = text;
  error.hidden = text === "";
}

async function ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const answer = await fetch(HTTP_URL, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const body = await answer.json();
  if (answer.status === 401) signOut();
  const first = body.errors?.[0];
  if (first) {
    const text = `${first.extensions?.code ?? answer.status}: ${first.message}`;
    complain(text);
    throw new Error(text);
  }
  complain("");
  return body.data as T;
}

function card(ticket: Ticket): HTMLElement {
  const item = make("li");
  const button = make("button", "", "ticket");
  button.dataset["ticket"] = ticket.id;
  const head = make("span", "", "row");
  head.append(make("span", ticket.chat.owner.name ?? ticket.chat.owner.externalId, "name"));
  if (ticket.pendingChatMessages > 0) {
    const badge = make("span", String(ticket.pendingChatMessages), "badge");
    badge.setAttribute("aria-label", `${ticket.pendingChatMessages} unanswered messages`);
    head.append(badge);
  }
  const time = new Date(ticket.updatedAt).toLocaleTimeString();
  button.append(head);
  button.append(make("small", `#${ticket.number} · ${ticket.chat.channel.type} ${ticket.chat.channel.name}`));
  button.append(make("small", [ticket.reason, ticket.assignee?.name ?? "nobody", time].join(" · ")));
  button.addEventListener("click", () => void open(ticket.id));
  item.append(button);
  return item;
}

function draw(): void {
  const newestFirst = [...tickets.values()].sort((one, two) => two.updatedAt.localeCompare(one.updatedAt));
  for (const column of board.querySelectorAll<HTMLElement>(".column")) {
    const mine = newestFirst.filter((ticket) => ticket.status === column.dataset["status"]);
    for (const ticket of mine.slice(CARDS_MAX)) tickets.delete(ticket.id);
    const shown = mine.slice(0, CARDS_MAX);
    column.querySelector(".count")!.textContent = shown.length < mine.length ? `${CARDS_MAX}+` : String(shown.length);
    const list = column.querySelector("ul")!;
    const old = new Map([...list.children].map((child) => [(child as HTMLElement).dataset["key"], child]));
    list.replaceChildren(
      ...shown.map((ticket) => {
        const version = `${ticket.id} ${ticket.version}`;
        const item = (old.get(version) as HTMLElement | undefined) ?? card(ticket);
        item.dataset["key"] = version;
        return item;
      }),
    );
  }
}

function take(ticket: Ticket): void {
  const known = tickets.get(ticket.id);
  if (known && known.version > ticket.version) return;
  tickets.set(ticket.id, ticket);
  draw();
  if (opened === ticket.id) void open(ticket.id);
}

async function load(): Promise<void> {
  const data = await ask<{ tickets: { edges: { node: Ticket }[] } }>(
    `query Board { tickets(first: 100, orderBy: UPDATED_DESC) { edges { node { ${FIELDS} } } } }`,
  );
  tickets.clear();
  for (const { node } of data.tickets.edges) tickets.set(node.id, node);
  draw();
}

/** Watches from before the first read, so that nothing falls between; a dropped socket goes on after the last cursor. */
async function watch(): Promise<void> {
  let cursor: string | undefined;
  const current = createClient({
    url: SOCKET_URL,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: Infinity,
    retryWait: async (tries) => new Promise((done) => setTimeout(done, Math.min(250 * 2 ** tries, 5000))),
    shouldRetry: () => true,
  });
  client = current;
  current.on("connected", () => show("live", "live"));
  current.on("closed", () => client === current && show("waiting", "reconnecting…"));
  while (client === current) {
    const items = current.iterate<{ ticketChanged: Change }>({
      query: `subscription Watch($after: Cursor) { ticketChanged(after: $after) { __typename
        ... on TicketChange { cursor ticket { ${FIELDS} } } ... on Gap { cursor reason } } }`,
      // read anew on every subscribe: a resumed one asks for what was missed
      get variables() {
        return { after: cursor ?? null };
      },
    });
    if (!cursor) void load();
    try {
      for await (const item of items) {
        const change = item.data?.ticketChanged;
        if (!change) throw new Error(item.errors?.[0]?.message ?? "no data");
        cursor = change.cursor;
        if (change.__typename === "Gap") await load();
        else take(change.ticket);
      }
    } catch (reason) {
      if (client !== current) return;
      complain(`the stream broke: ${reason instanceof Error ? reason.message : "closed"}`);
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

function action(name: string, run: () => Promise<unknown>): HTMLButtonElement {
  const button = make("button", name);
  button.addEventListener("click", () => void run().then(async () => (opened ? open(opened) : undefined)).catch(() => undefined));
  return button;
}

async function actions(ticket: Details): Promise<HTMLElement> {
  const row = make("div", "", "actions");
  const command = (field: string) => async () => ask(`mutation { ${field}(ticketId: "${ticket.id}") { cursor } }`);
  if (ticket.status === "NEW") {
    const { agents } = await ask<{ agents: { id: string; name: string }[] }>("{ agents { id name } }");
    const select = make("select");
    select.setAttribute("aria-label", "Agent");
    select.append(...agents.map((agent) => Object.assign(make("option", agent.name), { value: agent.id })));
    row.append(select, action("Take", async () =>
      ask("mutation($ticket: UUID!, $agent: UUID!) { takeTicket(ticketId: $ticket, agentId: $agent) { cursor } }", { ticket: ticket.id, agent: select.value }),
    ));
  }
  if (ticket.status === "ACTIVE") row.append(action("Complete", command("completeTicket")), action("Close", command("closeTicket")));
  if (ticket.status === "INACTIVE") row.append(action("Reopen", command("reopenTicket")));
  const dismiss = make("button", "✕");
  dismiss.setAttribute("aria-label", "Close the panel");
  dismiss.addEventListener("click", () => {
    opened = undefined;
    panel.hidden = true;
  });
  row.append(dismiss);
  return row;
}

function reply(chat: string): HTMLFormElement {
  const form = make("form");
  const input = Object.assign(make("input"), { required: true, placeholder: "Reply…" });
  input.setAttribute("aria-label", "Reply");
  form.append(input, make("button", "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value;
    input.value = "";
    void ask("mutation($chat: UUID!, $text: String!) { sendMessage(chatId: $chat, text: $text) { cursor } }", { chat, text })
      .then(async () => (opened ? open(opened) : undefined))
      .catch(() => (input.value = text));
  });
  return form;
}

async function open(id: string): Promise<void> {
  opened = id;
  const { ticket } = await ask<{ ticket: Details | null }>(
    `query Details($id: UUID!) { ticket(id: $id) { ${FIELDS} lastDecision { decision rule restorePeriodMs elapsedMs }
      messages(last: 50) { edges { node { id direction author { kind name } text sentAt } } } } }`,
    { id },
  );
  if (!ticket || opened !== id) return;
  const why = ticket.lastDecision;
  const list = make("ol");
  for (const { node } of ticket.messages.edges) list.append(make("li", node.text ?? "(attachment)", node.direction));
  const draft = panel.querySelector("input")?.value ?? "";
  const form = reply(ticket.chat.id);
  panel.replaceChildren(
    make("h2", `${ticket.chat.owner.name ?? ticket.chat.owner.externalId} · #${ticket.number} · ${ticket.status}`),
    await actions(ticket),
    make("p", why ? `Last message: ${why.decision} by rule ${why.rule}` : "", "why"),
    list,
    form,
  );
  form.querySelector("input")!.value = draft;
  panel.hidden = false;
}

function signOut(): void {
  writeKey("");
  key = "";
  void client?.dispose();
  client = undefined;
  opened = undefined;
  start();
}

function start(): void {
  const signedIn = key !== "";
  signIn.hidden = signedIn;
  board.hidden = !signedIn;
  panel.hidden = true;
  find("#sign-out").hidden = !signedIn;
  show(signedIn ? "waiting" : "off", signedIn ? "connecting…" : "signed out");
  if (signedIn) void watch();
}

signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  key = find<HTMLInputElement>("#key").value.trim();
  writeKey(key);
  start();
});
find("#sign-out").addEventListener("click", signOut);
start();
