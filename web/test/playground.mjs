// Opens the playground for a test, with Ann and Ben online and welcomed.
import { openBrowser, openPage } from './browser.mjs';
import { chatOf } from './chat.mjs';
import { startServer } from './server.mjs';

export const started = /Started job \d+\. I.ll tell you here when it.s done\./;

export async function openPlayground(t, options) {
  const server = await startServer(t, options?.demo);
  const page = await openPage(await openBrowser(t), server.origin, options);
  await page.goto(`${server.origin}/playground/`);
  const [ann, ben] = [chatOf(page, 'Ann'), chatOf(page, 'Ben')];
  await ann.online();
  await ann.sees(/./); // the welcome
  if (await ben.card.isVisible()) await ben.sees(/./);
  return { server, page, ann, ben };
}

/** Has a person start a job, and resolves with its number. */
export async function startJob(chat) {
  await chat.send('run');
  return /job (\d+)/.exec(await chat.sees(started))[1];
}

/** Opens a group or a channel with everybody on the page, and resolves when all given chats are in it and welcomed. */
export async function openRoom(page, kind, name, chats) {
  await page.getByRole('button', { name: 'New group or channel' }).click();
  const dialog = page.getByRole('dialog').and(page.locator('[aria-modal=true]'));
  await dialog.getByRole('radio', { name: new RegExp(`^${kind}`) }).check();
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: 'Create' }).click();
  for (const chat of chats) {
    await chat.card.getByRole('tab', { name, exact: true }).and(page.locator('[aria-selected=true]')).waitFor();
    await chat.online();
    await chat.sees(/^Welcome!/);
  }
}
