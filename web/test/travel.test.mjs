// News in the middle of a booking, in the official Web Chat: what each person has chosen is what happens, to the word, though
// the server is killed after every line of the conversation.
import assert from 'node:assert/strict';
import test from 'node:test';

import { assertQuiet, screenshot } from './browser.mjs';
import { openPlayground } from './playground.mjs';

const news = 'News from Las Vegas: a night costs 80 now instead of 100.';
const help = 'Say "book London" to book a hotel, or "cancel" in the middle of it. I tell you when one gets cheaper; '
  + '"policy" shows what I do with such news while you are booking, and "policy wait" changes that.';
const trip = 'Park Inn in London, 2 nights from 24 December 2099';

// A line is what the person says (>), what the bot says (<), or the hotel's program, which posts a price from outside (!).
const begin = `
  > book London
  < When do you arrive in London?
  > 24 December 2099
  < How many nights do you stay?`;
const end = `
  > two
  < Which hotel?
  > Park Inn
  < ${trip}. Shall I book that?
  > yes
  < It is booked: ${trip}. Have a good trip!`;

const conversations = {
  adhoc: `
  > policy adhoc
  < When there is news in the middle of a booking, I say it at once, and you go on with your booking.${begin}
  !
  < ${news}${end}`,

  wait: `
  > policy wait
  < When there is news in the middle of a booking, I say it when your booking is done.${begin}
  !${end}
  < ${news}`,

  interrupt: `${begin}
  !
  < ${news} Shall I keep a room for you?
  > yes
  < I keep a room in Las Vegas until tomorrow.
  < How many nights do you stay?${end}`,

  cancel: `
  > policy cancel
  < When there is news in the middle of a booking, I forget about your booking and say it.${begin}
  !
  < ${news}
  > two
  < ${help}${begin}${end}`,

  drop: `
  > policy drop
  < When there is news in the middle of a booking, I do not say it.${begin}
  !${end}
  !
  < ${news}`,
};

/** A hotel's program posts a price, from outside. */
const offer = (server) => server.post('/demo/prices', { city: 'Las Vegas', now: 80 });

/** Kills the server with no chance to say goodbye, and starts it again. */
const crash = (server, page, person) =>
  page.outage(async () => {
    await server.restart();
    await person.online();
  });

const linesOf = (script) => script.trim().split(/\n\s*/);

for (const [policy, script] of Object.entries(conversations))
  test(`news in a booking, ${policy}: a killed server goes on at every step`, async (t) => {
    const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
    const said = await ann.transcript(); // the welcome
    for (const line of linesOf(script)) {
      if (line !== '!') said.push(line);
      if (line.startsWith('> ')) {
        await ann.send(line.slice(2));
        continue;
      }
      if (line === '!') await offer(server); // it is accepted, and being said or not
      else await ann.hasSaid(said);
      await crash(server, page, ann);
    }
    await ann.hasSaid(said);
    assert.deepEqual(await ann.transcript(), said); // and nothing twice
    assertQuiet(page);
  });

test('a server that is killed in the middle of an answer gives it later', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  const said = await ann.transcript();
  let wait = 0;
  for (const line of linesOf(begin + end)) {
    said.push(line);
    if (line.startsWith('< ')) {
      await ann.hasSaid(said);
      continue;
    }
    await ann.send(line.slice(2));
    await new Promise((resolve) => setTimeout(resolve, (wait += 3))); // milliseconds: before it is heard, or after
    await crash(server, page, ann);
    if ((await server.stored('dl_ann')).includes(line.slice(2))) continue;
    await ann.retry(); // Web Chat keeps what it could not send above what it sends again
    said.splice(-1, 0, `${line} Send failed. Click to interact.`);
  }
  assert.deepEqual(await ann.transcript(), said);
  assertQuiet(page);
});

test('news interrupt a booking, and it goes on where it was', async (t) => {
  const { server, page, ann } = await openPlayground(t, { demo: 'travel' });
  await ann.send('book London');
  await ann.sees(/When do you arrive in London\?/);
  await ann.send('24 December 2099');
  await ann.sees(/How many nights do you stay\?/);
  await offer(server);
  await ann.sees(/Shall I keep a room for you\?/);
  await ann.send('yes');
  await ann.sees(/I keep a room in Las Vegas until tomorrow\./);
  await ann.sees(/How many nights do you stay\?/);
  await screenshot(page, 'travel-interrupted');
  assertQuiet(page);
});
