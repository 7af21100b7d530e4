// One person: their name, how they are connected, and their chats.
import {
  Avatar,
  Badge,
  Button,
  CounterBadge,
  makeStyles,
  Menu,
  MenuDivider,
  MenuItem,
  MenuList,
  MenuPopover,
  MenuTrigger,
  mergeClasses,
  Tab,
  TabList,
  Text,
  tokens,
} from '@fluentui/react-components';
import { MoreHorizontalRegular } from '@fluentui/react-icons';
import { type Dispatch, useState } from 'react';

import { speakCommand } from '../server';
import { ChatWindow } from './ChatWindow';
import type { LineState } from './line';
import type { Action, Chat, Person } from './people';
import type { WebChat } from './webchat';

type Props = {
  webchat: WebChat;
  person: Person;
  alone: boolean;
  /** Messages that arrived in a conversation while another was in front. */
  unread: Record<string, number>;
  /** Whether the server is there, and how often it came back. */
  server: { open: boolean; visit: number };
  change: Dispatch<Action>;
  onCopy(text: string): void;
};

const useStyles = makeStyles({
  card: {
    display: 'flex',
    flexDirection: 'column',
    height: '100%',
    minHeight: 0,
    minWidth: 0,
    overflow: 'hidden',
    backgroundColor: tokens.colorNeutralBackground1,
    borderRadius: tokens.borderRadiusXLarge,
    boxShadow: tokens.shadow4,
  },
  head: {
    display: 'flex',
    alignItems: 'center',
    gap: tokens.spacingHorizontalM,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
  },
  who: { display: 'flex', flexDirection: 'column', flexGrow: 1, minWidth: 0 },
  tabs: { borderBottom: `1px solid ${tokens.colorNeutralStroke2}`, overflowX: 'auto', flexShrink: 0 },
  label: { display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalXS },
  chat: { flexGrow: 1, minHeight: 0 },
  behind: { display: 'none' },
});

export function PersonCard({ webchat, person, alone, unread, server, change, onCopy }: Props) {
  const styles = useStyles();
  const [states, setStates] = useState<Record<string, LineState>>({});
  const front = person.chats.find((chat) => chat.key === person.selected) ?? person.chats[0]!;
  const several = person.chats.length > 1;
  const headId = `${person.id}-name`;

  const openChat = () => change({ do: 'open chat', person: person.id });
  const closeChat = (key: string) => change({ do: 'close chat', person: person.id, key });

  return (
    <section className={styles.card} aria-labelledby={headId}>
      <header className={styles.head}>
        <Avatar name={person.name} color="colorful" aria-hidden />
        <div className={styles.who}>
          <Text as="h2" id={headId} weight="semibold" size={400} block>
            {person.name}
          </Text>
          <Presence state={(server.open && states[front.key]) || 'connecting'} />
        </div>
        <Menu>
          <MenuTrigger disableButtonEnhancement>
            <Button appearance="subtle" icon={<MoreHorizontalRegular />} aria-label={`More for ${person.name}`} />
          </MenuTrigger>
          <MenuPopover>
            <MenuList>
              <MenuItem onClick={openChat}>New chat</MenuItem>
              <MenuItem
                disabled={!front.conversation}
                onClick={() => onCopy(speakCommand(front.conversation!))}
              >
                Copy curl for this chat
              </MenuItem>
              <MenuDivider />
              <MenuItem disabled={!several} onClick={() => closeChat(front.key)}>
                Close this chat
              </MenuItem>
              <MenuItem disabled={alone} onClick={() => change({ do: 'remove person', person: person.id })}>
                Remove {person.name}
              </MenuItem>
            </MenuList>
          </MenuPopover>
        </Menu>
      </header>

      {several && (
        <TabList
          size="small"
          className={styles.tabs}
          selectedValue={front.key}
          onTabSelect={(_, { value }) => change({ do: 'select chat', person: person.id, key: value as string })}
          aria-label={`Chats of ${person.name}`}
        >
          {person.chats.map((chat, index) => (
            <Tab key={chat.key} value={chat.key} id={`${chat.key}-tab`} aria-controls={chat.key}>
              <span className={styles.label}>
                {chatTitle(chat, index)}
                <Unread count={unread[chat.conversation ?? ''] ?? 0} />
              </span>
            </Tab>
          ))}
        </TabList>
      )}

      {person.chats.map((chat) => (
        <div
          key={chat.key}
          id={chat.key}
          className={mergeClasses(styles.chat, chat !== front && styles.behind)}
          {...(several && { role: 'tabpanel', 'aria-labelledby': `${chat.key}-tab` })}
        >
          <ChatWindow
            webchat={webchat}
            user={person}
            chat={chat}
            serverVisit={server.visit}
            onConversation={(conversation) =>
              change({ do: 'name conversation', person: person.id, key: chat.key, conversation })
            }
            onState={(state) => setStates((states) => ({ ...states, [chat.key]: state }))}
            onNewChat={() => {
              openChat();
              closeChat(chat.key);
            }}
          />
        </div>
      ))}
    </section>
  );
}

function chatTitle(chat: Chat, index: number): string {
  return chat.createdBy === 'bot' ? `From the bot ${index + 1}` : `Chat ${index + 1}`;
}

export function Unread({ count }: { count: number }) {
  if (count === 0) return null;
  return <CounterBadge count={count} size="small" color="brand" aria-label={`${count} unread`} />;
}

const presence = {
  connecting: { color: 'warning', text: 'Connecting…' },
  online: { color: 'success', text: 'Connected' },
  ended: { color: 'subtle', text: 'Ended' },
} as const;

function Presence({ state }: { state: LineState }) {
  const { color, text } = presence[state];
  return (
    <Text size={200} role="status">
      <Badge size="tiny" color={color} aria-hidden /> {text}
    </Text>
  );
}
