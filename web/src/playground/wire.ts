// The stream of what the bot heard and said.
import { useEffect, useRef, useState } from 'react';

import type { HttpRequest } from './curl';

export type Activity = {
  id?: string;
  type?: string;
  action?: string;
  text?: string;
  summary?: string;
  name?: string;
  from?: { id?: string; name?: string; role?: string };
  attachments?: { name?: string; contentType?: string; content?: { body?: { text?: string }[]; what?: string; name?: string } }[];
  suggestedActions?: object;
  membersAdded?: { id?: string; name?: string }[];
  membersRemoved?: { id?: string; name?: string }[];
  channelData?: { clientActivityID?: string; headsup?: { thread?: string } };
};

export type WireEvent = {
  seq: number;
  at: string;
  direction: 'heard' | 'said';
  /** What the call does: `hear`, or what the bot asks of the channel. */
  op?: string;
  channel: string;
  conversation: string;
  person?: string;
  type: string;
  error?: string;
  activity: Activity;
  request?: HttpRequest;
  answer?: { status?: number; headers?: Record<string, string | string[]>; body?: unknown; ms?: number };
  /** Whether the call stayed inside the process: the request is then what it would have been over HTTP. */
  in_process?: boolean;
};

export type Wire = {
  /** Oldest first. */
  events: WireEvent[];
  open: boolean;
  /** How often the stream came back after it had been lost. */
  visit: number;
  clear(): void;
};

/** How many events are kept; older ones go. */
export const mostEvents = 5000;
const gather = 50; // milliseconds: a replay of hundreds is one change of the page, not hundreds
const pause = 2000; // milliseconds before a stream that the browser gave up is opened anew

/** Names an event, also beyond a server that lost its data and counts from one again. */
export function nameOfEvent({ seq, at }: WireEvent): string {
  return `${seq} ${at}`;
}

/** Follows the wire. A stream that is lost is picked up where it broke off. */
export function useWire(onEvents: (events: WireEvent[]) => void): Wire {
  const [events, setEvents] = useState<WireEvent[]>([]);
  const [open, setOpen] = useState(false);
  const [visit, setVisit] = useState(-1);
  const latest = useRef(onEvents);
  latest.current = onEvents;

  useEffect(() => {
    const seen = new Set<string>();
    let waiting: WireEvent[] = [];
    let timer: ReturnType<typeof setTimeout>;
    let source: EventSource;

    const flush = () => {
      const fresh = waiting;
      waiting = [];
      setEvents((events) => inOrder([...events, ...fresh]).slice(-mostEvents));
      latest.current(fresh);
    };
    const take = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as WireEvent;
      const name = nameOfEvent(event);
      if (seen.has(name)) return;
      seen.add(name);
      waiting.push(event);
      if (waiting.length === 1) timer = setTimeout(flush, gather);
    };
    const connect = () => {
      source = new EventSource('/playground/api/wire');
      source.onmessage = take;
      source.onopen = () => {
        setOpen(true);
        setVisit((n) => n + 1);
      };
      source.onerror = () => {
        setOpen(false);
        if (source.readyState === EventSource.CLOSED) setTimeout(connect, pause);
      };
    };

    connect();
    return () => {
      source.onerror = null;
      source.close();
      clearTimeout(timer);
    };
  }, []);

  return { events, open, visit: Math.max(visit, 0), clear: () => setEvents([]) };
}

/** Events come when their call was answered; they are shown in the order in which the calls began. */
function inOrder(events: WireEvent[]): WireEvent[] {
  return events.sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || a.seq - b.seq);
}

/** An activity in one line. */
export function summary(activity: Activity): string {
  const text = activity.text?.trim();
  if (text) return oneLine(text);
  if (activity.attachments?.length) return oneLine(activity.summary ?? '') || activity.attachments.map(attachmentName).join(', ');
  if (activity.membersAdded?.length) return `${names(activity.membersAdded)} joined`;
  if (activity.membersRemoved?.length) return `${names(activity.membersRemoved)} left`;
  return activity.name ?? activity.action ?? '';
}

/** Markdown as one line of words: a table is its header and how many rows follow, the rest loses its line ends. */
function oneLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const rule = lines.findIndex((line) => /^\|?[\s:|-]*-[\s:|-]*$/.test(line) && line.includes('|'));
  if (rule < 1) return lines.join(' ').replace(/\s+/g, ' ');
  const rows = lines.slice(rule + 1).filter((line) => line.includes('|')).length;
  const header = cells(lines[rule - 1]!).join(', ');
  const before = lines.slice(0, rule - 1).join(' ').trim();
  return `${before ? `${before} ` : ''}Table (${header}), ${rows} ${rows === 1 ? 'row' : 'rows'}`;
}

function cells(line: string): string[] {
  return line.split('|').map((cell) => cell.trim()).filter(Boolean);
}

const kinds: Record<string, string> = {
  'application/vnd.microsoft.card.adaptive': 'Adaptive Card',
  'application/vnd.microsoft.card.hero': 'hero card',
  'application/vnd.microsoft.card.oauth': 'sign-in card',
};

function attachmentName({ name, contentType = '', content }: NonNullable<Activity['attachments']>[number]): string {
  if (contentType === 'application/vnd.headsup.notice+json' && content?.what) return content.what;
  if (contentType === 'application/vnd.headsup.template+json' && content?.name) return `template ${content.name}`;
  const title = content?.body?.find((element) => element.text)?.text;
  const kind = kinds[contentType] ?? (contentType || 'attachment');
  return name ?? (title ? `${kind}: ${title}` : kind);
}

function names(members: { id?: string; name?: string }[]): string {
  return members.map((member) => member.name || member.id || 'somebody').join(', ');
}
