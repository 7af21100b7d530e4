// The people on the page and the chats they have open: what is shown, and what survives a reload.
import type { Conversation, User } from '../server';

/** One conversation in one window. Its id is missing until the server has given one. */
export type Chat = { key: string; conversation?: string; createdBy: 'user' | 'bot' };

export type Person = User & {
  chats: Chat[];
  /** Key of the chat in front. */
  selected: string;
  /** Conversations whose chat the person closed: they do not come back by themselves. */
  closed: string[];
};

export type Action =
  | { do: 'add person' }
  | { do: 'remove person'; person: string }
  | { do: 'open chat'; person: string }
  | { do: 'close chat'; person: string; key: string }
  | { do: 'select chat'; person: string; key: string }
  | { do: 'name conversation'; person: string; key: string; conversation: string }
  | { do: 'take in'; person: string; conversations: Conversation[] };

export const mostPeople = 6;

const names = ['Ann', 'Ben', 'Cleo', 'Dana', 'Eli', 'Fay'];
const storageKey = 'headsup.playground';

/** The people of the last visit, or Ann and Ben. */
export function loadPeople(): Person[] {
  try {
    const saved = JSON.parse(localStorage.getItem(storageKey) ?? '') as { version: number; people: Person[] };
    if (saved.version === 1 && saved.people.length > 0) return saved.people;
  } catch {
    // Nothing saved, or not by us.
  }
  return names.slice(0, 2).map(newPerson);
}

export function savePeople(people: Person[]): void {
  localStorage.setItem(storageKey, JSON.stringify({ version: 1, people }));
}

export function changePeople(people: Person[], action: Action): Person[] {
  switch (action.do) {
    case 'add person': {
      const name = names.find((name) => !people.some((person) => person.name === name));
      return name ? [...people, newPerson(name)] : people;
    }
    case 'remove person':
      return people.filter((person) => person.id !== action.person);
    default:
      return people.map((person) => (person.id === action.person ? changePerson(person, action) : person));
  }
}

function changePerson(person: Person, action: Action): Person {
  switch (action.do) {
    case 'open chat': {
      const chat = newChat();
      return { ...person, chats: [...person.chats, chat], selected: chat.key };
    }
    case 'close chat':
      return closeChat(person, action.key);
    case 'select chat':
      return { ...person, selected: action.key };
    case 'name conversation':
      return {
        ...person,
        chats: person.chats.map((chat) =>
          chat.key === action.key ? { ...chat, conversation: action.conversation } : chat,
        ),
      };
    case 'take in':
      return takeIn(person, action.conversations);
    default:
      return person;
  }
}

function closeChat(person: Person, key: string): Person {
  const chat = person.chats.find((chat) => chat.key === key);
  const chats = person.chats.filter((chat) => chat.key !== key);
  const next = chats[0];
  if (!chat || !next) return person; // the last one stays
  return {
    ...person,
    chats,
    selected: person.selected === key ? next.key : person.selected,
    closed: chat.conversation ? [...person.closed, chat.conversation] : person.closed,
  };
}

/** Opens a window for each conversation that the bot created, and brings the newest to the front. */
function takeIn(person: Person, conversations: Conversation[]): Person {
  const known = new Set([...person.closed, ...person.chats.map((chat) => chat.conversation)]);
  const fresh = conversations
    .filter(({ id, createdBy }) => createdBy === 'bot' && !known.has(id))
    .map(({ id }): Chat => ({ key: newKey(), conversation: id, createdBy: 'bot' }));
  const last = fresh.at(-1);
  return last ? { ...person, chats: [...person.chats, ...fresh], selected: last.key } : person;
}

function newPerson(name: string): Person {
  const chat = newChat();
  return { id: `dl_${name.toLowerCase()}`, name, chats: [chat], selected: chat.key, closed: [] };
}

function newChat(): Chat {
  return { key: newKey(), createdBy: 'user' };
}

function newKey(): string {
  return crypto.randomUUID();
}
