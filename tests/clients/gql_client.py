"""The PyPI client gql against a server: HTTP, a live subscription, a query beside it, resuming, and a wrong key."""

import asyncio
import os
import sys
import uuid

from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportError, TransportQueryError, TransportServerError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

LIMIT_SECONDS = 60
MESSAGES = 25
WRONG_KEY = "this-key-opens-nothing-at-all-0000000000"

EVENTS = """subscription Events($after: Cursor) { events(after: $after) {
  __typename ... on Event { id cursor type chatId chatSeq } ... on Gap { cursor reason } } }"""
CHANNEL = "mutation Channel($input: ChannelInput!) { createChannel(input: $input) { id } }"
INGEST = """mutation Ingest($input: MessageInput!) { ingestMessage(input: $input) {
  decision cursor ticket { id status } chat { id } message { seq } } }"""


class Failed(Exception):
    """What did not hold."""


def check(condition, why):
    if not condition:
        raise Failed(why)


def document(text, variables=None):
    request = gql(text)
    request.variable_values = variables or {}
    return request


def http_client(url, key):
    headers = {"Authorization": f"Bearer {key}"}
    return Client(transport=AIOHTTPTransport(url=url, headers=headers, ssl=False))


def socket_client(url, key):
    transport = WebsocketsTransport(
        url="ws" + url.removeprefix("http"),
        init_payload={"authorization": f"Bearer {key}"},
        subprotocols=["graphql-transport-ws"],
        ping_interval=5,
        pong_timeout=5,
    )
    return Client(transport=transport)


class Sender:
    """Sends messages of one owner over HTTP."""

    def __init__(self, session, channel_id):
        self.session = session
        self.channel_id = channel_id
        self.owner = {"externalId": str(uuid.uuid4()), "name": "Owner"}
        self.sent = 0

    async def send(self):
        self.sent += 1
        message = {
            "channelId": self.channel_id,
            "externalId": f"m{self.sent}",
            "owner": self.owner,
            "text": f"message {self.sent}",
        }
        result = await self.session.execute(document(INGEST, {"input": message}))
        receipt = result["ingestMessage"]
        expected = "CREATED" if self.sent == 1 else "APPENDED"
        check(receipt["decision"] == expected, f"message {self.sent}: {receipt['decision']}")
        check(receipt["ticket"] and receipt["message"], f"a bad receipt: {receipt}")
        return receipt


async def collect(session, after, chat_id, messages):
    """The events of the chat until so many messages came."""
    events = []
    items = session.subscribe(document(EVENTS, {"after": after}))
    try:
        async for result in items:
            item = result["events"]
            check(item["__typename"] == "Event", f"a gap: {item.get('reason')}")
            if item["chatId"] == chat_id:
                events.append(item)
                messages -= item["type"] == "message.received"
            if messages == 0:
                return events
    finally:
        await items.aclose()
    raise Failed("the subscription ended")


def check_gapless(events, what):
    seqs = [event["chatSeq"] for event in events]
    check(seqs == list(range(seqs[0], seqs[0] + len(seqs))), f"{what}: chatSeq {seqs}")
    check(len({event["id"] for event in events}) == len(events), f"{what}: an event came twice")


async def check_stream(url, key, sender):
    first = await sender.send()
    chat_id = first["chat"]["id"]
    async with socket_client(url, key) as session:
        live = asyncio.create_task(collect(session, first["cursor"], chat_id, MESSAGES))
        result = await session.execute(document("query Kind { __typename }"))
        check(result.get("__typename"), f"a query over the socket: {result}")
        for _ in range(MESSAGES):
            await sender.send()
        before = await live
        check_gapless(before, "live")
        print(f"live: {len(before)} events of {MESSAGES} messages, in order")

        for _ in range(MESSAGES):
            await sender.send()
        after = await collect(session, before[-1]["cursor"], chat_id, MESSAGES)
        check_gapless(before + after, "resumed")
        print(f"resumed: {len(after)} events, exactly what was missed")


async def check_wrong_key(url):
    try:
        async with http_client(url, WRONG_KEY) as session:
            await session.execute(document("{ __typename }"))
        raise Failed("a wrong key was let in over HTTP")
    except TransportServerError as error:
        check(error.code == 401, f"a wrong key over HTTP: {error}")
    except TransportQueryError as error:
        codes = [found["extensions"]["code"] for found in error.errors or []]
        check(codes == ["UNAUTHENTICATED"], f"a wrong key over HTTP: {error}")
    try:
        async with socket_client(url, WRONG_KEY):
            raise Failed("a wrong key was let in over the socket")
    except (TransportError, ConnectionClosed) as error:
        found = closed_with(error)
        check(found == 4403, f"a wrong key over the socket: closed with {found}: {error!r}")
    print("a wrong key: 401 and 4403")


def closed_with(error):
    """The close code that an error or one of its causes carries."""
    while error is not None:
        if isinstance(error, ConnectionClosed):
            return error.rcvd.code if error.rcvd else None
        error = error.__cause__ or error.__context__
    return None


async def run(url, key):
    async with http_client(url, key) as session:
        result = await session.execute(document("{ __typename }"))
        check(result.get("__typename"), f"a query over HTTP: {result}")
        name = f"client test {uuid.uuid4()}"
        made = await session.execute(document(CHANNEL, {"input": {"type": "API", "name": name}}))
        await check_stream(url, key, Sender(session, made["createChannel"]["id"]))
    await check_wrong_key(url)


def main():
    base, key = os.environ.get("SWITCHBOARD_URL"), os.environ.get("SWITCHBOARD_KEY")
    if not base or not key:
        return "set SWITCHBOARD_URL (as http://127.0.0.1:8080) and SWITCHBOARD_KEY"
    url = base.removesuffix("/").removesuffix("/graphql") + "/graphql"
    try:
        asyncio.run(asyncio.wait_for(run(url, key), LIMIT_SECONDS))
    except TimeoutError:
        return f"not done within {LIMIT_SECONDS} s"
    except Exception as error:  # whatever it is, one clear line
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    why = main()
    if why:
        sys.exit(f"FAILED: {why}")
