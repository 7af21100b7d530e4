// One activity on the wire: a line or two, and the whole of it when opened.
import { Button, makeStyles, mergeClasses, Tab, TabList, tokens } from '@fluentui/react-components';
import { CopyRegular } from '@fluentui/react-icons';
import { memo, useState } from 'react';

import { curl } from './curl';
import { Json } from './Json';
import { usePanelStyles } from './panel';
import { summary, type WireEvent } from './wire';

type Props = {
  event: WireEvent;
  name: string;
  place: string;
  open: boolean;
  /** Whether the Tab key reaches this row; the arrow keys reach them all. */
  current: boolean;
  onOpen(open: boolean): void;
  onFocus(): void;
  onCopy(text: string): void;
};

const useStyles = makeStyles({
  line: {
    display: 'block',
    width: '100%',
    boxSizing: 'border-box',
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    border: 'none',
    background: 'none',
    color: 'inherit',
    fontFamily: 'inherit',
    fontSize: tokens.fontSizeBase200,
    lineHeight: tokens.lineHeightBase200,
    textAlign: 'left',
    cursor: 'pointer',
    ':hover': { backgroundColor: tokens.colorNeutralBackground1Hover },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}`, outlineOffset: '-2px' },
  },
  failed: { boxShadow: `inset 3px 0 0 ${tokens.colorStatusDangerBorderActive}` },
  facts: { display: 'flex', columnGap: tokens.spacingHorizontalS, whiteSpace: 'nowrap', color: tokens.colorNeutralForeground3 },
  time: { fontVariantNumeric: 'tabular-nums' },
  direction: { fontWeight: tokens.fontWeightSemibold },
  heard: { color: tokens.colorPaletteGreenForeground1 },
  said: { color: tokens.colorBrandForeground1 },
  error: { color: tokens.colorStatusDangerForeground3 },
  place: { minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis' },
  status: { marginLeft: 'auto', flexShrink: 0, fontVariantNumeric: 'tabular-nums' },
  ms: { '@media (max-width: 699px)': { display: 'none' } },
  text: {
    display: '-webkit-box',
    overflow: 'hidden',
    overflowWrap: 'anywhere',
    WebkitLineClamp: 2,
    WebkitBoxOrient: 'vertical',
    color: tokens.colorNeutralForeground1,
  },
  detail: { paddingBottom: tokens.spacingVerticalS },
  bar: { display: 'flex', alignItems: 'center', justifyContent: 'space-between', flexWrap: 'wrap' },
  where: { margin: 0, padding: `0 ${tokens.spacingHorizontalM} ${tokens.spacingVerticalS}`, overflowWrap: 'anywhere', fontSize: tokens.fontSizeBase200 },
});

export const WireRow = memo(function WireRow({ event, name, place, open, current, onOpen, onFocus, onCopy }: Props) {
  const styles = useStyles();
  const { answer } = event;
  return (
    <>
      <button
        type="button"
        data-row
        className={mergeClasses(styles.line, event.error !== undefined && styles.failed)}
        aria-expanded={open}
        tabIndex={current ? 0 : -1}
        onFocus={onFocus}
        onClick={() => onOpen(!open)}
      >
        <span className={styles.facts}>
          <time className={styles.time} dateTime={event.at} title={event.at}>
            {clock(event.at)}
          </time>
          <span className={mergeClasses(styles.direction, styles[event.direction])}>
            {event.direction === 'heard' ? '→ heard' : '← said'}
          </span>
          <span>{event.type}</span>
          {event.op && event.op !== event.type && !['hear', 'send'].includes(event.op) && <strong>{event.op}</strong>}
          {event.direction === 'heard' && name !== place && <span className={styles.place}>{name}</span>}
          <span className={styles.place} title={event.conversation}>
            {event.channel === 'directline' ? place : `${event.channel} ${place}`}
          </span>
          {answer && (
            <span className={mergeClasses(styles.status, (answer.status ?? 500) >= 400 && styles.error)}>
              {answer.status || 'no answer'}
              {answer.ms !== undefined && <span className={styles.ms}>, {Math.round(answer.ms)} ms</span>}
            </span>
          )}
        </span>
        <span className={styles.text}>{summary(event.activity)}</span>
        {event.error && <span className={mergeClasses(styles.text, styles.error)}>{event.error}</span>}
      </button>
      {open && <Whole event={event} onCopy={onCopy} />}
    </>
  );
});

function Whole({ event, onCopy }: { event: WireEvent; onCopy(text: string): void }) {
  const styles = useStyles();
  const panel = usePanelStyles();
  const [part, setPart] = useState<'activity' | 'request' | 'answer'>('activity');
  const { request, answer } = event;
  return (
    <div className={styles.detail}>
      <div className={styles.bar}>
        <TabList size="small" selectedValue={part} onTabSelect={(_, { value }) => setPart(value as typeof part)} aria-label="What to see of it">
          <Tab value="activity">Activity</Tab>
          {request && <Tab value="request">Request</Tab>}
          {answer && <Tab value="answer">Answer</Tab>}
        </TabList>
        {request && (
          <Button size="small" appearance="subtle" icon={<CopyRegular />} onClick={() => onCopy(curl(request))}>
            Copy as curl
          </Button>
        )}
      </div>
      {part === 'activity' && (
        <>
          <p className={styles.where}>
            {event.channel}, conversation {event.conversation}
          </p>
          <Json value={event.activity} label="Activity as JSON" />
        </>
      )}
      {part === 'request' && request && (
        <>
          <p className={mergeClasses(styles.where, panel.mono)}>
            {request.method} {request.url}
            {event.in_process && ' (handed over inside the process, without a connection)'}
          </p>
          <Headers headers={request.headers} />
          <Json value={request.body ?? ''} label="Request body" />
        </>
      )}
      {part === 'answer' && answer && (
        <>
          <p className={mergeClasses(styles.where, panel.mono)}>
            {answer.status ? `Status ${answer.status}` : 'No answer'}
            {answer.ms !== undefined && ` after ${Math.round(answer.ms)} ms`}
          </p>
          <Headers headers={answer.headers} />
          <Json value={answer.body ?? ''} label="Answer body" />
        </>
      )}
    </div>
  );
}

function Headers({ headers = {} }: { headers?: Record<string, string | string[]> }) {
  const styles = useStyles();
  const panel = usePanelStyles();
  const lines = Object.entries(headers);
  if (lines.length === 0) return null;
  return (
    <p className={mergeClasses(styles.where, panel.mono)}>
      {lines.map(([name, value]) => (
        <span key={name}>
          {name}: {[value].flat().join(', ')}
          <br />
        </span>
      ))}
    </p>
  );
}

/** The local time of day, to the millisecond. */
export function clock(at: string): string {
  const time = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  const parts = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two);
  return `${parts.join(':')}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}
