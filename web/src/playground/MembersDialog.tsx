// Who is in a conversation: adds and removes people, and the bot itself.
import {
  Avatar,
  Button,
  Dialog,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogSurface,
  DialogTitle,
  DialogTrigger,
  makeStyles,
  Text,
  tokens,
} from '@fluentui/react-components';

import { addMembers, install, removeMember, type Room, uninstall, type User } from '../server';
import { usePage } from './page';
import { usersOf } from './people';

const useStyles = makeStyles({
  list: { margin: 0, padding: 0, listStyleType: 'none' },
  item: { display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalS, padding: `${tokens.spacingVerticalXS} 0` },
  grow: { flexGrow: 1 },
  note: { display: 'block', paddingTop: tokens.spacingVerticalM, color: tokens.colorNeutralForeground3 },
});

type Props = { room: Room; title: string; onClose(): void; onChanged(): void };

export function MembersDialog({ room, title, onClose, onChanged }: Props) {
  const styles = useStyles();
  const { people, setup, nameOf, act } = usePage();
  const users = usersOf(people);
  const gone = room.members.filter(({ id }) => !users.some((user) => user.id === id));
  const everybody: User[] = [...users, ...gone];
  const isIn = (id: string) => room.members.some((member) => member.id === id);
  const several = room.kind !== 'personal';
  const run = (work: () => Promise<unknown>, done: string) => act(work, done).then(onChanged);
  const bot = setup?.bot.name ?? 'The bot';

  return (
    <Dialog open onOpenChange={(_, { open }) => open || onClose()}>
      <DialogSurface>
        <DialogBody>
          <DialogTitle>Members of {title}</DialogTitle>
          <DialogContent>
            <ul className={styles.list}>
              <li className={styles.item}>
                <Avatar name={bot} shape="square" aria-hidden size={28} />
                <Text className={styles.grow}>{bot}, the bot</Text>
                {room.installed ? (
                  <Button size="small" onClick={() => run(() => uninstall(room.id), `${bot} was uninstalled`)}>
                    Uninstall {bot}
                  </Button>
                ) : (
                  <Button size="small" onClick={() => run(() => install(room.id), `${bot} was installed`)}>
                    Install {bot}
                  </Button>
                )}
              </li>
              {everybody
                .filter(({ id }) => several || isIn(id))
                .map(({ id, name }) => (
                  <li key={id} className={styles.item}>
                    <Avatar name={name} aria-hidden size={28} color={people.find((person) => person.id === id)?.color ?? 'neutral'} />
                    <Text className={styles.grow}>{name || nameOf(id)}</Text>
                    {several && isIn(id) && (
                      <Button size="small" onClick={() => run(() => removeMember(room.id, id), `${name} was removed`)}>
                        Remove {name}
                      </Button>
                    )}
                    {several && !isIn(id) && (
                      <Button size="small" onClick={() => run(() => addMembers(room.id, [{ id, name }]), `${name} was added`)}>
                        Add {name}
                      </Button>
                    )}
                  </li>
                ))}
            </ul>
            <Text size={200} className={styles.note}>
              The bot hears of each change, as it would from a real channel.
            </Text>
          </DialogContent>
          <DialogActions>
            <DialogTrigger disableButtonEnhancement>
              <Button>Close</Button>
            </DialogTrigger>
          </DialogActions>
        </DialogBody>
      </DialogSurface>
    </Dialog>
  );
}
