// What goes on in conversations: what keeps them busy, and how far their dialogs are. What is held waits for its end.
import { Badge, Button, makeStyles, tokens } from '@fluentui/react-components';
import { useQueries, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';

import { type Busy, type Dialog, type Going, readGoing, release } from '../server';
import { type Place, usePage } from './page';
import { usePanelStyles } from './panel';
import { until, useNow } from './queue';

const useStyles = makeStyles({
  end: { marginLeft: 'auto' },
  next: { marginTop: tokens.spacingVerticalS },
  stack: { margin: 0, padding: `${tokens.spacingVerticalXXS} 0 0 ${tokens.spacingHorizontalXXL}` },
  waits: { fontWeight: tokens.fontWeightSemibold, color: tokens.colorNeutralForeground1 },
  buttons: { display: 'flex', flexWrap: 'wrap', gap: tokens.spacingHorizontalXS, paddingTop: tokens.spacingVerticalXS },
});

/** Of one conversation, or of all that are shown; nothing, where nothing goes on. */
export function GoingOn({ conversation }: { conversation: string }) {
  const panel = usePanelStyles();
  const { places } = usePage();
  const shown = conversation ? places.filter((place) => place.conversation === conversation) : places;
  const going = useGoing(shown).filter(({ busy, dialogs }) => busy.length > 0 || dialogs.length > 0);
  const now = useNow(going.some(({ busy }) => busy.some(({ until }) => until)));
  if (going.length === 0) return null;
  return (
    <>
      <h3 className={panel.heading}>Going on</h3>
      <ul className={panel.list} aria-label="Going on">
        {going.map((one) => (
          <Row key={one.place.conversation} {...one} now={now} />
        ))}
      </ul>
    </>
  );
}

function useGoing(places: Place[]): (Going & { place: Place })[] {
  return useQueries({
    queries: places.map((place) => ({
      queryKey: ['going', place.conversation],
      queryFn: () => readGoing(place.conversation),
      refetchInterval: 1000,
    })),
    combine: useCallback(
      (results: { data?: Going }[]) =>
        results.flatMap(({ data }, index) => (data && places[index] ? [{ ...data, place: places[index] }] : [])),
      [places],
    ),
  });
}

function Row({ place, busy, dialogs, now }: Going & { place: Place; now: number }) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const { act } = usePage();
  const queries = useQueryClient();
  const free = (by: string) =>
    act(async () => {
      await release(place.conversation, by);
      await Promise.all(['going', 'deliveries'].map((key) => queries.invalidateQueries({ queryKey: [key] })));
    }, 'What was held for it is said');
  return (
    <li className={panel.item}>
      {busy.map((mark, index) => (
        <div key={mark.by} className={index > 0 ? styles.next : undefined}>
          <div className={panel.facts}>
            <Badge appearance="tint" size="small" color="warning">
              {byWhom(mark)}
            </Badge>
            <span>{place.title}</span>
            {mark.reason && <span className={panel.text}>{mark.reason}</span>}
            {mark.priority !== 0 && <span>priority {mark.priority}</span>}
            <span className={styles.end}>{mark.until ? `over in ${until(mark.until, now)}` : 'no end'}</span>
          </div>
          {mark.by === 'dialog' && <Stack dialogs={dialogs} />}
          <div className={styles.buttons}>
            <Button size="small" aria-label={`Release: ${byWhom(mark)} in ${place.title}`} onClick={() => free(mark.by)}>
              Release
            </Button>
          </div>
        </div>
      ))}
      {!busy.some(({ by }) => by === 'dialog') && dialogs.length > 0 && (
        <>
          <div className={panel.facts}>{place.title}: dialogs</div>
          <Stack dialogs={dialogs} />
        </>
      )}
    </li>
  );
}

/** From the outermost to the one that waits for an answer. */
function Stack({ dialogs }: { dialogs: Dialog[] }) {
  const styles = useStyles();
  return (
    <ol className={styles.stack} aria-label="Dialogs">
      {dialogs.map(({ id, step, steps, interrupts }, index) => (
        <li key={index} className={index === dialogs.length - 1 ? styles.waits : undefined}>
          {id}
          {step ? `, step ${step}${steps ? ` of ${steps}` : ''}` : ''}
          {interrupts ? ', interrupts' : ''}
          {index === dialogs.length - 1 ? ', waits for an answer' : ''}
        </li>
      ))}
    </ol>
  );
}

function byWhom({ by }: Busy): string {
  if (by.startsWith('question:')) return 'question';
  if (/^dialog[:@#]/.test(by)) return 'dialog'; // of one of several people, or of one of several stacks
  return by === 'flag' ? 'busy' : by;
}
