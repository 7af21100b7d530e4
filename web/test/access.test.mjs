// The playground for everybody: without barriers that axe-core knows of, by keyboard alone, and on a phone.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { openPlayground, openRoom, started, startJob } from './playground.mjs';
import { startServer } from './server.mjs';

for (const colorScheme of ['light', 'dark']) {
  test(`every view is without serious barriers, ${colorScheme}`, async (t) => {
    const { server, page, ann, ben } = await openPlayground(t, { colorScheme });
    const check = (view) => assertAccessible(page, view);
    await openRoom(page, 'Channel', 'General', [ann, ben]);
    await ann.send('run');
    await ben.sees(started);
    await check('channel and wire');

    const wire = page.getByRole('region', { name: 'On the wire' });
    await wire.getByRole('button', { name: 'Filter' }).click();
    await wire.getByRole('listitem').last().getByRole('button').click();
    await check('wire, filtered and opened');

    // Whoever the channel forbids to be told is told no more, so this comes first.
    await server.post('/v1/notifications', { to: { user: 'dl_ben' }, text: 'Later', in: '1h' });
    await page.getByRole('tab', { name: 'Faults' }).click();
    await page.getByLabel('What the channel does').selectOption('Forbidden (403)');
    await page.getByRole('button', { name: 'Start this fault' }).click();
    await page.getByText('The channel misbehaves on purpose.').waitFor();
    await check('faults');

    await page.getByRole('tab', { name: 'Notify' }).click();
    await page.getByLabel('As', { exact: true }).selectOption('Adaptive Card');
    await page.getByRole('button', { name: 'Send', exact: true }).last().click();
    await page.getByText(/^Accepted as/).waitFor();
    await check('notify');

    await page.getByRole('tab', { name: 'Queue' }).click();
    await page.getByRole('list', { name: 'Outcomes' }).getByRole('listitem').first().waitFor();
    const waiting = page.getByRole('list', { name: 'Waiting' }).getByRole('listitem').first();
    await waiting.getByRole('button', { name: /^History/ }).click();
    await check('queue');

    await page.getByRole('button', { name: 'Stop all faults' }).click();
    await page.getByText('The channel misbehaves on purpose.').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'New group or channel' }).click();
    await page.getByRole('dialog', { name: 'New conversation' }).waitFor();
    await check('new group or channel');
    await page.keyboard.press('Escape');
    await ann.choose('Name and colour…');
    await page.getByRole('dialog', { name: 'Change Ann' }).waitFor();
    await check('name and colour');
    await page.keyboard.press('Escape');
    await ann.choose('Members of this chat…');
    await page.getByRole('dialog', { name: 'Members of General' }).waitFor();
    await check('members');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'More', exact: true }).click();
    await page.getByRole('menu').waitFor();
    await check('menu');
    assertQuiet(page);
  });

  test(`the start page is without serious barriers, ${colorScheme}`, async (t) => {
    const server = await startServer(t);
    const page = await openPage(await openBrowser(t), server.origin, { colorScheme });
    await page.goto(`${server.origin}/`);
    await assertAccessible(page, 'start');
    assertQuiet(page);
  });
}

test('every view fits a phone, and has no serious barriers there', async (t) => {
  const { page, ann } = await openPlayground(t, { viewport: { width: 390, height: 844 } });

  await startJob(ann);
  for (const view of ['Ann', 'Ben', 'Wire', 'Queue', 'Notify', 'Schedules', 'Faults']) {
    await page.getByRole('tab', { name: view }).first().click();
    const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= seen, `${view} is ${wide} pixels wide on a screen of ${seen}`);
    await assertAccessible(page, `${view} on a phone`);
    if (view === 'Notify') await screenshot(page, 'playground-phone-notify');
  }
  assertQuiet(page);
});

test('everything can be done by keyboard: write, open a row, make a group, start and stop a fault', async (t) => {
  const { page, ann, ben } = await openPlayground(t);
  const { keyboard } = page;
  const tabTo = async (locator) => {
    for (let n = 0; n < 120; n++) {
      if (await locator.evaluate((element) => element === document.activeElement).catch(() => false)) return;
      await keyboard.press('Tab');
    }
    assert.fail(`the Tab key does not reach ${locator}`);
  };

  await tabTo(ann.card.getByRole('textbox', { name: 'Message input box' }));
  await keyboard.type('run');
  await keyboard.press('Enter');
  await ann.sees(started);

  const rows = page.getByRole('region', { name: 'On the wire' }).getByRole('listitem');
  await rows.filter({ hasText: 'Started job' }).waitFor();
  await tabTo(rows.last().getByRole('button'));
  await keyboard.press('ArrowUp');
  const above = rows.nth((await rows.count()) - 2).getByRole('button').first();
  await page.waitForFunction((element) => element === document.activeElement, await above.elementHandle());
  await keyboard.press('Enter');
  await rows.getByLabel('Activity as JSON').waitFor();

  await tabTo(page.getByRole('button', { name: 'New group or channel' }));
  await keyboard.press('Enter');
  const dialog = page.getByRole('dialog').and(page.locator('[aria-modal=true]'));
  await tabTo(dialog.getByLabel('Name'));
  await keyboard.type('Keys');
  await keyboard.press('Enter');
  await ben.card.getByRole('tab', { name: 'Keys' }).waitFor();

  await tabTo(page.getByRole('tab', { name: 'Wire' }));
  for (const _ of [1, 2, 3, 4]) await keyboard.press('ArrowRight'); // to the faults
  await keyboard.press('Enter');
  const start = page.getByRole('button', { name: 'Start this fault' });
  await start.waitFor();
  await tabTo(start);
  await keyboard.press('Enter');
  const stop = page.getByRole('button', { name: 'Stop all faults' });
  await stop.waitFor();
  await tabTo(stop);
  await keyboard.press('Enter');
  await stop.waitFor({ state: 'detached' });
  assertQuiet(page);
});
