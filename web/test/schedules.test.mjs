// What the bot is to say at times, in a real browser: made, previewed, told, paused, resumed and deleted.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, screenshot } from './browser.mjs';
import { openPlayground } from './playground.mjs';

test('a schedule is previewed, made, paused, resumed and deleted', async (t) => {
  const { page } = await openPlayground(t);
  const { panel, rows } = await schedules(page);
  await panel.getByRole('button', { name: 'New schedule' }).click();
  await panel.getByLabel('Cron expression').fill('30 2 29 3 *');
  await panel.getByLabel('Time zone, or recipient').fill('Europe/Berlin');
  const preview = panel.getByRole('list', { name: 'Preview' });
  await preview.getByText(/^20\d\d-03-29 02:30:00 Europe\/Berlin$/).first().waitFor();
  await panel.getByLabel('Cron expression').fill('every day');
  await panel.getByText(/cron: has 2 fields/).first().waitFor();
  await panel.getByLabel('Cron expression').fill('30 9 * * MON-FRI');
  await preview.getByText(/ 09:30:00 Europe\/Berlin$/).first().waitFor();
  await panel.getByLabel('Name').fill('stand-up');
  await assertAccessible(page, 'a new schedule');
  await screenshot(page, 'playground-schedules');
  await panel.getByRole('button', { name: 'Schedule', exact: true }).click();

  const row = rows.filter({ hasText: 'stand-up' });
  await row.getByText('active', { exact: true }).waitFor();
  await row.getByText(/next 20\d\d-\d\d-\d\d 09:30:00 Europe\/Berlin/).waitFor();
  await row.getByRole('button', { name: /^Pause/ }).click();
  await row.getByText('paused', { exact: true }).waitFor();
  await row.getByRole('button', { name: /^Resume/ }).click();
  await row.getByText('active', { exact: true }).waitFor();
  await page.waitForFunction(() => !document.querySelector('.fui-Toast')); // it fades away
  await assertAccessible(page, 'schedules');
  await screenshot(page, 'playground-schedules-list');
  await row.getByRole('button', { name: /^Delete/ }).click();
  await panel.getByText('No schedules').waitFor();
  const complaints = page.complaints().filter((text) => !/status of 422/.test(text)); // of the rule that is none
  assert.deepEqual(complaints, []);
});

test('what is due is told, and stands in the history', async (t) => {
  const { page, ann } = await openPlayground(t);
  const { panel, rows } = await schedules(page);
  await panel.getByRole('button', { name: 'New schedule' }).click();
  await panel.getByLabel('When').selectOption('Once, after a while');
  await panel.getByLabel('After').fill('1s');
  await panel.getByLabel('To', { exact: true }).selectOption('Ann');
  await panel.getByLabel('Text').fill('Tea is ready.');
  await panel.getByRole('button', { name: 'Schedule', exact: true }).click();

  await ann.seesOnce(/^Tea is ready\.$/);
  const row = rows.filter({ hasText: 'Tea is ready.' });
  await row.getByText('ended', { exact: true }).waitFor();
  await row.getByRole('button', { name: /^History/ }).click();
  const told = row.getByRole('list').getByRole('listitem');
  await told.filter({ hasText: /: fired, ntf_/ }).waitFor();
  assert.equal(await told.count(), 1);
  assertQuiet(page);
});

async function schedules(page) {
  await page.getByRole('tab', { name: 'Schedules' }).first().click();
  const panel = page.getByRole('region', { name: 'Schedules', exact: true });
  return { panel, rows: panel.getByRole('list', { name: 'All schedules' }).locator('> li') };
}
