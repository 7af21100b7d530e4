// The preview: every form of a notice, a template and hostile data, in both colours, at a desk and on a phone.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAccessible } from './axe.mjs';
import { assertQuiet, openBrowser, openPage, screenshot } from './browser.mjs';
import { openPlayground } from './playground.mjs';
import { startServer } from './server.mjs';
import { until } from './until.mjs';

const deal = {
  default_language: 'en',
  parameters: [{ name: 'deal', type: 'string', required: true, example: 'Contoso' }, { name: 'url', type: 'string', example: 'https://crm.example.com/7' }],
  languages: {
    en: { notice: { what: '${data.deal} was won', severity: 'good', item: { title: '${data.deal}', url: '${data.url}' } } },
    de: { markdown: '**${data.deal}** ist [gewonnen](${data.url})' },
  },
};

async function open(t, look = {}) {
  const server = await startServer(t);
  const response = await fetch(`${server.origin}/v1/templates/deal`, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(deal) });
  assert.equal(response.status, 201, await response.text());
  const page = await openPage(await openBrowser(t), server.origin, look);
  await page.goto(`${server.origin}/preview/`);
  await page.getByText('of 28,672 bytes').waitFor();
  return { server, page, mail: page.frameLocator('iframe') };
}

const show = (page) => page.getByRole('button', { name: 'Show', exact: true }).click();

for (const colorScheme of ['light', 'dark']) {
  for (const [name, viewport] of Object.entries({ desk: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } })) {
    test(`a notice is shown in every form, ${colorScheme}, ${name}`, async (t) => {
      const { page, mail } = await open(t, { colorScheme, viewport });
      await page.getByLabel('Time zone').fill('Europe/Berlin');
      await page.getByLabel('Topic').fill('invoices');
      await show(page);
      for (const form of ['teams', 'webchat']) {
        const figure = page.locator(`#${form}`);
        await figure.getByRole('button', { name: 'Approve' }).waitFor();
        await figure.getByText('Contoso Office Supplies GmbH').waitFor();
      }
      await mail.getByRole('cell', { name: 'Contoso Office Supplies GmbH' }).waitFor();
      await page.locator('#sms').getByText('messages in').or(page.locator('#sms').getByText('message in')).waitFor();
      assert.match(await page.locator('#feed .line').innerText(), /invoice needs your approval/);
      assert.equal(await page.getByLabel('Dark').isChecked(), colorScheme === 'dark');
      const page_ = mail.locator('body');
      const ink = await page_.evaluate((body) => getComputedStyle(body).backgroundColor);
      assert.equal(ink, colorScheme === 'dark' ? 'rgb(27, 27, 27)' : 'rgb(245, 245, 245)');
      const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= seen, `the page is ${wide} pixels wide on a screen of ${seen}`);
      await page.mouse.move(0, 0); // nothing is pointed at
      await assertAccessible(page, 'the preview');
      await page.locator('#shown').scrollIntoViewIfNeeded();
      await screenshot(page, `preview-${name}-${colorScheme}`);
      for (const form of name === 'phone' ? ['email', 'sms'] : []) {
        await page.locator(`#${form}`).evaluate((figure) => figure.scrollIntoView());
        await screenshot(page, `preview-${name}-${form}-${colorScheme}`);
      }
      assertQuiet(page);
    });
  }
}

test('a template is shown in its languages, with data that stays data', async (t) => {
  const { page } = await open(t);
  await page.getByLabel('What', { exact: true }).selectOption('A template that is kept');
  await page.locator('#teams').getByText('Contoso was won').waitFor();
  await page.getByLabel('Data, as JSON').fill(JSON.stringify({ deal: '<b>x</b> *y* [z](javascript:alert(1)) {{DATE(2026-01-01T00:00:00Z, SHORT)}}', url: 'https://crm.example.com/7' }));
  await page.getByLabel('Language').fill('de-CH');
  await show(page);
  await page.getByText('In the language de.').waitFor();
  for (const form of ['teams', 'webchat']) {
    const text = await page.locator(`#${form} .screen`).innerText();
    assert.equal(text.trim(), '<b>x</b> *y* [z](javascript:alert(1)) {{DATE(2026-01-01T00:00:00Z, SHORT)}} ist gewonnen');
    assert.equal(await page.locator(`#${form} .screen a`).count(), 1);
  }
  await page.getByLabel('Data, as JSON').fill(JSON.stringify({ deal: 'x', url: 'javascript:alert(1)' }));
  await show(page);
  await page.getByRole('alert').getByText('languages.de.markdown').waitFor();
  await page.getByLabel('Data, as JSON').fill('{');
  await show(page);
  await page.getByRole('alert').getByText('The data is not right as JSON').waitFor();
  await page.getByLabel('What', { exact: true }).selectOption('A template that is not kept');
  await page.locator('#teams').getByText('ist gewonnen').waitFor();
  const complaints = page.complaints().filter((line) => !/status of 422/.test(line)); // what was refused on purpose
  assert.deepEqual(complaints, []);
});

