// Beside the chats: the wire, the queue, what the bot is to say, and the channel's faults.
import { CounterBadge, makeStyles, Tab, TabList, tokens } from '@fluentui/react-components';
import type { ReactNode } from 'react';

import { useFaults } from './FaultsPanel';
import { isOpen, useDeliveries } from './queue';

export type View = 'wire' | 'queue' | 'notify' | 'schedules' | 'faults';

export const viewTitles: Record<View, string> = { wire: 'Wire', queue: 'Queue', notify: 'Notify', schedules: 'Schedules', faults: 'Faults' };

const useStyles = makeStyles({
  side: {
    display: 'flex',
    flexDirection: 'column',
    height: '100%',
    minHeight: 0,
    overflow: 'hidden',
    backgroundColor: tokens.colorNeutralBackground1,
    borderRadius: tokens.borderRadiusXLarge,
    boxShadow: tokens.shadow4,
  },
  tabs: { flexShrink: 0, borderBottom: `1px solid ${tokens.colorNeutralStroke2}` },
  body: { flexGrow: 1, minHeight: 0 },
  label: { display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalXS },
});

type Props = {
  views: View[];
  view: View;
  /** Whether the tabs are elsewhere. */
  bare: boolean;
  onView(view: View): void;
  children: ReactNode;
};

export function SidePanel({ views, view, bare, onView, children }: Props) {
  const styles = useStyles();
  return (
    <div className={styles.side}>
      {!bare && (
        <TabList
          className={styles.tabs}
          selectedValue={view}
          onTabSelect={(_, { value }) => onView(value as View)}
          aria-label="Beside the chats"
        >
          {views.map((view) => (
            <Tab key={view} value={view} id={`view-${view}`} aria-controls="view">
              <ViewLabel view={view} />
            </Tab>
          ))}
        </TabList>
      )}
      <div id="view" className={styles.body} {...(!bare && { role: 'tabpanel', 'aria-labelledby': `view-${view}` })}>
        {children}
      </div>
    </div>
  );
}

export function ViewLabel({ view }: { view: View }) {
  const styles = useStyles();
  return (
    <span className={styles.label}>
      {viewTitles[view]}
      {view === 'queue' && <Waiting />}
      {view === 'faults' && <Active />}
    </span>
  );
}

function Waiting() {
  const { deliveries } = useDeliveries(undefined, 50);
  const count = deliveries.filter(isOpen).length;
  if (count === 0) return null;
  return <CounterBadge count={count} size="small" color="brand" aria-label={`${count} waiting`} />;
}

function Active() {
  const { faults } = useFaults();
  if (faults.length === 0) return null;
  return <CounterBadge count={faults.length} size="small" color="danger" aria-label={`${faults.length} active`} />;
}
