// Runs the published GraphQL-over-HTTP audits (npm graphql-http) against a server; all of them count.

import { serverAudits } from 'graphql-http';

import { httpUrl, key } from './settings.mjs';

const audits = serverAudits({
  url: httpUrl,
  fetchFn: (url, init = {}) =>
    fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } }),
});

let failed = 0;
for (const audit of audits) {
  const result = await audit.fn().catch((error) => ({ status: 'error', reason: String(error) }));
  if (result.status !== 'ok') {
    failed += 1;
    const answer = result.response ? ` (HTTP ${result.response.status})` : '';
    console.log(`${audit.id} ${audit.name}: ${result.reason}${answer}`);
  }
}
console.log(`${audits.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 && audits.length > 0 ? 0 : 1);
