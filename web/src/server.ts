// What the pages ask of the server they came from. Everything is same-origin; only development mode answers it all.
import { connect, ProblemError } from 'headsup-client';

/** The HTTP API, `/v1`, by the same client that others use. */
export const headsup = connect({ url: location.origin, retries: 0 }); // people see what failed, and ask again

export type User = { id: string; name: string };

/** A token that opens one conversation for one user. */
export type Session = { conversationId: string; token: string; user: User };

export type Kind = 'personal' | 'group' | 'channel';

/** A conversation of the embedded channel, and who is in it. */
export type Room = {
  id: string;
  kind: Kind;
  name?: string;
  members: User[];
  createdBy: 'user' | 'bot';
  /** Whether the bot is in it. */
  installed: boolean;
};

/** What the page talks to. */
export type Setup = {
  url: string;
  app_id: string;
  bot: { id: string; name: string };
  /** Whether the bot is somebody else's, at bot_url: its messages do not go through our queue. */
  external: boolean;
  bot_url?: string;
  demo: boolean;
  /** Whether there is a tenant of Microsoft Teams that only pretends. */
  teams: boolean;
};

export type Operation = 'send' | 'update' | 'delete' | 'create' | 'members';

/** One way in which the channel misbehaves. */
export type Fault = {
  id?: string;
  on: Operation[];
  conversation?: string;
  kind: 'status' | 'slow' | 'outage' | 'lost_answer';
  status?: number;
  code?: string;
  message?: string;
  retry_after_s?: number;
  delay_ms?: number;
  /** How many more calls it meets; not given means all. */
  remaining?: number;
};

/** An answer of the playground's own API that was not a success. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** What went wrong, in words for people. */
export function explain(error: unknown): string {
  if (error instanceof ProblemError) {
    const each = error.fields.map(({ field, message }) => `${field}: ${message}`);
    return [...new Set([error.message, ...each])].join('; '); // the message may be that of the first field
  }
  return error instanceof Error ? error.message : String(error);
}

/**
 * Asks for a token. With a conversation it is for that one, unless the server no longer knows it (its data folder was
 * emptied, say): then, and without one, it is for a new conversation.
 */
export async function openSession(user: User, conversationId: string | undefined, renew: boolean): Promise<Session> {
  const token = '/playground/api/token';
  try {
    return await ask<Session>('POST', token, { user, conversationId });
  } catch (error) {
    const forgotten = conversationId && renew && error instanceof ServerError && error.status === 404;
    if (!forgotten) throw error;
    return ask<Session>('POST', token, { user });
  }
}

export function readSetup(): Promise<Setup> {
  return ask('GET', '/playground/api/setup');
}

/** Every conversation that one user is in, those that the bot created included. */
export async function listRooms(userId: string): Promise<Room[]> {
  const path = `/playground/api/conversations?user=${encodeURIComponent(userId)}`;
  const { conversations } = await ask<{ conversations: Room[] }>('GET', path);
  return conversations;
}

export function createRoom(room: { kind: Kind; name?: string; members: User[] }): Promise<Room> {
  return ask('POST', '/playground/api/conversations', room);
}

export function addMembers(room: string, members: User[]): Promise<unknown> {
  return ask('POST', `${roomPath(room)}/members`, { members });
}

export function removeMember(room: string, user: string): Promise<unknown> {
  return ask('DELETE', `${roomPath(room)}/members/${encodeURIComponent(user)}`);
}

export function install(room: string): Promise<unknown> {
  return ask('POST', `${roomPath(room)}/install`);
}

export function uninstall(room: string): Promise<unknown> {
  return ask('POST', `${roomPath(room)}/uninstall`);
}

/** Something that keeps a conversation busy. */
export type Busy = { by: string; reason?: string; priority: number; since: string; until?: string };

/** A dialog on the stack of a bot in the server's own process. */
export type Dialog = { id: string; step?: number; steps?: number; interrupts?: boolean };

/** What goes on in a conversation: what keeps it busy, and its dialogs, the one that waits for an answer last. */
export type Going = { busy: Busy[]; dialogs: Dialog[] };

export function readGoing(room: string): Promise<Going> {
  return ask('GET', `${roomPath(room)}/going`);
}

/** Takes back what somebody says goes on. */
export function release(room: string, by: string): Promise<Going> {
  return ask('DELETE', `${roomPath(room)}/going?by=${encodeURIComponent(by)}`);
}

export function renamePerson(user: string, name: string): Promise<unknown> {
  return ask('PATCH', `/playground/api/people/${encodeURIComponent(user)}`, { name });
}

export async function listFaults(): Promise<Fault[]> {
  const { faults } = await ask<{ faults: Fault[] }>('GET', '/playground/api/faults');
  return faults;
}

/** Replaces the faults; with none the channel behaves again. */
export function setFaults(faults: Fault[]): Promise<unknown> {
  if (faults.length === 0) return ask('DELETE', '/playground/api/faults');
  return ask('PUT', '/playground/api/faults', { faults });
}

/** Makes the bot speak to every conversation it knows. */
export async function notifyEveryone(): Promise<void> {
  await ask('POST', '/api/notify');
}

/** The command line that does the same as {@link notifyEveryone}. */
export function notifyCommand(): string {
  return `curl -X POST ${location.origin}/api/notify`;
}

function roomPath(room: string): string {
  return `/playground/api/conversations/${encodeURIComponent(room)}`;
}

export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(path, { method, ...init }).catch(() => {
    throw new Error('the server does not answer');
  });
  const text = await response.text();
  if (!response.ok) throw new ServerError(response.status, reason(text) ?? `${path} answered ${response.status}`);
  return (isJson(response) ? JSON.parse(text) : undefined) as T;
}

function isJson(response: Response): boolean {
  return /json/.test(response.headers.get('Content-Type') ?? '');
}

/** What an error's body says: problem+json, or the playground's own form. */
function reason(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { detail?: string; error?: { message?: string } };
    return body.detail ?? body.error?.message;
  } catch {
    return undefined;
  }
}
