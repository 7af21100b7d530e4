// The page of the audit log: what was done, narrowed, page by page, and whether the log is whole.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { startServer } from './server.mjs';

/** A server in whose log so many keys were made, and the page. */
async function openLog(t, { keys = 3, more = [], ...look } = {}) {
  const server = await startServer(t, 'jobs', ...more);
  const key = await server.key();
  const made = [];
  for (let n = 0; n < keys; n++) made.push(await server.post('/v1/keys', { name: `key ${n}`, scopes: ['read'] }, key));
  const page = await openPage(await openBrowser(t), server.origin, look);
  await page.goto(`${server.origin}/audit/`);
  return { server, key, made, page, entries: page.getByRole('list', { name: 'Entries' }).getByRole('listitem') };
}

const whole = (page) => page.getByRole('heading', { name: 'The log is whole' });

for (const colorScheme of ['light', 'dark']) {
  for (const [name, viewport] of Object.entries({ desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } })) {
    test(`entries are listed, opened and narrowed, ${colorScheme}, ${name}`, async (t) => {
      const { page, made, entries } = await openLog(t, { colorScheme, viewport });
      await whole(page).waitFor();
      await page.getByText('Entries 1 to 4 follow each other').waitFor();
      assert.equal(await entries.count(), 4); // and the server's start
      await entries.first().getByRole('button').click();
      await entries.first().getByText(made[2].id, { exact: true }).first().waitFor();
      await entries.first().getByText('Sealed with').waitFor();
      await screenshot(page, `audit-${name}-${colorScheme}`);
      await assertAccessible(page, 'the log');
      const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= seen, `the log is ${wide} pixels wide on a screen of ${seen}`);

      await page.getByLabel('What', { exact: true }).selectOption('Servers that began and ended');
      await page.getByRole('button', { name: 'Show', exact: true }).click();
      await page.getByText('Entry 1', { exact: true }).waitFor();
      assert.equal(await entries.count(), 1);
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByText('Entries 4 to 1, newest first').waitFor();
      await page.getByLabel('To what', { exact: true }).fill(made[0].id);
      await page.getByRole('button', { name: 'Show', exact: true }).click();
      await page.getByText('Entry 2', { exact: true }).waitFor();
      await page.getByLabel('Who', { exact: true }).fill('server');
      await page.keyboard.press('Enter');
      await page.getByText('No entries are like that.').waitFor();
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByLabel('Until', { exact: true }).fill('2020-01-01T00:00');
      await page.keyboard.press('Enter');
      await page.getByText('No entries are like that.').waitFor();
      assertQuiet(page);
    });
  }
}

test('pages go on to older entries and back', async (t) => {
  const { page, entries } = await openLog(t, { keys: 60 });
  await page.getByText('Entries 61 to 12, newest first').waitFor();
  assert.equal(await entries.count(), 50);
  const [newer, older] = ['Newer', 'Older'].map((name) => page.getByRole('button', { name }));
  assert.ok(await newer.isDisabled());
  await older.click();
  await page.getByText('Entries 11 to 1, newest first').waitFor();
  assert.ok(await older.isDisabled());
  await newer.click();
  await page.getByText('Entries 61 to 12, newest first').waitFor();
  assertQuiet(page);
});

test('a server that wants a key gets one, and the log can be taken away', async (t) => {
  const { server, page, key, entries } = await openLog(t, { more: ['--require-key'] });
  const field = page.getByLabel('An API key with the scope admin');
  await field.waitFor();
  await assertAccessible(page, 'asking for a key');
  await screenshot(page, 'audit-key');
  const { secret } = await server.post('/v1/keys', { name: 'reader', scopes: ['read'] }, key);
  await field.fill(secret);
  await page.getByRole('button', { name: 'Show the log' }).click();
  await page.getByRole('alert').getByText('scope admin').waitFor();
  await field.fill(key);
  await page.keyboard.press('Enter');
  await whole(page).waitFor();
  assert.equal(await entries.count(), 5);

  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export all entries' }).click();
  const lines = (await readFile(await (await download).path(), 'utf8')).trimEnd().split('\n');
  const { end } = JSON.parse(lines.pop());
  assert.equal(end.entries, lines.length);
  assert.ok(lines.length >= 5);
  const refused = page.complaints().filter((line) => !/status of 40[13]/.test(line)); // the two that were asked for in vain
  assert.deepEqual(refused, []);
});

test('a log that does not fit is told', async (t) => {
  const { page } = await openLog(t);
  await whole(page).waitFor();
  await page.route('**/v1/audit/check', (route) =>
    route.fulfill({
      json: {
        whole: false, complete: true, entries: 2, first: 1, through: { number: 2, hash: 'ab'.repeat(32) },
        sealed: [{ first: 1, last: 2, sealed: 'sha256' }], broken: { number: 3, reason: 'is not as it was written: its hash does not fit' },
      },
    }),
  );
  await page.getByRole('button', { name: 'Check again' }).click();
  await page.getByRole('heading', { name: 'Entry 3 does not fit' }).waitFor();
  await page.getByText('Entry 3 is not as it was written').waitFor();
  await page.getByText('Entries 1 to 2 follow each other').waitFor();
  await assertAccessible(page, 'a broken log');
  await screenshot(page, 'audit-broken');
  assertQuiet(page);
});
