// The channel's faults and the bot's queue, in a real browser: what the engine does about each is seen on the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, screenshot } from './browser.mjs';
import { copied, run } from './clipboard.mjs';
import { openPlayground, started } from './playground.mjs';
import { until } from './until.mjs';

test('a 429 with Retry-After: the queue says when it is tried next, and then it arrives once', async (t) => {
  const { page, ann } = await openPlayground(t);
  const { waiting, outcomes } = queueOf(page);
  await fault(page, 'Too many requests (429)', { 'Retry-After, seconds': '4', 'How many times': '1' });
  await notify(page, 'Ann', 'Patience.');

  await view(page, 'Queue');
  const row = waiting.filter({ hasText: 'Patience.' });
  await row.getByText(/tried once, next try in \d s/).waitFor();
  await row.getByText('throttled, status 429').waitFor();
  await ann.card.getByRole('status').getByText(/1 waiting, tried once, next try in \d s/).waitFor();
  await row.getByRole('button', { name: /^History/ }).click();
  await row.getByText(/attempt 1.*status 429/).waitFor();
  assert.equal(await ann.count(/Patience/), 0);

  await ann.seesOnce(/^Patience\.$/);
  await outcomes.filter({ hasText: 'Patience.' }).getByText('delivered', { exact: true }).waitFor();
  assertQuiet(page);
});

test('a 403 fails with its reason, and is replayed when the channel behaves', async (t) => {
  const { page, ann } = await openPlayground(t);
  const { outcomes } = queueOf(page);
  await fault(page, 'Forbidden (403)', { 'How many times': '1' }, 'BotNotInConversationRoster');
  await notify(page, 'Ann', 'May I?');

  await view(page, 'Queue');
  const row = outcomes.filter({ hasText: 'May I?' });
  await row.getByText('failed', { exact: true }).waitFor();
  assert.match(await row.innerText(), /403/);
  await ann.card.getByText(/The last message did not arrive/).waitFor();
  assert.equal(await ann.count(/May I/), 0);
  await ann.send('run'); // until she says something, nothing is sent where it was forbidden
  await ann.sees(started);
  await row.getByRole('button', { name: /^Replay/ }).click();
  await ann.seesOnce(/^May I\?$/);
  assertQuiet(page);
});

test('an outage holds messages up until it is over, and the page says all the while that it is on purpose', async (t) => {
  const { page, ann, ben } = await openPlayground(t);
  const { waiting } = queueOf(page);
  await fault(page, 'Outage: nothing answers');
  await page.getByText('The channel misbehaves on purpose.').waitFor();
  await notify(page, 'Everyone the bot knows', 'Are you there?');

  await view(page, 'Queue');
  await until('two that wait', async () => (await waiting.filter({ hasText: 'Are you there?' }).count()) === 2);
  await screenshot(page, 'playground-queue');
  await page.getByRole('button', { name: 'Stop all faults' }).click();
  await page.getByText('The channel misbehaves on purpose.').waitFor({ state: 'detached' });
  await Promise.all([ann, ben].map((chat) => chat.seesOnce(/^Are you there\?$/)));
  assertQuiet(page);
});

test('a lost answer never makes a message of our own channel arrive twice', async (t) => {
  const { page, ann } = await openPlayground(t);
  const { waiting, outcomes } = queueOf(page);
  await fault(page, 'The answer is lost, after the message arrived', { 'How many times': '1' });
  await notify(page, 'Ann', 'Only once.');
  await ann.seesOnce(/^Only once\.$/);

  await view(page, 'Queue');
  const row = waiting.filter({ hasText: 'Only once.' });
  const delivered = outcomes.filter({ hasText: 'Only once.' }).getByText('delivered', { exact: true }).waitFor();
  const sooner = row.getByRole('button', { name: /^Send now/ }).click(); // rather than wait for the next try
  await Promise.race([delivered, sooner.catch(() => {})]); // which has come already where this page is slow
  await delivered;
  await ann.seesOnce(/^Only once\.$/);
  assertQuiet(page);
});

test('what is scheduled waits, is sent now or cancelled, one conversation at a time', async (t) => {
  const { server, page, ann } = await openPlayground(t);
  const { waiting, outcomes } = queueOf(page);
  await server.post('/v1/notifications', { to: { user: 'dl_ann' }, text: 'Sooner', in: '1h' });
  await server.post('/v1/notifications', { to: { user: 'dl_ann' }, text: 'Never', in: '1h' });
  await server.post('/v1/notifications', { to: { user: 'dl_ben' }, text: 'For Ben', in: '1h' });

  await ann.choose('Queue of this chat');
  await until('two that wait', async () => (await waiting.count()) === 2);
  assert.match((await waiting.allInnerTexts()).join(), /scheduled\s+Ann\s+in (1 h|59 min)/);
  await waiting.filter({ hasText: 'Sooner' }).getByRole('button', { name: /^Send now/ }).click();
  await ann.seesOnce(/^Sooner$/);
  await waiting.filter({ hasText: 'Never' }).getByRole('button', { name: /^Cancel/ }).click();
  await outcomes.filter({ hasText: 'Never' }).getByText('cancelled', { exact: true }).waitFor();
  assert.equal(await waiting.count(), 0);
  await page.getByLabel('Whose queue').selectOption('All conversations');
  await waiting.filter({ hasText: 'For Ben' }).waitFor();
  assertQuiet(page);
});

