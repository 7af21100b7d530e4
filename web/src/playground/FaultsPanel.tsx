// Makes the channel misbehave on purpose, to see what the engine and the bot do about it.
import {
  Button,
  Checkbox,
  Field,
  Input,
  makeStyles,
  MessageBar,
  MessageBarActions,
  MessageBarBody,
  Select,
  SpinButton,
  Text,
  tokens,
} from '@fluentui/react-components';
import { DismissRegular } from '@fluentui/react-icons';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';

import { type Fault, listFaults, type Operation, setFaults } from '../server';
import { type Page, usePage } from './page';
import { usePanelStyles } from './panel';

const key = ['faults'];

/** The faults that are active, and a way to change them. */
export function useFaults() {
  const queries = useQueryClient();
  const { data: faults = [] } = useQuery({ queryKey: key, queryFn: listFaults, refetchInterval: 1000 });
  const change = async (faults: Fault[]) => {
    await setFaults(faults);
    await queries.invalidateQueries({ queryKey: key });
  };
  return { faults, change };
}

type Kind = { title: string; fault: Pick<Fault, 'kind' | 'status' | 'code' | 'message'>; codes?: string[] };

const kinds: Record<string, Kind> = {
  limit: { title: 'Too many requests (429)', fault: { kind: 'status', status: 429 } },
  forbidden: {
    title: 'Forbidden (403)',
    fault: { kind: 'status', status: 403 },
    codes: ['BotNotInConversationRoster', 'MessageWritesBlocked', 'ConversationBlockedByUser', 'BotDisabledByAdmin', 'Forbidden'],
  },
  missing: {
    title: 'Not found (404)',
    fault: { kind: 'status', status: 404 },
    codes: ['ConversationNotFound', 'ActivityNotFoundInConversation'],
  },
  internal: { title: 'Server error (500)', fault: { kind: 'status', status: 500 } },
  gateway: { title: 'Bad gateway (502)', fault: { kind: 'status', status: 502 } },
  unavailable: { title: 'Unavailable (503)', fault: { kind: 'status', status: 503 } },
  timeout: { title: 'Gateway timeout (504)', fault: { kind: 'status', status: 504 } },
  slow: { title: 'Slow answers', fault: { kind: 'slow' } },
  outage: { title: 'Outage: nothing answers', fault: { kind: 'outage' } },
  lost: { title: 'The answer is lost, after the message arrived', fault: { kind: 'lost_answer' } },
};

const operations: { value: Operation; label: string }[] = [
  { value: 'send', label: 'send' },
  { value: 'update', label: 'update' },
  { value: 'delete', label: 'delete' },
  { value: 'create', label: 'create conversation' },
  { value: 'members', label: 'read members' },
];

const useStyles = makeStyles({
  on: { display: 'flex', flexWrap: 'wrap' },
  set: { margin: 0, padding: 0, border: 'none' },
  item: { display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalS },
});

