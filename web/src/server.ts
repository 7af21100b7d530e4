// What the pages ask of the server they came from. Everything is same-origin; only development mode answers it all.

export type User = { id: string; name: string };

/** A token that opens one conversation for one user. */
export type Session = { conversationId: string; token: string; user: User };

export type Conversation = { id: string; user: User; createdBy: 'user' | 'bot' };

/** An answer that was not a success. */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    path: string,
  ) {
    super(`${path} answered ${status}`);
  }
}

/**
 * Asks for a token. With a conversation it is for that one, unless the server no longer knows it (its data folder was
 * emptied, say): then, and without one, it is for a new conversation.
 */
export async function openSession(user: User, conversationId?: string): Promise<Session> {
  try {
    return await post<Session>('/playground/api/token', { user, conversationId });
  } catch (error) {
    const forgotten = conversationId && error instanceof ServerError && error.status === 404;
    if (!forgotten) throw error;
    return post<Session>('/playground/api/token', { user });
  }
}

/** Every conversation of one user, those that the bot created included. */
export async function listConversations(userId: string): Promise<Conversation[]> {
  const path = `/playground/api/conversations?user=${encodeURIComponent(userId)}`;
  const answer = await call<{ conversations: Conversation[] }>(path, {});
  return answer.conversations;
}

/** Makes the bot speak to every conversation it knows. */
export async function notifyEveryone(): Promise<void> {
  await ask('/api/notify', { method: 'POST' });
}

/** The command line that does the same as {@link notifyEveryone}. */
export function notifyCommand(): string {
  return `curl -X POST ${location.origin}/api/notify`;
}

/** The command line that makes the bot speak in one conversation. */
export function speakCommand(conversation: string): string {
  const body = JSON.stringify({ to: { conversation }, text: 'Heads up!' });
  return `curl ${location.origin}/v1/notifications -H 'Content-Type: application/json' -d '${body}'`;
}

function post<T>(path: string, body: unknown): Promise<T> {
  return call<T>(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const response = await ask(path, init);
  return (await response.json()) as T;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(path, init).catch(() => {
    throw new Error('the server does not answer');
  });
  if (!response.ok) throw new ServerError(response.status, new URL(path, location.origin).pathname);
  return response;
}
