// The bot's outbox: what waits, and what became of the rest.
import { Button, makeStyles, mergeClasses, MessageBar, MessageBarBody, Select, Text, tokens, Link } from '@fluentui/react-components';
import { useQueryClient } from '@tanstack/react-query';
import type { Notification } from 'headsup-client';
import { useState } from 'react';

import { headsup } from '../server';
import { GoingOn } from './GoingOn';
import { usePage } from './page';
import { usePanelStyles } from './panel';
import { type Delivery, isOpen, until, useDeliveries, useNotification, useNow } from './queue';
import { StateBadge } from './StateBadge';
import { type Activity, summary } from './wire';
import { clock } from './WireRow';

const limit = 50;

type Props = {
  /** The conversation to show; all of them, if empty. */
  conversation: string;
  onConversation(conversation: string): void;
};

export function QueuePanel({ conversation, onConversation }: Props) {
  const panel = usePanelStyles();
  const { places } = usePage();
  const { deliveries, problem } = useDeliveries(conversation || undefined, limit);
  const open = deliveries.filter(isOpen);
  const done = deliveries.filter((delivery) => !isOpen(delivery));
  const now = useNow(open.length > 0);

  return (
    <section className={panel.panel} aria-label="Queue">
      <div className={panel.bar}>
        <Select
          size="small"
          className={panel.grow}
          aria-label="Whose queue"
          value={conversation}
          onChange={(_, { value }) => onConversation(value)}
        >
          <option value="">All conversations</option>
          {places.map(({ conversation, title }) => (
            <option key={conversation} value={conversation}>
              {title}
            </option>
          ))}
        </Select>
        <Text size={200} role="status">
          {open.length === 0 ? 'Nothing waits' : `${open.length} waiting`}
        </Text>
      </div>
      {problem && (
        <MessageBar intent="error">
          <MessageBarBody>{problem.message}</MessageBarBody>
        </MessageBar>
      )}
      <div className={panel.scroll} tabIndex={0} role="group" aria-label="Deliveries">
        <GoingOn conversation={conversation} />
        <h3 className={panel.heading}>Waiting</h3>
        {open.length === 0 && <Text className={panel.empty}>What the bot is to say, and has not said yet, waits here.</Text>}
        <ul className={panel.list} aria-label="Waiting">
          {open.map((delivery) => (
            <Row key={delivery.id} delivery={delivery} now={now} />
          ))}
        </ul>
        <h3 className={panel.heading}>Outcomes, newest first</h3>
        {done.length === 0 && <Text className={panel.empty}>None yet.</Text>}
        <ul className={panel.list} aria-label="Outcomes">
          {done.map((delivery) => (
            <Row key={delivery.id} delivery={delivery} now={now} />
          ))}
        </ul>
        {deliveries.length === limit && <Text className={panel.empty}>The newest {limit} are shown.</Text>}
      </div>
    </section>
  );
}

const useStyles = makeStyles({
  end: { marginLeft: 'auto' },
  buttons: { display: 'flex', flexWrap: 'wrap', gap: tokens.spacingHorizontalXS, paddingTop: tokens.spacingVerticalXS },
  reason: { color: tokens.colorStatusDangerForeground3 },
  history: { margin: 0, padding: `${tokens.spacingVerticalXS} 0 0 ${tokens.spacingHorizontalL}` },
  link: { fontSize: tokens.fontSizeBase200, alignSelf: 'center', marginLeft: 'auto' },
});

