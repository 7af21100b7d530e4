// The TypeScript client, in Node, against the real server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { connect, ProblemError, UnreachableError } from 'headsup-client';

import { startServer } from './server.mjs';

const run = promisify(execFile);
const client = fileURLToPath(new URL('../client/', import.meta.url));

test('the types are those of the API document', async () => {
  const generator = `${client}node_modules/.bin/openapi-typescript`;
  const { generate } = JSON.parse(await readFile(`${client}package.json`, 'utf8')).scripts;
  const [, document, options] = /^openapi-typescript (\S+) --output \S+ (.*)$/.exec(generate);
  const { stdout } = await run(generator, [document, ...options.split(' ')], { cwd: client, maxBuffer: 1e8 });
  const committed = await readFile(`${client}src/openapi.ts`, 'utf8');
  assert.ok(stdout.trim() === committed.trim(), 'client/src/openapi.ts is stale: run npm run generate');
});

test('the example tells a person and says what became of it', async (t) => {
  const server = await startServer(t);
  await met(server);

  const { stdout } = await example(server, 'dl_ann', 'Your build is done.');
  assert.match(stdout, /^ntf_\w+ is delivered\n$/);
  const failure = await example(server, 'dl_nobody', 'Hello?').catch((error) => error);
  assert.equal(failure.code, 1);
  assert.match(failure.stderr, /^no_target: /);
});

test('what the server refuses is a problem with its code and fields', async (t) => {
  const headsup = connect({ url: (await startServer(t)).origin });

  const refused = await headsup.notify({ to: {}, text: 'x' }).catch((error) => error);
  assert.ok(refused instanceof ProblemError);
  assert.equal(refused.status, 422);
  assert.equal(refused.code, 'invalid_field');
  assert.equal(refused.fields[0].field, 'body.to');
  const missing = await headsup.notification('ntf_0000000000000').catch((error) => error);
  assert.equal(missing.status, 404);
  assert.equal(missing.code, 'not_found');
});

test('a key is used once, and a request that is repeated says nothing twice', async (t) => {
  const server = await startServer(t);
  await met(server);
  let lost = 0;
  const loses = async (request) => {
    const answer = await fetch(request);
    if (request.method === 'POST' && lost++ === 0) throw new TypeError('the answer was lost');
    return answer;
  };
  const headsup = connect({ url: server.origin, fetch: loses });

  const first = await headsup.notify({ to: { user: 'dl_ann' }, text: 'once' });
  assert.equal(lost, 2);
  await headsup.wait(first.id, { signal: AbortSignal.timeout(60_000) });
  const keyed = () => headsup.notify({ to: { user: 'dl_ann' }, text: 'keyed' }, { key: 'release-7' });
  assert.equal((await keyed()).id, (await keyed()).id);
  const other = await headsup.notify({ to: { user: 'dl_ann' }, text: 'another' }, { key: 'release-7' }).catch((error) => error);
  assert.equal(other.code, 'idempotency_key_reused');
});

test('a server that is not there is unreachable, and waiting can be given up', async (t) => {
  const server = await startServer(t);
  await met(server);
  const headsup = connect({ url: server.origin, retries: 0 });

  const { id } = await headsup.notify({ to: { user: 'dl_ann' }, text: 'later', in: '1h' });
  const given = await headsup.wait(id, { signal: AbortSignal.timeout(300) }).catch((error) => error);
  assert.equal(given.name, 'TimeoutError');
  await headsup.post('/v1/notifications/{id}/cancel', { params: { path: { id } } });
  assert.equal((await headsup.wait(id)).state, 'cancelled');

  await server.kill();
  await assert.rejects(headsup.get('/v1/conversations'), UnreachableError);
});

/** Lets the bot meet Ann. */
async function met(server) {
  const { conversationId, token } = await server.token({ id: 'dl_ann', name: 'Ann' });
  const answer = await fetch(`${server.origin}/v3/directline/conversations/${conversationId}/activities`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'message', from: { id: 'dl_ann' }, text: 'hello' }),
  });
  assert.equal(answer.status, 200);
}

function example(server, ...args) {
  const env = { ...process.env, HEADSUP_SERVER: server.origin };
  return run(process.execPath, [`${client}examples/notify.mjs`, ...args], { env });
}
