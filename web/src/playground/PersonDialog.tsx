// Changes a person's name and colour.
import {
  Button,
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
  tokens,
} from '@fluentui/react-components';
import { useState } from 'react';

import { type Color, colors, type Person } from './people';

const useStyles = makeStyles({
  form: { display: 'flex', flexDirection: 'column', gap: tokens.spacingVerticalM },
  colors: { display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(8rem, 1fr))' },
});

type Props = { person: Person; onClose(): void; onChange(name: string, color: Color): void };

export function PersonDialog({ person, onClose, onChange }: Props) {
  const styles = useStyles();
  const [name, setName] = useState(person.name);
  const [color, setColor] = useState(person.color);
  return (
    <Dialog open onOpenChange={(_, { open }) => open || onClose()}>
      <DialogSurface>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            onChange(name.trim(), color);
            onClose();
          }}
        >
          <DialogBody>
            <DialogTitle>Change {person.name}</DialogTitle>
            <DialogContent className={styles.form}>
              <Field label="Name" hint="The bot hears the new name from the next message on.">
                <Input value={name} maxLength={64} onChange={(_, { value }) => setName(value)} />
              </Field>
              <Field label="Colour">
                <RadioGroup className={styles.colors} value={color} onChange={(_, { value }) => setColor(value as Color)}>
                  {colors.map((color) => (
                    <Radio key={color} value={color} label={color} />
                  ))}
                </RadioGroup>
              </Field>
            </DialogContent>
            <DialogActions>
              <Button onClick={onClose}>Cancel</Button>
              <Button type="submit" appearance="primary" disabled={name.trim() === ''}>
                Save
              </Button>
            </DialogActions>
          </DialogBody>
        </form>
      </DialogSurface>
    </Dialog>
  );
}
