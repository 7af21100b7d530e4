// The playground: several people side by side, and beside or below them the wire, the queue and what makes things happen.
import { makeStyles, mergeClasses, Tab, TabList, tokens } from '@fluentui/react-components';
import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useReducer, useState } from 'react';

import { createRoom, explain, listRooms, notifyEveryone, readSetup, renamePerson, type Room } from '../server';
import { SchedulesPanel } from './SchedulesPanel';
import { FaultsBanner, FaultsPanel } from './FaultsPanel';
import { nameColor, useMedia, useTheme } from './look';
import { MembersDialog } from './MembersDialog';
import { NotifyPanel } from './NotifyPanel';
import { type Page, PageContext, type Place } from './page';
import { changePeople, chatTitle, loadPeople, mostPeople, type Person, savePeople, titleOf, usersOf } from './people';
import { PersonCard, Unread } from './PersonCard';
import { PersonDialog } from './PersonDialog';
import { QueuePanel } from './QueuePanel';
import { RoomDialog } from './RoomDialog';
import { useSay } from './say';
import { SidePanel, type View, ViewLabel } from './SidePanel';
import { type Client, TopBar } from './TopBar';
import { TeamsView } from './TeamsView';
import { unreadOf, useUnread } from './unread';
import type { WebChat } from './webchat';
import { useWire, type WireEvent } from './wire';
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
  side: {
    flexShrink: 0,
    width: 'clamp(360px, 32vw, 560px)',
    '@media (max-width: 1099px)': { width: '100%', height: '40%' },
    '@media (max-width: 699px)': { height: '100%' },
  },
  away: { display: 'none' },
});

const views: View[] = ['wire', 'queue', 'notify', 'schedules', 'faults'];
const foreignViews: View[] = ['wire', 'faults']; // a bot of somebody else's has its own queue
const changesRooms = new Set(['conversationUpdate', 'installationUpdate', 'endOfConversation']);

type Open = { dialog: 'room' } | { dialog: 'person'; key: string } | { dialog: 'members'; conversation: string };

