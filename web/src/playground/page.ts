// What the parts of the page share: who is there, where they talk, and ways to say something to the person in front.
import { createContext, useContext } from 'react';

import type { Room, Setup } from '../server';
import type { Person } from './people';

export type Page = {
  setup: Setup | undefined;
  people: Person[];
  /** What is known of a conversation. */
  room(id: string): Room | undefined;
  /** Every conversation that a window of the page shows, with what people call it. */
  places: Place[];
  /** A person's name by their id, the bot's too. */
  nameOf(id: string): string;
  /** What people call a conversation. */
  placeOf(conversation: string): string;
  copy(text: string): void;
  say(text: string, intent: 'success' | 'error'): void;
  /** Runs what may fail, and says what went wrong or, if given, that it worked. */
  act(work: () => Promise<unknown>, done?: string): Promise<boolean>;
};

export type Place = { conversation: string; title: string };

export const PageContext = createContext<Page | undefined>(undefined);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (!page) throw new Error('there is no page around');
  return page;
}
