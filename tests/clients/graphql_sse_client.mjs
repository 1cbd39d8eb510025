// The npm client graphql-sse, distinct connections mode: a live subscription, resuming, a query, and what is refused.

import { randomUUID } from 'node:crypto';

import { createClient } from 'graphql-sse';

import { check, httpUrl, key } from './settings.mjs';

const MESSAGES = 20;
const EVENTS = `subscription Events($after: Cursor) {
  events(after: $after, types: ["message.received"]) { __typename ... on Event { cursor chatId chatSeq } ... on Gap { reason } }
}`;
const url = `${httpUrl}/stream`;

function connect(authorization) {
  return createClient({ url, headers: { authorization }, retryAttempts: 0 });
}

async function post(query, variables) {
  const response = await fetch(httpUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  check(!errors, JSON.stringify(errors));
  return data;
}

/** Takes so many items; calls `begun` once the server has answered. */
async function take(client, variables, count, begun) {
  const items = [];
  const iterator = client.iterate({ query: EVENTS, variables });
  const first = iterator.next();
  await begun?.();
  for (let next = await first; !next.done; next = await iterator.next()) {
    check(!next.value.errors, JSON.stringify(next.value.errors));
    check(next.value.data.events.__typename === 'Event', `a gap: ${next.value.data.events.reason}`);
    items.push(next.value.data.events);
    if (items.length === count) break;
  }
  await iterator.return();
  return items;
}

const client = connect(`Bearer ${key}`);
const { createChannel } = await post('mutation($input: ChannelInput!) { createChannel(input: $input) { id } }', {
  input: { type: 'API', name: `client test ${randomUUID()}` },
});
let sent = 0;
async function send(count) {
  for (let index = 0; index < count; index += 1) {
    sent += 1;
    const input = { channelId: createChannel.id, externalId: `m${sent}`, owner: { externalId: 'ada' }, text: `${sent}` };
    await post('mutation($input: MessageInput!) { ingestMessage(input: $input) { decision } }', { input });
  }
}

// a query is one next and a complete
const results = [];
for await (const result of client.iterate({ query: '{ __typename channels { id } }' })) results.push(result);
check(results.length === 1 && results[0].data.__typename === 'Query', JSON.stringify(results));

// the first message tells where to resume, so that the subscription surely has begun
await send(1);
const { chats } = await post('query { chats(first: 1) { edges { node { id events(first: 100) { edges { node { cursor } } } } } } }');
const cursor = chats.edges[0].node.events.edges[0].node.cursor;
const live = await take(client, { after: cursor }, MESSAGES, () => send(MESSAGES));
const seqs = live.map((item) => item.chatSeq);
check(new Set(seqs).size === MESSAGES, 'an event came twice');
check(seqs.every((seq, index) => index === 0 || seq > seqs[index - 1]), `out of order: ${seqs}`);
console.log(`live: ${live.length} events`);

// resumed in the middle: the same again, and what followed
await send(2);
const again = await take(client, { after: live[9].cursor }, MESSAGES - 10 + 3);
check(again[0].chatSeq === live[10].chatSeq, 'resumed at another place');
console.log(`resumed: ${again.length} events`);

// what does not fit the schema comes as an event
const wrong = [];
for await (const result of client.iterate({ query: '{ thereIsNoSuchField }' })) wrong.push(result);
check(wrong[0].errors?.[0].extensions.code === 'GRAPHQL_VALIDATION_FAILED', JSON.stringify(wrong));

// a stranger gets 401, a mutation by GET 405, a client that takes no events 406
const stranger = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
check(stranger.status === 401, `a stranger: ${stranger.status}`);
const headers = { authorization: `Bearer ${key}`, accept: 'text/event-stream' };
const byGet = await fetch(`${url}?query=${encodeURIComponent('mutation { createAgent(input: { name: "x" }) { id } }')}`, { headers });
check(byGet.status === 405, `a mutation by GET: ${byGet.status}`);
const json = await fetch(`${url}?query={__typename}`, { headers: { ...headers, accept: 'application/json' } });
check(json.status === 406, `a client that takes no events: ${json.status}`);

// as it is on the wire
const wire = await fetch(`${url}?query={__typename}`, { headers });
check(wire.headers.get('content-type') === 'text/event-stream; charset=utf-8', wire.headers.get('content-type'));
const text = await wire.text();
check(text.endsWith('event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata: \n\n'), JSON.stringify(text));
console.log('refusals as the protocol has them');
process.exit(0);