export function App({ webchat }: { webchat: WebChat }) {
  const styles = useStyles();
  const theme = useTheme();
  const narrow = useMedia('(max-width: 699px)');
  const queries = useQueryClient();
  const [people, change] = useReducer(changePeople, undefined, loadPeople);
  const [client, setClient] = useClient();
  const [pane, setPane] = useState('');
  const [view, setView] = useState<View>('wire');
  const [notifyTo, setNotifyTo] = useState('everyone');
  const [queueOf, setQueueOf] = useState('');
  const [open, setOpen] = useState<Open>();
  const { toaster, say } = useSay();

  useEffect(() => savePeople(people), [people]);

  const { data: setup } = useQuery({ queryKey: ['setup'], queryFn: readSetup, staleTime: Infinity, retry: true });
  const rooms = useRooms(people);
  const reload = useCallback(() => queries.invalidateQueries({ queryKey: ['rooms'] }), [queries]);
  useEffect(() => {
    for (const { id, rooms: found } of rooms.lists) change({ do: 'take in', id, rooms: found });
  }, [rooms.lists]);

  // A narrow page shows one pane at a time: a card, by its key, or one of the views.
  const shownViews = setup?.external ? foreignViews : views;
  const paneIsView = shownViews.includes(pane as View);
  const inTeams = client === 'teams' && setup?.teams === true;
  const front = paneIsView || people.some(({ key }) => key === pane) ? pane : inTeams ? 'teams' : people[0]!.key;
  const shown = (person: Person) => !narrow || person.key === front;
  const { unread, count } = useUnread(people, shown);
  const wire = useWire((events) => {
    count(events);
    const known = new Set(people.flatMap(({ chats }) => chats.map(({ conversation }) => conversation)));
    const news = (event: WireEvent) => changesRooms.has(event.type) || !known.has(channelOf(event.conversation));
    if (events.some(news)) void reload();
    void queries.invalidateQueries({ queryKey: ['going'] });
  });
  useEffect(() => {
    void queries.invalidateQueries();
  }, [queries, wire.visit]);

  const show = (next: View) => {
    setView(next);
    if (narrow) setPane(next);
  };
  const copy = useCallback(
    (text: string) =>
      void navigator.clipboard.writeText(text).then(
        () => say('Copied', 'success'),
        () => say('The browser did not allow copying', 'error'),
      ),
    [say],
  );
  const act = useCallback<Page['act']>(
    (work, done) =>
      work().then(
        () => {
          if (done) say(done, 'success');
          return true;
        },
        (error: unknown) => {
          say(explain(error), 'error');
          return false;
        },
      ),
    [say],
  );
  const nameOf = useCallback(
    (id: string) => {
      if (setup && id === setup.bot.id) return setup.bot.name;
      const member = () => [...rooms.byId.values()].flatMap(({ members }) => members).find((member) => member.id === id);
      return people.find((person) => person.id === id)?.name ?? (member()?.name || shortened(id));
    },
    [people, setup, rooms.byId],
  );
  const places = useMemo(() => placesOf(people), [people]);
  const placeOf = useCallback(
    (id: string) => places.find(({ conversation }) => conversation === channelOf(id))?.title ?? shortly(id),
    [places],
  );
  const colorOf = useCallback(
    (id: string) => {
      const person = people.find((person) => person.id === id);
      return person && nameColor(theme, person.color);
    },
    [people, theme],
  );
  const page: Page = { setup, people, room: (id) => rooms.byId.get(id), places, nameOf, placeOf, copy, say, act };

  const current = paneIsView && narrow ? (pane as View) : shownViews.includes(view) ? view : 'wire';
  const edited = open?.dialog === 'person' && people.find(({ key }) => key === open.key);
  const membersOf = open?.dialog === 'members' && rooms.byId.get(open.conversation);

  return (
    <PageContext.Provider value={page}>
      <div className={styles.page}>
        <TopBar
          setup={setup}
          connected={wire.open}
          full={people.length >= mostPeople}
          narrow={narrow}
          client={inTeams ? 'teams' : 'directline'}
          onClient={(next) => {
            setClient(next);
            setPane('');
          }}
          onAddPerson={() => change({ do: 'add person' })}
          onNewRoom={() => setOpen({ dialog: 'room' })}
          onNotify={() => act(notifyEveryone, 'The bot is telling everyone it knows')}
          onCopy={copy}
        />
        <FaultsBanner />
        {narrow && (
          <TabList
            className={styles.tabs}
            selectedValue={front}
            onTabSelect={(_, { value }) => setPane(value as string)}
            aria-label="What to show"
          >
            {inTeams && <Tab value="teams">Teams</Tab>}
            {(inTeams ? [] : people).map((person) => (
              <Tab key={person.key} value={person.key}>
                {titleOf(person)} <Unread count={unreadOf(person, unread)} />
              </Tab>
            ))}
            {shownViews.map((view) => (
              <Tab key={view} value={view}>
                <ViewLabel view={view} />
              </Tab>
            ))}
          </TabList>
        )}
        <main className={styles.main}>
          {inTeams && (!narrow || !paneIsView) && <TeamsView />}
          <div className={mergeClasses(styles.people, (inTeams || (narrow && paneIsView)) && styles.away)}>
            {people.map((person) => (
              <div key={person.key} className={mergeClasses(!shown(person) && styles.away)}>
                <PersonCard
                  webchat={webchat}
                  person={person}
                  alone={people.length === 1}
                  full={people.length >= mostPeople}
                  unread={unread}
                  server={wire}
                  change={change}
                  colorOf={colorOf}
                  onEdit={() => setOpen({ dialog: 'person', key: person.key })}
                  onMembers={(conversation) => setOpen({ dialog: 'members', conversation })}
                  onNotify={(conversation) => {
                    setNotifyTo(conversation);
                    show('notify');
                  }}
                  onQueue={(conversation) => {
                    setQueueOf(conversation);
                    show('queue');
                  }}
                />
              </div>
            ))}
          </div>
          <aside className={mergeClasses(styles.side, narrow && !paneIsView && styles.away)} aria-label="Behind the scenes">
            <SidePanel views={shownViews} view={current} bare={narrow} onView={setView}>
              {current === 'wire' && <WirePanel wire={wire} />}
              {current === 'queue' && <QueuePanel conversation={queueOf} onConversation={setQueueOf} />}
              {current === 'notify' && <NotifyPanel to={notifyTo} onTo={setNotifyTo} />}
              {current === 'schedules' && <SchedulesPanel />}
              {current === 'faults' && <FaultsPanel />}
            </SidePanel>
          </aside>
        </main>
        {edited && (
          <PersonDialog
            person={edited}
            onClose={() => setOpen(undefined)}
            onChange={(name, color) =>
              act(async () => {
                if (name !== edited.name) await renamePerson(edited.id, name);
                change({ do: 'change person', id: edited.id, name, color });
                await reload();
              })
            }
          />
        )}
        {open?.dialog === 'room' && (
          <RoomDialog
            people={usersOf(people)}
            onClose={() => setOpen(undefined)}
            onCreate={(room) => act(() => createRoom(room).then(reload))}
          />
        )}
        {membersOf && (
          <MembersDialog
            room={membersOf}
            title={placeOf(membersOf.id)}
            onClose={() => setOpen(undefined)}
            onChanged={reload}
          />
        )}
        {toaster}
      </div>
    </PageContext.Provider>
  );
}

