// Microsoft's own Agents Playground in a real browser, in front of our bot: it is talked to, and speaks first, in a personal chat,
// in a group and in a channel. "make agents-playground" installs it in a temporary folder, which $AGENTS_PLAYGROUND names; it is
// run, and no part of Headsup.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { openBrowser } from '../test/browser.mjs';
import { startServer } from '../test/server.mjs';
import { until } from '../test/until.mjs';

const tool = process.env.AGENTS_PLAYGROUND;
const port = 56150 + (process.pid % 1000);

/** Starts the tool for a bot, and opens its page. */
async function openTool(t, bot) {
  assert.ok(tool, 'AGENTS_PLAYGROUND must name the folder that the package is installed in');
  const cli = join(tool, 'node_modules/@microsoft/m365agentsplayground/cli.js');
  const args = [cli, 'start', '-e', `${bot}/api/messages`, '-c', 'msteams', '-p', String(port), '--disable-telemetry'];
  // It writes files where it is started.
  const child = spawn(process.execPath, args, { cwd: tool, stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, BROWSER: 'none' } });
  t.after(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  const origin = `http://localhost:${port}`;
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  await until('the Agents Playground to listen', () => said.includes('Listening on'));
  const page = await (await openBrowser(t)).newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(60_000);
  await page.goto(origin);
  return page;
}

test('the official Agents Playground talks with the bot and hears of it first, everywhere', async (t) => {
  const server = await startServer(t);
  const page = await openTool(t, server.origin);
  const box = page.getByRole('textbox').last();
  const seen = (text) => page.getByText(text).last().waitFor();
  const enter = async (text, mention) => {
    await box.click();
    if (mention) {
      await page.keyboard.type('@');
      await page.getByRole('menuitem', { name: 'Test Bot' }).click();
    }
    await page.keyboard.type(text);
  };
  const notify = async (kind, text) => {
    const { conversations } = await server.get('/v1/conversations?channel=msteams');
    const to = conversations.find((c) => c.kind === kind);
    assert.ok(to, `the book has a ${kind}`);
    const { id } = await server.post('/v1/notifications', { to: { conversation: to.id }, text });
    await seen(text);
    await until(`${text} to be delivered`, async () => (await server.get(`/v1/notifications/${id}`)).state === 'delivered');
  };
  const picture = async (name) => {
    if (!process.env.SCREENSHOTS) return;
    await mkdir(process.env.SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
  };

  await seen(/^Welcome! You get this because/);
  await page.getByRole('button', { name: 'Hide log panel' }).click(); // which has every message too
  await enter('run');
  await page.keyboard.press('Enter');
  await seen(/^Started job 1\./);
  await notify('personal', 'Build 7 is out.');
  await picture('agents-playground-personal');

  await page.getByRole('treeitem', { name: 'Group Chat' }).click();
  await enter('run', true);
  await page.keyboard.press('Enter');
  await seen(/^Started job 2\./);
  await notify('group', 'The canteen is closed.');
  await picture('agents-playground-group');

  await page.getByRole('treeitem', { name: /General/ }).click();
  await page.getByText('Start a new post').waitFor();
  await enter('run', true);
  await page.getByRole('button', { name: 'Post' }).click();
  await seen(/^Started job 3\./);
  await notify('channel', 'Disk 3 is full.');
  await picture('agents-playground-channel');
});