test('what is too large is told', async (t) => {
  const { page } = await open(t);
  await page.getByLabel('What', { exact: true }).selectOption('An Adaptive Card');
  await page.locator('#teams').getByText('The build is').waitFor();
  const body = [{ type: 'TextBlock', text: 'x'.repeat(40_000) }, { type: 'Image', url: 'https://elsewhere.example/x.png', altText: 'x' }];
  await page.getByLabel('The card, as JSON').fill(JSON.stringify({ type: 'AdaptiveCard', version: '1.5', body }));
  await show(page);
  await page.locator('#teams').getByText('too large').waitFor();
  assert.equal(await page.locator('#webchat').getByText('too large').count(), 0);
  await page.locator('#sms').getByText('too large').waitFor();
  assertQuiet(page);
});

test('what is wrong is told once, with its field', async (t) => {
  const { page } = await open(t);
  await page.getByLabel('The notice, as JSON').fill('{"what": "x", "facts": [{"title": "a"}], "colour": "red"}');
  await show(page);
  await page.getByText('body.notice.facts[0].value: is required; body.notice.colour: unexpected property', { exact: true }).waitFor();
});

test('a server that wants a key gets one', async (t) => {
  const server = await startServer(t, 'jobs', '--require-key');
  const page = await openPage(await openBrowser(t), server.origin);
  await page.goto(`${server.origin}/preview/`);
  await page.getByLabel('An API key with the scopes send and read').fill(await server.key());
  await page.keyboard.press('Enter');
  await page.locator('#teams').getByRole('button', { name: 'Approve' }).waitFor();
  const refused = page.complaints().filter((line) => !/status of 401/.test(line));
  assert.deepEqual(refused, []);
});

test('a hostile mail is text in its frame', async (t) => {
  const { page, server } = await open(t);
  const html = '<html><body onload="parent.pwned=1"><script>parent.pwned=1</script><img src=x onerror="parent.pwned=1"><a href="javascript:parent.pwned=1">go</a><form action="https://elsewhere.example"><button>send</button></form><iframe srcdoc="x"></iframe><p style="background:url(https://elsewhere.example/x)">read me</p></body></html>';
  const answer = await server.post('/v1/previews', { activity: { type: 'message', text: 'x', channelData: { htmlBody: html, subject: 's' } } });
  await page.route('**/v1/previews', (route) => route.fulfill({ json: answer }));
  await show(page);
  const mail = page.frameLocator('iframe');
  await mail.getByText('read me').waitFor();
  await mail.getByText('go', { exact: true }).click();
  const left = await mail.locator('body').evaluate((body) => [...body.querySelectorAll('*')].map(({ localName }) => localName).filter((tag) => ['script', 'img', 'form', 'button', 'iframe'].includes(tag)));
  assert.deepEqual(left, []);
  await until('that nothing ran', async () => (await page.evaluate(() => globalThis.pwned)) === undefined);
  assertQuiet(page);
});

for (const [name, look] of Object.entries({
  light: { colorScheme: 'light', viewport: { width: 1440, height: 1200 } },
  dark: { colorScheme: 'dark', viewport: { width: 1440, height: 1200 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 900 } },
})) {
  test(`the same template in the official Web Chat of two people, ${name}`, async (t) => {
    const { server, page, ann } = await openPlayground(t, look);
    const invoice = {
      default_language: 'en',
      parameters: [{ name: 'number', type: 'integer', required: true }, { name: 'amount', type: 'number', required: true }],
      languages: {
        en: {
          notice: {
            what: 'The invoice needs your approval', severity: 'warning', text: 'It is above the limit of your team.', when: '2026-03-04T16:30:00Z',
            item: { title: 'INV-${data.number}', url: 'https://erp.example.com/invoices/${data.number}' }, actor: { name: 'Ann Example' },
            facts: [{ title: 'Amount', value: '€ ${number(data.amount, 2)}' }, { title: 'Supplier', value: 'Contoso Office Supplies GmbH' }],
            actions: [{ do: 'do', name: 'approve', title: 'Approve' }, { do: 'open', title: 'Open', url: 'https://erp.example.com/invoices/${data.number}' }],
          },
        },
      },
    };
    await fetch(`${server.origin}/v1/templates/invoice`, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(invoice) });
    await server.post('/v1/notifications', { to: { everyone: true }, topic: 'invoices', template: { name: 'invoice', data: { number: 2041, amount: 12400 } } });
    await ann.card.locator('.ac-pushButton').filter({ hasText: 'Approve', visible: true }).waitFor();
    await ann.card.locator('.ac-factset').getByText('€ 12,400.00').waitFor();
    await screenshot(page, `notice-webchat-${name}`);
    assertQuiet(page);
  });
}
