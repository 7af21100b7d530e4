// Counts what the bot said in chats that are not in front.
import { useEffect, useRef, useState } from 'react';

import { frontChat, type Person } from './people';
import type { WireEvent } from './wire';

/** Unread messages by conversation. A message counts when its chat is not in front, or its person not shown. */
export function useUnread(people: Person[], shown: (person: Person) => boolean) {
  const [unread, setUnread] = useState<Record<string, number>>({});
  const since = useRef(Date.now()).current; // the wire replays older messages first
  const visible = people.filter(shown).map(inFront).join(' ');
  const latest = useRef(visible);
  latest.current = visible;

  useEffect(() => {
    setUnread((unread) => withoutThose(unread, visible.split(' ')));
  }, [visible]);

  const count = (events: WireEvent[]) => {
    const front = latest.current.split(' ');
    const fresh = events.filter(
      ({ direction, type, at, conversation, error }) =>
        direction === 'said' && type === 'message' && !error && Date.parse(at) > since && !front.includes(conversation),
    );
    if (fresh.length > 0) setUnread((unread) => fresh.reduce(plusOne, unread));
  };
  return { unread, count };
}

/** The unread messages of one person. */
export function unreadOf(person: Person, unread: Record<string, number>): number {
  return person.chats.reduce((sum, chat) => sum + (unread[chat.conversation ?? ''] ?? 0), 0);
}

function inFront(person: Person): string {
  return frontChat(person).conversation ?? '';
}

function plusOne(unread: Record<string, number>, { conversation }: WireEvent): Record<string, number> {
  return { ...unread, [conversation]: (unread[conversation] ?? 0) + 1 };
}

function withoutThose(unread: Record<string, number>, conversations: string[]): Record<string, number> {
  return Object.fromEntries(Object.entries(unread).filter(([id]) => !conversations.includes(id)));
}
