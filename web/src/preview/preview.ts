// The preview: any content as every channel would show it.
import { connect, ProblemError, type Schemas } from 'headsup-client';

import { explain } from '../server';
import { drawCard, drawText } from './cards';
import { drawMail } from './mail';
import { labels, samples } from './samples';

type Preview = Schemas['Preview'];
type Form = Schemas['PreviewForm'];
type Request = Schemas['PreviewRequest'];
type Activity = { text?: string; textFormat?: string; attachments?: { contentType: string; content: unknown }[] };

const find = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const field = (id: string) => find<HTMLInputElement>(id);
const signin = find<HTMLFormElement>('signin');
const what = find<HTMLFormElement>('what');
const kind = find<HTMLSelectElement>('kind');
const template = find<HTMLSelectElement>('template');
const source = find<HTMLTextAreaElement>('source');
const data = find<HTMLTextAreaElement>('data');
const state = find('state');
const wrong = find('wrong');
const shown = find('shown');
const dark = field('dark');
const phone = field('phone');

let server = connect({ url: location.origin, retries: 0 });
let kept: Schemas['TemplateSummary'][] = [];
let preview: Preview | undefined;
/** What was written of each kind, so that going back and forth loses nothing. */
const written: Record<string, string> = { ...samples };
let current = kind.value;
/** Counts what was asked for, so that an answer that came late is not shown over a later one. */
let asked = 0;

dark.checked = matchMedia('(prefers-color-scheme: dark)').matches;

signin.addEventListener('submit', async (event) => {
  event.preventDefault();
  server = connect({ url: location.origin, key: field('key').value.trim(), retries: 0 });
  await begin();
});

kind.addEventListener('change', () => {
  written[current] = source.value;
  choose();
  void show();
});
template.addEventListener('change', () => {
  chooseTemplate();
  void show();
});
what.addEventListener('submit', (event) => {
  event.preventDefault();
  void show();
});
for (const look of [dark, phone]) look.addEventListener('change', () => preview && draw(preview));

/** Shows the fields of a kind. */
function choose(): void {
  current = kind.value;
  const ofTemplate = current === 'template';
  find('named').hidden = !ofTemplate;
  find('written').hidden = ofTemplate;
  find('given').hidden = !ofTemplate && current !== 'draft';
  find('sourcelabel').textContent = labels[current] ?? '';
  source.value = written[current] ?? '';
  if (ofTemplate) chooseTemplate();
  else if (current === 'draft') data.value = '';
}

/** Takes a template's examples for its data. */
function chooseTemplate(): void {
  const one = kept.find(({ name }) => name === template.value);
  const examples = (one?.parameters ?? []).filter(({ example }) => example !== undefined).map(({ name, example }) => [name, example]);
  data.value = one ? JSON.stringify(Object.fromEntries(examples), null, 2) : '';
  find('locales').replaceChildren(...(one?.languages ?? []).map((value) => Object.assign(document.createElement('option'), { value })));
}

function json<T>(text: string, name: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`${name} is not right as JSON: ${(error as Error).message}`);
  }
}

/** What is to be shown. */
function request(): Request {
  const text = (id: string) => field(id).value.trim() || undefined;
  const r: Request = { locale: text('locale'), topic: text('topic'), recipient: { name: text('name'), time_zone: text('zone') } };
  const values = data.value.trim() ? json<object>(data.value, 'The data') : undefined;
  switch (current) {
    case 'template':
      r.template = { name: template.value, ...(values && { data: values }) };
      break;
    case 'draft':
      r.draft = json(source.value, 'The template');
      if (values) r.template = { data: values };
      break;
    case 'notice':
      r.notice = json(source.value, 'The notice');
      break;
    case 'card':
      r.card = json(source.value, 'The card');
      break;
    case 'markdown':
      r.markdown = source.value;
      break;
    default:
      r.text = source.value;
  }
  return r;
}

async function show(): Promise<void> {
  const number = ++asked;
  wrong.textContent = '';
  state.textContent = '';
  if (current === 'template' && kept.length === 0) {
    state.textContent = 'No template is kept yet.';
    shown.hidden = true;
    return;
  }
  try {
    const found = await server.post('/v1/previews', { body: request() });
    if (number !== asked) return;
    preview = found;
    shown.hidden = false;
    draw(found);
    state.textContent = found.language ? `In the language ${found.language}.` : '';
  } catch (error) {
    if (number !== asked) return;
    wrong.textContent = explain(error);
    shown.hidden = true;
  }
}

/** Draws all forms. */
function draw(p: Preview): void {
  shown.classList.toggle('dark', dark.checked);
  shown.classList.toggle('phone', phone.checked);
  for (const form of p.forms) {
    const figure = find(form.form);
    const limit = figure.querySelector('small')!;
    limit.textContent = sizeOf(form);
    limit.classList.toggle('large', form.too_large === true);
    switch (form.form) {
      case 'teams':
      case 'webchat':
        drawActivity(figure.querySelector('.screen')!, form.activity as Activity, form.form);
        break;
      case 'email':
        figure.querySelector('.subject')!.textContent = form.subject ?? '';
        figure.querySelector('pre')!.textContent = form.text ?? '';
        drawMail(figure.querySelector('iframe')!, form.html ?? '', dark.checked);
        break;
      case 'sms':
        figure.querySelector('.bubble')!.textContent = form.text ?? '';
        break;
      default:
        figure.querySelector('pre')!.textContent = form.text ?? '';
    }
  }
  const feed = find('feed');
  feed.querySelector('.line')!.textContent = p.summary;
  feed.querySelector('small')!.textContent = `${[...p.summary].length} characters`;
}

function drawActivity(place: HTMLElement, a: Activity, host: 'teams' | 'webchat'): void {
  const card = a.attachments?.find(({ contentType }) => contentType === 'application/vnd.microsoft.card.adaptive');
  if (card) drawCard(place, card.content, host, dark.checked);
  else drawText(place, a.text ?? '', a.textFormat, host, dark.checked);
}

function sizeOf({ form, size, limit, segments, encoding, too_large }: Form): string {
  const unit = form === 'sms' ? 'characters' : 'bytes';
  const pieces = segments ? `, ${segments} ${segments === 1 ? 'message' : 'messages'} in ${encoding === 'gsm7' ? 'GSM-7' : 'UCS-2'}` : '';
  return `${size.toLocaleString()} of ${limit.toLocaleString()} ${unit}${pieces}${too_large ? ': too large' : ''}`;
}

async function begin(): Promise<void> {
  try {
    const page = await server.get('/v1/templates', { params: { query: { limit: 500 } } });
    kept = page.templates;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (!signin.hidden) find('refused').textContent = explain(error);
    signin.hidden = false;
    what.hidden = true;
    return;
  }
  signin.hidden = true;
  what.hidden = false;
  template.replaceChildren(...kept.map(({ name }) => Object.assign(document.createElement('option'), { value: name, textContent: name })));
  const asks = new URLSearchParams(location.search).get('template');
  if (asks && kept.some(({ name }) => name === asks)) {
    kind.value = 'template';
    template.value = asks;
  }
  choose();
  await show();
}

begin().catch((error: unknown) => {
  wrong.textContent = explain(error);
});
