// Starts a group or a channel.
import {
  Button,
  Checkbox,
  Dialog,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogSurface,
  DialogTitle,
  Field,
  Input,
  makeStyles,
  Radio,
  RadioGroup,
  Text,
  tokens,
} from '@fluentui/react-components';
import { useId, useState } from 'react';

import type { Kind, User } from '../server';

const useStyles = makeStyles({
  form: { display: 'flex', flexDirection: 'column', gap: tokens.spacingVerticalM },
  members: { display: 'flex', flexWrap: 'wrap', margin: 0, padding: 0, border: 'none' },
});

type Props = { people: User[]; onClose(): void; onCreate(room: { kind: Kind; name?: string; members: User[] }): void };

export function RoomDialog({ people, onClose, onCreate }: Props) {
  const styles = useStyles();
  const membersId = useId();
  const [kind, setKind] = useState<Kind>('group');
  const [name, setName] = useState('');
  const [left, setLeft] = useState<string[]>([]);
  const members = people.filter(({ id }) => !left.includes(id)).map(({ id, name }) => ({ id, name }));
  return (
    <Dialog open onOpenChange={(_, { open }) => open || onClose()}>
      <DialogSurface>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            onCreate({ kind, name: name.trim() || (kind === 'group' ? 'Group' : 'General'), members });
            onClose();
          }}
        >
          <DialogBody>
            <DialogTitle>New conversation</DialogTitle>
            <DialogContent className={styles.form}>
              <RadioGroup aria-label="Kind" value={kind} onChange={(_, { value }) => setKind(value as Kind)}>
                <Radio value="group" label="Group: one conversation of several people and the bot" />
                <Radio value="channel" label="Channel: posts, each with a thread of replies" />
              </RadioGroup>
              <Field label="Name">
                <Input value={name} maxLength={64} placeholder={kind === 'group' ? 'Group' : 'General'} onChange={(_, { value }) => setName(value)} />
              </Field>
              <fieldset className={styles.members} aria-labelledby={membersId}>
                <Text id={membersId} block>
                  Members
                </Text>
                <div>
                  {people.map(({ id, name }) => (
                    <Checkbox
                      key={id}
                      label={name}
                      checked={!left.includes(id)}
                      onChange={(_, { checked }) => setLeft(checked ? left.filter((other) => other !== id) : [...left, id])}
                    />
                  ))}
                </div>
              </fieldset>
            </DialogContent>
            <DialogActions>
              <Button onClick={onClose}>Cancel</Button>
              <Button type="submit" appearance="primary" disabled={members.length === 0}>
                Create
              </Button>
            </DialogActions>
          </DialogBody>
        </form>
      </DialogSurface>
    </Dialog>
  );
}
