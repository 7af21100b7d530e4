// What the bot is to say at times: once, or again and again; when it is due next, and what became of it.
import { Button, Field, Input, makeStyles, MessageBar, MessageBarBody, Select, Text, Textarea, tokens } from '@fluentui/react-components';
import { CopyRegular } from '@fluentui/react-icons';
import type { Occurrence, Schedule, ScheduleRequest, ScheduleRule } from 'headsup-client';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { explain, headsup } from '../server';
import { curl } from './curl';
import { usePage } from './page';
import { usePanelStyles } from './panel';
import { until, useNow } from './queue';
import { StateBadge } from './StateBadge';

const limit = 50;

type Form = 'cron' | 'rrule' | 'at' | 'in';

const forms: Record<Form, { title: string; label: string; example: string }> = {
  cron: { title: 'Again and again (cron)', label: 'Cron expression', example: '30 9 * * MON-FRI' },
  rrule: { title: 'Again and again (RRULE)', label: 'Recurrence rule', example: 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=30' },
  at: { title: 'Once, at a time', label: 'Local time', example: '2030-01-01T09:00' },
  in: { title: 'Once, after a while', label: 'After', example: '10m' },
};

const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

const useStyles = makeStyles({
  buttons: { display: 'flex', flexWrap: 'wrap', gap: tokens.spacingHorizontalXS, paddingTop: tokens.spacingVerticalXS },
  end: { marginLeft: 'auto' },
  times: { margin: 0, padding: `${tokens.spacingVerticalXS} 0 0 ${tokens.spacingHorizontalL}` },
});

export function SchedulesPanel() {
  const panel = usePanelStyles();
  const { data, error } = useQuery({
    queryKey: ['schedules'],
    queryFn: async () => (await headsup.get('/v1/schedules', { params: { query: { limit } } })).schedules,
    refetchInterval: 1000,
  });
  const [making, setMaking] = useState(false);
  const schedules = data ?? [];
  const now = useNow(schedules.some(({ next }) => next));

  return (
    <section className={panel.panel} aria-label="Schedules">
      <div className={panel.bar}>
        <Text size={200} role="status" className={panel.grow}>
          {schedules.length === 0 ? 'No schedules' : `${schedules.filter(({ state }) => state === 'active').length} active`}
        </Text>
        <Button size="small" aria-expanded={making} onClick={() => setMaking(!making)}>
          New schedule
        </Button>
      </div>
      {error && (
        <MessageBar intent="error">
          <MessageBarBody>{error.message}</MessageBarBody>
        </MessageBar>
      )}
      <div className={panel.scroll} tabIndex={0} role="group" aria-label="Schedules, to scroll">
        {making && <NewSchedule onDone={() => setMaking(false)} />}
        {schedules.length === 0 && !making && (
          <Text className={panel.empty}>What the bot is to say every morning, or on everybody's own clock, stands here.</Text>
        )}
        <ul className={panel.list} aria-label="All schedules">
          {schedules.map((schedule) => (
            <Row key={schedule.id} schedule={schedule} now={now} />
          ))}
        </ul>
        {schedules.length === limit && <Text className={panel.empty}>The newest {limit} are shown.</Text>}
      </div>
    </section>
  );
}

function Row({ schedule, now }: { schedule: Schedule; now: number }) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const { act } = usePage();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const { id, state, next, rule } = schedule;
  const name = schedule.name || told(schedule);
  const path = { params: { path: { id } } };
  const doing = (work: () => Promise<unknown>, done: string) =>
    act(async () => {
      await work();
      await queries.invalidateQueries({ queryKey: ['schedules'] });
    }, done);

  return (
    <li className={panel.item}>
      <div className={panel.facts}>
        <StateBadge state={state} />
        <span>{name}</span>
        <span className={styles.end}>{next ? `in ${until(next.at, now)}` : state === 'ended' ? 'over' : ''}</span>
      </div>
      <div className={panel.text}>{told(schedule)}</div>
      <div>
        <span className={panel.mono}>{written(rule)}</span> {rule.zone === 'recipient' ? "on each recipient's clock" : rule.zone}
        {next && `, next ${shown(next.local)} ${next.zone}`}
        {schedule.zones > 1 && ` (of ${schedule.zones} zones)`}
      </div>
      <div className={styles.buttons}>
        {state === 'active' && (
          <Button size="small" aria-label={`Pause: ${name}`} onClick={() => doing(() => headsup.post('/v1/schedules/{id}/pause', path), 'Paused')}>
            Pause
          </Button>
        )}
        {state === 'paused' && (
          <Button size="small" aria-label={`Resume: ${name}`} onClick={() => doing(() => headsup.post('/v1/schedules/{id}/resume', path), 'Resumed')}>
            Resume
          </Button>
        )}
        <Button
          size="small"
          aria-label={`Delete: ${name}`}
          onClick={() => doing(() => headsup.delete('/v1/schedules/{id}', { params: { path: { id }, query: { cancel: true } } }), 'Deleted')}
        >
          Delete
        </Button>
        <Button size="small" appearance="subtle" aria-expanded={open} aria-label={`History: ${name}`} onClick={() => setOpen(!open)}>
          History ({schedule.occurrences})
        </Button>
      </div>
      {open && <History id={id} />}
    </li>
  );
}

