// One conversation, shown by the official Web Chat.
import { Button, makeStyles, MessageBar, MessageBarActions, MessageBarBody, tokens } from '@fluentui/react-components';
import { useEffect, useRef } from 'react';

import type { User } from '../server';
import { type LineState, useLine } from './line';
import { chatLook, useTheme } from './look';
import { nonce } from './nonce';
import type { Chat } from './people';
import { onlyMessages, type WebChat } from './webchat';

type Props = {
  webchat: WebChat;
  user: User;
  chat: Chat;
  serverVisit: number;
  onConversation(id: string): void;
  onState(state: LineState): void;
  onNewChat(): void;
};

const useStyles = makeStyles({
  window: { display: 'flex', flexDirection: 'column', height: '100%', minHeight: 0 },
  transcript: { flexGrow: 1, minHeight: 0, backgroundColor: tokens.colorNeutralBackground1 },
});

export function ChatWindow({ webchat, user, chat, serverVisit, onConversation, onState, onNewChat }: Props) {
  const styles = useStyles();
  const theme = useTheme();
  const host = useRef<HTMLDivElement>(null);
  const { line, state } = useLine({ webchat, user, conversation: chat.conversation, serverVisit, onConversation });

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
    webchat.renderWebChat(
      {
        directLine: line.directLine,
        store: line.store,
        username: user.name,
        locale: 'en-US',
        nonce,
        styleOptions: chatLook(theme),
        activityMiddleware: onlyMessages,
      },
      element,
    );
  }, [webchat, line, theme, user.name]);

  return (
    <div className={styles.window}>
      {state === 'ended' && (
        <MessageBar intent="info">
          <MessageBarBody>This conversation has ended.</MessageBarBody>
          <MessageBarActions>
            <Button size="small" onClick={onNewChat}>
              New chat
            </Button>
          </MessageBarActions>
        </MessageBar>
      )}
      <div ref={host} className={styles.transcript} />
    </div>
  );
}
