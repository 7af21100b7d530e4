// How activities are drawn in a chat: only those that people see, with names where several talk, and threads in a channel.
import type { Kind } from '../server';
import { type Thread, threadOf } from './talk';
import { type ActivityMiddleware, type Element, element } from './webchat';
import type { Activity } from './wire';

type Options = {
  me: string;
  kind: Kind;
  /** The thread to show; all of them, if not given. */
  thread: string | undefined;
  threads: Thread[];
  colorOf(id: string): string | undefined;
  onThread(root: string): void;
};

export function drawing(options: Options): ActivityMiddleware {
  return () =>
    (next) =>
    (card, ...more) => {
      const { activity } = card;
      if (!isShown(activity, options.thread)) return false;
      const draw = next(card, ...more);
      if (!draw || options.kind === 'personal' || activity.type !== 'message') return draw;
      return (...args) => {
        const drawn = draw(...args);
        return drawn && element('div', {}, nameOf(activity, options), drawn, threadOfPost(activity, options));
      };
    };
}

/** Keeps from the transcript what Web Chat does not know how to draw: endOfConversation, trace and their like. */
function isShown(activity: Activity, thread: string | undefined): boolean {
  if (activity.type !== 'message' && activity.type !== 'typing') return false;
  return !thread || activity.id === thread || threadOf(activity) === thread;
}

function nameOf({ from }: Activity, { me, colorOf }: Options): Element | false {
  if (!from?.id || from.id === me) return false;
  const color = colorOf(from.id);
  return element('div', { className: 'headsup-name', 'aria-hidden': true, ...(color && { style: { color } }) }, from.name || from.id);
}

/** Among all posts of a channel: the way into the thread. */
function threadOfPost(activity: Activity, { me, kind, thread, threads, onThread }: Options): Element | false {
  const root = threadOf(activity);
  if (kind !== 'channel' || thread || !root) return false;
  const found = threads.find((candidate) => candidate.root === root);
  const label = activity.id === root ? replies(found?.replies ?? 0) : `In “${found?.title ?? 'a thread'}”`;
  const side = activity.from?.id === me ? 'headsup-thread headsup-mine' : 'headsup-thread';
  return element('div', { className: side }, element('button', { type: 'button', onClick: () => onThread(root) }, label));
}

function replies(count: number): string {
  if (count === 0) return 'Reply in thread';
  return count === 1 ? '1 reply' : `${count} replies`;
}
