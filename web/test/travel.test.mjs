// News in the middle of a booking, in the official Web Chat: what each person has chosen is what happens, and a server that is
// killed at any step goes on there.
import test from 'node:test';

import { assertQuiet, screenshot } from './browser.mjs';
import { openPlayground } from './playground.mjs';

const news = /News from Las Vegas: a night costs 80 now instead of 100\./;
const help = /^Say "book London"/;

/** Has a person book London, as far as the number of nights. */
async function beginBooking(person) {
  await person.send('book London');
  await person.sees(/When do you arrive in London\?/);
  await person.send('24 December 2099');
  await person.sees(/How many nights do you stay\?/);
}

/** And to the end. */
async function finishBooking(person) {
  await person.send('two');
  await person.sees(/Which hotel\?/);
  await person.send('Park Inn');
  await person.sees(/Park Inn in London, 2 nights from 24 December 2099\. Shall I book that\?/);
  await person.send('yes');
  await person.sees(/It is booked: Park Inn in London, 2 nights/);
}

async function choose(person, policy) {
  await person.send(`policy ${policy}`);
  await person.sees(/When there is news in the middle of a booking/);
}

/** A hotel's program posts a price, from outside. */
const offer = (server) => server.post('/demo/prices', { city: 'Las Vegas', now: 80 });

test('news interrupt a booking, and it goes on where it was', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  await beginBooking(ann);
  await offer(server);
  await ann.sees(/Shall I keep a room for you\?/);
  await ann.send('yes');
  await ann.sees(/I keep a room in Las Vegas until tomorrow\./);
  await ann.sees(/How many nights do you stay\?/);
  await screenshot(page, 'travel-interrupted');
  await finishBooking(ann);
  assertQuiet(page);
});

test('news wait for the end of a booking', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  await choose(ann, 'wait');
  await beginBooking(ann);
  await offer(server);
  await finishBooking(ann);
  await ann.seesOnce(news);
  await screenshot(page, 'travel-waited');
  assertQuiet(page);
});

test('news are said in between, and the booking goes on', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  await choose(ann, 'adhoc');
  await beginBooking(ann);
  await offer(server);
  await ann.seesOnce(news);
  await finishBooking(ann);
  assertQuiet(page);
});

test('news end a booking', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  await choose(ann, 'cancel');
  await beginBooking(ann);
  await offer(server);
  await ann.seesOnce(news);
  await ann.send('2');
  await ann.sees(help);
  assertQuiet(page);
});

test('news are dropped during a booking, and only then', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  await choose(ann, 'drop');
  await beginBooking(ann);
  await offer(server);
  await finishBooking(ann);
  await offer(server); // nothing goes on any more
  await ann.seesOnce(news);
  assertQuiet(page);
});

test('a booking that is interrupted outlives a killed server at every step', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  const crash = () =>
    page.outage(async () => {
      await server.restart();
      await ann.online();
    });
  await ann.send('book London');
  await ann.sees(/When do you arrive in London\?/);
  await crash();
  await ann.send('24 December 2099');
  await ann.sees(/How many nights do you stay\?/);
  await crash();
  await offer(server);
  await ann.sees(/Shall I keep a room for you\?/);
  await crash();
  await ann.send('no');
  await ann.sees(/Then not\./);
  await crash();
  await ann.send('two');
  await ann.sees(/Which hotel\?/);
  await crash();
  await ann.send('Park Inn');
  await ann.sees(/Shall I book that\?/);
  await crash();
  await ann.send('yes');
  await ann.seesOnce(/It is booked: Park Inn in London, 2 nights/);
  assertQuiet(page);
});
