// Says something to somebody, waits until it is delivered, and prints what became of it. Needs Node 18 or later.
//
//   node notify.mjs dl_ann "Your build is done."
//
// HEADSUP_SERVER is where the server is, HEADSUP_KEY an API key if it wants one. KEY names what is said: with the same one it
// is said once, however often this runs.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const url = process.env.HEADSUP_SERVER ?? 'http://127.0.0.1:3978';
const open = new Set(['scheduled', 'ready', 'held', 'sending']);

async function call(method, path, body, key) {
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (process.env.HEADSUP_KEY) headers.Authorization = `Bearer ${process.env.HEADSUP_KEY}`;
  if (key !== undefined) headers['Idempotency-Key'] = key;
  const answer = await fetch(url + path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(`${content.code}: ${content.detail}`);
  return content;
}

const [user, text] = process.argv.slice(2);
if (process.argv.length !== 4) {
  console.error('usage: node notify.mjs USER TEXT');
  process.exit(2);
}
let said = await call('POST', '/v1/notifications', { to: { user }, text }, process.env.KEY ?? randomUUID());
while (open.has(said.state)) {
  await sleep(200);
  said = await call('GET', `/v1/notifications/${said.id}`);
}
console.log(said.id, said.state);
process.exitCode = said.state === 'delivered' ? 0 : 1;
