// "On the wire": what the bot heard and said, as it happens.
import { Button, makeStyles, Text, tokens } from '@fluentui/react-components';
import { ArrowDownRegular } from '@fluentui/react-icons';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';

import type { Wire } from './wire';
import { WireRow } from './WireRow';

type Props = {
  wire: Wire;
  /** A person's name by their id. */
  nameOf(id: string): string;
};

const useStyles = makeStyles({
  panel: {
    position: 'relative',
    display: 'flex',
    flexDirection: 'column',
    height: '100%',
    minHeight: 0,
    overflow: 'hidden',
    backgroundColor: tokens.colorNeutralBackground1,
    borderRadius: tokens.borderRadiusXLarge,
    boxShadow: tokens.shadow4,
  },
  head: {
    display: 'flex',
    alignItems: 'center',
    justifyContent: 'space-between',
    minHeight: '32px',
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
  },
  list: { flexGrow: 1, minHeight: 0, margin: 0, padding: 0, overflowY: 'auto', listStyleType: 'none' },
  empty: { padding: tokens.spacingHorizontalL, color: tokens.colorNeutralForeground3 },
  jump: { position: 'absolute', bottom: tokens.spacingVerticalM, left: '50%', transform: 'translateX(-50%)' },
});

const near = 24; // pixels from the end that still count as reading along

export function WirePanel({ wire, nameOf }: Props) {
  const styles = useStyles();
  const list = useRef<HTMLOListElement>(null);
  const [follows, setFollows] = useState(true);

  const toEnd = () => list.current?.scrollTo({ top: list.current.scrollHeight });
  useLayoutEffect(() => {
    if (follows) toEnd();
  }, [wire.events, follows]);

  // A list that was out of sight, or changed its size, is brought to its end again.
  const empty = wire.events.length === 0;
  useEffect(() => {
    if (!follows || !list.current) return;
    const sizes = new ResizeObserver(toEnd);
    sizes.observe(list.current);
    return () => sizes.disconnect();
  }, [follows, empty]);

  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = list.current!;
    if (clientHeight > 0) setFollows(scrollHeight - scrollTop - clientHeight < near);
  };

  return (
    <section className={styles.panel} aria-labelledby="wire">
      <header className={styles.head}>
        <Text as="h2" id="wire" weight="semibold" size={400}>
          On the wire
        </Text>
        <Button appearance="subtle" size="small" onClick={wire.clear} disabled={empty}>
          Clear
        </Button>
      </header>
      {empty ? (
        <Text className={styles.empty}>What the bot hears and says appears here.</Text>
      ) : (
        <ol ref={list} className={styles.list} onScroll={onScroll}>
          {wire.events.map((event) => (
            <WireRow key={`${event.seq} ${event.at}`} event={event} name={nameOf(event.person)} />
          ))}
        </ol>
      )}
      {!follows && !empty && (
        <Button className={styles.jump} shape="circular" size="small" icon={<ArrowDownRegular />} onClick={toEnd}>
          Newest
        </Button>
      )}
    </section>
  );
}
