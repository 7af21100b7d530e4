// How the page looks: Fluent's Teams themes, and the same colours for Web Chat, which knows nothing of Fluent.
import { teamsDarkTheme, teamsLightTheme, type Theme } from '@fluentui/react-components';
import { useSyncExternalStore } from 'react';

import type { Color } from './people';

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = matchMedia(query);
      list.addEventListener('change', changed);
      return () => list.removeEventListener('change', changed);
    },
    () => matchMedia(query).matches,
  );
}

export type Scheme = 'system' | 'light' | 'dark';

const schemeKey = 'headsup.scheme';
const schemeListeners = new Set<() => void>();

/** Which colours the page was told to have. */
export function useScheme(): Scheme {
  return useSyncExternalStore((changed) => {
    schemeListeners.add(changed);
    return () => schemeListeners.delete(changed);
  }, readScheme);
}

export function setScheme(scheme: Scheme): void {
  localStorage.setItem(schemeKey, scheme);
  for (const changed of schemeListeners) changed();
}

function readScheme(): Scheme {
  const kept = localStorage.getItem(schemeKey);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

/** The theme that the person chose, or their system asks for. */
export function useTheme(): Theme {
  const system = useMedia('(prefers-color-scheme: dark)');
  const scheme = useScheme();
  const dark = scheme === 'system' ? system : scheme === 'dark';
  return dark ? teamsDarkTheme : teamsLightTheme;
}

/** What a theme is called in CSS: the browser draws its own controls and scroll bars accordingly. */
export function cssScheme(theme: Theme): 'light' | 'dark' {
  return theme === teamsDarkTheme ? 'dark' : 'light';
}

/** The colour of a person's name on the page. */
export function nameColor(theme: Theme, color: Color): string {
  const name = `colorPalette${color[0]!.toUpperCase()}${color.slice(1)}Foreground2` as keyof Theme;
  return String(theme[name]);
}

/** Web Chat's style options in the colours of a theme. */
export function chatLook(theme: Theme): Record<string, unknown> {
  const fromBot = theme === teamsDarkTheme ? theme.colorNeutralBackground1Hover : theme.colorNeutralBackground3;
  const fromUser = theme === teamsDarkTheme ? '#2f3163' : theme.colorBrandBackground2;
  return {
    accent: theme.colorBrandForeground1,
    backgroundColor: theme.colorNeutralBackground1,
    subtle: theme.colorNeutralForeground3,
    primaryFont: theme.fontFamilyBase,
    monospaceFont: theme.fontFamilyMonospace,
    fontSizeSmall: '85%',

    bubbleBackground: fromBot,
    bubbleTextColor: theme.colorNeutralForeground1,
    bubbleBorderColor: 'transparent',
    bubbleBorderWidth: 0,
    bubbleBorderRadius: 8,
    bubbleFromUserBackground: fromUser,
    bubbleFromUserTextColor: theme.colorNeutralForeground1,
    bubbleFromUserBorderColor: 'transparent',
    bubbleFromUserBorderWidth: 0,
    bubbleFromUserBorderRadius: 8,
    bubbleMinHeight: 32,
    bubbleMaxWidth: 420,
    bubbleMinWidth: 40,
    paddingRegular: 8,

    timestampColor: theme.colorNeutralForeground3,
    groupTimestamp: 60_000,
    markdownRespectCRLF: true,
    markdownRenderHTML: false, // tags in Markdown are text
    cardEmphasisBackgroundColor: theme.colorNeutralBackground3,
    cleanupCard: true,
    messageActivityWordBreak: 'break-word',

    sendBoxBackground: theme.colorNeutralBackground1,
    sendBoxBorderTop: `1px solid ${theme.colorNeutralStroke2}`,
    sendBoxTextColor: theme.colorNeutralForeground1,
    sendBoxPlaceholderColor: theme.colorNeutralForeground3,
    sendBoxButtonColor: theme.colorNeutralForeground2,
    sendBoxButtonColorOnHover: theme.colorBrandForeground1,
    sendBoxButtonColorOnFocus: theme.colorBrandForeground1,
    sendBoxButtonColorOnActive: theme.colorBrandForeground1,
    sendBoxButtonShadeColorOnHover: theme.colorNeutralBackground3,
    sendBoxButtonShadeColorOnActive: theme.colorNeutralBackground4,
    sendBoxHeight: 44,

    suggestedActionTextColor: theme.colorBrandForeground1,
    suggestedActionBorderColor: theme.colorBrandStroke1,
    suggestedActionBackgroundColor: theme.colorNeutralBackground1,
    suggestedActionBackgroundColorOnHover: theme.colorNeutralBackground3,
    suggestedActionBorderRadius: 16,
    suggestedActionHeight: 32,
    suggestedActionLayout: 'flow',

    toastInfoBackgroundColor: theme.colorNeutralBackground3,
    toastInfoColor: theme.colorNeutralForeground1,
    toastErrorBackgroundColor: theme.colorStatusDangerBackground1,
    toastErrorColor: theme.colorStatusDangerForeground1,
    toastWarnBackgroundColor: theme.colorStatusWarningBackground1,
    toastWarnColor: theme.colorStatusWarningForeground1,
    connectivityTextSize: '85%',
    notificationText: theme.colorNeutralForeground2,
    failedConnectivity: theme.colorStatusDangerForeground1,
    slowConnectivity: theme.colorStatusWarningForeground1,
    newMessagesButtonColor: theme.colorNeutralForegroundOnBrand,
    scrollToEndButtonBehavior: 'unread',
  };
}