test('what was said can be recalled', async (t) => {
  const { server, page, ann } = await openPlayground(t);
  const { outcomes } = queueOf(page);
  await server.post('/v1/notifications', { to: { user: 'dl_ann' }, text: 'A slip of the tongue' });
  await ann.seesOnce(/^A slip of the tongue$/);

  await view(page, 'Queue');
  await outcomes.filter({ hasText: 'A slip of the tongue' }).getByRole('button', { name: /^Recall/ }).click();
  await outcomes.filter({ hasText: 'delete' }).getByText('delivered', { exact: true }).waitFor();
  await until('that it is gone', async () => (await ann.count(/A slip of the tongue/)) === 0);
  assertQuiet(page);
});

test('text, Markdown, cards and activities are sent from the page, and as curl', async (t) => {
  const { page, ann } = await openPlayground(t);

  await notify(page, 'Ann', "It's **bold**.", { As: 'Markdown' });
  assert.equal(await (await ann.message(/It.s bold/)).locator('strong').innerText(), 'bold');
  await notify(page, 'Ann', undefined, { As: 'Adaptive Card' });
  await ann.card.locator('.ac-pushButton', { hasText: 'Deploy' }).waitFor();
  await notify(page, 'Ann', undefined, { As: 'Activity' });
  await ann.sees(/^Shall I go on\?$/);
  await ann.card.getByRole('button', { name: 'Yes' }).first().waitFor();

  const panel = page.getByRole('region', { name: 'Notify' });
  await panel.getByLabel('Activity as JSON').fill('{"type":');
  await panel.getByRole('button', { name: 'Send' }).click();
  await panel.getByText(/^The activity is not JSON/).waitFor();
  await panel.getByLabel('As', { exact: true }).selectOption('Text');
  await panel.getByLabel('Text').fill("Ann's $HOME & \"more\"");
  await panel.getByRole('button', { name: 'Copy as curl' }).click();
  const { status, body } = await run(await copied(page));
  assert.equal(status, 202, body);
  await ann.seesOnce(/^Ann.s \$HOME & .more.$/);

  await panel.getByLabel('When').selectOption('In 10 seconds');
  await panel.getByRole('button', { name: 'Send' }).click();
  await panel.getByText('scheduled', { exact: true }).waitFor();
  const link = panel.getByRole('link', { name: /^ntf_/ });
  const record = await page.request.get(new URL(await link.getAttribute('href'), page.url()).href);
  assert.equal((await record.json()).state, 'scheduled');
  assertQuiet(page);
});

function view(page, name) {
  return page.getByRole('tablist', { name: 'Beside the chats' }).getByRole('tab', { name }).click();
}

/** Starts a fault from the page's form. */
async function fault(page, kind, fields = {}, code) {
  await view(page, 'Faults');
  const panel = page.getByRole('region', { name: 'Faults', exact: true });
  await panel.getByLabel('What the channel does').selectOption(kind);
  if (code) await panel.getByLabel('With the code').selectOption(code);
  for (const [label, value] of Object.entries(fields)) await panel.getByLabel(label).fill(value);
  await panel.getByRole('button', { name: 'Start this fault' }).click();
  await panel.getByRole('list', { name: 'Active faults' }).getByRole('listitem').waitFor();
}

/** Says something from the page's form; without text, its example. */
async function notify(page, to, text, choices = {}) {
  await view(page, 'Notify');
  const panel = page.getByRole('region', { name: 'Notify', exact: true });
  await panel.getByLabel('To', { exact: true }).selectOption({ label: to });
  for (const [label, option] of Object.entries(choices)) await panel.getByLabel(label, { exact: true }).selectOption(option);
  if (text !== undefined) await panel.getByRole('textbox').fill(text);
  await panel.getByRole('button', { name: 'Send' }).click();
  await panel.getByText(/^Accepted as/).waitFor();
}

function queueOf(page) {
  const queue = page.getByRole('region', { name: 'Queue', exact: true });
  const rows = (name) => queue.getByRole('list', { name }).locator(':scope > li');
  return { waiting: rows('Waiting'), outcomes: rows('Outcomes') };
}
