// The official Direct Line client, unmodified, in Node: jsdom lends it a browser's requests, sockets and forms.
import { JSDOM } from 'jsdom';

import { until, within } from './until.mjs';

/** What the client calls the states of its connection. */
export const Status = { Online: 2, Ended: 5 };

/**
 * Loads the client as if it ran in a page of that origin: its requests are then same-origin, as the playground's are.
 * All clients of a test must be closed before it ends; the page goes with the test.
 */
export async function loadDirectLine(t, origin) {
  const { window } = new JSDOM('', { url: `${origin}/playground/` });
  t.after(() => window.close());
  for (const name of ['XMLHttpRequest', 'WebSocket', 'FormData', 'Blob']) globalThis[name] = window[name];

  const { DirectLine } = (await import('botframework-directlinejs')).default;
  return (options) => {
    const line = new Line(
      new DirectLine({
        domain: `${origin}/v3/directline`,
        pollingInterval: 200,
        random: () => 0, // the shortest wait before a lost socket is opened again: three seconds
        ...options,
      }),
    );
    t.after(() => line.close());
    return line;
  };
}

/** A client, and all that it was told. */
class Line {
  client;
  activities = [];
  status;
  #subscriptions;

  constructor(client) {
    this.client = client;
    this.#subscriptions = [
      client.connectionStatus$.subscribe((status) => (this.status = status)),
      client.activity$.subscribe(
        (activity) => this.activities.push(activity),
        () => {}, // an ended conversation ends the stream with an error; the status tells
      ),
    ];
  }

  /** Resolves when the client says that it is in that state. */
  async reaches(status) {
    await until(`the client's status ${status}`, () => this.status === status);
  }

  /** Posts an activity, and resolves with the id that the server gave it. */
  post(activity) {
    const posted = new Promise((resolve, reject) => {
      this.client.postActivity({ from: { id: '' }, ...activity }).subscribe(resolve, reject);
    });
    return within(`the answer to ${activity.text ?? activity.type}`, posted);
  }

  /** Resolves with the first activity that fits, which may be there already. */
  receives(what, fits) {
    return until(what, () => this.activities.find(fits));
  }

  /** Resolves with the first message whose text matches. */
  says(pattern) {
    return this.receives(`a message like ${pattern}`, ({ type, text }) => type === 'message' && pattern.test(text));
  }

  /** The texts of all messages received, in order. */
  texts() {
    return this.activities.filter(({ type }) => type === 'message').map(({ text }) => text);
  }

  /** How far it has read. */
  get watermark() {
    return this.client.watermark;
  }

  /** The conversation it is in, once it has been online. */
  get conversationId() {
    return this.client.conversationId;
  }

  /** The token it uses now. */
  get token() {
    return this.client.token;
  }

  /** Changes the token for a fresh one, as the client itself does every fifteen minutes. */
  refresh() {
    const refreshed = new Promise((resolve, reject) => {
      this.client.refreshToken().subscribe((token) => {
        this.client.token = token;
        resolve(token);
      }, reject);
    });
    return within('a fresh token', refreshed);
  }

  /** Closes the connection, not the conversation. */
  close() {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.client.end();
  }
}
