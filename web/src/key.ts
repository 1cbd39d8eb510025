/** The API key lives in this tab's session storage only. A link may bring it once as `#key=…`. */
const NAME = "switchboard.key";

export function readKey(): string {
  const brought = new URLSearchParams(location.hash.slice(1)).get("key");
  if (brought) {
    sessionStorage.setItem(NAME, brought);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(NAME) ?? "";
}

export function writeKey(key: string): void {
  if (key) sessionStorage.setItem(NAME, key);
  else sessionStorage.removeItem(NAME);
}

export const HTTP_URL = "/graphql";
export const SOCKET_URL = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`;
