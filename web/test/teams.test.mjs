// The playground's Microsoft Teams in a real browser: the app is installed, spoken to, and speaks first.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

async function openTeams(t, options) {
  const server = await startServer(t);
  const page = await openPage(await openBrowser(t), server.origin, options);
  await page.goto(`${server.origin}/playground/`);
  await page.getByRole('tab', { name: 'Teams', exact: true }).first().click();
  const teams = page.getByRole('region', { name: 'Teams', exact: true });
  const log = teams.getByRole('log');
  return {
    server,
    page,
    teams,
    log,
    /** Goes to a chat or a channel. */
    go: (name) => teams.getByRole('navigation').getByRole('button', { name }).click(),
    press: (name) => teams.getByRole('button', { name, exact: true }).click(),
    /** Has the bot speak first where it spoke last. */
    async notify(kind, text) {
      const { conversations } = await server.get('/v1/conversations?channel=msteams');
      const to = conversations.filter((c) => c.kind === kind && (kind !== 'channel' || c.id.includes(';messageid='))).at(-1);
      assert.ok(to, `the book has a ${kind}`);
      await server.post('/v1/notifications', { to: { conversation: to.id }, text });
    },
    async type(label, text) {
      const box = teams.getByLabel(label, { exact: true });
      await box.fill(text);
      await box.press('Enter');
    },
  };
}

test('in Teams the app is installed, mentioned in a thread, and speaks first everywhere', async (t) => {
  const { server, page, teams, log, go, press, type, notify } = await openTeams(t);

  await log.getByText('The app is not installed for you.').waitFor();
  await press('Install the app');
  await teams.getByRole('button', { name: 'Remove the app' }).waitFor();
  await type('Type a message', 'run');
  await log.getByText(/Started job \d+/).waitFor();
  await notify('personal', 'Build 7 is out.');
  await log.getByText('Build 7 is out.').waitFor();
  await page.getByText('installationUpdate').first().waitFor(); // the wire has it

  await type('Type a message', 'settings');
  await log.getByText('☑ Notify me').waitFor();
  await log.getByText('Quiet hours: As usual').waitFor();
  await server.post('/v1/notifications', {
    to: { conversation: (await server.get('/v1/conversations?channel=msteams')).conversations[0].id },
    notice: { what: 'A deal', actor: { name: 'Ben' }, when: '2026-03-04T16:30:00Z', facts: [{ title: 'Price', value: '12' }], actions: [{ do: 'snooze' }] },
  });
  await log.getByText('by Ben', { exact: true }).waitFor();
  await log.getByText(/^Mar 4, 2026 /).waitFor();
  await log.getByText('Price: 12').waitFor();
  await log.getByRole('button', { name: 'Remind me later' }).waitFor();
  await screenshot(page, 'playground-teams');
  await until('notices to be gone', async () => (await page.locator('.fui-Toast').count()) === 0);
  await assertAccessible(page, 'a chat of Teams');

  await go(/Lunch/);
  await press('Add to the chat');
  await type('Type a message', 'lunch at noon?'); // which the bot is not told
  await type('Type a message', '@Headsup run');
  await log.getByText(/Started job \d+/).waitFor();
  await notify('group', 'The canteen is closed.');
  await log.getByText('The canteen is closed.').waitFor();

  await go(/Operations/);
  await press('Add to the team');
  await type('New post', '@Headsup run');
  const thread = log.getByRole('article').filter({ hasText: /Started job/ });
  await thread.waitFor();
  await thread.getByRole('button', { name: 'Reply' }).click();
  await thread.getByLabel('Reply', { exact: true }).fill('@Headsup show');
  await thread.getByLabel('Reply', { exact: true }).press('Enter');
  await thread.getByText('show').first().waitFor();
  await notify('channel', 'Disk 3 is full.');
  await log.getByText('Disk 3 is full.').waitFor();
  await screenshot(page, 'playground-teams-channel');
  await until('notices to be gone', async () => (await page.locator('.fui-Toast').count()) === 0);
  await assertAccessible(page, 'a channel of Teams');

  const { conversations } = await server.get('/v1/conversations?channel=msteams');
  assert.deepEqual(new Set(conversations.map(({ kind }) => kind)), new Set(['personal', 'group', 'channel']));
  assertQuiet(page);
});

test('in Teams a person blocks the bot, and another is added who has never met it', async (t) => {
  const { server, page, teams, log, press, type } = await openTeams(t);

  await press('Install the app');
  await teams.getByRole('button', { name: 'Remove the app' }).waitFor();
  await press('Block the bot');
  await teams.getByRole('button', { name: 'Unblock the bot' }).waitFor();
  const { conversations } = await server.get('/v1/conversations?channel=msteams');
  const { id } = await server.post('/v1/notifications', { to: { conversation: conversations[0].id }, text: 'Not heard.' });
  const state = async () => (await server.get(`/v1/notifications/${id}`)).deliveries[0];
  for (let d = await state(); d.state !== 'failed'; d = await state()) assert.ok(['pending', 'sending'].includes(d.state), d.state);
  assert.equal((await state()).reason, 'blocked');
  assert.equal(await log.getByText('Not heard.').count(), 0);
  await type('Type a message', 'run'); // which ends the block
  await log.getByText(/Started job \d+/).waitFor();

  await teams.getByRole('button', { name: 'Add a person to the tenant' }).click();
  const dialog = page.getByRole('dialog').and(page.locator('[aria-modal=true]'));
  await dialog.getByLabel('Name').fill('Dana');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await log.getByText('The app is not installed for you.').waitFor();
  await press('Install the app');
  await teams.getByRole('button', { name: 'Remove the app' }).waitFor();
  assertQuiet(page);
});
