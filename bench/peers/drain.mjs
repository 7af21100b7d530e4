// Tells every conversation something, one after the other, as the proactive messages sample of the Bot Framework SDK for
// JavaScript does, and as its successor's documentation does. Nothing is stored: what fails or is not sent yet when the
// process ends is lost.
//
// drain.mjs SDK URL N: botbuilder or agents; the sink; how many. Prints the seconds that it took.

import { createRequire } from 'node:module';

const [sdk, url, n] = process.argv.slice(2);
const require = createRequire(new URL('../../examples/bots/package.json', import.meta.url));
const text = 'Your build is done. '.repeat(24);

const references = {};
for (let i = 0; i < Number(n); i++) {
  references[`c${i}`] = {
    channelId: 'test', serviceUrl: url, conversation: { id: `c${i}` }, user: { id: `u${i}` }, bot: { id: 'bot' },
  };
}

async function botbuilder() {
  const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = require('botbuilder');
  const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));
  adapter.onTurnError = async (_, error) => { throw error; };
  return reference => adapter.continueConversationAsync('', reference, async context => {
    await context.sendActivity(text);
  });
}

const tell = await { botbuilder }[sdk]();
await tell(Object.values(references)[0]); // everything is loaded and connected
const start = process.hrtime.bigint();
for (const reference of Object.values(references)) {
  await tell(reference);
}
console.log(Number(process.hrtime.bigint() - start) / 1e9);
