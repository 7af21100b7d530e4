// What the page does to a chat's activities on their way through Web Chat's store: who said what in a group, threads of
// a channel, and messages that Web Chat believes lost though the server has them.
import { withoutTraps } from './clean';
import type { Dispatch, StoreAction, StoreMiddleware } from './webchat';
import type { Activity } from './wire';

export type Thread = { root: string; title: string; replies: number };

/** The threads of one channel, as seen by one chat. */
export class Talk {
  /** The thread that is shown and answered in; without one, all are shown and a message starts a new one. */
  thread: string | undefined;
  #threads: Thread[] = [];
  #seen = new Set<string>();
  #listeners = new Set<() => void>();
  /** Ids that the server gave to what this client posted, by the client's own ids. */
  arrived = new Map<string, string>();

  /** Oldest first. The same array until something changes. */
  threads = (): Thread[] => this.#threads;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  take(activity: Activity): void {
    const root = threadOf(activity);
    const { id } = activity;
    if (!root || !id || activity.type !== 'message' || this.#seen.has(id)) return;
    this.#seen.add(id);
    const known = this.#threads.find((thread) => thread.root === root);
    const title = id === root || !known ? titleOf(activity) : known.title;
    const replies = (known?.replies ?? 0) + (id === root ? 0 : 1);
    const changed = { root, title, replies };
    this.#threads = known ? this.#threads.map((thread) => (thread === known ? changed : thread)) : [...this.#threads, changed];
    for (const listener of this.#listeners) listener();
  }
}

/** The id of the post that an activity's thread began with. */
export function threadOf(activity: Activity): string | undefined {
  return activity.channelData?.headsup?.thread;
}

function titleOf({ text = '', attachments }: Activity): string {
  const words = text.replace(/\s+/g, ' ').trim() || (attachments?.length ? 'A card or file' : 'A post');
  return words.length > 48 ? `${words.slice(0, 47)}…` : words;
}

const incoming = ['DIRECT_LINE/QUEUE_INCOMING_ACTIVITY', 'DIRECT_LINE/INCOMING_ACTIVITY'];

/** The store's middleware for one person's chat. */
export function through(talk: Talk, me: string): StoreMiddleware {
  return ({ dispatch }) =>
    (next) =>
    (action) => {
      const { type, payload, meta } = action;
      if (type === 'DIRECT_LINE/POST_ACTIVITY_REJECTED') {
        const result = next(action);
        const id = talk.arrived.get(meta?.clientActivityID ?? '');
        if (id) markSent(dispatch, id);
        return result;
      }
      if (!payload?.activity) return next(action);
      if (type === 'DIRECT_LINE/POST_ACTIVITY') return next(withActivity(action, inThread(payload.activity, talk.thread)));
      if (!incoming.includes(type)) return next(action);

      const activity = withoutTraps(payload.activity);
      const mine = activity.from?.id === me;
      const result = next(withActivity(action, mine ? activity : asTheirs(activity)));
      if (type === incoming[1]) {
        talk.take(activity);
        const clientId = activity.channelData?.clientActivityID;
        if (mine && activity.id && clientId) {
          talk.arrived.set(clientId, activity.id);
          markSent(dispatch, activity.id);
        }
      }
      return result;
    };
}

function withActivity(action: StoreAction, activity: Activity): StoreAction {
  return { ...action, payload: { ...action.payload, activity } };
}

function inThread(activity: Activity, thread: string | undefined): Activity {
  if (!thread) return activity;
  return { ...activity, channelData: { ...activity.channelData, headsup: { thread } } };
}

/** Web Chat draws whatever a user said as said by this one; in a group the others are users too. */
function asTheirs(activity: Activity): Activity {
  return activity.from?.role === 'user' ? { ...activity, from: { ...activity.from, role: 'bot' } } : activity;
}

/** What comes back from the server was sent, even if the answer to sending it was lost. */
function markSent(dispatch: Dispatch, activityID: string): void {
  dispatch({ type: 'WEB_CHAT/MARK_ACTIVITY', payload: { activityID, name: 'webchat:send-status', value: 'sent' } });
}
