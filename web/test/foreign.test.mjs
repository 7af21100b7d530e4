// The official Web Chat in a page of another site, whose origin is configured: it talks, and shows pictures.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { openBrowser } from './browser.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

const bundle = fileURLToPath(new URL('../vendor/webchat.js', import.meta.url));

// A red pixel.
const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==', 'base64');

const html = `<!doctype html><title>Elsewhere</title><div id="chat" style="height: 30rem"></div>
<script src="/webchat.js"></script>
<script>
  const { domain, token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  WebChat.renderWebChat({ directLine: WebChat.createDirectLine({ domain, token }), styleOptions: { hideUploadButton: false } }, document.getElementById('chat'));
</script>`;

/** Another site: localhost, where the server is 127.0.0.1. */
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

test('Web Chat on a configured origin of another site talks, and shows pictures', async (t) => {
  const origin = await openSite(t);
  const server = await startServer(t, 'jobs', '--directline-origins', origin);
  const { token, conversationId } = await server.token({ id: 'dl_ann', name: 'Ann' });
  const page = await (await openBrowser(t)).newPage();
  const refused = [];
  page.on('response', (response) => response.status() >= 400 && refused.push(`${response.status()} ${response.url()}`));
  await page.goto(`${origin}/#${new URLSearchParams({ domain: `${server.origin}/v3/directline`, token })}`);
  const input = page.getByRole('textbox', { name: 'Message input box' });
  await input.fill('run');
  await input.press('Enter');
  await page.getByText(/Started job/).first().waitFor();

  // Web Chat shows people's own files as the page has them, so the bot says that there is this one.
  const file = new FormData();
  file.append('file', new Blob([picture], { type: 'image/png' }), 'red.png');
  const sent = await fetch(`${server.origin}/v3/directline/conversations/${conversationId}/upload?userId=dl_ann`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: file,
  });
  assert.ok(sent.ok, `the upload: ${sent.status}`);
  const said = await fetch(`${server.origin}/v3/directline/conversations/${conversationId}/activities`, { headers: { Authorization: `Bearer ${token}` } });
  const [{ contentUrl }] = (await said.json()).activities.flatMap(({ attachments }) => attachments ?? []);
  const attachments = [{ contentType: 'image/png', contentUrl, name: 'red.png' }];
  await server.post('/v1/notifications', { to: { user: 'dl_ann' }, activity: { type: 'message', attachments } });
  const stored = page.locator(`img[src^="${server.origin}/v3/directline/attachments/"]`);
  await until(`the picture to be shown; refused are ${refused}; there are ${await page.locator('img').evaluateAll((all) => all.map((img) => img.src.slice(0, 90)))}`, () =>
    stored.first().evaluate((img) => img.complete && img.naturalWidth === 1, undefined, { timeout: 1000 }).catch(() => false),
  );
  assert.deepEqual(refused.filter((line) => !line.includes('/favicon.ico')), []);

  // A page whose origin is not configured may show it too, if it knows where it is, and cannot read it.
  const address = await stored.first().getAttribute('src');
  const other = await (await openBrowser(t)).newPage();
  const elsewhere = await openSite(t);
  await other.goto(elsewhere);
  const got = await other.evaluate(async (address) => {
    const img = new Image();
    img.src = address;
    await img.decode();
    return [img.naturalWidth, await fetch(address).then(() => 'read', () => 'refused')];
  }, address);
  assert.deepEqual(got, [1, 'refused']);
});
