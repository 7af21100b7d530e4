// What a bot of the official JavaScript SDK has stored of conversations is imported, and then spoken to.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { startServer } from './server.mjs';
import { patience, until } from './until.mjs';

const run = promisify(execFile);
const { CloudAdapter, ConfigurationBotFrameworkAuthentication, ConversationState, MemoryStorage, TurnContext } = createRequire(
  new URL('../../examples/bots/package.json', import.meta.url),
)('botbuilder');

test('references that a bot kept in a map, in its state and as whole activities are imported and used', async (t) => {
  const channel = await startChannel(t);
  const files = await storedBySDK(t, channel.url);
  const server = await startServer(t);
  for (const [file, id] of files) {
    const { stdout } = await run(process.env.HEADSUP_BIN, ['import', file, '--server', server.origin]);
    assert.equal(stdout, 'added 1, known 0, refused 0\n', file);
    const answer = await fetch(`${server.origin}/v1/notifications`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ to: { conversation: id }, text: `Hello, ${id}!` }),
      signal: patience(),
    });
    assert.equal(answer.status, 202, await answer.text());
    await until(`that ${id} is told`, () => channel.heard.some((a) => a.conversation.id === id));
    const told = channel.heard.find((a) => a.conversation.id === id);
    assert.deepEqual(
      [told.text, told.from.id, told.recipient.id, told.channelId ?? 'slack'],
      [`Hello, ${id}!`, 'B1:T1', 'U1:T1', 'slack'],
    );
  }
});

/** Has the SDK hear three people, and writes what it stores, as it stores it: files and the conversation in each. */
async function storedBySDK(t, serviceUrl) {
  const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));
  const storage = new MemoryStorage();
  const state = new ConversationState(storage);
  const kept = state.createProperty('kept');
  const references = {};
  const activities = [];
  await hears(adapter, serviceUrl, 'B1:T1:map', async (context) => {
    const reference = TurnContext.getConversationReference(context.activity);
    references[reference.conversation.id] = reference;
  });
  await hears(adapter, serviceUrl, 'B1:T1:state', async (context) => {
    await kept.set(context, { jobs: { 7: { completed: false, reference: TurnContext.getConversationReference(context.activity) } } });
    await state.saveChanges(context);
  });
  await hears(adapter, serviceUrl, 'B1:T1:activity', async (context) => {
    activities.push(context.activity);
  });
  const folder = await mkdtemp(join(tmpdir(), 'headsup-import-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const write = async (name, value) => {
    const file = join(folder, name);
    await writeFile(file, JSON.stringify(value));
    return file;
  };
  return [
    [await write('references.json', references), 'B1:T1:map'],
    [await write('storage.json', storage.memory), 'B1:T1:state'],
    [await write('activities.json', activities), 'B1:T1:activity'],
  ];
}

/** Hands a message to the SDK as its web server would. */
async function hears(adapter, serviceUrl, conversation, handle) {
  const answer = { statusCode: 0, status(code) { this.statusCode = code; return this; }, header() { return this; }, send() { return this; }, end() {} };
  const body = {
    type: 'message', id: '1', text: 'hi', channelId: 'slack', serviceUrl, timestamp: new Date().toISOString(),
    from: { id: 'U1:T1', name: 'Ann' }, recipient: { id: 'B1:T1', name: 'Bot' }, conversation: { id: conversation, isGroup: false },
  };
  await adapter.process({ body, headers: {}, method: 'POST' }, answer, handle);
  assert.equal(answer.statusCode, 200);
}

/** A channel that takes whatever is said. */
async function startChannel(t) {
  const heard = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    heard.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id: String(heard.length) }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}/`, heard };
}
