// A bot with the Teams SDK, without credentials: unauthenticated requests are let in, and the token for what it sends is
// made up, which the playground does not look at. Speaking first needs the address of the channel.
//
//	npm ci && PORT=3979 SERVICE_URL=http://127.0.0.1:3978 node teams.mjs
//	headsup playground --bot http://localhost:3979/api/messages
import express from 'express';
import { App, ExpressAdapter } from '@microsoft/teams.apps';

const http = express();
const app = new App({
  clientId: 'playground',
  token: () => 'e30.e30.',
  dangerouslyAllowUnauthenticatedRequests: true,
  serviceUrl: process.env.SERVICE_URL ?? 'http://127.0.0.1:3978',
  httpServerAdapter: new ExpressAdapter(http),
});

// Notifications that may wait are held while the bot is in the middle of something.
const busy = ({ conversation, serviceUrl }, method, body) =>
  fetch(new URL(`/v1/conversations/${encodeURIComponent(conversation.id)}/busy`, serviceUrl), {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });

const conversations = new Set(); // where to speak first

app.on('conversationUpdate', async ({ activity, send }) => {
  conversations.add(activity.conversation.id);
  for (const member of activity.membersAdded ?? []) {
    if (member.id !== activity.recipient.id) await send(`Welcome, ${member.name}!`);
  }
});
app.on('message', async ({ activity, api, send }) => {
  conversations.add(activity.conversation.id);
  switch (activity.text) {
    case 'card':
      await send({ type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: card }] });
      break;
    case 'typing':
      await send({ type: 'typing' });
      await send('Done typing.');
      break;
    case 'update': {
      const { id } = await send('Working on it …');
      await send({ type: 'message', id, text: 'Finished.' });
      break;
    }
    case 'delete': {
      const { id } = await send('You never saw this.');
      await api.conversations.activities(activity.conversation.id).delete(id);
      await send('Deleted.');
      break;
    }
    case 'members': {
      const members = await api.conversations.members(activity.conversation.id).get();
      await send(`Here are ${members.map(({ name }) => name).join(', ')}.`);
      break;
    }
    case 'book':
      await busy(activity, 'PUT', { reason: 'booking' });
      await send('Where to?');
      break;
    case 'London':
      await send('It is booked.');
      await busy(activity, 'DELETE');
      break;
    default:
      await send(activity.value ? `You chose ${activity.value.choice}.` : `You said: ${activity.text}`);
  }
});

// A notification that is left to the bot (policy interrupt, with bot).
app.on('event', async ({ activity: { name, value }, send }) => {
  if (name !== 'ContinueConversation') return;
  await send(`By the way: ${value.activity.text}`);
  if (value.busy) await send('Where to?');
});

const card = {
  type: 'AdaptiveCard',
  version: '1.4',
  body: [{ type: 'TextBlock', text: 'Pick one.' }],
  actions: [{ type: 'Action.Submit', title: 'Tea', data: { choice: 'tea' } }],
};

// What starts a message from outside of a turn: tell every known conversation.
http.get('/api/notify', async (req, res) => {
  for (const id of conversations) await app.send(id, 'proactive hello');
  res.json({ conversations: conversations.size });
});
await app.initialize();
const server = http.listen(process.env.PORT ?? 3979, '127.0.0.1', () =>
  console.log(`bot: listening on http://127.0.0.1:${server.address().port}/api/messages`),
);
