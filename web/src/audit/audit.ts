// The audit log: who did what, page by page, and whether the chain of its hashes is whole.
import { connect, ProblemError, type Schemas } from 'headsup-client';

import { explain } from '../server';

type Entry = Schemas['AuditEntry'];
type Check = Schemas['AuditCheck'];

const pageSize = 50;

const find = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const signin = find<HTMLFormElement>('signin');
const log = find('log');
const filters = find<HTMLFormElement>('filters');
const state = find('state');
const list = find('entries');
const newer = find<HTMLButtonElement>('newer');
const older = find<HTMLButtonElement>('older');
const again = find<HTMLButtonElement>('again');
const download = find<HTMLAnchorElement>('export');
const exporting = find('exporting');

/** The key that was given, while the page is open; none where the server wants none. */
let key: string | undefined;
let server = connect({ url: location.origin, retries: 0 });

/** Where the pages before this one begin, and this one, the newest first; undefined is the log's new end. */
let places: (string | undefined)[] = [undefined];
let next: string | undefined;
/** Counts what was asked for, so that an answer that came late is not shown over a later one. */
let asked = 0;

const times = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

signin.addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = find<HTMLInputElement>('key');
  const refused = find('refused');
  key = field.value.trim();
  server = connect({ url: location.origin, key, retries: 0 });
  refused.textContent = '';
  try {
    await server.get('/v1/audit/head');
    field.value = '';
    await open();
  } catch (error) {
    refused.textContent = explain(error);
    field.select();
  }
});

filters.addEventListener('submit', (event) => {
  event.preventDefault();
  places = [undefined];
  void show();
});

filters.addEventListener('reset', () => {
  places = [undefined];
  setTimeout(() => void show()); // once the fields are empty
});

newer.addEventListener('click', () => {
  places.pop();
  void show();
});

older.addEventListener('click', () => {
  places.push(next);
  void show();
});

again.addEventListener('click', () => void check());

