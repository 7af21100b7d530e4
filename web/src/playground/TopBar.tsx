// The bar above everything: what the page talks to, whether it is there, and what is done for all.
import {
  Badge,
  Button,
  makeStyles,
  Menu,
  MenuDivider,
  MenuGroup,
  MenuGroupHeader,
  MenuItem,
  MenuItemRadio,
  MenuList,
  MenuPopover,
  MenuTrigger,
  Tab,
  TabList,
  Text,
  tokens,
  Tooltip,
} from '@fluentui/react-components';
import { MegaphoneRegular, MoreHorizontalRegular, PeopleAddRegular, PersonAddRegular } from '@fluentui/react-icons';

import icon from '../icon.svg';
import { notifyCommand, type Setup } from '../server';
import { type Scheme, setScheme, useScheme } from './look';

/** What people talk to the bot with: the cards with Web Chat in them, or Teams. */
export type Client = 'directline' | 'teams';

type Props = {
  setup: Setup | undefined;
  connected: boolean;
  full: boolean;
  narrow: boolean;
  client: Client;
  onClient(client: Client): void;
  onAddPerson(): void;
  onNewRoom(): void;
  onNotify(): void;
  onCopy(text: string): void;
};

const useStyles = makeStyles({
  bar: {
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalL}`,
    backgroundColor: tokens.colorNeutralBackground1,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
    '@media (max-width: 699px)': { padding: tokens.spacingVerticalS, gap: tokens.spacingHorizontalS },
  },
  home: { display: 'flex', borderRadius: tokens.borderRadiusMedium },
  title: { marginRight: 'auto', display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalM, minWidth: 0 },
  row: { flexBasis: '100%' }, // by itself, below the buttons
  bot: { overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', color: tokens.colorNeutralForeground3 },
});

export function TopBar({ setup, connected, full, narrow, client, onClient, onAddPerson, onNewRoom, onNotify, onCopy }: Props) {
  const styles = useStyles();
  const scheme = useScheme();
  const clients = setup?.teams && (
    <TabList
      className={narrow ? styles.row : undefined}
      size="small"
      selectedValue={client}
      onTabSelect={(_, { value }) => onClient(value as Client)}
      aria-label="Client"
    >
      <Tab value="directline">Web Chat</Tab>
      <Tab value="teams">Teams</Tab>
    </TabList>
  );
  return (
    <header className={styles.bar}>
      <a className={styles.home} href="/" aria-label="Headsup start page">
        <img src={icon} alt="" width={28} height={28} />
      </a>
      <div className={styles.title}>
        <Text as="h1" size={narrow ? 400 : 500} weight="semibold">
          Playground
        </Text>
        <span role="status">
          {(!connected || !narrow) && (
            <Badge appearance="tint" color={connected ? 'success' : 'warning'}>
              {connected ? 'Connected' : 'Reconnecting…'}
            </Badge>
          )}
        </span>
        {setup && !narrow && (
          <Text size={200} className={styles.bot} title={setup.bot_url}>
            {setup.external ? `Bot at ${setup.bot_url}` : `Bot: ${setup.bot.name}`}
          </Text>
        )}
      </div>
      {!narrow && clients}
      {client === 'directline' && (
        <>
          <Tooltip content="Add person" relationship="label">
            <Button icon={<PersonAddRegular />} onClick={onAddPerson} disabled={full}>
              {narrow ? undefined : 'Add person'}
            </Button>
          </Tooltip>
          <Tooltip content="New group or channel" relationship="label">
            <Button icon={<PeopleAddRegular />} onClick={onNewRoom}>
              {narrow ? undefined : 'New group or channel'}
            </Button>
          </Tooltip>
        </>
      )}
      {!setup?.external && (
        <Tooltip content="Notify now" relationship="label">
          <Button appearance="primary" icon={<MegaphoneRegular />} onClick={onNotify}>
            {narrow ? undefined : 'Notify now'}
          </Button>
        </Tooltip>
      )}
      <Menu checkedValues={{ scheme: [scheme] }} onCheckedValueChange={(_, { checkedItems }) => setScheme(checkedItems[0] as Scheme)}>
        <MenuTrigger disableButtonEnhancement>
          <Button appearance="subtle" icon={<MoreHorizontalRegular />} aria-label="More" />
        </MenuTrigger>
        <MenuPopover>
          <MenuList>
            <MenuGroup>
              <MenuGroupHeader>Colours</MenuGroupHeader>
              <MenuItemRadio name="scheme" value="system">
                As the system has them
              </MenuItemRadio>
              <MenuItemRadio name="scheme" value="light">
                Light
              </MenuItemRadio>
              <MenuItemRadio name="scheme" value="dark">
                Dark
              </MenuItemRadio>
            </MenuGroup>
            <MenuDivider />
            {!setup?.external && (
              <MenuItem onClick={() => onCopy(notifyCommand())}>Copy curl that notifies everyone</MenuItem>
            )}
            <MenuItem disabled={!setup} onClick={() => setup && onCopy(setup.app_id)}>
              Copy the app id
            </MenuItem>
          </MenuList>
        </MenuPopover>
      </Menu>
      {narrow && clients}
    </header>
  );
}
