// What goes on in a conversation, and what is held for it, beside the chat: the dialogs and how far they are, who says that
// the person is busy, and what is said when that is over.
import assert from 'node:assert/strict';
import test from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, screenshot } from './browser.mjs';
import { openPlayground } from './playground.mjs';

const held = (text) => ({ to: { user: 'dl_ann' }, topic: 'prices', text, policy: 'wait', max_wait: '30m', then: 'drop', release: 'digest' });

function queueOf(page) {
  const list = (name) => page.getByRole('list', { name, exact: true }).locator(':scope > li');
  return { goingOn: list('Going on'), waiting: list('Waiting'), outcomes: list('Outcomes') };
}

async function begin(ann) {
  await ann.send('book London');
  await ann.sees(/When do you arrive in London\?/);
}

test('a dialog and what is held for it stand beside the chat, and come as one digest', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  const { goingOn, waiting, outcomes } = queueOf(page);
  await page.getByRole('tab', { name: 'Queue' }).click();
  await begin(ann);
  await goingOn.filter({ hasText: 'Ann' }).getByText('dialog', { exact: true }).waitFor();
  await goingOn.getByRole('list', { name: 'Dialogs' }).getByText(/waits for an answer/).waitFor();
  for (const text of ['Las Vegas is cheaper.', 'Reno is, too.', 'And a flight.']) await server.post('/v1/notifications', held(text));
  const row = waiting.filter({ hasText: 'Reno is, too.' });
  await row.getByText('held', { exact: true }).waitFor();
  await row.getByText(/dialog; wait for up to 30m, then drop, as a digest/).waitFor();
  await row.getByText(/until .*\d\d:\d\d.* at the latest/).waitFor();
  await screenshot(page, 'playground-held');
  await assertAccessible(page, 'held');

  await row.getByRole('button', { name: /^Cancel/ }).click();
  await outcomes.filter({ hasText: 'Reno is, too.' }).getByText('cancelled', { exact: true }).waitFor();
  await ann.send('cancel');
  await ann.seesOnce(/• Las Vegas is cheaper\./);
  await ann.seesOnce(/• And a flight\./);
  await screenshot(page, 'playground-digest');
  assert.equal(await ann.count(/Reno/), 0);
  await goingOn.first().waitFor({ state: 'detached' });
  await outcomes.filter({ hasText: 'And a flight.' }).getByText('delivered', { exact: true }).waitFor();
  assertQuiet(page);
});

test('what somebody calls busy is released by hand', async (t) => {
  const { server, page, ann } = await openPlayground(t, { colorScheme: 'dark' });
  const { goingOn } = queueOf(page);
  const [{ id }] = await server.conversations('dl_ann');
  const answer = await fetch(`${server.origin}/v1/conversations/${id}/busy`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ reason: 'on the phone', priority: 5, expires_in: '10m' }),
  });
  assert.equal(answer.status, 200);
  await server.post('/v1/notifications', held('After the call.'));
  await page.getByRole('tab', { name: 'Queue' }).click();
  await page.getByLabel('Whose queue').selectOption('Ann');
  const row = goingOn.filter({ hasText: 'on the phone' });
  await row.getByText('priority 5').waitFor();
  await row.getByText(/over in 9 min/).waitFor();
  await assertAccessible(page, 'busy, dark');
  assert.equal(await ann.count(/After the call/), 0);
  const release = row.getByRole('button', { name: 'Release: busy in Ann' });
  await release.focus();
  await page.keyboard.press('Enter');
  await ann.seesOnce(/^After the call\.$/);
  await row.waitFor({ state: 'detached' });
  assertQuiet(page);
});

test('what goes on fits a phone', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel', viewport: { width: 390, height: 844 } });
  await begin(ann);
  await server.post('/v1/notifications', held('Las Vegas is cheaper.'));
  await page.getByRole('tab', { name: 'Queue' }).click();
  const { goingOn, waiting } = queueOf(page);
  await goingOn.getByText(/waits for an answer/).waitFor();
  await waiting.getByText('held', { exact: true }).waitFor();
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= seen, `it is ${wide} pixels wide on a screen of ${seen}`);
  await assertAccessible(page, 'held, on a phone');
  await screenshot(page, 'playground-phone-held');
  assertQuiet(page);
});
