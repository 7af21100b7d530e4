// The official JavaScript SDKs, unmodified, as bots on the playground's channel; people use the official client.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { freePort, startBot } from './bot.mjs';
import { loadDirectLine, Status } from './directline.mjs';
import { startPlayground } from './server.mjs';
import { patience, until } from './until.mjs';

const ann = { id: 'dl_ann', name: 'Ann' };
const ben = { id: 'dl_ben', name: 'Ben' };

for (const name of ['botbuilder', 'agents', 'teams']) {
  test(`${name}: a person joins, is answered, sees typing, a card, its submission and the members`, async (t) => {
    const { line } = await setUp(t, name);
    await line.says(/^Welcome, Ann!$/);

    const id = await line.post({ type: 'message', text: 'hi' });
    const answer = await line.says(/^You said: hi$/);
    assert.equal(answer.from.role, 'bot');
    if (answer.replyToId) assert.equal(answer.replyToId, id);

    await line.post({ type: 'message', text: 'typing' });
    await line.receives('typing', (a) => a.type === 'typing' && a.from.role === 'bot');
    await line.says(/^Done typing\.$/);

    await line.post({ type: 'message', text: 'card' });
    const shown = await line.receives('a card', (a) => a.attachments?.length === 1);
    assert.equal(shown.attachments[0].contentType, 'application/vnd.microsoft.card.adaptive');
    assert.equal(shown.attachments[0].content.body[0].text, 'Pick one.');
    await line.post({ type: 'message', value: shown.attachments[0].content.actions[0].data });
    await line.says(/^You chose tea\.$/);

    await line.post({ type: 'message', text: 'members' });
    await line.says(/^Here (are|is) .*\bAnn\b/);
  });

  test(`${name}: speaks first, by itself and through the notification engine`, async (t) => {
    const { line, bot, server, conversationId } = await setUp(t, name);
    await line.says(/^Welcome/);

    const response = await fetch(`${bot.origin}/api/notify`, { signal: patience() });
    assert.equal(response.status, 200, await response.text());
    const hello = await line.says(/^proactive hello$/);
    assert.equal(hello.from.role, 'bot');

    await server.post('/v1/notifications', { to: { conversation: conversationId }, text: 'from the engine' });
    const engine = await line.says(/^from the engine$/);
    assert.equal(engine.from.id, hello.from.id);
  });

  test(`${name}: decides what to say in the middle of something, and has the rest wait`, async (t) => {
    const { line, server, conversationId } = await setUp(t, name);
    await line.says(/^Welcome/);
    await line.post({ type: 'message', text: 'book' });
    await line.says(/^Where to\?$/);
    const to = { conversation: conversationId };
    const waits = await server.post('/v1/notifications', { to, text: 'afterwards', policy: 'wait' });
    const told = await server.post('/v1/notifications', { to, text: 'cheaper', policy: 'interrupt', with: 'bot' });
    const said = await line.says(/^By the way: cheaper$/);
    const states = ({ id }) => server.get(`/v1/notifications/${id}`);
    await until('that it is delivered', async () => {
      const { state, deliveries } = await states(told);
      return state === 'delivered' && deliveries[0].activity_id === said.id;
    });
    assert.equal((await states(waits)).state, 'held');
    await line.post({ type: 'message', text: 'London' });
    await line.says(/^afterwards$/);
    const texts = line.texts().filter((text) => !text.startsWith('Welcome'));
    assert.deepEqual(texts.slice(-6), ['Where to?', 'By the way: cheaper', 'Where to?', 'London', 'It is booked.', 'afterwards']);
  });

  test(`${name}: updates and deletes what it said`, async (t) => {
    const { line, server, token } = await setUp(t, name);
    await line.says(/^Welcome/);

    await line.post({ type: 'message', text: 'update' });
    await line.post({ type: 'message', text: 'delete' });
    await line.says(/^Deleted\.$/);
    await history(server, token, (texts) => texts.includes('Finished.') && !texts.includes('Working on it …'));
    await history(server, token, (texts) => !texts.includes('You never saw this.'));
  });

  test(`${name}: answers in the thread where it was asked, and all of a group see it`, async (t) => {
    const { open, server } = await setUp(t, name);
    const channel = await server.post('/playground/api/conversations', { kind: 'channel', name: 'Ops', members: [ann, ben] });
    const [one, two] = await Promise.all([ann, ben].map((user) => enter(open, server, channel.id, user)));
    const threads = {};
    for (const text of ['first', 'second']) threads[text] = await one.post({ type: 'message', text });
    await two.says(/^You said: second$/);
    await two.post({ type: 'message', text: 'more', channelData: { headsup: { thread: threads.first } } });

    for (const line of [one, two]) {
      for (const [text, thread] of [['first', 'first'], ['second', 'second'], ['more', 'first']]) {
        const answer = await line.says(new RegExp(`^You said: ${text}$`));
        assert.equal(answer.channelData.headsup.thread, threads[thread], text);
      }
    }
  });
}

