// Takes addresses that are no place to go out of what others said, before Web Chat makes links and pictures of them.
import type { Activity } from './wire';

/** Members of attachments, cards and actions that hold an address. */
const address = /url$|^(image|poster|src|backgroundImage)$/i;
/** Actions whose value is one. */
const leads = /^(openUrl|downloadFile|playAudio|playVideo|showImage|signin|call)$/;

/** Whether a page may have it as an address: one of the web, or a picture, sound or film that brings itself along. */
export function isAddress(text: string): boolean {
  const scheme = /^([a-z][a-z\d+.-]*):/.exec(text.replace(/[\u0000-\u0020]/g, '').toLowerCase())?.[1];
  if (scheme === 'data') return /^data:(image|audio|video)\//i.test(text);
  return scheme === undefined || ['http', 'https', 'mailto', 'tel', 'sip', 'blob', 'msteams'].includes(scheme);
}

/** The activity without such addresses; itself, where it has none. */
export function withoutTraps(activity: Activity): Activity {
  const { attachments, suggestedActions } = activity;
  const clean = { attachments: cleaned(attachments), suggestedActions: cleaned(suggestedActions) };
  if (clean.attachments === attachments && clean.suggestedActions === suggestedActions) return activity;
  return { ...activity, ...clean };
}

/** The same value, where nothing had to be taken out of it. */
function cleaned<T>(value: T): T {
  if (Array.isArray(value)) {
    const items = value.map(cleaned);
    return items.some((item, index) => item !== value[index]) ? (items as T) : value;
  }
  if (value === null || typeof value !== 'object') return value;
  const whole = value as Record<string, unknown>;
  const kept = Object.entries(whole)
    .filter(([name, inner]) => typeof inner !== 'string' || !holdsAddress(name, whole) || (isAddress(inner) && fits(inner, whole)))
    .map(([name, inner]) => [name, cleaned(inner)] as const);
  const changed = kept.length !== Object.keys(whole).length || kept.some(([name, inner]) => inner !== whole[name]);
  return changed ? (Object.fromEntries(kept) as T) : value;
}

function holdsAddress(name: string, { type }: Record<string, unknown>): boolean {
  return address.test(name) || (name === 'value' && leads.test(String(type)));
}

/** What a file brings along is of the kind that the file says it is. */
function fits(text: string, { contentType }: Record<string, unknown>): boolean {
  if (typeof contentType !== 'string' || !/^data:/i.test(text)) return true;
  return text.slice('data:'.length).split('/')[0] === contentType.split('/')[0];
}