export function FaultsPanel() {
  const panel = usePanelStyles();
  const styles = useStyles();
  const page = usePage();
  const { faults, change } = useFaults();
  const onId = useId();
  const [kind, setKind] = useState('limit');
  const [code, setCode] = useState('');
  const [seconds, setSeconds] = useState(10);
  const [delay, setDelay] = useState(3000);
  const [times, setTimes] = useState('');
  const [conversation, setConversation] = useState('');
  const [on, setOn] = useState<Operation[]>(['send']);

  const chosen = kinds[kind]!;
  const codes = chosen.codes ?? [];
  const { status } = chosen.fault;
  const waits = status === 429 || status === 503;
  const start = () => {
    const fault: Fault = {
      ...chosen.fault,
      on,
      ...(codes.length > 0 && { code: codes.includes(code) ? code : codes[0] }),
      ...(waits && { retry_after_s: seconds }),
      ...(chosen.fault.kind === 'slow' && { delay_ms: delay }),
      ...(conversation && { conversation }),
      ...(times && { remaining: Number(times) }),
    };
    return page.act(() => change([...faults, fault]));
  };

  return (
    <section className={panel.panel} aria-label="Faults">
      <div className={panel.scroll} tabIndex={0} role="group" aria-label="Faults, to scroll">
        <form
          className={panel.form}
          onSubmit={(event) => {
            event.preventDefault();
            void start();
          }}
        >
          <Field label="What the channel does">
            <Select value={kind} onChange={(_, { value }) => setKind(value)}>
              {Object.entries(kinds).map(([value, { title }]) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </Select>
          </Field>
          {codes.length > 0 && (
            <Field label="With the code">
              <Select value={codes.includes(code) ? code : codes[0]} onChange={(_, { value }) => setCode(value)}>
                {codes.map((code) => (
                  <option key={code}>{code}</option>
                ))}
              </Select>
            </Field>
          )}
          <div className={panel.row}>
            {waits && (
              <Field label="Retry-After, seconds" className={panel.grow}>
                <SpinButton value={seconds} min={0} max={3600} onChange={(_, data) => setSeconds(numberOf(data, seconds))} />
              </Field>
            )}
            {chosen.fault.kind === 'slow' && (
              <Field label="Delay, milliseconds" className={panel.grow}>
                <SpinButton value={delay} min={100} max={60_000} step={500} onChange={(_, data) => setDelay(numberOf(data, delay))} />
              </Field>
            )}
            <Field label="How many times" className={panel.grow}>
              <Input
                inputMode="numeric"
                pattern="[1-9][0-9]{0,5}"
                title="A number from 1, or nothing"
                placeholder="until stopped"
                value={times}
                onChange={(_, { value }) => setTimes(value)}
              />
            </Field>
          </div>
          <Field label="Where">
            <Select value={conversation} onChange={(_, { value }) => setConversation(value)}>
              <option value="">All conversations</option>
              {page.places.map(({ conversation, title }) => (
                <option key={conversation} value={conversation}>
                  {title}
                </option>
              ))}
            </Select>
          </Field>
          <fieldset className={styles.set} aria-labelledby={onId}>
            <Text id={onId}>Which calls</Text>
            <div className={styles.on}>
              {operations.map(({ value, label }) => (
                <Checkbox
                  key={value}
                  label={label}
                  checked={on.includes(value)}
                  onChange={(_, { checked }) => setOn(checked ? [...on, value] : on.filter((other) => other !== value))}
                />
              ))}
            </div>
          </fieldset>
          <Button type="submit" appearance="primary" disabled={on.length === 0}>
            Start this fault
          </Button>
        </form>
        <h3 className={panel.heading}>Active now</h3>
        {faults.length === 0 ? (
          <Text className={panel.empty}>The channel behaves.</Text>
        ) : (
          <ul className={panel.list} aria-label="Active faults">
            {faults.map((fault, index) => (
              <li key={fault.id ?? index} className={panel.item}>
                <div className={styles.item}>
                  <span className={panel.grow}>{describe(fault, page)}</span>
                  <Button
                    size="small"
                    icon={<DismissRegular />}
                    aria-label={`Stop: ${describe(fault, page)}`}
                    onClick={() => page.act(() => change(faults.filter((other) => other !== fault)))}
                  >
                    Stop
                  </Button>
                </div>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

/** Tells, wherever on the page one is, that the channel misbehaves on purpose. */
export function FaultsBanner() {
  const page = usePage();
  const { faults, change } = useFaults();
  return (
    <div role="status">
      {faults.length > 0 && (
        <MessageBar intent="warning" shape="square">
          <MessageBarBody>
            <strong>The channel misbehaves on purpose.</strong> {faults.map((fault) => describe(fault, page)).join('; ')}.
          </MessageBarBody>
          <MessageBarActions>
            <Button size="small" onClick={() => page.act(() => change([]))}>
              Stop all faults
            </Button>
          </MessageBarActions>
        </MessageBar>
      )}
    </div>
  );
}

function describe(fault: Fault, { placeOf }: Page): string {
  const where = fault.conversation ? `in ${placeOf(fault.conversation)}` : 'everywhere';
  const left = fault.remaining === undefined ? '' : `, ${fault.remaining} left`;
  return `${what(fault)}, on ${fault.on.join(' and ')}, ${where}${left}`;
}

function what({ kind, status, code, retry_after_s, delay_ms }: Fault): string {
  switch (kind) {
    case 'slow':
      return `Answers take ${delay_ms} ms`;
    case 'outage':
      return 'Nothing answers';
    case 'lost_answer':
      return 'Answers are lost';
    default:
      return [status, code, retry_after_s !== undefined && `Retry-After ${retry_after_s} s`].filter(Boolean).join(', ');
  }
}

function numberOf({ value, displayValue }: { value?: number | null; displayValue?: string }, before: number): number {
  const given = value ?? Number.parseInt(displayValue ?? '', 10);
  return Number.isFinite(given) ? given : before;
}
