// Adds a person, a group chat, a team or a channel to the tenant.
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
  Text,
  tokens,
} from '@fluentui/react-components';
import { useId, useState } from 'react';

import type { Person } from './teams';

export type Adding = 'person' | 'chat' | 'team' | 'channel';

const titles = { person: 'New person', chat: 'New group chat', team: 'New team', channel: 'New channel' };

const useStyles = makeStyles({
  form: { display: 'flex', flexDirection: 'column', gap: tokens.spacingVerticalM },
  members: { margin: 0, padding: 0, border: 'none' },
});

type Props = { kind: Adding; people: Person[]; onClose(): void; onAdd(name: string, members?: string[]): void };

export function AddDialog({ kind, people, onClose, onAdd }: Props) {
  const styles = useStyles();
  const membersId = useId();
  const [name, setName] = useState('');
  const [left, setLeft] = useState<string[]>([]);
  const members = people.map(({ object_id }) => object_id).filter((id) => !left.includes(id));
  const crowd = kind === 'chat' || kind === 'team';
  return (
    <Dialog open onOpenChange={(_, { open }) => open || onClose()}>
      <DialogSurface>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            onAdd(name.trim(), crowd ? members : undefined);
            onClose();
          }}
        >
          <DialogBody>
            <DialogTitle>{titles[kind]}</DialogTitle>
            <DialogContent className={styles.form}>
              <Field label="Name">
                <Input value={name} maxLength={64} onChange={(_, { value }) => setName(value)} />
              </Field>
              {crowd && (
                <fieldset className={styles.members} aria-labelledby={membersId}>
                  <Text id={membersId} block>
                    Members
                  </Text>
                  {people.map(({ object_id: id, name }) => (
                    <Checkbox
                      key={id}
                      label={name}
                      checked={!left.includes(id)}
                      onChange={(_, { checked }) => setLeft(checked ? left.filter((other) => other !== id) : [...left, id])}
                    />
                  ))}
                </fieldset>
              )}
            </DialogContent>
            <DialogActions>
              <Button onClick={onClose}>Cancel</Button>
              <Button type="submit" appearance="primary" disabled={name.trim() === '' || (crowd && members.length === 0)}>
                Add
              </Button>
            </DialogActions>
          </DialogBody>
        </form>
      </DialogSurface>
    </Dialog>
  );
}
