// "On the wire": what the bot heard and said, as it happens. Up to 5,000 rows are kept; only those in sight are drawn.
import { Button, Checkbox, makeStyles, SearchBox, Select, Text, ToggleButton, tokens, Tooltip } from '@fluentui/react-components';
import { ArrowDownRegular, DeleteRegular, FilterRegular, PauseRegular, PlayRegular } from '@fluentui/react-icons';
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useCallback, useDeferredValue, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';

import { usePage } from './page';
import { usePanelStyles } from './panel';
import { usersOf } from './people';
import { mostEvents, nameOfEvent, summary, type Wire, type WireEvent } from './wire';
import { WireRow } from './WireRow';

const useStyles = makeStyles({
  search: { flexGrow: 1, minWidth: '8rem' },
  filters: {
    display: 'grid',
    gridTemplateColumns: '1fr 1fr',
    alignItems: 'center',
    gap: tokens.spacingHorizontalS,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
  },
  inner: { position: 'relative', width: '100%', margin: 0, padding: 0, listStyleType: 'none' },
  row: {
    position: 'absolute',
    top: 0,
    left: 0,
    width: '100%',
    borderBottom: `1px solid ${tokens.colorNeutralStroke3}`,
    boxSizing: 'border-box',
  },
  jump: { position: 'absolute', bottom: tokens.spacingVerticalM, left: '50%', transform: 'translateX(-50%)' },
});

const near = 24; // pixels from the end that still count as reading along

type Filter = { words: string; person: string; conversation: string; direction: string; type: string; errors: boolean };

const everything: Filter = { words: '', person: '', conversation: '', direction: '', type: '', errors: false };

export function WirePanel({ wire }: { wire: Wire }) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const { people, nameOf, placeOf, copy } = usePage();
  const [filter, setFilter] = useState(everything);
  const [held, setHeld] = useState<WireEvent[]>();
  const [filters, setFilters] = useState(false);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());

  const all = held ?? wire.events;
  const wanted = useDeferredValue(filter);
  const events = useMemo(() => (wanted === everything ? all : all.filter((event) => fits(event, wanted, nameOf))), [all, wanted, nameOf]);
  const types = useMemo(() => [...new Set(all.map(({ type }) => type))].sort(), [all]);
  const conversations = useMemo(() => [...new Set(all.map(({ conversation }) => conversation))], [all]);
  const set = (change: Partial<Filter>) => {
    const next = { ...filter, ...change };
    setFilter(Object.values(next).some(Boolean) ? next : everything);
  };
  const active = Object.entries(filter).filter(([name, value]) => name !== 'words' && value).length;
  const clear = () => {
    wire.clear();
    setHeld((held) => held && []);
    setOpen(new Set());
  };
  const toggle = useCallback(
    (name: string, open: boolean) =>
      setOpen((before) => {
        const after = new Set(before);
        if (open) after.add(name);
        else after.delete(name);
        return after;
      }),
    [],
  );

  return (
    <section className={panel.panel} aria-label="On the wire">
      <div className={panel.bar}>
        <SearchBox
          size="small"
          className={styles.search}
          placeholder="Search"
          aria-label="Search the wire"
          value={filter.words}
          onChange={(_, { value }) => set({ words: value })}
        />
        <ToggleButton
          size="small"
          appearance="subtle"
          icon={<FilterRegular />}
          checked={filters}
          aria-expanded={filters}
          onClick={() => setFilters(!filters)}
        >
          Filter{active > 0 && ` (${active})`}
        </ToggleButton>
        <Tooltip content={held ? 'Resume the wire' : 'Pause the wire'} relationship="label">
          <ToggleButton
            size="small"
            appearance="subtle"
            icon={held ? <PlayRegular /> : <PauseRegular />}
            checked={held !== undefined}
            onClick={() => setHeld(held ? undefined : wire.events)}
          >
            {held && `${missed(held, wire.events)} new`}
          </ToggleButton>
        </Tooltip>
        <Tooltip content="Clear the wire" relationship="label">
          <Button size="small" appearance="subtle" icon={<DeleteRegular />} onClick={clear} disabled={all.length === 0} />
        </Tooltip>
      </div>
      {filters && (
        <div className={styles.filters} role="group" aria-label="Filter the wire">
          <Choice label="Person" value={filter.person} onChange={(person) => set({ person })}>
            {usersOf(people).map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Choice>
          <Choice label="Conversation" value={filter.conversation} onChange={(conversation) => set({ conversation })}>
            {conversations.map((id) => (
              <option key={id} value={id}>
                {placeOf(id)}
              </option>
            ))}
          </Choice>
          <Choice label="Direction" value={filter.direction} onChange={(direction) => set({ direction })}>
            <option value="heard">heard</option>
            <option value="said">said</option>
          </Choice>
          <Choice label="Type" value={filter.type} onChange={(type) => set({ type })}>
            {types.map((type) => (
              <option key={type}>{type}</option>
            ))}
          </Choice>
          <Checkbox label="Only errors" checked={filter.errors} onChange={(_, { checked }) => set({ errors: checked === true })} />
          <Button size="small" appearance="subtle" disabled={filter === everything} onClick={() => setFilter(everything)}>
            Show all
          </Button>
        </div>
      )}
      {events.length === 0 ? (
        <Text className={panel.empty} role="status">
          {all.length === 0 ? 'What the bot hears and says appears here.' : `None of ${all.length} fits the filter.`}
        </Text>
      ) : (
        <Rows events={events} total={all.length} open={open} onOpen={toggle} nameOf={nameOf} placeOf={placeOf} onCopy={copy} />
      )}
    </section>
  );
}

