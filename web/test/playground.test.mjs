// Two people in a real browser: what the origin documents show, window by window.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { chatOf } from './chat.mjs';
import { openPlayground, startJob, started } from './playground.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

const completed = (job) => new RegExp(`^Your queued job ${job} just completed\\.$`);
const sent = /^Job completed\. Notification sent\.$/;

test('a finished job is told to the person who started it, though they did nothing', async (t) => {
  const { page, ann, ben } = await openPlayground(t);

  const job = await startJob(ann);
  await ben.send('show');
  await until('the job in the table', async () => (await ben.table()).some((row) => row[0] === job));
  await screenshot(page, 'playground-job-started');
  await ben.send(`done ${job}`);

  await ann.seesOnce(completed(job));
  await ben.seesOnce(sent);
  await screenshot(page, 'playground-job-done');
  assertQuiet(page);
});

test('a job finished after a crash is told in windows that stayed open', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t);

  const job = await startJob(ann);
  await page.outage(() => server.restart());
  await Promise.all([ann.online(), ben.online()]);
  await ben.send(`done ${job}`);

  await ann.seesOnce(completed(job));
  await ben.seesOnce(sent);
  await ann.seesOnce(started);
  await screenshot(page, 'playground-after-crash');
  assertQuiet(page);
});

test('a job finished after a crash is told in windows that were reloaded', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t);

  const job = await startJob(ann);
  await page.outage(async () => {
    await server.restart();
    await page.reload();
  });
  await Promise.all([ann.online(), ben.online()]);
  await ann.seesOnce(started); // the conversation is the same, with all its history
  await ben.send(`done ${job}`);

  await ann.seesOnce(completed(job));
  await ben.seesOnce(sent);
  assertQuiet(page);
});

test('a job that a request from outside completes is told to the person who started it', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t);

  const job = await startJob(ann);
  await server.post(`/v1/jobs/${job}/complete`, { text: `Your queued job ${job} just completed.` });

  await ann.seesOnce(completed(job));
  assert.equal(await ben.count(/just completed/), 0);
  assertQuiet(page);
});

test('a request from outside makes the bot speak to one person', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t);

  const [{ id }] = await server.conversations('dl_ann');
  await server.post('/v1/notifications', { to: { conversation: id }, text: 'Build 7 is out.' });

  await ann.seesOnce(/^Build 7 is out\.$/);
  assert.equal(await ben.count(/Build 7/), 0);
  assertQuiet(page);
});

test('what is said while a window is closed is there when it opens again', async (t) => {
  const { server, page, ann } = await openPlayground(t);

  const [{ id }] = await server.conversations('dl_ann');
  await page.goto('about:blank');
  await server.post('/v1/notifications', { to: { conversation: id }, text: 'You were away.' });
  await page.goto(`${server.origin}/playground/`);

  await ann.seesOnce(/^You were away\.$/);
  assertQuiet(page);
});

test('the notify endpoint reaches everybody, after a crash too', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t);

  for (const afterCrash of [false, true]) {
    if (afterCrash) await page.outage(() => server.restart());
    await Promise.all([ann.online(), ben.online()]);
    const before = [await ann.fromBot(), await ben.fromBot()];
    await server.post('/api/notify');
    await Promise.all([ann.hearsMoreThan(before[0]), ben.hearsMoreThan(before[1])]);
  }
  assertQuiet(page);
});

test('the notify button reaches everybody, from the keyboard too', async (t) => {
  const { page, ann, ben } = await openPlayground(t);

  const before = [await ann.fromBot(), await ben.fromBot()];
  await page.getByRole('button', { name: 'Notify now' }).focus();
  await page.keyboard.press('Enter');

  await page.getByText('The bot is telling everyone it knows').first().waitFor();
  await Promise.all([ann.hearsMoreThan(before[0]), ben.hearsMoreThan(before[1])]);
  assertQuiet(page);
});

test('a notification in a new conversation opens one more window', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t);

  const [{ id }] = await server.conversations('dl_ann');
  await server.post('/v1/notifications', {
    to: { conversation: id },
    conversation: 'new',
    text: 'Something else entirely.',
  });

  await ann.seesOnce(/^Something else entirely\.$/);
  assert.equal(await ann.tabs().count(), 2);
  assert.equal(await ben.tabs().count(), 0);
  await screenshot(page, 'playground-new-window');

  await ann.send('run');
  await ann.sees(started);
  await ann.tabs().first().click();
  assert.equal(await ann.count(/Something else/), 0);
  assertQuiet(page);
});

test('a reminder comes by itself', async (t) => {
  const { page, ann } = await openPlayground(t);

  await ann.send('remind me in 2 seconds to stretch');
  await ann.sees(/^I.ll remind you in 2 seconds\.$/);
  await ann.seesOnce(/^Reminder: stretch$/);
  assertQuiet(page);
});

test('anything else is answered with help', async (t) => {
  const { page, ann } = await openPlayground(t);

  await ann.send('what can you do?');
  await ann.sees(/^Say .run. to start a job, or .done <job>. to complete one\./);
  assertQuiet(page);
});

