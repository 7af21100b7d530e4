import { makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import { memo, useState } from 'react';

import { summary, type WireEvent } from './wire';

type Props = { event: WireEvent; name: string };

const useStyles = makeStyles({
  row: { borderBottom: `1px solid ${tokens.colorNeutralStroke3}`, fontSize: tokens.fontSizeBase200 },
  line: {
    display: 'block',
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    lineHeight: tokens.lineHeightBase200,
    cursor: 'pointer',
    ':hover': { backgroundColor: tokens.colorNeutralBackground1Hover },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}`, outlineOffset: '-2px' },
  },
  facts: {
    display: 'flex',
    columnGap: tokens.spacingHorizontalS,
    whiteSpace: 'nowrap',
    color: tokens.colorNeutralForeground3,
  },
  time: { fontVariantNumeric: 'tabular-nums' },
  direction: { fontWeight: tokens.fontWeightSemibold },
  heard: { color: tokens.colorPaletteGreenForeground1 },
  said: { color: tokens.colorBrandForeground1 },
  conversation: { minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis' },
  text: {
    display: '-webkit-box',
    overflow: 'hidden',
    overflowWrap: 'anywhere',
    WebkitLineClamp: 2,
    WebkitBoxOrient: 'vertical',
    color: tokens.colorNeutralForeground1,
  },
  where: { margin: 0, padding: `0 ${tokens.spacingHorizontalM} ${tokens.spacingVerticalS}`, overflowWrap: 'anywhere' },
  json: {
    margin: 0,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    backgroundColor: tokens.colorNeutralBackground3,
    fontFamily: tokens.fontFamilyMonospace,
    whiteSpace: 'pre-wrap',
    overflowWrap: 'anywhere',
  },
});

/** One activity: a line or two, and the whole of it when opened. */
export const WireRow = memo(function WireRow({ event, name }: Props) {
  const styles = useStyles();
  const [open, setOpen] = useState(false);
  return (
    <li className={styles.row}>
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary className={styles.line}>
          <span className={styles.facts}>
            <time className={styles.time} dateTime={event.at} title={event.at}>
              {clock(event.at)}
            </time>
            <span className={mergeClasses(styles.direction, styles[event.direction])}>
              {event.direction === 'heard' ? '→ heard' : '← said'}
            </span>
            <span>{event.type}</span>
            <span>{name}</span>
            <span className={styles.conversation} title={event.conversation}>
              {event.channel} {event.conversation}
            </span>
          </span>
          <span className={styles.text}>{summary(event.activity)}</span>
        </summary>
        {open && <Whole event={event} />}
      </details>
    </li>
  );
});

function Whole({ event }: { event: WireEvent }) {
  const styles = useStyles();
  return (
    <>
      <p className={styles.where}>
        {event.channel}, conversation {event.conversation}
      </p>
      <pre className={styles.json} tabIndex={0} aria-label="Activity as JSON">
        {JSON.stringify(event.activity, null, 2)}
      </pre>
    </>
  );
}

/** The local time of day, to the millisecond. */
function clock(at: string): string {
  const time = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  const parts = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two);
  return `${parts.join(':')}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}
