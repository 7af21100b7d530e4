// Keeps one chat connected: gets a token, opens a Direct Line, and opens another where the client itself gives up.
import { useEffect, useRef, useState } from 'react';

import { openSession, ServerError, type Session, type User } from '../server';
import type { Chat } from './people';
import { Talk, through } from './talk';
import { type DirectLine, Status, type Store, type WebChat } from './webchat';

export type LineState = 'connecting' | 'online' | 'ended' | 'gone';

/** A connection, and the transcript it feeds. */
export type Line = {
  directLine: DirectLine;
  store: Store;
  talk: Talk;
  conversation: string;
  /** The name under which the person is connected: Web Chat hangs up when it changes on a line. */
  name: string;
  /** The visit of the server that it was opened in. */
  visit: number;
};

type Options = {
  webchat: WebChat;
  user: User;
  /** What to resume. Without a conversation, a new one is started. */
  chat: Chat;
  /** Changes whenever the server came back after it had been away. */
  serverVisit: number;
  onConversation(id: string): void;
};

const pause = 2000; // milliseconds between two tries

export function useLine({ webchat, user, chat, serverVisit, onConversation }: Options) {
  const [line, setLine] = useState<Line>();
  const [state, setState] = useState<LineState>('connecting');
  const [attempt, setAttempt] = useState(0);
  const latest = useRef({ user, chat, serverVisit, onConversation, line });
  latest.current = { user, chat, serverVisit, onConversation, line };

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    let leave = () => {};
    const visit = latest.current.serverVisit;
    const again = () => {
      timer = setTimeout(() => setAttempt((n) => n + 1), pause);
    };
    const start = (session: Session) => {
      if (gone) return;
      const { chat, line } = latest.current;
      const next = { ...connect(webchat, session, chat.conversation, line), visit };
      const watch = next.directLine.connectionStatus$.subscribe((status) => {
        setState(asState(status));
        if (status === Status.ExpiredToken || status === Status.FailedToConnect) again();
      });
      leave = () => {
        watch.unsubscribe();
        next.directLine.end();
      };
      setLine(next);
      latest.current.onConversation(session.conversationId);
    };
    const fail = (error: unknown) => {
      if (gone) return;
      if (error instanceof ServerError && error.status === 404) setState('gone');
      else again();
    };

    setState('connecting');
    const { conversation, kind } = latest.current.chat;
    openSession({ id: user.id, name: latest.current.user.name }, conversation, kind === 'personal').then(start, fail);
    return () => {
      gone = true;
      clearTimeout(timer);
      leave();
    };
  }, [webchat, user.id, user.name, attempt]);

  // A client whose socket broke says that it is online and waits up to fifteen seconds; the page knows better.
  useEffect(() => {
    if (serverVisit > 0) setAttempt((n) => n + 1);
  }, [serverVisit]);

  // Until then the old line is not to be trusted, whatever it says: what is written into it may be lost.
  const stale = line !== undefined && line.visit !== serverVisit && state === 'online';
  return { line, state: stale ? 'connecting' : state } as const;
}

/** Opens a line: a fresh one, or one that goes on where the transcript so far (or, without one, nothing) ends. */
function connect(
  webchat: WebChat,
  { conversationId, token, user }: Session,
  resumed: string | undefined,
  before: Line | undefined,
): Omit<Line, 'visit'> {
  const transcript = before?.conversation === conversationId ? before : undefined;
  const { store, talk } = transcript ?? fresh(webchat, user.id);
  const watermark = transcript?.directLine.watermark || '0';
  const directLine = webchat.createDirectLine({
    domain: `${location.origin}/v3/directline`,
    token,
    ...(conversationId === resumed && { conversationId, watermark }),
  });
  return { directLine, store, talk, conversation: conversationId, name: user.name };
}

function fresh(webchat: WebChat, user: string): Pick<Line, 'store' | 'talk'> {
  const talk = new Talk();
  return { talk, store: webchat.createStore({}, through(talk, user)) };
}

function asState(status: number): LineState {
  switch (status) {
    case Status.Online:
      return 'online';
    case Status.Ended:
      return 'ended';
    default:
      return 'connecting';
  }
}
