// Links of mails in a real browser: the page asks before it does anything, and its form comes back to us although the policy forbids
// everything else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

const notice = { what: 'A deal on Reno', text: 'Half the price.', actions: [{ do: 'snooze', for: '2h' }] };

/** A mail server on this machine that takes everything, and the text of the mails that it took. */
async function openPostOffice(t) {
  const mails = [];
  const office = createServer((socket) => {
    const answer = (line) => socket.write(`${line}\r\n`);
    let mail;
    socket.on('error', () => {});
    createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
      if (mail) {
        if (line !== '.') return void mail.push(line);
        mails.push(mail.join('\n'));
        mail = undefined;
        return answer('250 2.0.0 kept');
      }
      if (/^DATA$/i.test(line)) {
        mail = [];
        return answer('354 go on');
      }
      answer(/^QUIT$/i.test(line) ? '221 2.0.0 goodbye' : '250 2.0.0 fine');
    });
    answer('220 mail.example.test ESMTP');
  });
  office.listen(0, '127.0.0.1');
  await once(office, 'listening');
  t.after(() => office.close());
  return { mails, address: `127.0.0.1:${office.address().port}` };
}

/** The links of the last mail that lead to us, by their words; those of its page, as a mail program shows it. */
function linksIn(mail, origin) {
  const bytes = mail.replaceAll('=\n', '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const text = Buffer.from(bytes, 'latin1').toString(); // out of quoted-printable
  return Object.fromEntries([...text.matchAll(/<a href="([^"]+)"[^>]*>([^<]+)<\/a>/g)].filter(([, url]) => url.startsWith(origin)).map(([, url, words]) => [words, url]));
}

/** A server that writes mails, and how to write to Ann: it resolves with what became of that, and the links of her mail. */
async function setUp(t) {
  const office = await openPostOffice(t);
  const server = await startServer(t, 'jobs', '--email-server', office.address, '--email-security', 'none', '--email-from', 'Headsup <bot@example.com>');
  const write = async () => {
    const { id } = await server.post('/v1/notifications', { to: { address: 'mailto:ann@example.com' }, topic: 'deals', notice });
    const became = await until(`the end of ${id}`, async () => {
      const { state, deliveries } = await server.get(`/v1/notifications/${id}`);
      return ['delivered', 'suppressed', 'failed'].includes(state) && [state, deliveries[0].reason].join(' ').trim();
    });
    return { became, links: linksIn(office.mails.at(-1), server.origin) };
  };
  return { server, write };
}

test('a person mutes a topic by the link of a mail, which asks first', async (t) => {
  const { server, write } = await setUp(t);
  const { became, links } = await write();
  assert.equal(became, 'delivered');
  const page = await openPage(await openBrowser(t), server.origin);
  await page.goto(links['Mute “deals”']);
  await page.getByText('ann@example.com').waitFor();
  for (const [name, viewport, colorScheme] of [['desk', { width: 1280, height: 600 }, 'light'], ['phone', { width: 390, height: 600 }, 'dark']]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await assertAccessible(page, `the link, ${name}, ${colorScheme}`);
    await screenshot(page, `link-${name}-${colorScheme}`);
  }
  assert.equal((await write()).became, 'delivered'); // programs open links, too

  await page.getByRole('button', { name: 'Mute “deals”' }).click();
  await page.getByRole('heading', { name: '“deals” is muted.' }).waitFor();
  assert.equal(await page.getByRole('button').count(), 0);
  assert.equal((await write()).became, 'suppressed muted');
  assertQuiet(page);
});

test('a link of a mail reminds later, and not when it was changed', async (t) => {
  const { server, write } = await setUp(t);
  const { links } = await write();
  const page = await openPage(await openBrowser(t), server.origin);
  await page.goto(links['Remind me later']);
  for (const _ of [1, 2]) { // somebody presses, goes back, and presses again
    await page.getByRole('button', { name: 'Remind me later' }).click();
    await page.getByText(/^You will be reminded at /).waitFor();
    await page.goBack();
  }
  const { notifications } = await server.get('/v1/notifications?state=scheduled');
  assert.equal(notifications.length, 1);

  await page.goto(links['Mute “deals”'].slice(0, -2)).then((answer) => assert.equal(answer.status(), 404));
  await page.getByRole('heading', { name: 'This button is not valid.' }).waitFor();
  assert.equal(await page.getByRole('button').count(), 0);
});
