// Everything that somebody other than the reader may choose, on every page: it is text there, and nothing of it runs.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { openBrowser } from './browser.mjs';
import { inspect, openGuarded, unfold } from './guarded.mjs';
import { brief, card, startCanary } from './hostile.mjs';
import { seedAPI, seedChannel, seedPeople, seedRefusal, Seeds } from './seeds.mjs';
import { startServer } from './server.mjs';
import { patience, until } from './until.mjs';

test('what others chose is text on every page, and nothing of it runs, asks or leads elsewhere', async (t) => {
  const server = await startServer(t);
  const canary = await startCanary(t);
  const document = await server.get('/openapi.json');
  const seeds = new Seeds(server, canary.origin, document);
  const people = [{ id: 'dl_ann', name: seeds.brief('ann') }, { id: `dl_${brief('id')}`, name: seeds.brief('other') }];
  const { said } = await seedPeople(seeds, server, canary.origin, people);
  const ids = await seedAPI(seeds, canary.origin, said[0]);
  assert.deepEqual(seeds.missed(), [], 'strings of the API that nothing hostile was put into');
  await seedChannel(seeds, server, canary.origin);
  await seedRefusal(seeds, server, canary.origin, said[1]);
  await until('that all is said', async () => {
    const { deliveries } = await server.get('/v1/deliveries?limit=200');
    return deliveries.every(({ state }) => !['ready', 'sending'].includes(state));
  });

  const browser = await openBrowser(t);
  const visited = new Visited();
  for (const colorScheme of ['light', 'dark']) {
    const guarded = await openGuarded(browser, server.origin, canary.origin, { colorScheme });
    visited.guarded = guarded;
    if (colorScheme === 'light') await readDocuments(visited, document, ids); // which have no colours
    await readPages(visited);
    await seedChannel(seeds, server, canary.origin); // the wire unfolds only its last calls
    await playWith(visited, people, said, seeds);
    await lookAhead(visited, canary.origin);
    visited.check(canary);
    await guarded.close();
  }
  const hidden = [...seeds.marks].filter((mark) => !visited.text.includes(`pwned('${mark}')`));
  assert.deepEqual(hidden, [], 'what nobody ever sees as text');
});

test('a page that did write what others chose would be noticed', async (t) => {
  const server = await startServer(t);
  const canary = await startCanary(t);
  const browser = await openBrowser(t);
  for (const [path, write] of [['/docs', /script-src-attr/], ['/', /require-trusted-types-for/]]) {
    const { page, found, goTo, close } = await openGuarded(browser, server.origin, canary.origin, { colorScheme: 'light' });
    await goTo(path);
    await page.evaluate((markup) => {
      try {
        document.body.innerHTML = markup;
      } catch {
        // Trusted Types forbid it.
      }
    }, `<img src=x onerror="pwned('written')">`);
    await until('that it is noticed', () => found.some((line) => write.test(line)));
    assert.ok(!found.some((line) => line.startsWith('ran')), 'and yet it does not run');
    await close();
  }
});

