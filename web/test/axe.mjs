// Looks for barriers with axe-core, as people with a screen reader, a keyboard or weak eyes would meet them.
import assert from 'node:assert/strict';

import axe from 'axe-core';

import { settled } from './browser.mjs';

// Fluent UI's focus management puts invisible elements around tab lists and dialogs: the focus that reaches one is moved on
// at once, so nobody ever rests there. axe-core cannot know that; Fluent's own tests leave them out as well.
const guards = '[data-tabster-dummy]';

/** Fails when the page, Web Chat included, has a serious or critical finding as it is now. */
export async function assertAccessible(page, view) {
  await settled(page);
  await page.evaluate(axe.source); // through the debugger, which the content security policy does not bind
  const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const { violations } = await page.evaluate(
    ([guards, options]) => globalThis.axe.run({ exclude: [[guards]] }, options),
    [guards, { resultTypes: ['violations'], runOnly }],
  );
  const found = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ html, target }) => ({ id, help, html, target: target.join(' ') })))
    .map(({ id, help, html, target }) => `${view}: ${id}, ${help}: ${target} ${html.slice(0, 200)}`);
  assert.deepEqual(found, []);
}
