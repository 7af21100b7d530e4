// The official Direct Line client against the server, by polling and by WebSocket.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadDirectLine, Status } from './directline.mjs';
import { startServer } from './server.mjs';

const ann = { id: 'dl_ann', name: 'Ann' };

for (const webSocket of [true, false]) {
  const how = webSocket ? 'by WebSocket' : 'by polling';

  test(`a conversation starts, and the bot speaks first, ${how}`, async (t) => {
    const { open, token } = await setUp(t);
    const line = open({ token, webSocket });

    await line.reaches(Status.Online);
    const welcome = await line.says(/./);
    assert.equal(welcome.from.role, 'bot');
    assert.equal(welcome.channelId, 'directline');
  });

  test(`a message comes back with its client's id, and is answered once, ${how}`, async (t) => {
    const { open, token } = await setUp(t);
    const line = open({ token, webSocket });
    await line.says(/./);

    const id = await line.post({ type: 'message', text: 'run', channelData: { clientActivityID: 'c-1' } });
    const echo = await line.receives('the echo', (a) => a.channelData?.clientActivityID === 'c-1');
    assert.equal(echo.id, id);
    assert.equal(echo.from.id, ann.id);
    assert.equal(echo.text, 'run');

    const answer = await line.says(/^Started job \d+\./);
    assert.equal(answer.replyToId, id);
    assert.ok(line.activities.indexOf(echo) < line.activities.indexOf(answer), 'the answer came before the echo');
    assert.equal(line.activities.filter((a) => a.id === answer.id).length, 1);
  });

  test(`a user cannot speak as another, ${how}`, async (t) => {
    const { open, token } = await setUp(t);
    const line = open({ token, webSocket });

    const id = await line.post({ type: 'message', text: 'hello', from: { id: 'dl_ben', name: 'Ben' } });
    const echo = await line.receives('the echo', (a) => a.id === id);
    assert.equal(echo.from.id, ann.id);
  });

  test(`what was said while nobody listened comes in order, once, ${how}`, async (t) => {
    const { server, open, token, conversationId } = await setUp(t);
    const before = open({ token, webSocket });
    await before.says(/./);
    const { watermark } = before;
    before.close();

    const texts = ['one', 'two', 'three'];
    for (const text of texts) await server.post('/v1/notifications', { to: { conversation: conversationId }, text });

    const after = open({ token, webSocket, conversationId, watermark });
    await after.says(/^three$/);
    await server.post('/v1/notifications', { to: { conversation: conversationId }, text: 'four' });
    await after.says(/^four$/);
    assert.deepEqual(after.texts(), [...texts, 'four']);
  });

  test(`two files of one name arrive as two files, ${how}`, async (t) => {
    const { open, token } = await setUp(t);
    const line = open({ token, webSocket });
    await line.says(/./);

    const contents = ['the first file', 'the second file'];
    const id = await line.post({
      type: 'message',
      attachments: contents.map((content) => ({
        name: 'note.txt',
        contentType: 'text/plain',
        contentUrl: `data:text/plain;base64,${btoa(content)}`,
      })),
    });
    const { attachments } = await line.receives('the echo', (a) => a.id === id);

    assert.deepEqual(attachments.map(({ name }) => name).toSorted(), ['note (1).txt', 'note.txt']);
    const stored = await Promise.all(attachments.map(download));
    assert.deepEqual(stored.toSorted(), contents);
  });

  test(`a refreshed token is for the same conversation, ${how}`, async (t) => {
    const { open, token, conversationId } = await setUp(t);
    const line = open({ token, webSocket });
    await line.says(/./);

    const fresh = await line.refresh();
    await line.post({ type: 'message', text: 'show' });
    assert.notEqual(fresh, '');

    const again = open({ token: fresh, webSocket, conversationId, watermark: '0' });
    await again.says(/^show$/);
  });

  test(`a client that left hears nothing more, ${how}`, async (t) => {
    const { server, open, token, conversationId } = await setUp(t);
    const leaver = open({ token, webSocket });
    await leaver.says(/./);
    const { watermark } = leaver;
    leaver.client.end();
    await leaver.reaches(Status.Ended);
    leaver.close();
    const heard = leaver.activities.length;

    await server.post('/v1/notifications', { to: { conversation: conversationId }, text: 'still there?' });
    const other = open({ token, webSocket, conversationId, watermark });
    await other.says(/^still there\?$/);
    assert.equal(leaver.activities.length, heard);
  });
}

test('a socket that a crash broke is opened again, and nothing is lost or doubled', async (t) => {
  const { server, open, token, conversationId } = await setUp(t);
  const line = open({ token, webSocket: true });
  await line.says(/./);
  await line.post({ type: 'message', text: 'run' });
  await line.says(/^Started job \d+\./);
  const before = line.texts();

  await server.kill();
  await server.start();
  await server.post('/v1/notifications', { to: { conversation: conversationId }, text: 'after the crash' });

  await line.says(/^after the crash$/);
  assert.deepEqual(line.texts(), [...before, 'after the crash']);
});

test('a token opens no conversation but its own', async (t) => {
  const { server, open, token } = await setUp(t);
  await open({ token, webSocket: false }).reaches(Status.Online);
  const other = await server.token({ id: 'dl_ben', name: 'Ben' });

  const response = await fetch(`${server.origin}/v3/directline/conversations/${other.conversationId}/activities`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  assert.equal(response.status, 403);
});

async function setUp(t) {
  const server = await startServer(t);
  const open = await loadDirectLine(t, server.origin);
  const { token, conversationId } = await server.token(ann);
  return { server, open, token, conversationId };
}

async function download({ contentUrl }) {
  const response = await fetch(contentUrl);
  assert.equal(response.status, 200);
  return response.text();
}
