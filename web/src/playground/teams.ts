// The playground's Microsoft Teams: a tenant that only pretends. What there is, what was said, and what people do in it.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { ask } from '../server';

export type Person = { object_id: string; name: string; mail: string; installed: boolean; blocked?: boolean; conversation: string; posts: number };
export type Channel = { id: string; name: string; posts: number };
export type Team = { id: string; name: string; members: string[]; installed: boolean; channels: Channel[] };
export type Chat = { id: string; name: string; members: string[]; installed: boolean; posts: number };
export type Tenant = { version: number; bot: { id: string; name: string }; people: Person[]; teams: Team[]; chats: Chat[] };

export type Button = { title?: string; value?: unknown };

/** What the page shows of an activity. */
export type Said = { text?: string; attachments?: { contentType?: string; content?: unknown }[]; suggestedActions?: { actions?: Button[] } };

export type Post = { id: string; conversation: string; from?: string; bot?: boolean; name: string; at: string; activity: Said; edited?: boolean; deleted?: boolean };

/** One thing that somebody does; which members it needs depends on the deed. */
export type Deed = { do: string; who?: string; where?: string; name?: string; text?: string; members?: string[] };

/** Where somebody is: a chat with the bot, one of several people, or a channel. */
export type Spot = { id: string; kind: 'personal' | 'chat' | 'channel'; title: string; /** Where the app is installed. */ place: string; installed: boolean };

const path = '/playground/api/teams';

export async function does(deed: Deed): Promise<string> {
  const { id } = await ask<{ id: string }>('POST', `${path}/do`, deed);
  return id;
}

/** The tenant, as it is now: asks again as soon as something has changed. */
export function useTenant(): Tenant | undefined {
  const [tenant, setTenant] = useState<Tenant>();
  useEffect(() => {
    let gone = false;
    void (async () => {
      for (let version = -1; !gone; ) {
        try {
          const next = await ask<Tenant>('GET', `${path}/state?after=${version}`);
          version = next.version;
          if (!gone) setTenant(next);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 1000)); // the server is away, or has begun again
          version = -1;
        }
      }
    })();
    return () => {
      gone = true;
    };
  }, []);
  return tenant;
}

export function usePosts(conversation: string, version: number): Post[] {
  const { data } = useQuery({
    queryKey: ['teams', conversation, version],
    queryFn: async () => (await ask<{ posts: Post[] }>('GET', `${path}/posts?conversation=${encodeURIComponent(conversation)}`)).posts,
    placeholderData: (before, query) => (query?.queryKey[1] === conversation ? before : undefined),
    gcTime: 5000,
  });
  return data ?? [];
}

/** Where a person can be, in the order of the list. */
export function spotsOf(tenant: Tenant, person: Person): Spot[] {
  const chats = tenant.chats.filter(({ members }) => members.includes(person.object_id));
  const teams = tenant.teams.filter(({ members }) => members.includes(person.object_id));
  return [
    { id: person.conversation, kind: 'personal', title: tenant.bot.name, place: person.object_id, installed: person.installed },
    ...chats.map(({ id, name, installed }): Spot => ({ id, kind: 'chat', title: name, place: id, installed })),
    ...teams.flatMap((team) =>
      team.channels.map(({ id, name }): Spot => ({ id, kind: 'channel', title: `${team.name} › ${name}`, place: team.id, installed: team.installed })),
    ),
  ];
}

/** The posts of a channel by thread, oldest first. */
export function threadsOf(posts: Post[]): [string, Post[]][] {
  const threads = new Map<string, Post[]>();
  for (const post of posts) threads.set(post.conversation, [...(threads.get(post.conversation) ?? []), post]);
  return [...threads];
}

const tags = /<at>(.*?)<\/at>/g;

/** A text in parts: every other one is a name that is mentioned. */
export function partsOf(text: string): string[] {
  return text.split(tags);
}

/** What a card says, in lines, and its buttons. Web Chat draws cards; here their words must do. */
export function cardOf({ contentType, content }: { contentType?: string; content?: unknown }): { lines: string[]; buttons: Button[] } {
  const card = (content ?? {}) as { title?: string; subtitle?: string; text?: string; buttons?: Button[]; body?: unknown; actions?: Button[] };
  if (contentType !== 'application/vnd.microsoft.card.adaptive') {
    const lines = [card.title, card.subtitle, card.text].filter((line): line is string => Boolean(line));
    return { lines: lines.length > 0 ? lines : [contentType ?? 'attachment'], buttons: card.buttons ?? [] };
  }
  return { lines: linesIn(card.body), buttons: [...buttonsIn(card.body), ...(card.actions ?? [])] };
}

type Node = Record<string, unknown>;

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;
const nodesIn = (value: unknown): Node[] => (Array.isArray(value) ? value.filter(isNode) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The lines of an element of a card, and of what is in it. */
function linesIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(linesIn);
  if (!isNode(node)) return [];
  const lines = ownLines(node) ?? Object.values(node).filter(isNode).flatMap(linesIn);
  return lines.filter((line) => line !== '').map(withTimes);
}

/** What an element says by itself; nothing for one that only has others in it. */
function ownLines(node: Node): string[] | undefined {
  const label = textOf(node.label) || textOf(node.title) || textOf(node.placeholder);
  switch (node.type) {
    case 'TextBlock':
      return [textOf(node.text)];
    case 'RichTextBlock':
      return [(Array.isArray(node.inlines) ? node.inlines : []).map((run) => textOf(isNode(run) ? run.text : run)).join('')];
    case 'FactSet':
      return nodesIn(node.facts).map(({ title, value }) => `${textOf(title)}: ${textOf(value)}`);
    case 'Image':
      return [node.altText ? `[${textOf(node.altText)}]` : ''];
    case 'ActionSet':
      return [];
    case 'Input.Toggle':
      return [`${node.value === (node.valueOn ?? 'true') ? '☑' : '☐'} ${textOf(node.title)}`];
    case 'Input.ChoiceSet':
      return [`${label}: ${textOf(nodesIn(node.choices).find(({ value }) => value === node.value)?.title)}`];
  }
  return textOf(node.type).startsWith('Input.') ? [`${label}: ${textOf(node.value)}`] : undefined;
}

/** The buttons in the middle of a card. */
function buttonsIn(node: unknown): Button[] {
  if (Array.isArray(node)) return node.flatMap(buttonsIn);
  if (!isNode(node)) return [];
  return node.type === 'ActionSet' ? nodesIn(node.actions) : Object.values(node).filter(isNode).flatMap(buttonsIn);
}

/** Times in a card are written by whoever shows it. */
function withTimes(line: string): string {
  return line.replace(/\{\{(DATE|TIME)\(([^,)]+)[^)]*\)\}\}/g, (all, what: string, when: string) => {
    const at = new Date(when);
    if (Number.isNaN(at.getTime())) return all;
    return what === 'TIME' ? at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : at.toLocaleDateString([], { dateStyle: 'medium' });
  });
}
