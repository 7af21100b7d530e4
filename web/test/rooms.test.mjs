// People, groups, channels and their members, in a real browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, screenshot } from './browser.mjs';
import { chatOf } from './chat.mjs';
import { openPlayground, openRoom, started } from './playground.mjs';
import { until } from './until.mjs';

test('a group is one conversation of all its members, who see who said what', async (t) => {
  const { page, ann, ben } = await openPlayground(t);
  await page.getByRole('button', { name: 'Add person' }).click();
  const cleo = chatOf(page, 'Cleo');
  await cleo.sees(/./);
  await openRoom(page, 'Group', 'Release crew', [ann, ben, cleo]);

  await ann.send('run');
  await ann.sees(started);
  await ben.seesOnce(/^run$/);
  await cleo.seesOnce(started);
  assert.deepEqual(await ben.names(), ['Headsup', 'Ann', 'Headsup']);
  assert.deepEqual(await ann.names(), ['Headsup', 'Headsup']);

  await ben.send('Thank you, Ann.');
  await ann.seesOnce(/^Thank you, Ann\.$/);
  await cleo.seesOnce(/^Thank you, Ann\.$/);
  assert.match(await ann.card.innerText(), /Group with Ben, Cleo/);
  await screenshot(page, 'playground-group');
  assertQuiet(page);
});

test('a channel has threads, and the bot answers in the one where it was asked', async (t) => {
  const { page, ann, ben } = await openPlayground(t);
  await openRoom(page, 'Channel', 'General', [ann, ben]);

  await ann.send('Who builds today?');
  await ben.seesOnce(/^Who builds today\?$/);
  await ann.sees(/^Say .run. to start/);
  await ann.send('Lunch at noon?');
  await ben.seesOnce(/^Lunch at noon\?$/);
  await until('four posts', async () => (await ben.threads()).length === 4); // all of them, the welcome, and two

  await ben.card.getByLabel('Thread').selectOption({ label: (await ben.threads()).find((title) => /builds/.test(title)) });
  assert.equal(await ben.count(/Lunch/), 0);
  await ben.send('run');
  await ben.sees(started);
  await ann.sees(started);
  await ann.card.getByRole('button', { name: 'In “Who builds today?”' }).first().waitFor();
  await screenshot(page, 'playground-channel');

  await ann.card.getByRole('button', { name: 'In “Who builds today?”' }).first().click();
  await ann.seesOnce(/^Who builds today\?$/);
  assert.equal(await ann.count(/Lunch/), 0);
  assert.equal(await ann.count(started), 1);
  await ann.card.getByRole('button', { name: 'All posts' }).click();
  await ann.seesOnce(/^Lunch at noon\?$/);
  assertQuiet(page);
});

test('members come and go, and so does the bot', async (t) => {
  const { page, ann, ben } = await openPlayground(t);
  await openRoom(page, 'Group', 'Crew', [ann, ben]);
  const wire = page.getByRole('region', { name: 'On the wire' });
  const tab = ben.card.getByRole('tab', { name: 'Crew' });
  const change = async (what) => {
    await ann.choose('Members of this chat…');
    const dialog = page.getByRole('dialog').and(page.locator('[aria-modal=true]'));
    await dialog.getByRole('button', { name: what, exact: true }).click();
    await dialog.getByRole('button', { name: what, exact: true }).waitFor({ state: 'detached' });
    await dialog.getByRole('button', { name: 'Close' }).click();
  };

  await change('Remove Ben');
  await wire.getByText('Ben left').waitFor();
  await tab.waitFor({ state: 'detached' });
  await change('Add Ben');
  await wire.getByText(/^Ben joined/).last().waitFor();
  await tab.waitFor();

  await change('Uninstall Headsup');
  await wire.getByText('installationUpdate').last().waitFor();
  await ann.card.getByText('the bot is not installed here').waitFor();
  await change('Install Headsup');
  await ann.card.getByText('the bot is not installed here').waitFor({ state: 'detached' });
  assertQuiet(page);
});

test('a person has another name and colour, which the bot hears and a reload keeps', async (t) => {
  const { page, ann } = await openPlayground(t);

  await ann.choose('Name and colour…');
  const dialog = page.getByRole('dialog').and(page.locator('[aria-modal=true]'));
  await dialog.getByLabel('Name').fill("Ann O'Neil");
  await dialog.getByLabel('forest').check();
  await dialog.getByRole('button', { name: 'Save' }).click();
  const renamed = chatOf(page, "Ann O'Neil");
  await renamed.online();
  await renamed.send('hello');

  const heard = page.getByRole('region', { name: 'On the wire' }).getByRole('listitem').filter({ hasText: 'heard' }).filter({ hasText: 'hello' });
  await heard.getByRole('button').click();
  const { from } = JSON.parse(await heard.getByLabel('Activity as JSON').innerText());
  assert.deepEqual({ id: from.id, name: from.name }, { id: 'dl_ann', name: "Ann O'Neil" });

  await page.reload();
  await renamed.online();
  await renamed.seesOnce(/^hello$/);
  assertQuiet(page);
});

test('two clients of one person show the same conversation', async (t) => {
  const { server, page, ann } = await openPlayground(t);

  await ann.send('run');
  await ann.sees(started);
  await ann.choose('Open this chat in another client');
  const second = chatOf(page, 'Ann, client 2');
  await second.online();
  await second.seesOnce(/^run$/);
  await second.send('show');
  await ann.seesOnce(/^show$/);
  assert.equal((await server.conversations('dl_ann')).length, 1);
  assertQuiet(page);
});