test('pages are in no frame, take no orders from other sites, and send nobody elsewhere', async (t) => {
  const server = await startServer(t);
  const canary = await startCanary(t);
  const browser = await openBrowser(t);
  const { conversationId } = await server.token({ id: 'dl_ann', name: 'Ann' });
  const notified = async () => JSON.stringify([await server.get('/v1/notifications'), await server.get('/v1/keys'), await server.conversations('dl_ann'), await server.get('/v1/conversations')]);
  const before = await notified();

  const page = await (await browser.newContext()).newPage();
  await page.goto(canary.origin);
  const paths = ['/', '/playground/', '/docs', '/healthz', '/openapi.json', '/v1/conversations', '/nowhere', '/api/notify'];
  await page.evaluate(
    ({ origin, paths }) =>
      Promise.all(
        paths.map((path) => {
          const frame = document.body.appendChild(document.createElement('iframe'));
          const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
          frame.src = origin + path;
          return loaded;
        }),
      ),
    { origin: server.origin, paths },
  );
  const shown = page.frames().filter((frame) => frame !== page.mainFrame()).map((frame) => frame.url());
  assert.deepEqual(shown, paths.map(() => 'chrome-error://chromewebdata/'));

  const orders = {
    '/api/notify': { text: 'x' },
    '/v1/notifications': { to: { conversation: conversationId }, text: 'x' },
    '/v1/keys': { name: 'x', scopes: ['admin'] },
    '/playground/api/conversations': { kind: 'group', name: 'x', members: [{ id: 'dl_ann', name: 'Ann' }] },
    [`/playground/api/conversations/${conversationId}/uninstall`]: {},
  };
  await page.evaluate(
    async ({ origin, orders }) => {
      const shots = Object.entries(orders).flatMap(([path, body]) =>
        ['text/plain', 'application/x-www-form-urlencoded', 'application/json'].flatMap((type) =>
          ['no-cors', 'cors'].map((mode) => fetch(origin + path, { method: 'POST', mode, credentials: 'include', headers: { 'Content-Type': type }, body: JSON.stringify(body) })),
        ),
      );
      await Promise.allSettled([...shots, fetch(`${origin}/api/notify`, { mode: 'no-cors' }), fetch(`${origin}/api/messages`, { method: 'POST', mode: 'no-cors', body: '{"type":"message"}' })]);
      for (const [path, body] of Object.entries(orders)) {
        const [name, value] = JSON.stringify(body).split(/(?<=:)/, 2);
        const frame = document.body.appendChild(Object.assign(document.createElement('iframe'), { name: `target ${path}` }));
        const form = Object.assign(document.createElement('form'), { method: 'POST', action: origin + path, enctype: 'text/plain', target: frame.name });
        form.append(Object.assign(document.createElement('input'), { name, value: value ?? '' }));
        document.body.append(form);
        const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
        form.submit();
        await loaded;
      }
    },
    { origin: server.origin, orders },
  );
  assert.equal(await notified(), before, 'what another site asked for was done');

  for (const path of odd) {
    for (const host of [new URL(server.origin).host, 'localhost', 'canary.example']) {
      const { statusCode, headers, rawHeaders } = await raw(server.origin, path, host);
      const to = headers.location && new URL(headers.location, server.origin).origin;
      assert.ok(to === undefined || to === server.origin, `${path} at ${host}: ${statusCode}, leads to ${headers.location}`);
      assert.ok(!rawHeaders.some((part) => /^x-split/i.test(part)), `${path} at ${host} has a header of its own`);
    }
  }
});

// Paths that might lead elsewhere, or end a header and begin another.
const odd = ['//canary.example', '//canary.example/', '///canary.example/..', '/\\canary.example', '/%5ccanary.example', '/playground//canary.example/..', '//canary.example/playground',
  '/playground?next=//canary.example', '/%0d%0aX-Split:%201', '/playground/%0d%0aX-Split:%201', '/?%0d%0aX-Split:%201', '/v1/%0d%0aX-Split:%201', '/docs/..//canary.example', '/.//canary.example', '/playground/..//canary.example/'];

/** Asks for a path just as it is written. */
function raw(origin, path, host) {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, headers: { Host: host }, signal: patience() }, (response) => {
      response.resume();
      response.on('end', () => resolve(response));
    });
    asked.on('error', reject).end();
  });
}

/** What has been seen on the way. */
class Visited {
  guarded;
  #bad = new Set();
  text = '';

  get page() {
    return this.guarded.page;
  }

  async open(path) {
    const response = await this.guarded.goTo(path);
    if (response) assertStrict(path, response);
    await this.look();
    return response;
  }

  async look(more = '', scope = undefined) {
    const { bad, text } = await inspect(this.page, scope);
    for (const each of bad) this.#bad.add(`${this.page.url()}: ${each}`);
    this.text += text + more;
  }

