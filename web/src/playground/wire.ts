// The stream of what the bot heard and said.
import { useEffect, useRef, useState } from 'react';

export type Activity = {
  id?: string;
  type: string;
  text?: string;
  name?: string;
  attachments?: { name?: string; contentType?: string }[];
  membersAdded?: { id?: string; name?: string }[];
  membersRemoved?: { id?: string; name?: string }[];
};

export type WireEvent = {
  seq: number;
  at: string;
  direction: 'heard' | 'said';
  channel: string;
  conversation: string;
  person: string;
  type: string;
  activity: Activity;
};

export type Wire = {
  /** Oldest first. */
  events: WireEvent[];
  open: boolean;
  /** How often the stream came back after it had been lost. */
  visit: number;
  clear(): void;
};

const most = 500; // events kept
const gather = 50; // milliseconds: a replay of hundreds is one change of the page, not hundreds
const pause = 2000; // milliseconds before a stream that the browser gave up is opened anew

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
      setEvents((events) => [...events, ...fresh].slice(-most));
      latest.current(fresh);
    };
    const take = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as WireEvent;
      const name = `${event.seq} ${event.at}`; // a server that lost its data counts from one again
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

/** An activity in one line. */
export function summary(activity: Activity): string {
  const text = activity.text?.trim();
  if (text) return text.replace(/\s+/g, ' ');
  if (activity.attachments?.length) return activity.attachments.map(attachmentName).join(', ');
  if (activity.membersAdded?.length) return `${names(activity.membersAdded)} joined`;
  if (activity.membersRemoved?.length) return `${names(activity.membersRemoved)} left`;
  return activity.name ?? '';
}

function attachmentName(attachment: { name?: string; contentType?: string }): string {
  return attachment.name ?? attachment.contentType ?? 'attachment';
}

function names(members: { id?: string; name?: string }[]): string {
  return members.map((member) => member.name || member.id || 'somebody').join(', ');
}