const teamsHash = '#teams';

/** Which client the page shows; its address says it, so that a reload does not change it. */
function useClient(): [Client, (client: Client) => void] {
  const [client, setClient] = useState<Client>(location.hash === teamsHash ? 'teams' : 'directline');
  const change = useCallback((next: Client) => {
    history.replaceState(null, '', next === 'teams' ? teamsHash : location.pathname);
    setClient(next);
  }, []);
  return [client, change];
}

/** The conversations that each person is in, and all of them by id. */
function useRooms(people: Person[]) {
  const ids = usersOf(people).map(({ id }) => id);
  return useQueries({
    queries: ids.map((id) => ({
      queryKey: ['rooms', id],
      queryFn: async () => ({ id, rooms: await listRooms(id) }),
    })),
    combine: useCallback((results: { data?: { id: string; rooms: Room[] } }[]) => {
      const lists = results.flatMap(({ data }) => (data ? [data] : []));
      return { lists, byId: new Map(lists.flatMap(({ rooms }) => rooms.map((room) => [room.id, room]))) };
    }, []),
  });
}

/** Every conversation that has a window, once. Where a person has several chats, their number tells them apart. */
function placesOf(people: Person[]): Place[] {
  const places = new Map<string, string>();
  for (const person of people) {
    person.chats.forEach((chat, index) => {
      if (!chat.conversation || places.has(chat.conversation)) return;
      const title = chatTitle(chat, index);
      const several = person.chats.filter(({ kind }) => kind === 'personal').length > 1;
      const personal = several ? `${person.name}: ${title}` : person.name;
      places.set(chat.conversation, chat.kind === 'personal' ? personal : title);
    });
  }
  return [...places].map(([conversation, title]) => ({ conversation, title }));
}

/** An id of Teams is longer than a line. */
function shortened(id: string): string {
  return id.length > 20 ? `${id.slice(0, 12)}…` : id;
}

/** A conversation that is none of the page's: an address as it is, and of other ids as much as tells them apart. */
function shortly(conversation: string): string {
  return /^(\+|[^:]+@)/.test(conversation) ? conversation : conversation.slice(0, 8);
}

/** A thread's conversation is that of its channel, with more behind a semicolon. */
function channelOf(conversation: string): string {
  return conversation.split(';')[0]!;
}