test('a bot that is down is told of, and may come back', async (t) => {
  const { line, bot, server } = await setUp(t, 'botbuilder');
  await line.says(/^Welcome/);
  await bot.stop();

  await assert.rejects(deliver(server, line, 'anybody?'), /502 .*BotRejectedActivity/);
  const failed = await wire(server, (entry) => entry.activity.text === 'anybody?');
  assert.equal(failed.direction, 'heard');
  assert.match(failed.error, /connection refused/);
  assert.equal(failed.answer.status, 0);

  await bot.start();
  await line.post({ type: 'message', text: 'welcome back' });
  await line.says(/^You said: welcome back$/);
  const heard = await wire(server, (entry) => entry.activity.text === 'welcome back');
  assert.equal(heard.request.method, 'POST');
  assert.equal(heard.request.url, `${bot.origin}/api/messages`);
  assert.equal(heard.answer.status, 200);
  const said = await wire(server, (entry) => entry.activity.text === 'You said: welcome back');
  assert.match(said.request.url, /\/v3\/conversations\/[^/]+\/activities/);
  assert.ok(said.seq > heard.seq, 'the answer was listed before the question');
});

/** A playground, a bot, and Ann's chat with it. The two programs need each other's address. */
async function setUp(t, name) {
  const [botPort, port] = [await freePort(), await freePort()];
  const bot = await startBot(t, name, { port: botPort, serviceUrl: `http://127.0.0.1:${port}` });
  const server = await startPlayground(t, `${bot.origin}/api/messages`, `127.0.0.1:${port}`);
  const open = await loadDirectLine(t, server.origin);
  const { token, conversationId } = await server.token(ann);
  const line = open({ token, webSocket: true });
  await line.reaches(Status.Online);
  return { open, server, bot, line, token, conversationId };
}

async function enter(open, server, conversationId, user) {
  const { token } = await server.post('/playground/api/token', { user, conversationId });
  const line = open({ token, conversationId, watermark: '0', webSocket: true });
  await line.reaches(Status.Online);
  return line;
}

/** Posts as the client does, and fails with the status and body of an answer that is no success. */
async function deliver(server, line, text) {
  const url = `${server.origin}/v3/directline/conversations/${line.conversationId}/activities`;
  const response = await fetch(url, {
    method: 'POST',
    signal: patience(),
    headers: { Authorization: `Bearer ${line.token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'message', text }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

/** Resolves when the texts in a conversation's history are as they should be. */
async function history(server, token, fits) {
  const { conversationId } = await server.post('/v3/directline/tokens/refresh', undefined, token);
  const url = `${server.origin}/v3/directline/conversations/${conversationId}/activities`;
  let texts;
  const asked = until('the history', async () => {
    const response = await fetch(url, { signal: patience(), headers: { Authorization: `Bearer ${token}` } });
    texts = (await response.json()).activities.map(({ text }) => text);
    return fits(texts);
  });
  await asked.catch(() => assert.fail(`the history has ${JSON.stringify(texts)}`));
}

/** Resolves with the first entry of the wire log that fits. */
async function wire(server, fits) {
  const response = await fetch(`${server.origin}/playground/api/wire`, { signal: patience() });
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      const entry = JSON.parse(line.slice('data: '.length));
      if (fits(entry)) return entry;
    }
  }
  throw new Error('the wire log ended');
}
