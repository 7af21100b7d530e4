// The playground for somebody else's bot: `headsup playground --bot URL`.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { chatOf } from './chat.mjs';
import { startPlayground } from './server.mjs';
import { until } from './until.mjs';

test('a bot that runs by itself is tried with the same page: chat, wire and faults', async (t) => {
  const bot = await startEcho(t);
  const server = await startPlayground(t, bot.url);
  const page = await openPage(await openBrowser(t), server.origin);
  await page.goto(`${server.origin}/playground/`);
  const ann = chatOf(page, 'Ann');
  await ann.online();
  await page.getByText(`Bot at ${bot.url}`).waitFor();
  assert.deepEqual(await page.getByRole('tablist', { name: 'Beside the chats' }).getByRole('tab').allInnerTexts(), ['Wire', 'Faults']);

  await ann.send('hello there');
  await ann.seesOnce(/^You said: hello there$/);
  const rows = page.getByRole('region', { name: 'On the wire' }).getByRole('listitem');
  await rows.filter({ hasText: 'heard' }).filter({ hasText: 'hello there' }).first().waitFor();
  const said = rows.filter({ hasText: 'You said' });
  await said.getByRole('button').click();
  await said.getByRole('tab', { name: 'Request' }).click();
  await said.getByText(/^POST .*\/v3\/conversations\/.*\/activities/).waitFor();

  await page.getByRole('tab', { name: 'Faults' }).click();
  await page.getByLabel('What the channel does').selectOption('Forbidden (403)');
  await page.getByLabel('How many times').fill('1');
  await page.getByRole('button', { name: 'Start this fault' }).click();
  await page.getByText('The channel misbehaves on purpose.').waitFor();
  await ann.send('again');
  await until('that the bot is refused', () => bot.answers.includes(403));
  await page.getByText('The channel behaves.').waitFor();
  await page.getByRole('tab', { name: 'Wire' }).click();
  await rows.filter({ hasText: 'You said: again' }).filter({ hasText: '403' }).waitFor();
  await screenshot(page, 'playground-external');
  assertQuiet(page);
});

/** A bot in thirty lines of Node: it says again what it hears. */
async function startEcho(t) {
  const answers = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const activity = JSON.parse(Buffer.concat(chunks).toString());
    if (activity.type === 'message') answers.push(await echo(activity));
    response.writeHead(200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}/api/messages`, answers };
}

async function echo({ serviceUrl, conversation, id, from, recipient, text }) {
  const base = serviceUrl.replace(/\/$/, '');
  const answer = await fetch(`${base}/v3/conversations/${encodeURIComponent(conversation.id)}/activities/${id}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'message', from: recipient, recipient: from, conversation, replyToId: id, text: `You said: ${text}` }),
  });
  return answer.status;
}
