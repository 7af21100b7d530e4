// One conversation, shown by the official Web Chat.
import { Button, makeStyles, MessageBar, MessageBarActions, MessageBarBody, tokens } from '@fluentui/react-components';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';

import type { User } from '../server';
import { type LineState, useLine } from './line';
import { chatLook, useTheme } from './look';
import { nonce } from './nonce';
import type { Chat } from './people';
import { drawing } from './drawing';
import type { Talk, Thread } from './talk';
import { ThreadPicker } from './ThreadPicker';
import type { WebChat } from './webchat';

type Props = {
  webchat: WebChat;
  user: User;
  chat: Chat;
  serverVisit: number;
  /** The colour of a person's name, by their id. */
  colorOf(id: string): string | undefined;
  onConversation(id: string): void;
  onState(state: LineState): void;
  onNewChat(): void;
};

const useStyles = makeStyles({
  window: { display: 'flex', flexDirection: 'column', height: '100%', minHeight: 0 },
  transcript: { flexGrow: 1, minHeight: 0, backgroundColor: tokens.colorNeutralBackground1 },
});

export function ChatWindow({ webchat, user, chat, serverVisit, colorOf, onConversation, onState, onNewChat }: Props) {
  const styles = useStyles();
  const theme = useTheme();
  const host = useRef<HTMLDivElement>(null);
  const { line, state } = useLine({ webchat, user, chat, serverVisit, onConversation });
  const [thread, setThread] = useState<string>();
  const threads = useThreads(chat.kind === 'channel' ? line?.talk : undefined);
  const look = useMemo(() => chatLook(theme), [theme]);

  useEffect(() => onState(state), [state]);

  // Web Chat brings its own React, so it is drawn beside ours, into an element of its own for each transcript.
  useEffect(() => {
    if (!line || !host.current) return;
    let element = host.current.firstElementChild as HTMLElement | null;
    if (element?.dataset.conversation !== line.conversation) {
      element = document.createElement('div');
      element.dataset.conversation = line.conversation;
      element.style.height = '100%';
      host.current.replaceChildren(element);
    }
    line.talk.thread = thread;
    webchat.renderWebChat(
      {
        directLine: line.directLine,
        store: line.store,
        username: line.name,
        locale: 'en-US',
        nonce,
        styleOptions: look,
        activityMiddleware: drawing({ me: user.id, kind: chat.kind, thread, threads, colorOf, onThread: setThread }),
        overrideLocalizedStrings: words(chat, thread),
      },
      element,
    );
  }, [webchat, line, look, user.id, chat.kind, thread, threads, colorOf]);

  return (
    <div className={styles.window}>
      {(state === 'ended' || state === 'gone') && (
        <MessageBar intent="info">
          <MessageBarBody>
            {state === 'ended' ? 'This conversation has ended.' : `${user.name} is not in this conversation any more.`}
          </MessageBarBody>
          <MessageBarActions>
            <Button size="small" onClick={onNewChat}>
              New chat
            </Button>
          </MessageBarActions>
        </MessageBar>
      )}
      {chat.kind === 'channel' && <ThreadPicker threads={threads} thread={thread} onThread={setThread} />}
      <div ref={host} className={styles.transcript} />
    </div>
  );
}

const none: Thread[] = [];

function useThreads(talk: Talk | undefined): Thread[] {
  return useSyncExternalStore(talk?.subscribe ?? (() => () => {}), talk?.threads ?? (() => none));
}

/** What Web Chat says differently where more than two talk. */
function words(chat: Chat, thread: string | undefined): Record<string, string> {
  if (chat.kind === 'personal') return {};
  const said = { ACTIVITY_BOT_SAID_ALT: '$1 said:' };
  if (chat.kind === 'group') return said;
  return { ...said, TEXT_INPUT_PLACEHOLDER: thread ? 'Reply in this thread' : 'Start a new post' };
}