  check(canary) {
    assert.deepEqual(this.guarded.found, []);
    assert.deepEqual([...this.#bad], []);
    assert.deepEqual(canary.visits, []);
    assert.ok(this.guarded.refused.count > 0, 'pictures elsewhere were asked for, and refused');
  }
}

/** The content security policy of an answer by its directives. */
function policyOf(response) {
  const text = response.headers()['content-security-policy'] ?? '';
  return Object.fromEntries(text.split(';').map((part) => part.trim().split(/\s+/)).map(([name, ...values]) => [name, values]));
}

/** Fails unless the answer says that nothing from elsewhere, nothing in line and nobody's frame may have it. */
function assertStrict(path, response) {
  const headers = response.headers();
  const policy = policyOf(response);
  assert.deepEqual(policy['default-src'], ["'none'"], path);
  assert.deepEqual(policy['frame-ancestors'], ["'none'"], path);
  assert.equal(headers['x-content-type-options'], 'nosniff', path);
  assert.equal(headers['referrer-policy'], 'no-referrer', path);
  for (const [name, values] of Object.entries(policy)) {
    const loose = values.filter((value) => /^(\*|https?:|'unsafe|'strict-dynamic|filesystem:)/.test(value) || (value === 'data:' && name !== 'img-src'));
    assert.deepEqual(loose, [], `${path}: ${name}`);
  }
  if (policy['script-src']) {
    assert.deepEqual(policy['script-src'], ["'self'"], path);
    assert.deepEqual(policy['require-trusted-types-for'], ["'script'"], path);
    if (!['/playground/', '/preview/'].includes(path)) assert.deepEqual(policy['trusted-types'], ["'none'"], path); // Web Chat and cards write markup
  }
  if (!/^text\/html/.test(headers['content-type'])) return;
  if (response.status() === 200 && policy['style-src']) {
    assert.deepEqual(policy['base-uri'], ["'none'"], path);
    assert.deepEqual(policy['form-action'], ["'none'"], path);
  }
}

/** Every document of the API as a browser shows it, and what is said where there is none. */
async function readDocuments(visited, { paths }, ids) {
  for (const [path, { get }] of Object.entries(paths)) {
    if (!get) continue;
    const id = ids[path.split('/')[2]] ?? brief('id');
    await visited.open(path.replace('{id}', encodeURIComponent(id)).replace('{number}', ids.jobs));
  }
  const odd = encodeURIComponent(brief('nowhere'));
  const nowhere = ['/nowhere/', '/v1/', '/v1/notifications/', '/v3/', '/v3/directline/conversations/', '/v3/attachments/', '/api/', '/playground/', '/playground/api/', '/assets/', '/docs/'];
  for (const path of nowhere) await visited.open(path + odd);
  for (const path of ['/v1/deliveries', '/docs', '/', '/healthz', '/playground/api/conversations', '/api/messages']) await visited.open(`${path}?${odd}=${odd}`);
}

/** The pages: those that were built, and those that they lead to. */
async function readPages(visited) {
  const dist = fileURLToPath(new URL('../dist', import.meta.url));
  const built = (await readdir(dist, { recursive: true })).filter((name) => name.endsWith('.html'));
  const waiting = ['/api/notify', ...built.map((name) => `/${name.replace(/index\.html$/, '')}`)];
  const seen = new Set();
  for (let path; (path = waiting.pop()); ) {
    if (seen.has(path)) continue;
    seen.add(path);
    await visited.open(path);
    const links = await visited.page.locator('a[href]').evaluateAll((all) => all.filter(({ origin }) => origin === location.origin).map(({ pathname }) => pathname));
    waiting.push(...links);
  }
  for (const path of ['/', '/playground/', '/docs', '/api/notify', '/openapi.json', '/healthz']) assert.ok(seen.has(path), path);
}

/** The preview of what somebody else may have written: a template that is kept, and what its editor holds. */
async function lookAhead(visited, canary) {
  const { page } = visited;
  await visited.open('/preview/');
  const kind = page.getByLabel('What', { exact: true });
  const shown = async (how) => {
    const answered = page.waitForResponse((response) => response.url().endsWith('/v1/previews'));
    await how();
    await (await answered).finished();
    await visited.look((await page.frameLocator('iframe').locator('body').innerText()).slice(0, 100_000));
    const { bad } = await inspect(page.frames().find((frame) => frame !== page.mainFrame()) ?? page);
    assert.deepEqual(bad, [], 'in the mail');
  };
  await shown(() => kind.selectOption('template'));
  const text = brief('ahead');
  const card_ = card('ahead', canary, [text]);
  for (const [of, source] of Object.entries({ markdown: text, text, card: JSON.stringify(card_), notice: JSON.stringify({ what: text.slice(0, 200), facts: [{ title: text.slice(0, 100), value: text }] }) })) {
    await shown(() => kind.selectOption(of));
    await page.locator('#source').fill(source);
    await shown(() => page.getByRole('button', { name: 'Show', exact: true }).click());
  }
}

/** The playground, view by view, with everything opened, and everything pressed in what others said. */
async function playWith(visited, people, said, seeds) {
  const { page } = visited;
  const look = () => visited.look();
  const lookBeside = (more) => visited.look(more, '#view');
  await page.addInitScript(
    ({ people, said }) => {
      const cards = people.map(({ id, name }, n) => {
        const chat = { key: `chat${n}`, conversation: said[n], kind: 'personal', createdBy: 'user' };
        return { key: `card${n}`, id, name, client: 1, color: 'plum', chats: [chat], selected: chat.key, closed: [] };
      });
      if (location.pathname.startsWith('/playground')) localStorage.setItem('headsup.playground', JSON.stringify({ version: 2, people: cards }));
    },
    { people, said },
  );
  await page.route('**/playground/api/conversations/*/going', async (route) => {
    const response = await route.fetch();
    const going = await response.json();
    going.dialogs.push({ id: seeds.brief('dialog'), step: 1, steps: 2 });
    going.busy.push({ by: seeds.brief('busy kind'), reason: seeds.brief('busy by dialog'), priority: 0, since: new Date().toISOString() });
    await route.fulfill({ response, json: going });
  });
  await visited.open('/playground/');
  await page.getByText('Connected', { exact: true }).nth(1).waitFor();
  await page.locator('.ac-adaptiveCard').first().waitFor({ state: 'attached' });
  const chats = page.getByRole('tablist', { name: /^Chats of/ }).getByRole('tab');
  for (let n = 0; n < (await chats.count()); n++) {
    await chats.nth(n).click();
    await look();
    await pressAll(page);
    await look();
  }

  const tabs = page.getByRole('tablist', { name: 'Beside the chats' }).getByRole('tab');
  const panel = page.locator('#view');
  for (let n = 0; n < (await tabs.count()); n++) {
    await tabs.nth(n).click();
    await look();
    await unfold(panel, lookBeside);
  }
  await openDialogs(page, look);
}

/** Presses every link and button in what others said, but for links to the web, which lead there because one wants to. */
function pressAll(page) {
  return page.evaluate(() => {
    const pressed = '[role=feed] a:not([href^=http]), [role=feed] button, [role=feed] .ac-selectable, .webchat__suggested-actions button';
    const all = [...document.querySelectorAll(pressed)].filter((element) => !/Retry|Copy/.test(element.textContent));
    for (const element of all) element.click();
  });
}

async function openDialogs(page, look) {
  const dialog = page.getByRole('dialog').and(page.locator('[aria-modal=true]'));
  const close = async () => {
    await look();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  };
  await page.getByRole('button', { name: 'New group or channel' }).click();
  await dialog.waitFor();
  await close();
  for (const item of ['Name and colour…', 'Members of this chat…']) {
    await page.getByRole('button', { name: /^More for / }).first().click();
    await look();
    await page.getByRole('menuitem', { name: item }).click();
    await dialog.waitFor();
    await close();
  }
}