function History({ id }: { id: string }) {
  const styles = useStyles();
  const { data = [] } = useQuery({
    queryKey: ['schedules', id, 'occurrences'],
    queryFn: async () =>
      (await headsup.get('/v1/schedules/{id}/occurrences', { params: { path: { id }, query: { limit: 20 } } })).occurrences,
    refetchInterval: 1000,
  });
  if (data.length === 0) return <div>It has told nothing yet.</div>;
  return (
    <ol className={styles.times} reversed start={data[0]?.number}>
      {data.map((occurrence) => (
        <li key={occurrence.number}>{became(occurrence)}</li>
      ))}
    </ol>
  );
}

function became({ local, zone, state, reason, others, late_ms, notification }: Occurrence): string {
  const why = reason ? ` (${reason}${others ? `, with ${others} others` : ''})` : '';
  const late = late_ms >= 1000 ? `, ${Math.round(late_ms / 1000)} s late` : '';
  return `${shown(local)} ${zone}: ${state}${why}${late}${notification ? `, ${notification}` : ''}`;
}

function NewSchedule({ onDone }: { onDone(): void }) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const page = usePage();
  const queries = useQueryClient();
  const [form, setForm] = useState<Form>('cron');
  const [drafts, setDrafts] = useState<Partial<Record<Form, string>>>({});
  const [zone, setZone] = useState(ownZone);
  const [to, setTo] = useState('everyone');
  const [name, setName] = useState('');
  const [text, setText] = useState('Time for the stand-up.');
  const [missed, setMissed] = useState<NonNullable<ScheduleRequest['missed']>>('fire_late');
  const [problem, setProblem] = useState<string>();

  const draft = drafts[form] ?? forms[form].example;
  const rule: ScheduleRule = { [form]: draft, zone };
  const request: ScheduleRequest = {
    ...(name && { name }),
    rule,
    notification: { to: to === 'everyone' ? { everyone: true } : { user: to }, text },
    missed,
  };
  const { data: preview, error } = useQuery({
    queryKey: ['schedule-preview', rule],
    queryFn: () => headsup.post('/v1/schedule-preview', { body: { rule, n: 3 } }),
    retry: false,
  });
  const create = async () => {
    try {
      setProblem(undefined);
      await headsup.post('/v1/schedules', { body: request });
      await queries.invalidateQueries({ queryKey: ['schedules'] });
      page.say('Scheduled', 'success');
      onDone();
    } catch (error) {
      setProblem(explain(error));
    }
  };
  const copy = () =>
    page.copy(
      curl({ method: 'POST', url: `${location.origin}/v1/schedules`, headers: { 'Content-Type': 'application/json' }, body: request }),
    );

  return (
    <form
      className={panel.form}
      aria-label="New schedule"
      onSubmit={(event) => {
        event.preventDefault();
        void create();
      }}
    >
      <div className={panel.row}>
        <Field label="When" className={panel.grow}>
          <Select value={form} onChange={(_, { value }) => setForm(value as Form)}>
            {Object.entries(forms).map(([value, { title }]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </Select>
        </Field>
        <Field label={forms[form].label} className={panel.grow}>
          <Input value={draft} onChange={(_, { value }) => setDrafts({ ...drafts, [form]: value })} />
        </Field>
      </div>
      <div className={panel.row}>
        <Field label="Time zone, or recipient" className={panel.grow}>
          <Input value={zone} onChange={(_, { value }) => setZone(value)} />
        </Field>
        <Field label="If it was missed" className={panel.grow}>
          <Select value={missed} onChange={(_, { value }) => setMissed(value as typeof missed)}>
            <option value="fire_late">Tell it late</option>
            <option value="skip">Skip it</option>
            <option value="coalesce">Tell one for all</option>
          </Select>
        </Field>
      </div>
      <div role="status">
        {error ? (
          <MessageBar intent="warning" layout="multiline">
            <MessageBarBody>{explain(error)}</MessageBarBody>
          </MessageBar>
        ) : (
          <>
            <Text size={200}>{preview && preview.next.length === 0 ? 'It is never due.' : 'It is due'}</Text>
            <ol className={styles.times} aria-label="Preview">
              {preview?.next.map(({ at, local, zone }) => (
                <li key={at}>
                  {shown(local)} {zone}
                </li>
              ))}
            </ol>
          </>
        )}
      </div>
      <div className={panel.row}>
        <Field label="To" className={panel.grow}>
          <Select value={to} onChange={(_, { value }) => setTo(value)}>
            <option value="everyone">Everyone the bot knows then</option>
            {page.people
              .filter(({ client }) => client === 1)
              .map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
          </Select>
        </Field>
        <Field label="Name" className={panel.grow}>
          <Input value={name} onChange={(_, { value }) => setName(value)} />
        </Field>
      </div>
      <Field label="Text">
        <Textarea rows={2} resize="vertical" value={text} onChange={(_, { value }) => setText(value)} />
      </Field>
      <div className={styles.buttons}>
        <Button type="submit" appearance="primary">
          Schedule
        </Button>
        <Button icon={<CopyRegular />} onClick={copy}>
          Copy as curl
        </Button>
      </div>
      {problem && (
        <MessageBar intent="error" layout="multiline">
          <MessageBarBody>{problem}</MessageBarBody>
        </MessageBar>
      )}
    </form>
  );
}

/** What a schedule says, in a few words. */
function told({ notification: { text, markdown, summary, card } }: Schedule): string {
  return text ?? markdown ?? summary ?? (card ? 'a card' : 'an activity');
}

function written({ at, cron, rrule }: ScheduleRule): string {
  return cron ?? rrule ?? `at ${at}`;
}

/** A local time without its offset, which the zone's name tells better. */
function shown(local: string): string {
  return local.replace(/(Z|[+-]\d\d:\d\d)$/, '').replace('T', ' ');
}