type RowsProps = {
  events: WireEvent[];
  total: number;
  open: ReadonlySet<string>;
  onOpen(name: string, open: boolean): void;
  nameOf(id: string): string;
  placeOf(id: string): string;
  onCopy(text: string): void;
};

function Rows({ events, total, open, onOpen, nameOf, placeOf, onCopy }: RowsProps) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const scroller = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(true);
  const [current, setCurrent] = useState<number>();
  const focused = Math.min(current ?? events.length - 1, events.length - 1);

  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 49,
    getItemKey: (index) => nameOfEvent(events[index]!),
    overscan: 12,
    // The row that the keyboard is on stays, wherever the list is scrolled to.
    rangeExtractor: (range) => [...new Set([...defaultRangeExtractor(range), focused])].sort((a, b) => a - b),
  });
  const height = rows.getTotalSize();

  const toEnd = useCallback(() => scroller.current?.scrollTo({ top: scroller.current.scrollHeight }), []);
  useLayoutEffect(() => {
    if (follows) toEnd();
  }, [events, height, follows, toEnd]);

  // A list that was out of sight, or changed its size, is brought to its end again.
  useEffect(() => {
    if (!follows || !scroller.current) return;
    const sizes = new ResizeObserver(toEnd);
    sizes.observe(scroller.current);
    return () => sizes.disconnect();
  }, [follows, toEnd]);

  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller.current!;
    if (clientHeight > 0) setFollows(scrollHeight - scrollTop - clientHeight < near);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const to = { ArrowDown: focused + 1, ArrowUp: focused - 1, Home: 0, End: events.length - 1 }[event.key];
    if (to === undefined || !(event.target as HTMLElement).matches('[data-row]') || !events[to]) return;
    event.preventDefault();
    setCurrent(to);
    setFollows(to === events.length - 1);
    rows.scrollToIndex(to);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${to}"] [data-row]`)?.focus()),
    );
  };

  /** Shows as much as fits of a row that was just opened. */
  const inSight = (index: number) =>
    requestAnimationFrame(() =>
      scroller.current?.querySelector(`[data-index="${index}"]`)?.scrollIntoView({ block: 'nearest' }),
    );

  return (
    <>
      <div ref={scroller} className={panel.scroll} onScroll={onScroll} onKeyDown={onKeyDown} data-follows={follows}>
        <ol className={styles.inner} style={{ height }} aria-label={`${events.length} of ${total} activities, at most ${mostEvents}`}>
          {rows.getVirtualItems().map(({ index, key, start }) => {
            const event = events[index]!;
            const name = nameOfEvent(event);
            return (
              <li
                key={key}
                ref={rows.measureElement}
                data-index={index}
                className={styles.row}
                style={{ transform: `translateY(${start}px)` }}
                aria-setsize={events.length}
                aria-posinset={index + 1}
              >
                <WireRow
                  event={event}
                  name={whoOf(event, nameOf)}
                  place={placeOf(event.conversation)}
                  open={open.has(name)}
                  current={index === focused}
                  onOpen={(open) => {
                    setFollows(false);
                    onOpen(name, open);
                    if (open) inSight(index);
                  }}
                  onFocus={() => setCurrent(index)}
                  onCopy={onCopy}
                />
              </li>
            );
          })}
        </ol>
      </div>
      {!follows && (
        <Button
          className={styles.jump}
          shape="circular"
          size="small"
          icon={<ArrowDownRegular />}
          onClick={() => {
            setFollows(true);
            toEnd();
          }}
        >
          Newest
        </Button>
      )}
    </>
  );
}

type ChoiceProps = { label: string; value: string; onChange(value: string): void; children: React.ReactNode };

/** A choice whose first option names it and chooses nothing. */
function Choice({ label, value, onChange, children }: ChoiceProps) {
  return (
    <Select size="small" aria-label={label} value={value} onChange={(_, data) => onChange(data.value)}>
      <option value="">{label}: any</option>
      {children}
    </Select>
  );
}

/** Who an event is about: somebody of Teams as they call themselves, anybody else as the page calls them. */
function whoOf({ channel, person, activity: { from } }: WireEvent, nameOf: (id: string) => string): string {
  const id = person ?? from?.id ?? '';
  return (channel === 'msteams' && from?.id === id && from.name) || nameOf(id);
}

function fits(event: WireEvent, filter: Filter, nameOf: (id: string) => string): boolean {
  const { person, conversation, direction, type, errors, words } = filter;
  if (person && event.person !== person && event.activity.from?.id !== person) return false;
  if (conversation && event.conversation !== conversation) return false;
  if (direction && event.direction !== direction) return false;
  if (type && event.type !== type) return false;
  if (errors && event.error === undefined && (event.answer?.status ?? 200) < 400) return false;
  if (!words) return true;
  const text = textOf(event) + nameOf(event.person ?? '').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

const texts = new WeakMap<WireEvent, string>();

/** All that is searched of an event, in lower case. */
function textOf(event: WireEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    const { activity, error = '', request } = event;
    text = [event.type, event.conversation, summary(activity), error, request?.url, JSON.stringify(activity)].join('\n').toLowerCase();
    texts.set(event, text);
  }
  return text;
}

/** How many came while the list was held. */
function missed(held: WireEvent[], now: WireEvent[]): number {
  const last = held.at(-1);
  if (!last) return now.length;
  const at = now.lastIndexOf(last);
  return at < 0 ? now.length : now.length - 1 - at;
}
