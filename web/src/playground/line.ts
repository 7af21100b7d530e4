// Keeps one chat connected: gets a token, opens a Direct Line, and opens another where the client itself gives up.
import { useEffect, useRef, useState } from 'react';

import { openSession, type Session, type User } from '../server';
import { type DirectLine, Status, type Store, type WebChat } from './webchat';

export type LineState = 'connecting' | 'online' | 'ended';

/** A connection, and the transcript it feeds. */
export type Line = { directLine: DirectLine; store: Store; conversation: string };

type Options = {
  webchat: WebChat;
  user: User;
  /** The conversation to resume. Without one, a new one is started. */
  conversation: string | undefined;
  /** Changes whenever the server came back after it had been away. */
  serverVisit: number;
  onConversation(id: string): void;
};

const pause = 2000; // milliseconds between two tries

export function useLine({ webchat, user, conversation, serverVisit, onConversation }: Options) {
  const [line, setLine] = useState<Line>();
  const [state, setState] = useState<LineState>('connecting');
  const [attempt, setAttempt] = useState(0);
  const latest = useRef({ conversation, onConversation, line });
  latest.current = { conversation, onConversation, line };

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    let leave = () => {};
    const again = () => {
      timer = setTimeout(() => setAttempt((n) => n + 1), pause);
    };
    const start = (session: Session) => {
      if (gone) return;
      const next = connect(webchat, session, latest.current);
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

    setState('connecting');
    openSession({ id: user.id, name: user.name }, latest.current.conversation).then(start, () => gone || again());
    return () => {
      gone = true;
      clearTimeout(timer);
      leave();
    };
  }, [webchat, user.id, attempt]);

  // A client whose socket broke says that it is online and waits up to fifteen seconds; the page knows better.
  useEffect(() => {
    if (serverVisit > 0) setAttempt((n) => n + 1);
  }, [serverVisit]);

  return { line, state };
}

/** Opens a line: a fresh one, or one that goes on where the transcript so far (or, without one, nothing) ends. */
function connect(
  webchat: WebChat,
  { conversationId, token }: Session,
  before: { conversation: string | undefined; line: Line | undefined },
): Line {
  const domain = `${location.origin}/v3/directline`;

  if (conversationId !== before.conversation) {
    const directLine = webchat.createDirectLine({ domain, token });
    return { directLine, store: webchat.createStore(), conversation: conversationId };
  }
  const transcript = before.line?.conversation === conversationId ? before.line : undefined;
  const watermark = transcript?.directLine.watermark || '0';
  const directLine = webchat.createDirectLine({ domain, token, conversationId, watermark });
  return { directLine, store: transcript?.store ?? webchat.createStore(), conversation: conversationId };
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