function Row({ delivery, now }: { delivery: Delivery; now: number }) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const { placeOf, act } = usePage();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const { data: notification } = useNotification(delivery.notification);
  const said = notification ? saying(notification) : '…';
  const can = possible(delivery);
  const name = `“${said}” in ${placeOf(delivery.conversation)}`;
  const doing = (work: () => Promise<unknown>, done: string) =>
    act(async () => {
      await work();
      await queries.invalidateQueries({ queryKey: ['deliveries'] });
    }, done);
  const path = { params: { path: { id: delivery.notification } } };
  const settle = (state: 'delivered' | 'failed') =>
    doing(
      () => headsup.post('/v1/deliveries/{id}/settle', { params: { path: { id: delivery.id } }, body: { state } }),
      'Noted',
    );

  return (
    <li className={panel.item}>
      <div className={panel.facts}>
        <StateBadge state={delivery.state} />
        {delivery.verb !== 'send' && <span>{delivery.verb}</span>}
        <span>{placeOf(delivery.conversation)}</span>
        <span className={styles.end}>{when(delivery, now)}</span>
      </div>
      <div className={panel.text}>{said}</div>
      {delivery.reason && (
        <div className={mergeClasses(['failed', 'unknown'].includes(delivery.state) && styles.reason)}>
          {why(delivery)}
          {delivery.state === 'held' && notification && `; ${terms(notification)}`}
        </div>
      )}
      {delivery.may_have_arrived && <div className={styles.reason}>An attempt may have arrived.</div>}
      <div className={styles.buttons}>
        {can.hurry && (
          <Button
            size="small"
            aria-label={`Send now: ${name}`}
            onClick={() => doing(
                () => headsup.post('/v1/notifications/{id}/reschedule', { ...path, body: { at: new Date().toISOString() } }),
                'It is due now',
              )}
          >
            Send now
          </Button>
        )}
        {can.cancel && (
          <Button
            size="small"
            aria-label={`Cancel: ${name}`}
            onClick={() => doing(() => headsup.post('/v1/notifications/{id}/cancel', path), 'Cancelled')}
          >
            Cancel
          </Button>
        )}
        {can.settle && (
          <>
            <Button size="small" aria-label={`It arrived: ${name}`} onClick={() => settle('delivered')}>
              It arrived
            </Button>
            <Button size="small" aria-label={`It did not arrive: ${name}`} onClick={() => settle('failed')}>
              It did not
            </Button>
          </>
        )}
        {can.replay && (
          <Button
            size="small"
            aria-label={`Replay: ${name}`}
            onClick={() => doing(() => headsup.post('/v1/deliveries/{id}/replay', { params: { path: { id: delivery.id } } }), 'It is tried again')}
          >
            Replay
          </Button>
        )}
        {can.recall && (
          <Button
            size="small"
            appearance="subtle"
            aria-label={`Recall: ${name}`}
            onClick={() => doing(() => headsup.post('/v1/notifications/{id}/recall', path), 'It is being recalled')}
          >
            Recall
          </Button>
        )}
        <Button size="small" appearance="subtle" aria-expanded={open} aria-label={`History: ${name}`} onClick={() => setOpen(!open)}>
          History
        </Button>
        <Link className={styles.link} href={`/v1/notifications/${delivery.notification}`} target="_blank" aria-label={`Record of ${name}`}>
          Record
        </Link>
      </div>
      {open && <History delivery={delivery} />}
    </li>
  );
}

function History({ delivery }: { delivery: Delivery }) {
  const styles = useStyles();
  return (
    <ol className={styles.history}>
      {(delivery.history ?? []).map(({ at, state, attempt, reason, status, detail, retry_at }, index) => (
        <li key={index}>
          {clock(at)} {state}
          {attempt ? `, attempt ${attempt}` : ''}
          {reason ? `, ${words(reason)}` : ''}
          {status ? `, status ${status}` : ''}
          {retry_at ? `, again at ${clock(retry_at)}` : ''}
          {detail ? `: ${detail}` : ''}
        </li>
      ))}
    </ol>
  );
}

/** What a person can do about a delivery. */
function possible({ state, verb, due_at }: Delivery) {
  const waits = isWaiting(state) && due_at !== undefined;
  const stuck = state === 'unknown' && !waits;
  return {
    hurry: waits && state !== 'held' && Date.parse(due_at) > Date.now(), // what is held would be held again; its cause can be released
    cancel: ['scheduled', 'ready', 'held'].includes(state),
    settle: stuck,
    replay: stuck || ['failed', 'expired', 'suppressed', 'cancelled'].includes(state),
    recall: state === 'delivered' && verb === 'send',
  };
}

