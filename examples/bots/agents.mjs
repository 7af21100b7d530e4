// An agent with the Microsoft 365 Agents SDK, without credentials: no client id and no NODE_ENV=production let
// anonymous requests in.
//
//	npm ci && PORT=3979 node agents.mjs
//	headsup playground --bot http://localhost:3979/api/messages
import express from 'express';
import { ActivityHandler, authorizeJWT, CardFactory, CloudAdapter, MessageFactory } from '@microsoft/agents-hosting';

const config = {};
const anonymous = { name: 'anonymous' }; // who calls when nobody has credentials
const adapter = new CloudAdapter(config);
adapter.onTurnError = async (context, error) => {
  console.error(error);
  throw error; // the channel is answered with status 500
};

// Notifications that may wait are held while the bot is in the middle of something.
const busy = ({ conversation, serviceUrl }, method, body) =>
  fetch(new URL(`/v1/conversations/${encodeURIComponent(conversation.id)}/busy`, serviceUrl), {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });

const references = new Map(); // where to speak first, by conversation
const note = async (context, next) => {
  const reference = context.activity.getConversationReference();
  references.set(reference.conversation.id, reference);
  await next();
};

const agent = new ActivityHandler();
agent.onConversationUpdate(note);
agent.onMembersAdded(async (context, next) => {
  for (const member of context.activity.membersAdded) {
    if (member.id !== context.activity.recipient.id) await context.sendActivity(`Welcome, ${member.name}!`);
  }
  await next();
});
agent.onMessage(note);
agent.onMessage(async (context, next) => {
  const { activity } = context;
  switch (activity.text) {
    case 'card':
      await context.sendActivity(MessageFactory.attachment(CardFactory.adaptiveCard(card)));
      break;
    case 'typing':
      await context.sendActivity({ type: 'typing' });
      await context.sendActivity('Done typing.');
      break;
    case 'update': {
      const { id } = await context.sendActivity('Working on it …');
      await context.updateActivity(Object.assign(MessageFactory.text('Finished.'), { id }));
      break;
    }
    case 'delete': {
      const { id } = await context.sendActivity('You never saw this.');
      await context.deleteActivity(id);
      await context.sendActivity('Deleted.');
      break;
    }
    case 'members': {
      const connector = context.turnState.get(adapter.ConnectorClientKey);
      const person = await connector.getConversationMember(activity.from.id, activity.conversation.id);
      await context.sendActivity(`Here is ${person.name}.`);
      break;
    }
    case 'book':
      await busy(activity, 'PUT', { reason: 'booking' });
      await context.sendActivity('Where to?');
      break;
    case 'London':
      await context.sendActivity('It is booked.');
      await busy(activity, 'DELETE');
      break;
    default:
      await context.sendActivity(activity.value ? `You chose ${activity.value.choice}.` : `You said: ${activity.text}`);
  }
  await next();
});

// A notification that is left to the bot (policy interrupt, with bot).
agent.onUnrecognizedActivityType(async (context, next) => {
  const { name, value } = context.activity;
  if (name === 'ContinueConversation') {
    await context.sendActivity(`By the way: ${value.activity.text}`);
    if (value.busy) await context.sendActivity('Where to?');
  }
  await next();
});

const card = {
  type: 'AdaptiveCard',
  version: '1.4',
  body: [{ type: 'TextBlock', text: 'Pick one.' }],
  actions: [{ type: 'Action.Submit', title: 'Tea', data: { choice: 'tea' } }],
};

const app = express();
app.use(express.json());
app.post('/api/messages', authorizeJWT(config), (req, res) => adapter.process(req, res, (context) => agent.run(context)));
// What starts a message from outside of a turn: tell every known conversation.
app.get('/api/notify', async (req, res) => {
  for (const reference of references.values()) {
    await adapter.continueConversation(anonymous, reference, async (context) => {
      await context.sendActivity('proactive hello');
    });
  }
  res.json({ conversations: references.size });
});
const server = app.listen(process.env.PORT ?? 3979, '127.0.0.1', () =>
  console.log(`bot: listening on http://127.0.0.1:${server.address().port}/api/messages`),
);
