// Makes the bot say something of its own accord, and shows the request and what the server answered.
import { Button, Field, makeStyles, MessageBar, MessageBarBody, Select, Switch, Textarea, tokens, Link } from '@fluentui/react-components';
import { CopyRegular } from '@fluentui/react-icons';
import type { Notification, NotificationRequest } from 'headsup-client';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { explain, headsup } from '../server';
import { curl } from './curl';
import { usePage } from './page';
import { usePanelStyles } from './panel';
import { StateBadge } from './StateBadge';

type Kind = 'text' | 'markdown' | 'card' | 'activity';

const kinds: Record<Kind, { title: string; label: string; example: string }> = {
  text: { title: 'Text', label: 'Text', example: 'Heads up! Your build is done.' },
  markdown: { title: 'Markdown', label: 'Markdown', example: '**Build 7** is done:\n\n- 214 tests passed\n- [see the report](https://example.com/)' },
  card: {
    title: 'Adaptive Card',
    label: 'Adaptive Card as JSON',
    example: JSON.stringify(
      {
        type: 'AdaptiveCard',
        version: '1.4',
        body: [
          { type: 'TextBlock', text: 'Build 7', weight: 'Bolder', size: 'Medium' },
          { type: 'FactSet', facts: [{ title: 'Tests', value: '214 passed' }, { title: 'Took', value: '3 min' }] },
        ],
        actions: [{ type: 'Action.Submit', title: 'Deploy', data: { deploy: 7 } }],
      },
      null,
      2,
    ),
  },
  activity: {
    title: 'Activity',
    label: 'Activity as JSON',
    example: JSON.stringify(
      { type: 'message', text: 'Shall I go on?', suggestedActions: { actions: [{ type: 'imBack', title: 'Yes', value: 'yes' }, { type: 'imBack', title: 'No', value: 'no' }] } },
      null,
      2,
    ),
  },
};

const times = { now: 'Now', '10s': 'In 10 seconds', '1m': 'In a minute' };

const useStyles = makeStyles({
  area: { '& textarea': { fontFamily: tokens.fontFamilyMonospace, maxHeight: 'none' } },
  buttons: { display: 'flex', flexWrap: 'wrap', gap: tokens.spacingHorizontalS },
});

type Props = {
  /** Whom it is to at first: a conversation, a person as `user:ID`, or everyone. */
  to: string;
  onTo(to: string): void;
};

export function NotifyPanel({ to, onTo }: Props) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const page = usePage();
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>('text');
  const [drafts, setDrafts] = useState<Partial<Record<Kind, string>>>({});
  const [when, setWhen] = useState<keyof typeof times>('now');
  const [fresh, setFresh] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [accepted, setAccepted] = useState<Notification>();

  const draft = drafts[kind] ?? kinds[kind].example;
  const request = (): NotificationRequest => ({
    to: to === 'everyone' ? { everyone: true } : to.startsWith('user:') ? { user: to.slice(5) } : { conversation: to },
    ...content(kind, draft),
    ...(when !== 'now' && { in: when }),
    ...(fresh && { conversation: 'new' }),
  });
  const withRequest = async (work: (request: NotificationRequest) => unknown) => {
    try {
      setProblem(undefined);
      await work(request());
    } catch (error) {
      setProblem(explain(error));
    }
  };
  const send = () =>
    withRequest(async (request) => {
      setAccepted(await headsup.notify(request));
      void queries.invalidateQueries({ queryKey: ['deliveries'] });
    });
  const copy = () =>
    withRequest((request) =>
      page.copy(
        curl({
          method: 'POST',
          url: `${location.origin}/v1/notifications`,
          headers: { 'Content-Type': 'application/json' },
          body: request,
        }),
      ),
    );

  return (
    <section className={panel.panel} aria-label="Notify">
      <div className={panel.scroll} tabIndex={0} role="group" aria-label="Notify, to scroll">
        <form
          className={panel.form}
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <Field label="To">
            <Select value={to} onChange={(_, { value }) => onTo(value)}>
              <option value="everyone">Everyone the bot knows</option>
              <optgroup label="People">
                {page.people
                  .filter(({ client }) => client === 1)
                  .map(({ id, name }) => (
                    <option key={id} value={`user:${id}`}>
                      {name}
                    </option>
                  ))}
              </optgroup>
              <optgroup label="Conversations">
                {page.places.map(({ conversation, title }) => (
                  <option key={conversation} value={conversation}>
                    {title}
                  </option>
                ))}
              </optgroup>
            </Select>
          </Field>
          <div className={panel.row}>
            <Field label="As" className={panel.grow}>
              <Select value={kind} onChange={(_, { value }) => setKind(value as Kind)}>
                {Object.entries(kinds).map(([value, { title }]) => (
                  <option key={value} value={value}>
                    {title}
                  </option>
                ))}
              </Select>
            </Field>
            <Field label="When" className={panel.grow}>
              <Select value={when} onChange={(_, { value }) => setWhen(value as keyof typeof times)}>
                {Object.entries(times).map(([value, title]) => (
                  <option key={value} value={value}>
                    {title}
                  </option>
                ))}
              </Select>
            </Field>
          </div>
          <Field label={kinds[kind].label}>
            <Textarea
              className={kind === 'text' ? undefined : styles.area}
              rows={kind === 'text' ? 3 : kind === 'markdown' ? 5 : 14}
              resize="vertical"
              value={draft}
              onChange={(_, { value }) => setDrafts({ ...drafts, [kind]: value })}
            />
          </Field>
          <Switch label="In a new conversation" checked={fresh} onChange={(_, { checked }) => setFresh(checked)} />
          <div className={styles.buttons}>
            <Button type="submit" appearance="primary">
              Send
            </Button>
            <Button icon={<CopyRegular />} onClick={copy}>
              Copy as curl
            </Button>
          </div>
          <div role="status">
            {problem && (
              <MessageBar intent="error" layout="multiline">
                <MessageBarBody>{problem}</MessageBarBody>
              </MessageBar>
            )}
            {accepted && !problem && <Accepted notification={accepted} />}
          </div>
        </form>
      </div>
    </section>
  );
}

/** What became of it, as it happens. */
function Accepted({ notification }: { notification: Notification }) {
  const { data = notification } = useQuery({
    queryKey: ['notification', notification.id, 'live'],
    queryFn: () => headsup.notification(notification.id),
    refetchInterval: 1000,
  });
  const count = data.recipients ?? Object.values(data.counts).reduce((all, n) => all + n, 0);
  return (
    <MessageBar intent="success" layout="multiline">
      <MessageBarBody>
        Accepted as{' '}
        <Link inline href={`/v1/notifications/${data.id}`} target="_blank">
          {data.id}
        </Link>
        , {count} {count === 1 ? 'delivery' : 'deliveries'}: <StateBadge state={data.state} />
      </MessageBarBody>
    </MessageBar>
  );
}

function content(kind: Kind, draft: string): Pick<NotificationRequest, 'text' | 'activity'> {
  switch (kind) {
    case 'text':
      return { text: draft };
    case 'markdown':
      return { activity: { type: 'message', text: draft, textFormat: 'markdown' } };
    case 'card':
      return {
        activity: {
          type: 'message',
          attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: parse(draft, 'card') }],
        },
      };
    case 'activity':
      return { activity: parse(draft, 'activity') as NotificationRequest['activity'] };
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The ${what} is not JSON: ${(error as Error).message}`);
  }
}
