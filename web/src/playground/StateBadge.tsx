// A delivery's state, in words and a colour.
import { Badge, type BadgeProps } from '@fluentui/react-components';

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
};

export function StateBadge({ state }: { state: string }) {
  return (
    <Badge appearance="tint" size="small" color={colors[state] ?? 'informative'} data-state={state}>
      {state}
    </Badge>
  );
}