// A link sends no key, so the page fetches what it links to.
download.addEventListener('click', async (event) => {
  if (key === undefined) return;
  event.preventDefault();
  exporting.textContent = 'Getting the entries…';
  try {
    const answer = await fetch(download.href, { headers: { Authorization: `Bearer ${key}` } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = download.download;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    exporting.textContent = '';
  } catch (error) {
    exporting.textContent = `That did not work: ${explain(error)}`;
  }
});

/** Shows the log, or asks for a key if the server wants one. */
async function start() {
  try {
    await server.get('/v1/audit/head');
  } catch (error) {
    signin.hidden = false;
    if (!(error instanceof ProblemError && error.status === 401)) find('refused').textContent = explain(error);
    find('key').focus();
    return;
  }
  await open();
}

async function open() {
  signin.hidden = true;
  log.hidden = false;
  await Promise.all([check(), show()]);
}

async function show() {
  const call = ++asked;
  state.textContent = 'Reading…';
  try {
    const page = await server.get('/v1/audit', { params: { query: { ...wanted(), limit: pageSize, cursor: places.at(-1) } } });
    if (call !== asked) return;
    next = page.next_cursor;
    list.replaceChildren(...page.entries.map(row));
    state.textContent = page.entries.length === 0 ? 'No entries are like that.' : span(page.entries);
  } catch (error) {
    if (call !== asked) return;
    next = undefined;
    list.replaceChildren();
    state.textContent = `The entries could not be read: ${explain(error)}`;
  }
  newer.disabled = places.length === 1;
  older.disabled = next === undefined;
}

/** The filters, without those that are empty. */
function wanted() {
  const value = (name: string) => (filters.elements.namedItem(name) as HTMLInputElement).value.trim();
  const time = (name: string) => (value(name) ? new Date(value(name)).toISOString() : undefined);
  const query = { action: value('action'), actor: value('actor'), object: value('object'), since: time('since'), until: time('until') };
  return Object.fromEntries(Object.entries(query).filter(([, wish]) => wish)) as Partial<typeof query>;
}

function span(entries: Entry[]): string {
  const [first, last] = [entries[0]!.number, entries.at(-1)!.number];
  return first === last ? `Entry ${first}` : `Entries ${first} to ${last}, newest first`;
}

/** One entry, which opens to all that it holds. */
function row(entry: Entry): HTMLLIElement {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'entry';
  button.setAttribute('aria-expanded', 'false');
  const at = element('time', when(entry.at));
  at.dateTime = entry.at;
  const time = element('span', '', 'soft');
  time.append(at);
  const action = element('span', entry.action, entry.action.startsWith('refused.') ? 'action refused' : 'action');
  const actor = element('span', entry.actor || 'not known');
  button.append(element('span', `#${entry.number}`, 'soft'), time, action, actor, element('span', [entry.object, entry.from && `from ${entry.from}`].filter(Boolean).join(' '), 'soft'));
  button.addEventListener('click', () => {
    const open = button.getAttribute('aria-expanded') === 'true';
    button.setAttribute('aria-expanded', String(!open));
    if (open) item.querySelector('dl')?.remove();
    else item.append(details(entry));
  });
  item.append(button);
  return item;
}

function details(entry: Entry): HTMLDListElement {
  const all = document.createElement('dl');
  const add = (name: string, value: string | HTMLElement) => {
    if (!value) return;
    const definition = document.createElement('dd');
    definition.append(value);
    all.append(element('dt', name), definition);
  };
  add('Number', String(entry.number));
  add('Written', entry.at);
  add('What', entry.action);
  add('Who', entry.actor);
  add('From', entry.from);
  add('To what', entry.object && element('code', entry.object));
  if (entry.detail !== undefined) add('Detail', element('pre', JSON.stringify(entry.detail, null, 2)));
  add('App', element('code', entry.app_id));
  add('Trace', entry.trace && element('code', entry.trace));
  add('Sealed with', entry.sealed);
  add('Hash before', element('code', entry.prev));
  add('Hash', element('code', entry.hash));
  return all;
}

/** Has the server check the log. */
async function check() {
  const box = find('check');
  const [title, checked, worth, headline] = [find('whole'), find('checked'), find('worth'), find('headline')];
  again.disabled = true;
  box.dataset.state = '';
  title.textContent = 'Checking the log…';
  checked.textContent = worth.textContent = '';
  headline.hidden = true;
  try {
    const found = await server.get('/v1/audit/check');
    box.dataset.state = found.whole ? 'whole' : 'broken';
    title.textContent = found.broken ? `Entry ${found.broken.number} does not fit` : 'The log is whole';
    if (!found.complete) title.textContent = 'The log is whole as far as it was checked';
    checked.textContent = outcome(found);
    worth.textContent = found.entries > 0 ? seals(found) : '';
    headline.hidden = !found.whole || !found.complete || found.entries === 0;
    find('head').textContent = found.through.hash;
  } catch (error) {
    title.textContent = 'The log could not be checked';
    checked.textContent = explain(error);
  } finally {
    again.disabled = false;
  }
}

function outcome(found: Check): string {
  const through = found.entries === 0 ? 'There are no entries' : `Entries ${found.first} to ${found.through.number} follow each other and are as they were written`;
  if (found.broken) return `Entry ${found.broken.number} ${found.broken.reason}. ${found.entries > 0 ? `${through}.` : ''}`;
  if (!found.complete) return `${through}. It is too long to be checked here: “headsup audit verify” checks all of it.`;
  return `${through}. ${(found.first ?? 1) > 1 ? `Those before ${found.first} were cut off because of their age.` : ''}`;
}

/** What the seals are worth. */
function seals({ sealed }: Check): string {
  const ranges = sealed.map((range) => `${range.first} to ${range.last} with ${range.sealed}`).join('; ');
  const plain = sealed.some((range) => range.sealed === 'sha256');
  return `Sealed ${ranges}.${plain ? ' Without a key, somebody who can write the database could have made all of them anew; a hash that was kept elsewhere would show it.' : ''}`;
}

function element<T extends keyof HTMLElementTagNameMap>(tag: T, text: string, className = ''): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function when(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : times.format(date);
}

void start();
