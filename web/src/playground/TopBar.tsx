// The bar above everything: whether the server is there, and ways to make the bot speak.
import { Badge, Button, makeStyles, Text, tokens, Tooltip } from '@fluentui/react-components';
import { CopyRegular, MegaphoneRegular, PersonAddRegular } from '@fluentui/react-icons';

import icon from '../icon.svg';
import { notifyCommand } from '../server';

type Props = {
  connected: boolean;
  full: boolean;
  narrow: boolean;
  onAddPerson(): void;
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
  },
  home: { display: 'flex', borderRadius: tokens.borderRadiusMedium },
  title: { marginRight: 'auto', display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalM },
  command: {
    display: 'flex',
    alignItems: 'center',
    minWidth: 0,
    maxWidth: '100%',
    paddingLeft: tokens.spacingHorizontalS,
    backgroundColor: tokens.colorNeutralBackground3,
    borderRadius: tokens.borderRadiusMedium,
  },
  code: {
    minWidth: 0,
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    whiteSpace: 'nowrap',
    fontFamily: tokens.fontFamilyMonospace,
    fontSize: tokens.fontSizeBase200,
  },
});

export function TopBar({ connected, full, narrow, onAddPerson, onNotify, onCopy }: Props) {
  const styles = useStyles();
  const command = notifyCommand();
  return (
    <header className={styles.bar}>
      <a className={styles.home} href="/" aria-label="Headsup start page">
        <img src={icon} alt="" width={28} height={28} />
      </a>
      <div className={styles.title}>
        <Text as="h1" size={500} weight="semibold">
          Playground
        </Text>
        <span role="status">
          {(!connected || !narrow) && (
            <Badge appearance="tint" color={connected ? 'success' : 'warning'}>
              {connected ? 'Connected' : 'Reconnecting…'}
            </Badge>
          )}
        </span>
      </div>
      {!narrow && (
        <div className={styles.command}>
          <code className={styles.code}>{command}</code>
          <Tooltip content="Copy this command" relationship="label">
            <Button appearance="subtle" size="small" icon={<CopyRegular />} onClick={() => onCopy(command)} />
          </Tooltip>
        </div>
      )}
      <Tooltip content="Add person" relationship="label">
        <Button icon={<PersonAddRegular />} onClick={onAddPerson} disabled={full}>
          {narrow ? undefined : 'Add person'}
        </Button>
      </Tooltip>
      <Button appearance="primary" icon={narrow ? undefined : <MegaphoneRegular />} onClick={onNotify}>
        Notify now
      </Button>
    </header>
  );
}
