// Above a channel's transcript: which thread is shown and answered in.
import { Button, Label, makeStyles, Select, tokens, useId } from '@fluentui/react-components';
import { ArrowLeftRegular } from '@fluentui/react-icons';

import type { Thread } from './talk';

type Props = { threads: Thread[]; thread: string | undefined; onThread(root: string | undefined): void };

const useStyles = makeStyles({
  bar: {
    display: 'flex',
    alignItems: 'center',
    gap: tokens.spacingHorizontalS,
    padding: `${tokens.spacingVerticalXS} ${tokens.spacingHorizontalM}`,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
  },
  back: { flexShrink: 0, whiteSpace: 'nowrap' },
  select: { flexGrow: 1, minWidth: 0 },
});

export function ThreadPicker({ threads, thread, onThread }: Props) {
  const styles = useStyles();
  const id = useId('thread');
  return (
    <div className={styles.bar}>
      {thread && (
        <Button size="small" className={styles.back} icon={<ArrowLeftRegular />} onClick={() => onThread(undefined)}>
          All posts
        </Button>
      )}
      <Label htmlFor={id} size="small">
        Thread
      </Label>
      <Select
        id={id}
        size="small"
        className={styles.select}
        value={thread ?? ''}
        onChange={(_, { value }) => onThread(value || undefined)}
      >
        <option value="">All posts ({threads.length})</option>
        {threads.map(({ root, title, replies }) => (
          <option key={root} value={root}>
            {title}
            {replies > 0 ? ` (${replies})` : ''}
          </option>
        ))}
      </Select>
    </div>
  );
}
