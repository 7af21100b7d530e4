// One person, seen through one client: their name, how they are connected, and their chats.
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

import { ChatWindow } from './ChatWindow';
import { curl } from './curl';
import type { LineState } from './line';
import { usePage } from './page';
import { type Action, chatTitle, frontChat, type Person, titleOf } from './people';
import { QueueStrip } from './QueuePanel';
import type { WebChat } from './webchat';

type Props = {
  webchat: WebChat;
  person: Person;
  /** Whether it is the only card. */
  alone: boolean;
  /** Whether there is no room for another card. */
  full: boolean;
  /** Messages that arrived in a conversation while another was in front. */
  unread: Record<string, number>;
  /** Whether the server is there, and how often it came back. */
  server: { open: boolean; visit: number };
  change: Dispatch<Action>;
  colorOf(id: string): string | undefined;
  onEdit(): void;
  onMembers(conversation: string): void;
  onNotify(conversation: string): void;
  onQueue(conversation: string): void;
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
  line: { overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' },
  soft: { color: tokens.colorNeutralForeground3 },
  tabs: { borderBottom: `1px solid ${tokens.colorNeutralStroke2}`, overflowX: 'auto', flexShrink: 0 },
  label: { display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalXS },
  chat: { flexGrow: 1, minHeight: 0 },
  behind: { display: 'none' },
});

export function PersonCard(props: Props) {
  const { webchat, person, alone, full, unread, server, change, colorOf } = props;
  const styles = useStyles();
  const { setup, room, copy, nameOf } = usePage();
  const [states, setStates] = useState<Record<string, LineState>>({});
  const front = frontChat(person);
  const several = person.chats.length > 1;
  const title = titleOf(person);
  const headId = `${person.key}-name`;
  const { conversation } = front;
  const found = conversation === undefined ? undefined : room(conversation);
  const ours = setup?.external === false;

  const openChat = () => change({ do: 'open chat', person: person.key });
  const closeChat = (key: string) => change({ do: 'close chat', person: person.key, key });
  const speak = (conversation: string) =>
    curl({
      method: 'POST',
      url: `${location.origin}/v1/notifications`,
      headers: { 'Content-Type': 'application/json' },
      body: { to: { conversation }, text: 'Heads up!' },
    });

  return (
    <section className={styles.card} aria-labelledby={headId}>
      <header className={styles.head}>
        <Avatar name={person.name} color={person.color} aria-hidden />
        <div className={styles.who}>
          <Text as="h2" id={headId} weight="semibold" size={400} block className={styles.line}>
            {title}
          </Text>
          <Text size={200} block className={styles.line}>
            <Presence state={(server.open && states[front.key]) || 'connecting'} />
            {found && front.kind !== 'personal' && (
              <span className={styles.soft}>
                {' · '}
                {front.kind === 'group' ? 'Group' : 'Channel'} with{' '}
                {found.members.filter(({ id }) => id !== person.id).map(({ id }) => nameOf(id)).join(', ') || 'nobody else'}
              </span>
            )}
            {found && !found.installed && <span className={styles.soft}> · the bot is not installed here</span>}
          </Text>
        </div>
        <Menu>
          <MenuTrigger disableButtonEnhancement>
            <Button appearance="subtle" icon={<MoreHorizontalRegular />} aria-label={`More for ${title}`} />
          </MenuTrigger>
          <MenuPopover>
            <MenuList>
              <MenuItem onClick={openChat}>New chat</MenuItem>
              <MenuItem disabled={!conversation || full} onClick={() => change({ do: 'add client', person: person.key })}>
                Open this chat in another client
              </MenuItem>
              <MenuItem disabled={!found} onClick={() => props.onMembers(conversation!)}>
                Members of this chat…
              </MenuItem>
              {ours && (
                <>
                  <MenuDivider />
                  <MenuItem disabled={!conversation} onClick={() => props.onNotify(conversation!)}>
                    Notify this chat…
                  </MenuItem>
                  <MenuItem disabled={!conversation} onClick={() => props.onQueue(conversation!)}>
                    Queue of this chat
                  </MenuItem>
                  <MenuItem disabled={!conversation} onClick={() => copy(speak(conversation!))}>
                    Copy curl for this chat
                  </MenuItem>
                </>
              )}
              <MenuDivider />
              <MenuItem onClick={props.onEdit}>Name and colour…</MenuItem>
              <MenuItem disabled={!several} onClick={() => closeChat(front.key)}>
                Close this chat
              </MenuItem>
              <MenuItem disabled={alone} onClick={() => change({ do: 'remove person', person: person.key })}>
                Remove {title}
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
          onTabSelect={(_, { value }) => change({ do: 'select chat', person: person.key, key: value as string })}
          aria-label={`Chats of ${title}`}
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

      {ours && conversation && <QueueStrip conversation={conversation} onOpen={() => props.onQueue(conversation)} />}

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
            colorOf={colorOf}
            onConversation={(conversation) =>
              change({ do: 'name conversation', person: person.key, key: chat.key, conversation })
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

export function Unread({ count }: { count: number }) {
  if (count === 0) return null;
  return <CounterBadge count={count} size="small" color="brand" aria-label={`${count} unread`} />;
}

const presence = {
  connecting: { color: 'warning', text: 'Connecting…' },
  online: { color: 'success', text: 'Connected' },
  ended: { color: 'subtle', text: 'Ended' },
  gone: { color: 'subtle', text: 'Not a member' },
} as const;

function Presence({ state }: { state: LineState }) {
  const { color, text } = presence[state];
  return (
    <span role="status">
      <Badge size="tiny" color={color} aria-hidden /> <span>{text}</span>
    </span>
  );
}
