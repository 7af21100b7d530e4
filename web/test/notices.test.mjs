// Notices in the official Web Chat: what they look like, and what their buttons do; forged and repeated ones do nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { openBrowser } from './browser.mjs';
import { loadDirectLine } from './directline.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

const bundle = fileURLToPath(new URL('../vendor/webchat.js', import.meta.url));
const ann = { id: 'dl_ann', name: 'Ann' };

const notice = {
  what: 'A deal on [flights](http://evil.example) to **Reno** {{DATE(2026-01-01T00:00:00Z)}} <img src=x onerror=alert(1)>',
  severity: 'good',
  text: 'Half the price\nuntil Friday.',
  item: { title: 'Flight NV_7_b', url: 'https://travel.example.com/7' },
  actor: { name: 'The deal finder' },
  when: '2026-03-04T16:30:00Z',
  facts: [{ title: 'Price', value: '*12* [now](http://evil.example)' }],
  actions: [
    { do: 'open', title: 'Look at it', url: 'https://travel.example.com/7' },
    { do: 'do', title: 'Book it', name: 'book', value: { flight: 7 } },
    { do: 'snooze', for: '1h' },
  ],
};

const html = `<!doctype html><html lang="en"><title>Notices</title><body style="margin: 0"><div id="chat" style="height: 100vh"></div>
<script src="/webchat.js"></script>
<script>
  const { domain, token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  WebChat.renderWebChat({ directLine: WebChat.createDirectLine({ domain, token }), locale: 'en-US' }, document.getElementById('chat'));
</script>`;

/** A page of another site with the official Web Chat. */
async function openSite(t) {
  const site = createServer(async (request, response) => {
    const script = request.url === '/webchat.js';
    response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
    response.end(script ? await readFile(bundle) : html);
  });
  site.listen(0, 'localhost');
  await once(site, 'listening');
  t.after(() => new Promise((gone) => site.close(gone).closeAllConnections()));
  return `http://localhost:${site.address().port}`;
}

/** A server, and how to tell Ann of a topic, and what became of it. */
async function setUp(t, ...flags) {
  const server = await startServer(t, 'jobs', ...flags);
  const { token } = await server.token(ann);
  const tell = async (topic, more = { notice }) => {
    const { id } = await server.post('/v1/notifications', { to: { user: ann.id }, topic, ...more });
    return () =>
      until(`the end of ${id}`, async () => {
        const { state, deliveries } = await server.get(`/v1/notifications/${id}`);
        return ['delivered', 'suppressed', 'failed'].includes(state) && [state, deliveries[0].reason].join(' ').trim();
      });
  };
  return { server, token, tell };
}

test('a person opts out of a topic by the button in the chat, and is told of it no more', async (t) => {
  const origin = await openSite(t);
  const { server, token, tell } = await setUp(t, '--directline-origins', origin);
  const page = await (await openBrowser(t)).newPage();
  const dialogs = [];
  page.on('dialog', (dialog) => dialogs.push(dialog.message()) && dialog.dismiss());
  await page.goto(`${origin}/#${new URLSearchParams({ domain: `${server.origin}/v3/directline`, token })}`);
  const feed = page.getByRole('feed');
  await feed.getByText(/./).first().waitFor();

  assert.equal(await (await tell('deals'))(), 'delivered');
  await feed.getByText('A deal on [flights](http://evil.example) to **Reno** {{DATE(2026-01-01T00:00:00Z)}} <img src=x onerror=alert(1)>', { exact: true }).waitFor();
  await feed.getByText('✅ Good news').waitFor();
  await feed.getByText('*12* [now](http://evil.example)', { exact: true }).waitFor();
  // Web Chat makes a bare URL a link, which leads where it says; there is no other but ours.
  const links = await feed.locator('a').evaluateAll((all) => all.map((a) => [a.innerText, a.href]));
  const led = links.filter(([text, href]) => !href.startsWith(text));
  assert.deepEqual([...new Set(led.map(([, href]) => href))], ['https://travel.example.com/7']);

  await feed.getByRole('button', { name: 'Mute “deals”' }).click();
  await feed.getByText('“deals” is muted.', { exact: true }).first().waitFor();
  await feed.getByText('✓ “deals” is muted.').waitFor(); // in the card, in place of its buttons
  assert.equal(await feed.getByRole('button', { name: /Mute|Book it/ }).count(), 0);

  assert.equal(await (await tell('deals', { text: 'One more deal' }))(), 'suppressed muted');
  assert.equal(await (await tell('alarms', { text: 'Of another topic' }))(), 'delivered');
  await feed.getByText('Of another topic').last().waitFor();
  assert.equal(await feed.getByText('One more deal').count(), 0);
  assert.deepEqual(dialogs, []);
});

