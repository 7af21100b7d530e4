// How hosts of Adaptive Cards draw them: the configurations that Microsoft publishes for Teams, and what Web Chat makes by itself.

type Colours = Record<'default' | 'dark' | 'light' | 'accent' | 'good' | 'warning' | 'attention', [plain: string, subtle: string]>;
type Host = { background: string; emphasis: string; font: string; colours: Colours; filled: Colours };

const styles = { accent: '#C7DEF9', good: '#CCFFCC', attention: '#FFC5B2', warning: '#FFE2B2' };

const teamsFont = "'Segoe UI', Tahoma, Geneva, Verdana, sans-serif";

const onLight: Colours = {
  default: ['#252424', '#bf252424'],
  dark: ['#252424', '#bf252424'],
  light: ['#ffffff', '#f3f2f1'],
  accent: ['#6264a7', '#8b8cc7'],
  good: ['#92c353', '#e592c353'],
  warning: ['#f8d22a', '#e5f8d22a'],
  attention: ['#c4314b', '#e5c4314b'],
};

const onDark: Colours = {
  default: ['#ffffff', '#bfffffff'],
  dark: ['#201f1f', '#2d2c2c'],
  light: ['#ffffff', '#bfffffff'],
  accent: ['#a6a7dc', '#8b8cc7'],
  good: ['#92c353', '#e592c353'],
  warning: ['#f8d22a', '#e5f8d22a'],
  attention: ['#d74654', '#e5d74654'],
};

/** Filled containers are bright in both. */
const onFilled: Colours = { ...onDark, default: ['#201f1f', '#2d2c2c'] };

const teams: Record<'light' | 'dark', Host> = {
  light: { background: '#ffffff', emphasis: '#f9f8f7', font: teamsFont, colours: onLight, filled: onLight },
  dark: { background: '#2d2c2c', emphasis: '#292828', font: teamsFont, colours: onDark, filled: onFilled },
};

const webchat: Record<'light' | 'dark', Host> = {
  light: {
    background: '#ffffff', emphasis: '#f0f0f0', font: "'Segoe UI', system-ui, sans-serif", filled: onLight,
    colours: {
      default: ['#242424', '#616161'], dark: ['#000000', '#66000000'], light: ['#ffffff', '#33000000'], accent: ['#5b5fc7', '#5b5fc7'],
      good: ['#00823f', '#00823f'], warning: ['#8a5a00', '#8a5a00'], attention: ['#cc3300', '#dd3300'],
    },
  },
  dark: {
    background: '#292929', emphasis: '#383838', font: "'Segoe UI', system-ui, sans-serif", filled: onFilled,
    colours: {
      default: ['#ffffff', '#d6d6d6'], dark: ['#000000', '#66000000'], light: ['#ffffff', '#cccccc'], accent: ['#a6a7dc', '#a6a7dc'],
      good: ['#54b054', '#54b054'], warning: ['#f2a33a', '#f2a33a'], attention: ['#e87979', '#e87979'],
    },
  },
};

const palette = (colours: Colours) => Object.fromEntries(Object.entries(colours).map(([name, [plain, subtle]]) => [name, { default: plain, subtle }]));

/** The configuration of a host, as the renderer takes it, and what is behind its cards. */
export function hostOf(name: 'teams' | 'webchat', dark: boolean): { config: object; background: string } {
  const host = (name === 'teams' ? teams : webchat)[dark ? 'dark' : 'light'];
  const isTeams = name === 'teams';
  const filled = Object.fromEntries(
    Object.entries(styles).map(([style, backgroundColor]) => [style, { backgroundColor, foregroundColors: palette(host.filled) }]),
  );
  const fact = (weight: string) => ({ size: 'Default', color: 'Default', isSubtle: false, weight, wrap: true });
  const config = {
    choiceSetInputValueSeparator: ',',
    supportsInteractivity: true,
    fontFamily: host.font,
    spacing: isTeams
      ? { small: 8, default: 12, medium: 16, large: 20, extraLarge: 24, padding: 16 }
      : { small: 3, default: 8, medium: 20, large: 30, extraLarge: 40, padding: 10 },
    separator: { lineThickness: 1, lineColor: dark ? '#525252' : '#EEEEEE' },
    fontSizes: isTeams
      ? { small: 12, default: 14, medium: 14, large: 18, extraLarge: 24 }
      : { small: 12, default: 14, medium: 17, large: 21, extraLarge: 26 },
    fontWeights: { lighter: 200, default: 400, bolder: 600 },
    imageSizes: isTeams ? { small: 32, medium: 52, large: 100 } : { small: 40, medium: 80, large: 160 },
    containerStyles: {
      default: { backgroundColor: host.background, foregroundColors: palette(host.colours) },
      emphasis: { backgroundColor: host.emphasis, foregroundColors: palette(host.colours) },
      ...filled,
    },
    actions: {
      maxActions: isTeams ? 6 : 100,
      spacing: 'Default',
      buttonSpacing: 8,
      showCard: { actionMode: 'Inline', inlineTopMargin: 16, style: 'emphasis' },
      preExpandSingleShowCardAction: false,
      actionsOrientation: isTeams ? 'Horizontal' : 'Vertical',
      actionAlignment: isTeams ? 'Left' : 'Stretch',
    },
    adaptiveCard: { allowCustomStyle: !isTeams },
    imageSet: { imageSize: 'Medium', maxImageHeight: 100 },
    factSet: { title: fact('Bolder'), value: fact('Default'), spacing: isTeams ? 16 : 10 },
  };
  return { config, background: host.background };
}
