// Where the server is, and the end of a test that waits for ever.

const LIMIT_MS = 60_000;

const { SWITCHBOARD_URL, SWITCHBOARD_KEY } = process.env;
if (!SWITCHBOARD_URL || !SWITCHBOARD_KEY) {
  fail('set SWITCHBOARD_URL (as http://127.0.0.1:8080) and SWITCHBOARD_KEY');
}

export const key = SWITCHBOARD_KEY;
export const httpUrl = new URL('/graphql', SWITCHBOARD_URL).href;
export const socketUrl = httpUrl.replace(/^http/, 'ws');

export function fail(why) {
  console.error(`FAILED: ${why}`);
  process.exit(1);
}

export function check(condition, why) {
  if (!condition) fail(why);
}

setTimeout(() => fail(`not done within ${LIMIT_MS / 1000} s`), LIMIT_MS).unref();
process.on('unhandledRejection', (error) => fail(error?.stack ?? String(error)));
process.on('uncaughtException', (error) => fail(error?.stack ?? String(error)));
