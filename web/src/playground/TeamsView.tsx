// Microsoft Teams, as one of its people sees it: chats and channels on the left, the conversation beside them.
import { Avatar, Badge, Button, Dropdown, makeStyles, mergeClasses, Option, Spinner, Text, tokens, Tooltip } from '@fluentui/react-components';
import { AddRegular, BotRegular, ChatMultipleRegular, PeopleTeamRegular, PersonAddRegular, ProhibitedRegular } from '@fluentui/react-icons';
import { useState } from 'react';

import { usePage } from './page';
import { AddDialog, type Adding } from './TeamsDialog';
import { TeamsConversation } from './TeamsConversation';
import { type Deed, does, type Spot, spotsOf, useTenant } from './teams';

const useStyles = makeStyles({
  card: {
    display: 'flex',
    flexGrow: 1,
    minHeight: 0,
    minWidth: 0,
    overflow: 'hidden',
    backgroundColor: tokens.colorNeutralBackground1,
    borderRadius: tokens.borderRadiusXLarge,
    boxShadow: tokens.shadow4,
    '@media (max-width: 699px)': { flexDirection: 'column' },
  },
  rail: {
    display: 'flex',
    flexDirection: 'column',
    gap: tokens.spacingVerticalXS,
    width: '250px',
    flexShrink: 0,
    overflowY: 'auto',
    padding: tokens.spacingHorizontalM,
    backgroundColor: tokens.colorNeutralBackground2,
    borderRight: `1px solid ${tokens.colorNeutralStroke2}`,
    '@media (max-width: 699px)': { width: 'auto', maxHeight: '45%' },
  },
  person: { minWidth: 0, width: '100%' },
  heading: {
    display: 'flex',
    alignItems: 'center',
    justifyContent: 'space-between',
    marginTop: tokens.spacingVerticalM,
    color: tokens.colorNeutralForeground3,
  },
  spot: { justifyContent: 'flex-start', minWidth: 0, fontWeight: tokens.fontWeightRegular },
  front: { backgroundColor: tokens.colorNeutralBackground1Selected, fontWeight: tokens.fontWeightSemibold },
  name: { overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', flexGrow: 1, textAlign: 'left' },
  here: { marginLeft: 'auto', flexShrink: 0 },
  main: { display: 'flex', flexDirection: 'column', flexGrow: 1, minWidth: 0, minHeight: 0 },
  bar: {
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: tokens.spacingHorizontalM,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalL}`,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
  },
  title: { marginRight: 'auto' },
});

const icons = { personal: <BotRegular />, chat: <ChatMultipleRegular />, channel: <PeopleTeamRegular /> };

export function TeamsView() {
  const styles = useStyles();
  const { act } = usePage();
  const tenant = useTenant();
  const [who, setWho] = useState('');
  const [where, setWhere] = useState('');
  const [adding, setAdding] = useState<Adding>();
  if (!tenant) return <Spinner label="Opening Teams…" />;

  const person = tenant.people.find(({ object_id }) => object_id === who) ?? tenant.people[0]!;
  const spots = spotsOf(tenant, person);
  const spot = spots.find(({ id }) => id === where) ?? spots[0]!;
  const run = (deed: Deed, done?: string) => act(() => does({ who: person.object_id, ...deed }), done);
  const list = (kind: Spot['kind']) =>
    spots
      .filter((spot) => spot.kind === kind)
      .map(({ id, title, installed }) => (
        <Button
          key={id}
          appearance="subtle"
          icon={icons[kind]}
          className={mergeClasses(styles.spot, id === spot.id && styles.front)}
          aria-current={id === spot.id ? 'page' : undefined}
          onClick={() => setWhere(id)}
        >
          <span className={styles.name}>{title}</span>
          {installed && <Badge className={styles.here} size="extra-small" color="success" aria-label="the bot is here" />}
        </Button>
      ));
  const heading = (title: string, kind: Adding, label: string) => (
    <div className={styles.heading}>
      <Text size={200} weight="semibold">
        {title}
      </Text>
      <Tooltip content={label} relationship="label">
        <Button size="small" appearance="subtle" icon={kind === 'person' ? <PersonAddRegular /> : <AddRegular />} onClick={() => setAdding(kind)} />
      </Tooltip>
    </div>
  );

  return (
    <section className={styles.card} aria-label="Teams">
      <nav className={styles.rail} aria-label="Chats and channels">
        {heading('You are', 'person', 'Add a person to the tenant')}
        <Dropdown
          className={styles.person}
          aria-label="You are"
          value={person.name}
          selectedOptions={[person.object_id]}
          onOptionSelect={(_, { optionValue }) => setWho(optionValue ?? '')}
        >
          {tenant.people.map(({ object_id, name }) => (
            <Option key={object_id} value={object_id} text={name}>
              <Avatar size={20} name={name} color="colorful" aria-hidden /> {name}
            </Option>
          ))}
        </Dropdown>
        {heading('Chats', 'chat', 'New group chat')}
        {list('personal')}
        {list('chat')}
        {heading('Teams and channels', 'team', 'New team')}
        {list('channel')}
      </nav>
      <div className={styles.main}>
        <header className={styles.bar}>
          <Text as="h2" weight="semibold" size={400} className={styles.title}>
            {spot.title}
          </Text>
          {spot.kind === 'personal' && spot.installed && (
            <Button
              size="small"
              appearance="subtle"
              icon={<ProhibitedRegular />}
              onClick={() => run({ do: person.blocked ? 'unblock' : 'block' })}
            >
              {person.blocked ? 'Unblock the bot' : 'Block the bot'}
            </Button>
          )}
          {spot.kind === 'channel' && (
            <Button size="small" appearance="subtle" icon={<AddRegular />} onClick={() => setAdding('channel')}>
              Channel
            </Button>
          )}
          {spot.installed ? (
            <Button size="small" onClick={() => run({ do: 'uninstall', where: spot.place }, 'The app was removed')}>
              Remove the app
            </Button>
          ) : (
            <Button size="small" appearance="primary" onClick={() => run({ do: 'install', where: spot.place }, 'The app was installed')}>
              {spot.kind === 'personal' ? 'Install the app' : spot.kind === 'channel' ? 'Add to the team' : 'Add to the chat'}
            </Button>
          )}
        </header>
        <TeamsConversation key={`${spot.id} ${person.object_id}`} tenant={tenant} person={person} spot={spot} />
      </div>
      {adding && (
        <AddDialog
          kind={adding}
          people={tenant.people}
          onClose={() => setAdding(undefined)}
          onAdd={(name, members) =>
            act(async () => {
              const id = await does({ do: `add_${adding}`, name, members, where: spot.place });
              if (adding === 'person') setWho(id);
              else setWhere(id);
            })
          }
        />
      )}
    </section>
  );
}
