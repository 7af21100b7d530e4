// The playground: several people side by side, and the wire beside or below them.
import { makeStyles, mergeClasses, Tab, TabList, tokens } from '@fluentui/react-components';
import { useCallback, useEffect, useReducer, useRef, useState } from 'react';

import { listConversations, notifyEveryone } from '../server';
import { useMedia } from './look';
import { changePeople, loadPeople, mostPeople, type Person, savePeople } from './people';
import { PersonCard, Unread } from './PersonCard';
import { useSay } from './say';
import { TopBar } from './TopBar';
import { unreadOf, useUnread } from './unread';
import type { WebChat } from './webchat';
import { useWire } from './wire';
import { WirePanel } from './WirePanel';

const useStyles = makeStyles({
  page: { display: 'flex', flexDirection: 'column', height: '100dvh', backgroundColor: tokens.colorNeutralBackground3 },
  tabs: { overflowX: 'auto', flexShrink: 0, backgroundColor: tokens.colorNeutralBackground1 },
  main: {
    display: 'flex',
    flexGrow: 1,
    minHeight: 0,
    gap: tokens.spacingHorizontalM,
    padding: tokens.spacingHorizontalM,
    '@media (max-width: 1099px)': { flexDirection: 'column' },
    '@media (max-width: 699px)': { padding: tokens.spacingHorizontalS },
  },
  people: {
    display: 'grid',
    flexGrow: 1,
    minHeight: 0,
    minWidth: 0,
    gap: tokens.spacingHorizontalM,
    gridTemplateColumns: 'repeat(auto-fit, minmax(min(300px, 100%), 1fr))',
    gridAutoRows: 'minmax(min(420px, 100%), 1fr)',
    overflowY: 'auto',
    // Room for the cards' shadows, which the scrolling area would cut off.
    padding: '4px',
    margin: '-4px',
  },
  wire: {
    flexShrink: 0,
    width: 'clamp(320px, 28vw, 460px)',
    '@media (max-width: 1099px)': { width: '100%', height: '34%' },
    '@media (max-width: 699px)': { height: '100%' },
  },
  away: { display: 'none' },
});

export function App({ webchat }: { webchat: WebChat }) {
  const styles = useStyles();
  const narrow = useMedia('(max-width: 699px)');
  const [people, change] = useReducer(changePeople, undefined, loadPeople);
  const [pane, setPane] = useState('');
  const { toaster, say } = useSay();

  useEffect(() => savePeople(people), [people]);

  const current = useRef(people);
  current.current = people;
  const takeIn = useCallback((person: Person) => {
    listConversations(person.id).then(
      (conversations) => change({ do: 'take in', person: person.id, conversations }),
      () => {}, // the next event, or the server's return, asks again
    );
  }, []);

  // A narrow page shows one pane at a time: a person, by their id, or the wire.
  const front = pane === 'wire' || people.some((person) => person.id === pane) ? pane : people[0]?.id;
  const shown = (person: Person) => !narrow || person.id === front;
  const { unread, count } = useUnread(people, shown);
  const wire = useWire((events) => {
    count(events);
    for (const person of current.current) {
      const known = new Set([...person.closed, ...person.chats.map((chat) => chat.conversation)]);
      if (events.some((event) => event.person === person.id && !known.has(event.conversation))) takeIn(person);
    }
  });
  useEffect(() => people.forEach(takeIn), [wire.visit]);

  const copy = (text: string) =>
    navigator.clipboard.writeText(text).then(
      () => say('Copied', 'success'),
      () => say('The browser did not allow copying', 'error'),
    );
  const notify = () =>
    notifyEveryone().then(
      () => say('The bot is telling everyone it knows', 'success'),
      (error: Error) => say(`Notify did not work: ${error.message}`, 'error'),
    );
  const nameOf = (id: string) => people.find((person) => person.id === id)?.name ?? id;

  return (
    <div className={styles.page}>
      <TopBar
        connected={wire.open}
        full={people.length >= mostPeople}
        narrow={narrow}
        onAddPerson={() => change({ do: 'add person' })}
        onNotify={notify}
        onCopy={copy}
      />
      {narrow && (
        <TabList
          className={styles.tabs}
          selectedValue={front}
          onTabSelect={(_, { value }) => setPane(value as string)}
          aria-label="What to show"
        >
          {people.map((person) => (
            <Tab key={person.id} value={person.id}>
              {person.name} <Unread count={unreadOf(person, unread)} />
            </Tab>
          ))}
          <Tab value="wire">Wire</Tab>
        </TabList>
      )}
      <main className={styles.main}>
        <div className={mergeClasses(styles.people, narrow && front === 'wire' && styles.away)}>
          {people.map((person) => (
            <div key={person.id} className={mergeClasses(!shown(person) && styles.away)}>
              <PersonCard
                webchat={webchat}
                person={person}
                alone={people.length === 1}
                unread={unread}
                server={wire}
                change={change}
                onCopy={copy}
              />
            </div>
          ))}
        </div>
        <aside className={mergeClasses(styles.wire, narrow && front !== 'wire' && styles.away)} aria-label="On the wire">
          <WirePanel wire={wire} nameOf={nameOf} />
        </aside>
      </main>
      {toaster}
    </div>
  );
}
