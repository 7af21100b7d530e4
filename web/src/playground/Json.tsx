// JSON with its parts in colour. Nothing is parsed as markup: the text is cut into pieces, and each piece is an element.
import { makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import { memo } from 'react';

import { usePanelStyles } from './panel';

const useStyles = makeStyles({
  name: { color: tokens.colorBrandForeground1 },
  string: { color: tokens.colorPaletteGreenForeground1 },
  number: { color: tokens.colorPaletteBerryForeground1 },
  word: { color: tokens.colorPaletteBerryForeground1, fontWeight: tokens.fontWeightSemibold },
});

type Kind = 'name' | 'string' | 'number' | 'word';

const piece = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;
const most = 60_000; // characters that are coloured; longer text is shown plain

/** A value, laid out. What is a string already is shown as it is, or laid out if it holds JSON. */
export const Json = memo(function Json({ value, label, className }: { value: unknown; label: string; className?: string }) {
  const panel = usePanelStyles();
  const styles = useStyles();
  const text = layOut(value);
  return (
    <pre className={mergeClasses(panel.code, className)} tabIndex={0} role="region" aria-label={label}>
      {text.length > most
        ? text
        : cut(text).map(({ kind, text }, index) =>
            kind ? (
              <span key={index} className={styles[kind]}>
                {text}
              </span>
            ) : (
              text
            ),
          )}
    </pre>
  );
});

export function layOut(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value, null, 2) ?? '';
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

function cut(text: string): { kind?: Kind; text: string }[] {
  const pieces: { kind?: Kind; text: string }[] = [];
  let end = 0;
  for (const match of text.matchAll(piece)) {
    const [whole, quoted, colon, number] = match;
    const token = quoted ?? whole;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ kind: quoted ? (colon ? 'name' : 'string') : number ? 'number' : 'word', text: token });
    end = match.index + token.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}
