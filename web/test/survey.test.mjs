// A survey in the middle of an order, in the official Web Chat: it takes over the conversation until the person is done, and the
// order goes on where it was, also when the server was killed meanwhile.
import test from 'node:test';

import { assertQuiet, screenshot } from './browser.mjs';
import { openPlayground } from './playground.mjs';

async function order(person) {
  await person.send('coffee');
  await person.sees(/A small or a large coffee\?/);
  await person.send('large');
  await person.sees(/With milk\?/);
}

async function survey(person, other) {
  await other.send('survey');
  await other.sees(/^I ask 1 person\.$/);
  await person.sees(/^May I interrupt\?/);
}

async function finish(person) {
  await person.send('yes');
  await person.sees(/What name shall we call\?/);
  await person.send('Ann');
  await person.seesOnce(/A large coffee, with milk, for Ann\./);
}

test('a survey takes over until "done", and the order goes on', async (t) => {
  const { page, ann, ben } = await openPlayground(t, { demo: 'survey' });
  await order(ann);
  await survey(ann, ben);
  await page.getByRole('tab', { name: 'Queue' }).click();
  await page.getByRole('list', { name: 'Dialogs' }).getByText(/^opinions.*interrupts/).waitFor();
  await ann.send('Too hot');
  await ann.sees(/What else\?/);
  await ann.send('done');
  await ann.sees(/Thank you for your opinion\. Back to where we were\./);
  await screenshot(page, 'survey-interrupted');
  await finish(ann);
  assertQuiet(page);
});

test('a survey that interrupts outlives a killed server', async (t) => {
  const { server, page, ann, ben } = await openPlayground(t, { demo: 'survey' });
  const crash = () =>
    page.outage(async () => {
      await server.restart();
      await Promise.all([ann, ben].map((person) => person.online()));
    });
  await order(ann);
  await crash();
  await survey(ann, ben);
  await crash();
  await ann.send('Too hot');
  await ann.sees(/What else\?/);
  await crash();
  await ann.send('done');
  await ann.sees(/Thank you for your opinion\./);
  await crash();
  await finish(ann);
  assertQuiet(page);
});