/** What a notification says, or who interrupts in its place. */
function saying({ activity, policy, with: name }: Notification): string {
  const said = activity as Activity;
  return said.type === 'event' && policy === 'interrupt' && name ? `“${name}” interrupts` : summary(said);
}

/** How a notification that is held goes on. */
function terms({ policy, max_wait, then, release, priority }: Notification): string {
  return [
    `${policy} for up to ${short(max_wait ?? '24h')}, then ${then ?? 'adhoc'}`,
    release === 'digest' ? 'as a digest' : '',
    priority ? `priority ${priority}` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

/** A duration such as 1h30m0s without what is 0 at its end. */
function short(duration: string): string {
  return duration.replace(/(?<=[hm])0s$/, '').replace(/(?<=h)0m$/, '');
}

/** A time of day, with the day if that is another one. */
function near(at: string, now: number): string {
  const day = new Date(at);
  const today = day.toDateString() === new Date(now).toDateString();
  const time = clock(at).slice(0, 8);
  return today ? time : `${day.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${time}`;
}

function when({ state, due_at, updated_at, attempts }: Delivery, now: number): string {
  const tries = attempts > 0 ? `tried ${attempts === 1 ? 'once' : `${attempts} times`}, ` : '';
  if (due_at && state === 'held') return `until ${near(due_at, now)} at the latest`;
  if (due_at && isWaiting(state)) {
    if (Date.parse(due_at) <= now) return `${tries}due now`;
    return attempts > 0 ? `${tries}next try in ${until(due_at, now)}` : `in ${until(due_at, now)}`;
  }
  return clock(updated_at).slice(0, 8);
}

function isWaiting(state: string): boolean {
  return ['scheduled', 'ready', 'held', 'unknown'].includes(state);
}

/** The reason, with the channel's last status. What it said is in the history. */
function why({ reason = '', history }: Delivery): string {
  const status = history?.findLast(({ status }) => status)?.status;
  return status ? `${words(reason)}, status ${status}` : words(reason);
}

/** A stable word, for people. */
function words(reason: string): string {
  return reason.replaceAll('_', ' ');
}

/** Beside a chat, only while something waits or has just gone wrong there: how its queue stands. */
export function QueueStrip({ conversation, onOpen }: { conversation: string; onOpen(): void }) {
  const { deliveries } = useDeliveries(conversation, 20);
  const open = deliveries.filter(isOpen);
  const next = open.at(-1);
  const last = deliveries[0];
  const now = useNow(next !== undefined);
  const failed = !next && last && last.state === 'failed' ? last : undefined;
  const styles = useStripStyles();
  return (
    <div role="status" data-strip>
      {next && (
        <button type="button" className={styles.strip} onClick={onOpen}>
          <StateBadge state={next.state} />
          {open.length} waiting, {when(next, now)}
          {next.reason && ` (${why(next)})`}
        </button>
      )}
      {failed && (
        <button type="button" className={styles.strip} onClick={onOpen}>
          <StateBadge state={failed.state} /> The last message did not arrive: {why(failed)}
        </button>
      )}
    </div>
  );
}

const useStripStyles = makeStyles({
  strip: {
    display: 'flex',
    alignItems: 'center',
    gap: tokens.spacingHorizontalS,
    width: '100%',
    padding: `${tokens.spacingVerticalXS} ${tokens.spacingHorizontalM}`,
    border: 'none',
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
    backgroundColor: tokens.colorNeutralBackground2,
    color: tokens.colorNeutralForeground2,
    fontFamily: 'inherit',
    fontSize: tokens.fontSizeBase200,
    textAlign: 'left',
    cursor: 'pointer',
    ':hover': { backgroundColor: tokens.colorNeutralBackground2Hover },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}`, outlineOffset: '-2px' },
  },
});
