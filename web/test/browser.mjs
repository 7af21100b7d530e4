// A headless Chromium that counts every complaint: console errors, page errors, violations of the content security
// policy, and requests that leave the server's origin.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { until } from './until.mjs';

// No sandbox, because build machines run as root; nothing of the browser's own may reach for the network.
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const desktop = { width: 1440, height: 900 };

/** Starts a browser that is closed, with all its pages, when the test ends. */
export async function openBrowser(t) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: flags,
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens a page in a profile of its own and watches it. The page has two more methods: `complaints()`, what it
 * complained about so far, and `outage(work)`, which runs work while the server may be away: lost connections are no
 * complaint then, nor afterwards until the page has its wire back.
 */
export async function openPage(browser, origin, { viewport = desktop, colorScheme = 'light' } = {}) {
  const permissions = ['clipboard-read', 'clipboard-write'];
  const context = await browser.newContext({ viewport, colorScheme, permissions });
  context.setDefaultTimeout(60_000); // what a slow machine needs
  const page = await context.newPage();
  const found = [];
  let away = false;

  page.on('console', (message) => {
    const text = message.text();
    const lost = /net::ERR_(CONNECTION|INCOMPLETE|EMPTY)|WebSocket connection .* failed/.test(text);
    if (['error', 'warning'].includes(message.type()) && !(away && lost)) found.push(`console: ${text}`);
  });
  page.on('pageerror', (error) => found.push(`page error: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    const local = url.origin === origin || ['blob:', 'data:'].includes(url.protocol);
    if (!local) found.push(`request to ${url.href}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(origin).host) found.push(`socket to ${socket.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`violates ${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
    });
  });

  page.complaints = () => found;
  page.outage = async (work) => {
    away = true;
    const back = page.waitForResponse((response) => response.url() === `${origin}/playground/api/wire`);
    await work();
    await back;
    away = false;
  };
  return page;
}

/** Fails when a page complained. */
export function assertQuiet(...pages) {
  assert.deepEqual(
    pages.flatMap((page) => page.complaints()),
    [],
  );
}

/** Keeps a picture of the page when $SCREENSHOTS names a folder: of the page at rest, with every chat at its end. */
export async function screenshot(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await until('every chat to be connected', async () => (await page.getByText('Connecting…').filter({ visible: true }).count()) === 0);
  await until('every chat to be at its end', () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.webchat__basic-transcript__scrollable')].every(
        ({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - scrollTop - clientHeight < 2,
      ),
    ),
  );
  await settled(page);
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Resolves when what fades or slides in has arrived: half way, its colours are not its own. */
export function settled(page) {
  const ends = (animation) => Number.isFinite(animation.effect?.getComputedTiming().endTime);
  return page.evaluate(`Promise.all(document.getAnimations().filter(${ends}).map(({ finished }) => finished.catch(() => {})))`);
}
