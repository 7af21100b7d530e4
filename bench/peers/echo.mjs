// The echo bot of the Bot Framework SDK for JavaScript, which counts in the conversation's state, kept in memory as its
// sample keeps it. Prints where it listens, and ends with its standard input.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';

const require = createRequire(new URL('../../examples/bots/package.json', import.meta.url));
const express = require('express');
const {
  ActivityHandler, CloudAdapter, ConfigurationBotFrameworkAuthentication, ConversationState, MemoryStorage,
} = require('botbuilder');

const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({ MicrosoftAppId: '' }));
adapter.onTurnError = async (_, error) => { throw error; };
const conversations = new ConversationState(new MemoryStorage());
const count = conversations.createProperty('count');

const bot = new ActivityHandler();
bot.onMessage(async (context, next) => {
  const n = (await count.get(context, 0)) + 1;
  await count.set(context, n);
  await context.sendActivity(`${n}: ${context.activity.text}`);
  await next();
});
bot.onTurn(async (context, next) => {
  await next();
  await conversations.saveChanges(context);
});

const app = express();
app.use(express.json());
app.post('/', (req, res) => adapter.process(req, res, context => bot.run(context)));
const server = createServer(app).listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
process.stdin.resume().on('end', () => process.exit(0));