test('the wire shows what the bot heard and said', async (t) => {
  const { page, ann } = await openPlayground(t);

  const job = await startJob(ann);
  const wire = page.getByRole('region', { name: 'On the wire' });
  const said = wire.getByRole('listitem').filter({ hasText: `Started job ${job}` });
  await said.waitFor();
  assert.match(await said.innerText(), /said\s+message\s+Ann\s+200, \d+ ms/);
  await wire.getByRole('listitem').filter({ hasText: 'heard' }).filter({ hasText: /run$/ }).waitFor();

  await said.getByRole('button').click();
  const activity = JSON.parse(await said.getByLabel('Activity as JSON').innerText());
  assert.equal(activity.type, 'message');
  assert.match(activity.text, started);
  assertQuiet(page);
});

test('a message whose answer was lost is shown as sent, since the server has it', async (t) => {
  const { page, ann } = await openPlayground(t);

  let lost = false;
  await page.outage(async () => {
    await page.route('**/v3/directline/conversations/*/activities', async (route) => {
      if (route.request().method() !== 'POST' || lost) return route.continue();
      lost = true;
      await route.fetch(); // the server has it
      return route.abort('connectionreset');
    });
    const failed = page.waitForEvent('requestfailed');
    await ann.send('run');
    await failed;
    await ann.sees(started);
    await ann.send('show'); // after which the client has dealt with the failure
    await ann.table();
    await ann.seesOnce(/^run$/);
    assert.equal(await ann.card.getByText(/Send failed/).count(), 0);
    await page.reload(); // the outage ends with a new wire
  });
  assertQuiet(page);
});

test('a conversation that the server has forgotten gives way to a new one', async (t) => {
  const { server, page, ann } = await openPlayground(t);

  const [{ id }] = await server.conversations('dl_ann');
  await page.evaluate((id) => {
    for (const [key, value] of Object.entries(localStorage)) localStorage.setItem(key, value.replace(id, 'forgotten'));
  }, id);
  await page.reload();

  await ann.online();
  await startJob(ann);
  assert.equal((await server.conversations('dl_ann')).length, 2);
  const complaints = page.complaints();
  assert.equal(complaints.length, 1, 'the browser reports the one refused request, and nothing else');
  assert.match(complaints[0], /404/);
});

test('a third person joins, leaves, and is not there after a reload', async (t) => {
  const { page } = await openPlayground(t);

  await page.getByRole('button', { name: 'Add person' }).click();
  const cleo = chatOf(page, 'Cleo');
  await cleo.online();
  await cleo.card.getByRole('button', { name: 'More for Cleo' }).click();
  await page.getByRole('menuitem', { name: 'Remove Cleo' }).click();
  await cleo.card.waitFor({ state: 'detached' });
  await page.reload();
  await chatOf(page, 'Ben').online();
  assert.equal(await cleo.card.count(), 0);
  assertQuiet(page);
});

test('a picture can be sent', async (t) => {
  const { page, ann } = await openPlayground(t);

  await ann.card.locator('input[type=file]').setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: dot });
  await ann.send('look');
  await ann.sees(/^look$/);
  const wire = page.getByRole('region', { name: 'On the wire' });
  await wire.getByRole('listitem').filter({ hasText: 'heard' }).filter({ hasText: 'look' }).waitFor();
  assertQuiet(page);
});

test('the page fits a phone', async (t) => {
  const { page, ann } = await openPlayground(t, { viewport: { width: 390, height: 844 } });

  await startJob(ann);
  await screenshot(page, 'playground-phone');
  await page.getByRole('tab', { name: 'Wire' }).click();
  await page.getByRole('listitem').filter({ hasText: 'Started job' }).waitFor();
  await screenshot(page, 'playground-phone-wire');
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= seen, `the page is ${wide} pixels wide on a screen of ${seen}`);
  assertQuiet(page);
});

test('the page is dark for those who want it dark', async (t) => {
  const { page, ann } = await openPlayground(t, { colorScheme: 'dark' });

  await startJob(ann);
  const color = await ann.card.evaluate((card) => getComputedStyle(card).backgroundColor);
  const brightest = Math.max(...color.match(/\d+/g).slice(0, 3).map(Number));
  assert.ok(brightest < 80, `the card's background is ${color}`);
  await screenshot(page, 'playground-dark');
  assertQuiet(page);
});

test('the start page links what there is and notifies', async (t) => {
  const server = await startServer(t);
  const page = await openPage(await openBrowser(t), server.origin);
  await page.goto(`${server.origin}/`);

  for (const name of [/^Playground/, /^API Every/, /^API document/, /^Health/]) {
    const href = await page.getByRole('link', { name }).getAttribute('href');
    const answer = await page.request.get(new URL(href, server.origin).href);
    assert.equal(answer.status(), 200, href);
  }
  await page.getByRole('button', { name: 'Notify now' }).click();
  await page.getByText('Done. Every known conversation is being told.').waitFor();
  await screenshot(page, 'start');
  assertQuiet(page);
});

// One blue pixel.
const dot = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg==',
  'base64',
);