test('a button is used once, by whom it was sent to, and not when it is changed', async (t) => {
  const { server, token, tell } = await setUp(t);
  const open = await loadDirectLine(t, server.origin);
  const line = open({ token });
  await line.says(/./);
  await tell('deals');
  const card = await line.receives('the card', (a) => a.attachments?.[0]?.contentType === 'application/vnd.microsoft.card.adaptive');
  const buttons = card.attachments[0].content.body.flatMap(({ actions }) => actions ?? []);
  const ticket = (title) => buttons.find((button) => button.title === title).data.headsup.ticket;
  const told = (pattern) => line.texts().filter((text) => pattern.test(text)).length;
  const press = (ticket) => line.post({ type: 'message', value: { headsup: { ticket } } });

  const [key, payload, mark] = ticket('Mute “deals”').split('.');
  const forged = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('deals', 'bills')).toString('base64url');
  await press([key, forged, mark].join('.'));
  await press([key, payload, mark.slice(0, -2)].join('.'));
  await until('both refused', () => told(/^This button is not valid\.$/) === 2);

  const ben = open({ token: (await server.token({ id: 'dl_ben', name: 'Ben' })).token });
  await ben.says(/./);
  await ben.post({ type: 'message', value: { headsup: { ticket: ticket('Mute “deals”') } } });
  await ben.says(/^This button was meant for somebody else\.$/);

  await press(ticket('Remind me later'));
  await line.says(/^You will be reminded at /);
  await press(ticket('Remind me later'));
  await line.says(/^That was done before\.$/);
  const { notifications } = await server.get('/v1/notifications?state=scheduled');
  assert.equal(notifications.length, 1);

  assert.equal(await (await tell('deals', { text: 'Still told' }))(), 'delivered');
});

test('a person opts out by a word in the chat, and back in, and chooses on the card', async (t) => {
  const origin = await openSite(t);
  const { server, token, tell } = await setUp(t, '--directline-origins', origin);
  const page = await (await openBrowser(t)).newPage();
  await page.goto(`${origin}/#${new URLSearchParams({ domain: `${server.origin}/v3/directline`, token })}`);
  const feed = page.getByRole('feed');
  await feed.getByText(/./).first().waitFor();
  const say = async (text) => {
    await page.getByRole('textbox').first().fill(text);
    await page.keyboard.press('Enter');
  };
  const plain = { text: 'A cheap flight' };

  assert.equal(await (await tell('deals', plain))(), 'delivered');
  await say('stop');
  await feed.getByText(/^You will get no more notifications/).first().waitFor();
  assert.equal(await (await tell('deals', plain))(), 'suppressed opted_out');
  await say('Start');
  await feed.getByText('You will get notifications again.', { exact: true }).first().waitFor();
  assert.equal(await (await tell('deals', plain))(), 'delivered');

  await say('settings');
  await feed.getByRole('checkbox', { name: 'Notify me' }).uncheck();
  await feed.getByRole('button', { name: 'Save' }).click();
  await feed.getByText('Your settings are saved.', { exact: true }).first().waitFor();
  assert.equal(await (await tell('deals', plain))(), 'suppressed opted_out');
});
