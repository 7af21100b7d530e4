// Puts something hostile wherever somebody other than the reader of the pages may choose a string.
import assert from 'node:assert/strict';

import { attachments, brief, card, each, long } from './hostile.mjs';
import { patience } from './until.mjs';

export class Seeds {
  #server;
  #canary;
  #document;
  #sent = new Set();
  /** What must be read somewhere on the pages. */
  marks = new Set();

  constructor(server, canary, document) {
    this.#server = server;
    this.#canary = canary;
    this.#document = document;
  }

  /** The shortest for one place, which must be seen on the pages. */
  brief(mark) {
    this.marks.add(mark);
    return brief(mark);
  }

  /** A mark that must be seen on the pages. */
  noted(mark) {
    this.marks.add(mark);
    return mark;
  }

  /** All for one place, which must be seen on the pages. */
  long(mark) {
    this.marks.add(mark);
    return long(mark, this.#canary);
  }

  /** Asks for an operation of the API by its name in the document. */
  async ask(operation, body, { params = {}, refused = false, either = false } = {}) {
    const [path, method, op] = Object.entries(this.#document.paths)
      .flatMap(([path, item]) => Object.entries(item).map(([method, op]) => [path, method, op]))
      .find(([, , op]) => op.operationId === operation);
    const schema = op.requestBody?.content['application/json'].schema;
    if (schema) this.#note(schema, body);
    const url = path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(params[name]));
    const response = await fetch(this.#server.origin + url, {
      method: method.toUpperCase(),
      signal: patience(),
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (refused || (either && !response.ok)) {
      assert.ok(response.status >= 400 && response.status < 500, `${operation} answered ${response.status}: ${text}`);
      assert.match(response.headers.get('Content-Type'), /^application\/problem\+json/);
      return undefined;
    }
    assert.ok(response.ok, `${operation} answered ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** The strings of requests that nothing hostile was put into. */
  missed() {
    const all = new Set();
    const walk = (schema, name, seen) => {
      const { type, named, as } = this.#resolve(schema, name);
      if (seen.includes(as)) return;
      const next = schema.$ref ? [...seen, as] : seen;
      for (const [member, inner] of Object.entries(named.properties ?? {})) walk(inner, `${as}.${member}`, next);
      if (named.items) walk(named.items, as, next);
      const free = [type].flat().includes('string') || (type === undefined && !named.properties);
      if (free && !named.enum && !named.pattern && !named.format) all.add(as);
    };
    for (const item of Object.values(this.#document.paths))
      for (const { requestBody } of Object.values(item))
        for (const { schema } of Object.values(requestBody?.content ?? {})) walk(schema, '', []);
    return [...all].filter((name) => !this.#sent.has(name));
  }

  #resolve(schema, name) {
    const as = schema.$ref ? schema.$ref.split('/').at(-1) : name;
    const named = schema.$ref ? this.#document.components.schemas[as] : schema;
    return { type: named.type, named, as };
  }

  #note(schema, value, name = '') {
    const { named, as } = this.#resolve(schema, name);
    if (typeof value === 'string' ? value.includes('pwned(') : named.type === undefined && JSON.stringify(value)?.includes('pwned(')) this.#sent.add(as);
    if (Array.isArray(value)) for (const item of value) this.#note(named.items ?? {}, item, as);
    else if (value && typeof value === 'object')
      for (const [member, inner] of Object.entries(value)) this.#note(named.properties?.[member] ?? {}, inner, `${as}.${member}`);
  }
}

/** Text and Markdown, where the rest is stored as elsewhere. */
function texts(canary, mark) {
  return [{ text: long(mark, canary), summary: brief(mark) }, { markdown: long(mark, canary) }];
}

/** What notifications may carry, one kind of content each. */
function contents(seeds, canary, mark) {
  const run = `javascript:pwned('${mark}')`;
  return [
    { text: seeds.long(`${mark} text`), summary: seeds.brief(`${mark} summary`) },
    { markdown: seeds.long(`${mark} markdown`) },
    ...each(`${mark} one`, canary).map((markdown) => ({ markdown })),
    { card: card(`${mark} card`, canary, each(`${mark} card`, canary)) },
    {
      activity: {
        type: 'message',
        text: seeds.long(`${mark} activity`),
        textFormat: 'xml',
        locale: seeds.brief('act. locale'),
        inputHint: brief(mark),
        speak: `<speak>${seeds.long(`${mark} speak`)}</speak>`,
        summary: seeds.brief(`${mark} act. summary`),
        name: seeds.brief(`${mark} act. name`),
        value: { [brief(mark)]: seeds.long(`${mark} act. value`) },
        channelData: { [brief(mark)]: seeds.long(`${mark} channel data`) },
        entities: [{ type: seeds.brief(`${mark} entity`), text: `<at>${brief(mark)}</at>`, mentioned: { id: brief(mark), name: brief(mark) } }],
        attachments: attachments(`${mark} attached`, canary),
        attachmentLayout: 'carousel',
        suggestedActions: { actions: ['openUrl', 'imBack', 'postBack', 'messageBack'].map((type) => ({ type, title: brief(mark), value: run, image: run, text: run, displayText: run })) },
      },
    },
    { activity: { type: seeds.brief(`${mark} type`).slice(0, 64), name: brief(mark) } },
  ];
}

/** A notice with what it may carry, and no page elsewhere to lead to. */
function notice(seeds, mark) {
  return {
    what: seeds.brief(mark),
    text: seeds.long(`${mark} text`).replace(/\p{Cc}/gu, ' '),
    item: { title: seeds.brief(`${mark} item`) },
    actor: { name: seeds.brief(`${mark} actor`) },
    when: '2026-03-04T16:30:00Z',
    severity: 'critical',
    facts: [{ title: brief(mark), value: seeds.brief(`${mark} fact`) }],
    actions: [
      { do: 'open', title: brief(mark), url: 'tel:+15550100' },
      { do: 'do', title: brief(mark), name: brief(mark), value: { [brief(mark)]: brief(mark) } },
      { do: 'snooze', title: brief(mark), for: '1h' },
    ],
  };
}

/** Over the API: everything that a caller with a key may choose. Resolves with the ids of what was made. */
export async function seedAPI(seeds, canary, conversation) {
  const b = (mark) => seeds.brief(mark);
  const at = { params: { id: conversation } };
  const refused = { refused: true };
  const to = { conversation };

  await seeds.ask('update-conversation', { external_id: b('external id'), tags: [b('tag')] }, at);
  await seeds.ask('update-conversation', { add_tags: [b('added tag')], remove_tags: [brief('no tag')] }, at);
  const reference = {
    channelId: 'slack', serviceUrl: 'https://slack.botframework.com/', locale: brief('imported locale'), bot: { id: brief('imported bot'), name: brief('imported bot') },
    user: { id: brief('imported user'), name: brief('imported name') }, conversation: { id: brief('imported'), name: brief('imported topic') },
  };
  const imported = { reference, external_id: brief('imported id'), tags: [brief('imported tag')] };
  await seeds.ask('import-references', { tenant: brief('tenant'), references: [imported, { ...imported, time_zone: brief('zone') }] });
  const kinds = [...contents(seeds, canary, 'said'), { text: 'value', value: { [brief('key')]: b('value') } }];
  let notification;
  for (const kind of kinds) notification = await seeds.ask('create-notification', { to, topic: b('topic'), ...kind });
  const named = { collapse_key: b('collapse'), locale: b('locale'), idempotency_key: brief('once') };
  const strange = { reply_to: brief('reply to'), with: brief('with'), policy: 'interrupt', expects: 'reply' };
  const batch = texts(canary, seeds.noted('batch')).map((content) => ({ to, in: '20h', topic: b('topic'), value: b('batch value'), ...named, ...content }));
  batch[1].idempotency_key = brief('twice');
  await seeds.ask('create-notifications', { notifications: [...batch, { to, text: 'x', ...strange }] });
  await seeds.ask('create-notification', { to, text: 'x', ...strange }, refused);
  const places = { conversation: brief('target'), user: brief('user'), external_id: brief('target'), object_id: brief('target'), upn: brief('target'), email: brief('target'), team: brief('target'), reply_to: brief('target'), tag: brief('tag'), address: { id: brief('address') } };
  for (const [place, value] of Object.entries(places)) await seeds.ask('create-notification', { to: { [place]: value }, text: 'x', in: '20h' }, { either: true });
  await seeds.ask('create-notification', { to, text: 'x', in: '20h', fallback: [{ channel: brief('way') }] }, { either: true });
  await seeds.ask('notify-group', { text: brief('group'), markdown: brief('group'), summary: brief('group'), topic: brief('group'), value: { [brief('key')]: brief('group') } }, { params: { id: brief('group') }, refused: true });
  await seeds.ask('create-notification', { to, in: '20h', notice: notice(seeds, 'parts') }); // later, since its buttons do things
  const leads = brief('leads');
  const wrong = [{ item: { url: leads } }, { actor: { name: 'x', url: leads } }, { picture: { url: leads, alt: brief('alt') } }, { actions: [{ do: 'open', title: 'x', url: leads }] }];
  for (const part of wrong) await seeds.ask('create-notification', { to, notice: { what: 'x', ...part } }, refused);
  for (const place of ['channel', 'thread']) await seeds.ask('create-notification', { to: { team: 'x', [place]: brief(place) }, text: 'x' }, refused);
  const later = await seeds.ask('create-notification', { to, in: '20h', text: 'x', collapse_key: b('collapse too'), locale: b('locale too') });
  for (const kind of texts(canary, seeds.noted('edited'))) await seeds.ask('edit-notification', kind, { params: { id: later.id } });

  const template = { description: brief('template'), default_language: 'en', parameters: [{ name: 's', type: 'string', description: brief('parameter'), example: brief('example') }] };
  const put = (content) => seeds.ask('put-template', { ...template, languages: { en: content } }, { params: { name: 'hostile' } });
  const bound = { type: 'AdaptiveCard', version: '1.5', body: [{ type: 'TextBlock', text: '${data.s}' }, { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: '${data.s}' }] }] };
  for (const form of [{ text: '${data.s}', summary: '${truncate(data.s, 200)}' }, { markdown: '**${data.s}** [x](https://x.example/${data.s})' }, { card: bound }, { notice: { what: brief('notice'), text: '${data.s}' } }]) {
    await put(form);
    const when = form.notice ? { in: '20h' } : {}; // its buttons do things
    await seeds.ask('create-notification', { to, ...when, template: { name: 'hostile', data: { s: seeds.brief('bound') }, each: { [brief('each')]: { s: brief('each') } } } });
  }
  await seeds.ask('put-template', { ...template, default_language: brief('language'), languages: { en: { text: 'x' } } }, { params: { name: 'hostile' }, refused: true });
  await seeds.ask('create-notification', { to, template: { name: brief('template').slice(0, 64) } }, refused);

  for (const content of [...texts(canary, 'previewed'), { draft: { ...template, languages: { en: { text: '${data.s}' } } } }, { card: card('previewed', canary, []) }, { activity: { type: 'message', text: brief('previewed') } }]) {
    await seeds.ask('create-preview', { ...content, topic: brief('previewed'), locale: 'en', recipient: { name: brief('previewed'), time_zone: 'UTC', external_id: brief('previewed') } });
  }
  await seeds.ask('create-preview', { text: 'x', locale: brief('locale'), recipient: { time_zone: brief('zone') } }, { either: true });

  const rule = { cron: '0 0 1 1 *', zone: 'UTC' };
  const scheduled = { to, value: b('scheduled value'), topic: b('topic'), collapse_key: b('scheduled collapse'), locale: b('scheduled locale') };
  const schedules = [];
  for (const content of texts(canary, seeds.noted('scheduled'))) {
    schedules.push(await seeds.ask('create-schedule', { name: b('schedule'), rule, notification: { ...scheduled, ...content } }));
  }
  await seeds.ask('change-schedule', { name: b('schedule again') }, { params: { id: schedules[0].id } });
  await seeds.ask('create-schedule', { rule, notification: { ...scheduled, ...strange, text: 'x' } }, refused);
  for (const member of ['at', 'cron', 'rrule', 'zone', 'fallback_zone', 'start', 'until', 'except']) {
    const odd = brief(member);
    await seeds.ask('create-schedule', { rule: { ...(member !== 'at' && rule), [member]: member === 'except' ? [odd] : odd }, notification: { to, text: 'x' } }, refused);
  }

  const job = await seeds.ask('create-job', { name: b('job'), to: { conversation }, value: { [brief('key')]: b('job value') } });
  for (const place of ['user', 'external_id', 'conversation']) await seeds.ask('create-job', { name: 'x', to: { [place]: brief('nobody') } }, refused);
  for (const content of texts(canary, seeds.noted('progress'))) await seeds.ask('report-job-progress', content, { params: { number: job.number } });
  for (const content of texts(canary, seeds.noted('completed'))) {
    const { number } = await seeds.ask('create-job', { name: b('job'), to: { conversation } });
    await seeds.ask('complete-job', content, { params: { number } });
  }

  const key = await seeds.ask('create-key', { name: b('key'), scopes: ['read'] });
  await seeds.ask('create-key', { name: b('bound key'), scopes: ['read'], tenant: brief('tenant') }, { either: true });
  const url = `https://hooks.example/?a='-pwned('webhook')-'`;
  seeds.marks.add('webhook');
  const webhook = await seeds.ask('create-webhook', { url, description: brief('webhook'), events: ['notification.failed'] });
  await seeds.ask('change-webhook', { url, description: b('webhook again') }, { params: { id: webhook.id } });
  await seeds.ask('create-webhook', { url, secret: brief('secret'), events: ['notification.failed'] }, refused);
  await seeds.ask('replay-webhook', { event: brief('event') }, { params: { id: webhook.id }, refused: true });
  await seeds.ask('replay-deliveries', { conversation: brief('nowhere'), notification: brief('nothing'), reason: brief('reason'), state: 'failed' }, { either: true });
  for (const member of ['user', 'channel', 'tenant', 'object_id', 'email', 'upn', 'external_id']) await seeds.ask('find-person', { user: 'dl_ann', [member]: brief(member) }, { either: true });
  const delivery = notification.deliveries[0].id;
  const wants = { opted_out: true, topics: { [brief('topic wanted')]: 'off' }, quiet: brief('quiet'), quiet_hours: [{ from: brief('from'), to: brief('to'), days: [brief('day')] }], time_zone: brief('zone'), digest: { every: brief('every'), at: brief('digest at') } };
  await seeds.ask('change-preferences', wants, { params: { id: 'per_0000000000008' }, refused: true });
  await seeds.ask('change-conversation-preferences', wants, { ...at, refused: true });
  for (const operation of ['merge-people', 'split-person']) {
    await seeds.ask(operation, { with: [brief('person')] }, { params: { id: 'per_0000000000008' }, refused: true });
  }
  await seeds.ask('settle-delivery', { state: 'delivered', activity_id: brief('activity') }, { params: { id: delivery }, either: true });
  await seeds.ask('set-busy', { reason: b('busy reason') }, at);
  return {
    conversations: conversation, notifications: notification.id, deliveries: delivery, schedules: schedules[0].id,
    jobs: job.number, keys: key.id, webhooks: webhook.id,
  };
}

/** What the channel answers when it refuses, of which the queue tells. */
export async function seedRefusal(seeds, server, canary, conversation) {
  const fault = { on: ['send'], kind: 'status', status: 400, code: seeds.brief('error code'), message: `'"></pre>${seeds.brief('error')}`, remaining: 1 };
  const lasting = { on: ['create'], kind: 'status', status: 403, code: seeds.brief('fault'), message: brief('fault'), conversation: brief('fault') };
  await put(server, '/playground/api/faults', { faults: [fault, lasting] });
  await seeds.ask('create-notification', { to: { conversation }, text: seeds.brief('refused') });
}

async function put(server, path, body) {
  const response = await fetch(server.origin + path, { method: 'PUT', signal: patience(), headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  assert.equal(response.status, 200, await response.text());
}

/** What people's clients send: messages, events, files, from people of such names, in rooms of such names. */
export async function seedPeople(seeds, server, canary, people) {
  const room = await server.post('/playground/api/conversations', { kind: 'channel', name: seeds.brief('room'), members: people });
  const said = [];
  for (const user of people) {
    const { conversationId, token } = await server.token(user);
    said.push(conversationId);
    const url = `${server.origin}/v3/directline/conversations/${conversationId}`;
    const from = { id: user.id, name: brief('from') }; // the token's name counts
    const headers = { Authorization: `Bearer ${token}`, 'User-Agent': brief('client'), 'X-Odd': brief('header') };
    const messages = [
      ...(user === people[0] ? each('heard one', canary) : []).map((text) => ({ type: 'message', text, textFormat: 'markdown' })),
      { type: 'message', text: seeds.long('heard'), locale: seeds.brief('heard locale'), channelData: { [brief('key')]: seeds.long('heard data') } },
      { type: 'message', text: 'look', attachments: attachments('heard attached', canary).slice(0, 20) },
      { type: 'event', name: seeds.brief('event name'), value: seeds.long('event value') },
    ];
    for (const message of messages) await send(`${url}/activities`, { ...headers, 'Content-Type': 'application/json' }, JSON.stringify({ ...message, from }));
    const form = new FormData();
    const page = `<html><body onload="pwned('file')"><script>pwned('file')</script>`;
    const picture = `<svg xmlns="http://www.w3.org/2000/svg" onload="pwned('picture')"><script>pwned('picture')</script></svg>`;
    form.append('file', new Blob([page], { type: 'text/html' }), seeds.brief('file').replace('/', ' '));
    form.append('file', new Blob([picture], { type: 'image/svg+xml' }), `${brief('picture')}.svg`);
    await send(`${url}/upload?userId=${encodeURIComponent(user.id)}`, headers, form);
  }
  return { room, said };
}

/** What a channel elsewhere sends, where development lets everybody in: every id, name and header. */
export async function seedChannel(seeds, server, canary) {
  const b = (mark) => seeds.brief(mark);
  for (const channelId of ['emulator', b('channel')]) {
    const activity = {
      type: 'message', id: brief('activity id'), channelId, serviceUrl: `${server.origin}/`, text: b('channel text'), locale: b('channel locale'),
      from: { id: b('sender id'), name: b('sender'), role: b('role'), aadObjectId: b('object id') },
      recipient: { id: 'bot', name: b('recipient') },
      conversation: { id: b('conversation id'), name: b('conversation'), tenantId: b('tenant'), conversationType: b('conversation type') },
      attachments: [{ contentType: brief('content type'), contentUrl: `javascript:pwned('content')`, name: brief('attachment') }],
    };
    const headers = { 'Content-Type': 'application/json', 'User-Agent': brief('user agent'), 'X-Ms-Odd': brief('odd header') };
    const response = await fetch(`${server.origin}/api/messages`, { method: 'POST', signal: patience(), headers, body: JSON.stringify(activity) });
    await response.text(); // whether the bot can answer there is all the same
  }
}

async function send(url, headers, body) {
  const response = await fetch(url, { method: 'POST', signal: patience(), headers, body });
  assert.ok(response.ok, `POST ${url} answered ${response.status}: ${await response.text()}`);
}
