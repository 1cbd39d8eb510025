import "graphiql/graphiql.css";
import "./graphiql.css";

import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { createClient } from "graphql-ws";
import { createRoot } from "react-dom/client";

import { HTTP_URL, SOCKET_URL, readKey, writeKey } from "./key";

const STARTER = `# Queries, mutations and subscriptions of switchboard. The API key goes into the field above.
# Ctrl-Enter runs what the cursor is in; the book icon on the left has the whole schema.

query Tickets {
  tickets(first: 10) {
    totalCount
    edges {
      node {
        id
        number
        status
        reason
        createdAt
        chat { owner { name externalId } channel { name type } }
      }
    }
  }
}

# Run this one, then let a message come in.
subscription Live {
  ticketChanged {
    __typename
    ... on TicketChange {
      cursor
      event { type at }
      ticket { id status pendingChatMessages }
    }
    ... on Gap { cursor reason }
  }
}
`;

const input = document.querySelector<HTMLInputElement>("#key")!;
const state = document.querySelector<HTMLElement>("#key-state")!;
const root = createRoot(document.querySelector("#graphiql")!);
let client: ReturnType<typeof createClient> | undefined;

function render(key: string): void {
  void client?.dispose();
  client = createClient({ url: SOCKET_URL, lazy: true, connectionParams: { authorization: `Bearer ${key}` } });
  const fetcher = createGraphiQLFetcher({
    url: HTTP_URL,
    headers: key ? { authorization: `Bearer ${key}` } : {},
    wsClient: client,
  });
  state.textContent = key ? "" : "give an API key to begin";
  // a new key is a new page of GraphiQL: its schema is read again
  root.render(<GraphiQL key={key} fetcher={fetcher} defaultQuery={STARTER} shouldPersistHeaders={false} />);
}

input.value = readKey();
input.addEventListener("change", () => {
  writeKey(input.value.trim());
  render(input.value.trim());
});
render(input.value);
