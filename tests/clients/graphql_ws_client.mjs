// The npm client graphql-ws against a server: a live subscription, a query beside it, resuming, and a wrong key.

import { randomUUID } from 'node:crypto';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { check, httpUrl, key, socketUrl } from './settings.mjs';

const MESSAGES = 25;
const FIELDS = '__typename ... on Event { id cursor type chatId chatSeq } ... on Gap { cursor reason }';
const EVENTS = `subscription { events { ${FIELDS} } }`;
const EVENTS_AFTER = `subscription After($after: Cursor) { events(after: $after) { ${FIELDS} } }`;
const INGEST = `mutation Ingest($input: MessageInput!) {
  ingestMessage(input: $input) { decision cursor ticket { id status } chat { id } message { seq } }
}`;

async function post(query, variables) {
  const response = await fetch(httpUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  check(!errors, `${query.slice(0, 40)}: ${JSON.stringify(errors)}`);
  return data;
}

function connect(authorization, on = {}) {
  return createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    lazy: true,
    retryAttempts: 0,
    on,
  });
}

/** Collects the events of a subscription; `until` answers when the predicate holds. */
function collect(client, query, variables) {
  const items = [];
  let wanted = null;
  const look = () => {
    if (wanted?.predicate(items)) {
      wanted.resolve(items);
      wanted = null;
    }
  };
  const ended = Promise.withResolvers ? Promise.withResolvers() : deferred();
  const stop = client.subscribe(
    { query, variables },
    {
      next({ data, errors }) {
        check(!errors, `the subscription: ${JSON.stringify(errors)}`);
        check(data.events.__typename === 'Event', `a gap: ${data.events.reason}`);
        items.push(data.events);
        look();
      },
      error: (error) => check(false, `the subscription: ${describe(error)}`),
      complete: () => ended.resolve(),
    },
  );
  const until = (predicate) =>
    new Promise((resolve) => {
      wanted = { predicate, resolve };
      look();
    });
  return { items, until, stop: () => (stop(), ended.promise) };
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

function describe(error) {
  if (Array.isArray(error)) return JSON.stringify(error);
  return error?.code ? `closed with ${error.code} ${error.reason}` : String(error);
}

/** One result over the socket. */
function ask(client, query, variables) {
  return new Promise((resolve, reject) => {
    let result = null;
    client.subscribe(
      { query, variables },
      { next: (value) => (result = value), error: reject, complete: () => resolve(result) },
    );
  });
}

function ofChat(items, chatId) {
  return items.filter((item) => item.chatId === chatId);
}

function received(items, chatId) {
  return ofChat(items, chatId).filter((item) => item.type === 'message.received');
}

function checkGapless(items, first, what) {
  items.forEach((item, index) => {
    check(item.chatSeq === first + index, `${what}: chatSeq ${item.chatSeq} instead of ${first + index}`);
  });
  check(new Set(items.map((item) => item.id)).size === items.length, `${what}: an event came twice`);
}

const name = `client test ${randomUUID()}`;
const { createChannel } = await post(
  'mutation Channel($input: ChannelInput!) { createChannel(input: $input) { id } }',
  { input: { type: 'API', name } },
);
const owner = { externalId: randomUUID(), name: 'Owner' };
let sent = 0;
async function send() {
  sent += 1;
  const input = { channelId: createChannel.id, externalId: `m${sent}`, owner, text: `message ${sent}` };
  const receipt = (await post(INGEST, { input })).ingestMessage;
  check(receipt.cursor && receipt.ticket && receipt.message, `a bad receipt: ${JSON.stringify(receipt)}`);
  check(receipt.decision === (sent === 1 ? 'CREATED' : 'APPENDED'), `message ${sent}: ${receipt.decision}`);
  return receipt.chat.id;
}

// live, with a query beside it: its answer also shows that the subscription before it began
const client = connect(`Bearer ${key}`);
const live = collect(client, EVENTS);
const answer = await ask(client, 'query Kind { __typename }');
check(answer?.data?.__typename && !answer.errors, `a query over the socket: ${JSON.stringify(answer)}`);
let chatId;
for (let index = 0; index < MESSAGES; index += 1) chatId = await send();
await live.until((items) => received(items, chatId).length === MESSAGES);
await live.stop();
const before = ofChat(live.items, chatId);
checkGapless(before, 1, 'live');
console.log(`live: ${before.length} events of ${MESSAGES} messages, in order`);

// a query that does not fit the schema ends alone
const refusal = await ask(client, '{ thereIsNoSuchField }').catch((error) => error);
const code = Array.isArray(refusal) ? refusal[0].extensions?.code : undefined;
check(code === 'GRAPHQL_VALIDATION_FAILED', `a wrong query: ${describe(refusal)}`);

// resume: exactly what was missed, then live again
for (let index = 0; index < MESSAGES; index += 1) await send();
const resumed = collect(client, EVENTS_AFTER, { after: before.at(-1).cursor });
await resumed.until((items) => received(items, chatId).length === MESSAGES);
await send();
await resumed.until((items) => received(items, chatId).length === MESSAGES + 1);
await resumed.stop();
const after = ofChat(resumed.items, chatId);
checkGapless(after, before.length + 1, 'resumed');
checkGapless([...before, ...after], 1, 'both together');
console.log(`resumed: ${after.length} events, exactly what was missed and what followed`);
await client.dispose();

// the key alone, without Bearer and in another letter case
const raw = createClient({
  url: socketUrl,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: key },
  retryAttempts: 0,
});
check((await ask(raw, '{ __typename }'))?.data, 'the key alone was not taken');
await raw.dispose();

// a wrong key
const wrong = connect('Bearer this-key-opens-nothing-at-all-0000000000');
const closed = await ask(wrong, '{ __typename }').then(
  () => null,
  (error) => error,
);
check(closed?.code === 4403, `a wrong key: ${closed ? describe(closed) : 'was let in'}`);
console.log('a wrong key: 4403');
process.exit(0);
