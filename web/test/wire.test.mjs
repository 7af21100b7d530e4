// The wire log in a real browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, screenshot } from './browser.mjs';
import { copied, run } from './clipboard.mjs';
import { openPlayground, started } from './playground.mjs';
import { until } from './until.mjs';

test('the wire is searched and filtered by person, conversation, direction, type and errors', async (t) => {
  const { page, ann, ben } = await openPlayground(t);
  const { wire, rows } = wireOf(page);
  await ann.send('run');
  await ann.sees(started);
  await ben.send('show');
  await rows.filter({ hasText: 'Table' }).waitFor();

  const search = wire.getByRole('searchbox', { name: 'Search the wire' });
  await search.fill('started job');
  await until('one row', async () => (await rows.count()) === 1);
  assert.match(await rows.innerText(), /said\s+message\s+Ann/);
  await search.fill('nothing like it');
  await wire.getByText(/^None of \d+ fits the filter\.$/).waitFor();
  await search.fill('');

  await wire.getByRole('button', { name: 'Filter' }).click();
  const only = async (label, option, pattern) => {
    await wire.getByLabel(label).selectOption({ label: option });
    await until(`rows for ${option}`, async () => {
      const texts = await rows.allInnerTexts();
      return texts.length > 0 && texts.every((text) => pattern.test(text));
    });
    await wire.getByRole('button', { name: 'Show all' }).click();
  };
  await only('Person', 'Ben', /Ben/);
  await only('Conversation', 'Ann', /Ann/);
  await only('Direction', 'said', /said/);
  await only('Type', 'conversationUpdate', /conversationUpdate/);
  await wire.getByLabel('Only errors').check();
  await wire.getByText(/^None of \d+ fits the filter\.$/).waitFor();
  assertQuiet(page);
});

test('the wire shows request and answer, and the request runs as curl', async (t) => {
  const { page, ann } = await openPlayground(t);
  const { rows } = wireOf(page);
  await ann.send('it\'s "quoted" & $(odd)');
  await ann.sees(/^Say .run. to start/);
  const heard = rows.filter({ hasText: 'heard' }).filter({ hasText: 'odd' });
  await heard.getByRole('button').first().click();

  await heard.getByRole('tab', { name: 'Request' }).click();
  assert.match(await heard.innerText(), /POST http:\/\/127\.0\.0\.1:\d+\/api\/messages/);
  const body = JSON.parse(await heard.getByLabel('Request body').innerText());
  assert.equal(body.text, 'it\'s "quoted" & $(odd)');
  await screenshot(page, 'playground-wire');
  await heard.getByRole('tab', { name: 'Answer' }).click();
  await heard.getByText(/^Status 200 after \d+ ms$/).waitFor();

  await heard.getByRole('button', { name: 'Copy as curl' }).click();
  const { status } = await run(await copied(page));
  assert.equal(status, 200, 'the same message again is answered as before');
  assertQuiet(page);
});

test('the wire can be held and cleared', async (t) => {
  const { server, page, ann } = await openPlayground(t);
  const { wire, rows } = wireOf(page);
  const [{ id }] = await server.conversations('dl_ann');
  const before = await rows.count();

  await wire.getByRole('button', { name: 'Pause the wire' }).click();
  await server.post('/v1/notifications', { to: { conversation: id }, text: 'You will not see me yet.' });
  await ann.seesOnce(/^You will not see me yet\.$/);
  const resume = wire.getByRole('button', { name: 'Resume the wire' });
  await until('that something is new', async () => /1 new/.test(await resume.innerText()));
  assert.equal(await rows.count(), before);
  await resume.click();
  await rows.filter({ hasText: 'You will not see me yet.' }).waitFor();

  await wire.getByRole('button', { name: 'Clear the wire' }).click();
  await wire.getByText('What the bot hears and says appears here.').waitFor();
  assertQuiet(page);
});

test('the wire stays quick with thousands of rows', async (t) => {
  const { server, page } = await openPlayground(t);
  const { wire, rows } = wireOf(page);
  const { token, conversationId } = await server.token({ id: 'dl_ann', name: 'Ann' });
  const url = `${server.origin}/v3/directline/conversations/${conversationId}/activities`;
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const say = async (text) => {
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ type: 'message', from: { id: 'dl_ann' }, text }) });
    assert.equal(answer.status, 200);
  };

  for (let n = 0; n < 2600; n += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => say(`note n${n + k}e`)));
  const list = wire.getByRole('list', { name: /^5000 of 5000 activities/ });
  await list.waitFor();
  assert.ok((await rows.count()) < 100, 'only what is in sight is drawn');

  const search = wire.getByRole('searchbox', { name: 'Search the wire' });
  const start = Date.now();
  await search.fill('n2599e');
  await until('one row', async () => (await rows.count()) === 1);
  const took = Date.now() - start;
  assert.ok(took < 3000, `searching took ${took} ms`);
  assertQuiet(page);
});

function wireOf(page) {
  const wire = page.getByRole('region', { name: 'On the wire' });
  return { wire, rows: wire.getByRole('listitem') };
}
