// The people on the page and the chats they have open: what is shown, and what survives a reload.
import type { Kind, Room, User } from '../server';

/** One conversation in one window. Its id is missing until the server has given one. */
export type Chat = { key: string; conversation?: string; kind: Kind; name?: string; createdBy: 'user' | 'bot' };

/** One card: a person, seen through one client. The same person may have several. */
export type Person = User & {
  key: string;
  /** Which of the person's clients this is, from 1. */
  client: number;
  color: Color;
  chats: Chat[];
  /** Key of the chat in front. */
  selected: string;
  /** Conversations whose chat the person closed: they do not come back by themselves. */
  closed: string[];
};

export type Action =
  | { do: 'add person' }
  | { do: 'add client'; person: string }
  | { do: 'remove person'; person: string }
  | { do: 'change person'; id: string; name: string; color: Color }
  | { do: 'open chat'; person: string; room?: Room }
  | { do: 'close chat'; person: string; key: string }
  | { do: 'select chat'; person: string; key: string }
  | { do: 'name conversation'; person: string; key: string; conversation: string }
  | { do: 'take in'; id: string; rooms: Room[] };

export const colors = ['cornflower', 'pumpkin', 'seafoam', 'plum', 'gold', 'cranberry', 'forest', 'grape'] as const;
export type Color = (typeof colors)[number];

export const mostPeople = 8;

const names = ['Ann', 'Ben', 'Cleo', 'Dana', 'Eli', 'Fay', 'Gus', 'Hana'];
const storageKey = 'headsup.playground';
const version = 2;

/** The people of the last visit, or Ann and Ben. */
export function loadPeople(): Person[] {
  try {
    const saved = JSON.parse(localStorage.getItem(storageKey) ?? '') as { version: number; people: Person[] };
    if (saved.version === version && saved.people.length > 0) return saved.people;
  } catch {
    // Nothing saved, or not by us.
  }
  return names.slice(0, 2).map(newPerson);
}

export function savePeople(people: Person[]): void {
  localStorage.setItem(storageKey, JSON.stringify({ version, people }));
}

/** What a card is called: the person's name, and which client it is, if it is not the first. */
export function titleOf(person: Person): string {
  return person.client === 1 ? person.name : `${person.name}, client ${person.client}`;
}

/** What a chat is called among a person's chats. */
export function chatTitle(chat: Chat, index: number): string {
  if (chat.kind !== 'personal') return chat.name || (chat.kind === 'channel' ? 'Channel' : 'Group');
  return chat.createdBy === 'bot' ? `From the bot ${index + 1}` : `Chat ${index + 1}`;
}

/** Each person once, whatever the number of their clients. */
export function usersOf(people: Person[]): Person[] {
  return people.filter((person, index) => people.findIndex(({ id }) => id === person.id) === index);
}

export function frontChat(person: Person): Chat {
  return person.chats.find((chat) => chat.key === person.selected) ?? person.chats[0]!;
}

export function changePeople(people: Person[], action: Action): Person[] {
  switch (action.do) {
    case 'add person': {
      const index = names.findIndex((name) => !people.some(({ id }) => id === idOf(name)));
      return index < 0 ? people : [...people, newPerson(names[index]!, index)];
    }
    case 'add client':
      return addClient(people, action.person);
    case 'remove person':
      return people.filter(({ key }) => key !== action.person);
    case 'change person':
      return people.map((person) =>
        person.id === action.id ? { ...person, name: action.name, color: action.color } : person,
      );
    case 'take in':
      return people.map((person) => (person.id === action.id ? takeIn(person, action.rooms) : person));
    default:
      return people.map((person) => (person.key === action.person ? changeCard(person, action) : person));
  }
}

/** Opens one more window on the conversation that the card has in front. */
function addClient(people: Person[], key: string): Person[] {
  const index = people.findIndex((person) => person.key === key);
  const person = people[index];
  if (!person || people.length >= mostPeople) return people;
  const { id } = person;
  const client = 1 + Math.max(...people.filter((other) => other.id === id).map((other) => other.client));
  const front = frontChat(person);
  const chat = { ...front, key: newKey() };
  const others = person.chats.flatMap(({ conversation }) => (conversation && conversation !== front.conversation ? [conversation] : []));
  const second = { ...person, key: newKey(), client, chats: [chat], selected: chat.key, closed: others };
  return people.toSpliced(index + 1, 0, second);
}

function changeCard(person: Person, action: Action): Person {
  switch (action.do) {
    case 'open chat': {
      const known = person.chats.find(({ conversation }) => action.room && conversation === action.room.id);
      if (known) return { ...person, selected: known.key };
      const chat = action.room ? chatOf(action.room) : newChat();
      const closed = person.closed.filter((id) => id !== chat.conversation);
      return { ...person, chats: [...person.chats, chat], selected: chat.key, closed };
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

/**
 * Opens a window for each conversation that somebody else took the person into, and brings the newest to the front;
 * closes the groups and channels that the person is no longer in.
 */
function takeIn(person: Person, rooms: Room[]): Person {
  const known = new Set([...person.closed, ...person.chats.map((chat) => chat.conversation)]);
  const fresh = rooms.filter(({ id, kind, createdBy }) => (createdBy === 'bot' || kind !== 'personal') && !known.has(id)).map(chatOf);
  const kept = person.chats.flatMap((chat): Chat[] => {
    if (chat.kind === 'personal') return [chat];
    const room = rooms.find(({ id }) => id === chat.conversation);
    return room ? [{ ...chat, name: room.name }] : [];
  });
  if (kept.length + fresh.length === 0) kept.push(newChat());
  const chats = [...kept, ...fresh];
  const selected = fresh.at(-1)?.key ?? (chats.find(({ key }) => key === person.selected) ?? chats[0]!).key;
  const next = { ...person, chats, selected };
  return JSON.stringify(next) === JSON.stringify(person) ? person : next;
}

function newPerson(name: string, index: number): Person {
  const chat = newChat();
  const color = colors[index % colors.length]!;
  return { key: newKey(), id: idOf(name), name, client: 1, color, chats: [chat], selected: chat.key, closed: [] };
}

function idOf(name: string): string {
  return `dl_${name.toLowerCase()}`;
}

function newChat(): Chat {
  return { key: newKey(), kind: 'personal', createdBy: 'user' };
}

function chatOf({ id, kind, name, createdBy }: Room): Chat {
  return { key: newKey(), conversation: id, kind, name, createdBy };
}

function newKey(): string {
  return crypto.randomUUID();
}
