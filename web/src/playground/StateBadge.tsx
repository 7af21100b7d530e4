// A delivery's state, in words and a colour.
import { Badge, type BadgeProps, makeStyles } from '@fluentui/react-components';

const colors: Record<string, BadgeProps['color']> = {
  scheduled: 'informative',
  ready: 'brand',
  held: 'warning',
  sending: 'brand',
  delivered: 'success',
  failed: 'danger',
  unknown: 'severe',
  expired: 'subtle',
  suppressed: 'subtle',
  cancelled: 'subtle',
  recalled: 'subtle',
};

const useStyles = makeStyles({ badge: { flexShrink: 0 } });

export function StateBadge({ state }: { state: string }) {
  const styles = useStyles();
  return (
    <Badge className={styles.badge} appearance="tint" size="small" color={colors[state] ?? 'informative'} data-state={state}>
      {state}
    </Badge>
  );
}
