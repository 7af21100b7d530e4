// Adaptive Cards, drawn by the official renderer as a host would. Nothing in them can be sent, opened or fetched.
import { AdaptiveCard, HostConfig, SerializationContext, Versions } from 'adaptivecards';
import MarkdownIt from 'markdown-it';

import { hostOf } from './hosts';

const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true }).disable('image');

AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdown.render(text);
  result.didProcess = true;
};

/** Stands for a picture of another server, which this page does not fetch. */
const picture =
  'data:image/svg+xml,' +
  encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" width="320" height="160"><rect width="320" height="160" fill="#8a8a8a"/><path d="M40 130l70-70 50 50 40-40 80 60z" fill="#c8c8c8"/></svg>');

/** What links may be: no address that runs something. */
const followed = /^(https?|mailto|tel|sms|msteams):/i;

/** A card without addresses of other servers that would be fetched, or that run something. */
function local(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(local);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, inner]) => {
    if (name === 'url' && typeof inner === 'string' && (value as { type?: string }).type === 'Action.OpenUrl') return [name, followed.test(inner) ? inner : ''];
    const fetched = ['url', 'iconUrl', 'poster', 'backgroundImage'].includes(name);
    return [name, fetched && typeof inner === 'string' && !inner.startsWith('data:') ? picture : local(inner)];
  });
  return Object.fromEntries(members);
}

/** Draws a card into a place. */
export function drawCard(place: HTMLElement, content: unknown, host: 'teams' | 'webchat', dark: boolean): void {
  const { config, background } = hostOf(host, dark);
  const card = new AdaptiveCard();
  card.hostConfig = new HostConfig(config);
  card.onExecuteAction = () => {};
  card.onAnchorClicked = () => true; // which keeps it from being opened
  card.parse(local(content), new SerializationContext(Versions.latest));
  const drawn = card.render();
  place.style.background = background;
  place.replaceChildren();
  if (drawn) place.append(drawn);
}

/** Draws what is said without a card, as a host shows it. */
export function drawText(place: HTMLElement, text: string, format: string | undefined, host: 'teams' | 'webchat', dark: boolean): void {
  const body = format === 'markdown' ? [{ type: 'TextBlock', text, wrap: true }] : [{ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text }] }];
  drawCard(place, { type: 'AdaptiveCard', version: '1.5', body }, host, dark);
}
