// The pages in a real browser against a real server: a ticket comes in, moves and streams.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const url = process.env.SWITCHBOARD_URL;
const key = process.env.SWITCHBOARD_KEY;
const shots = process.env.SCREENSHOT_DIR;
const limit = setTimeout(() => fail(new Error("not done within 90 s")), 90_000);
let passed = 0;

function fail(error) {
  console.error(error);
  console.log(`${passed} passed, 1 failed`);
  process.exit(1);
}

async function step(name, run) {
  try {
    await run();
    passed += 1;
  } catch (error) {
    fail(new Error(`${name}: ${error.stack}`));
  }
}

async function ask(query, variables = {}) {
  const answer = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const body = await answer.json();
  assert.equal(body.errors, undefined, JSON.stringify(body.errors));
  return body.data;
}

const channel = (await ask('mutation { createChannel(input: { type: API, name: "Browser" }) { id } }')).createChannel.id;
await ask('mutation { createAgent(input: { name: "Robin" }) { id } }');
const say = async (text) => {
  const input = { channelId: channel, externalId: `m-${text}`, owner: { externalId: "ada", name: "Ada Browser" }, text };
  const data = await ask("mutation($input: MessageInput!) { ingestMessage(input: $input) { ticket { id } } }", { input });
  return data.ingestMessage.ticket.id;
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const faults = [];
page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
page.on("pageerror", (error) => faults.push(error.message));
page.on("request", (request) => {
  const asked = request.url();
  if (!asked.startsWith(url) && !/^(data|blob|ws):/.test(asked)) faults.push(`asked elsewhere: ${asked}`);
});
page.setDefaultTimeout(15_000);
const shot = async (name) => shots && page.screenshot({ path: `${shots}/${name}.png` });
let ticket;
const card = (status) => page.locator(`.column[data-status="${status}"] .ticket[data-ticket="${ticket}"]`);

await step("the key leaves the address", async () => {
  await page.goto(`${url}/#key=${key}`);
  await page.locator('#connection[data-state="live"]').waitFor();
  assert.ok(!page.url().includes(key));
});
await step("a ticket comes in without a reload", async () => {
  ticket = await say("hello");
  await card("NEW").waitFor();
});
await step("it is taken and moves", async () => {
  await card("NEW").click();
  await page.locator("#panel").getByRole("button", { name: "Take", exact: true }).click();
  await card("ACTIVE").waitFor();
});
await step("a reply is said", async () => {
  await page.getByLabel("Reply").fill("On its way.");
  await page.locator("#panel").getByRole("button", { name: "Send", exact: true }).click();
  await page.locator("#panel li.OUTGOING", { hasText: "On its way." }).waitFor();
  await shot("board");
});
await step("it is completed", async () => {
  await page.locator("#panel").getByRole("button", { name: "Complete", exact: true }).click();
  await card("INACTIVE").waitFor();
});
await step("a message reopens it, and the panel says why", async () => {
  await say("again");
  await card("ACTIVE").waitFor();
  await page.locator(".why", { hasText: "REOPENED by rule within_restore_period" }).waitFor();
});
const run = async (query) => {
  await page.locator(".graphiql-query-editor .CodeMirror").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(query);
  // GraphiQL looks at what was typed after a short rest
  await page.waitForTimeout(800);
  await page.keyboard.press("Control+Enter");
};
await step("GraphiQL shows the ticket", async () => {
  await page.goto(`${url}/graphiql`);
  await page.locator(".graphiql-query-editor .CodeMirror").waitFor();
  await run(`{ ticket(id: "${ticket}") { id status chat { owner { name } } } }`);
  await page.locator(".result-window", { hasText: "Ada Browser" }).waitFor();
  await shot("graphiql");
});
await step("GraphiQL streams its change", async () => {
  await run("subscription { ticketChanged { ... on TicketChange { event { type } ticket { id pendingChatMessages } } } }");
  await page.getByRole("button", { name: /stop/i }).waitFor();
  await page.waitForTimeout(500);
  await say("once more");
  await page.locator(".result-window", { hasText: "message.received" }).waitFor();
  await shot("stream");
});
await step("nothing complained", async () => assert.deepEqual(faults, []));

await browser.close();
clearTimeout(limit);
console.log(`${passed} passed, 0 failed`);
