// The official Web Chat bundle: how it is loaded, and the little of it that the page uses.
import bundle from '../../vendor/webchat.js?url';

/** Values of connectionStatus$, as the Direct Line client numbers them. */
export const Status = { Connecting: 1, Online: 2, ExpiredToken: 3, FailedToConnect: 4, Ended: 5 } as const;

export type DirectLine = {
  connectionStatus$: { subscribe(next: (status: number) => void): { unsubscribe(): void } };
  end(): void;
  /** How far the client has read: an opaque word of the server. */
  watermark?: string;
};

export type Store = { dispatch(action: { type: string }): void };

type Renderer = (card: { activity: { type: string } }, ...more: unknown[]) => unknown;

/** Decides how an activity is drawn; false is not at all. */
export type ActivityMiddleware = () => (next: Renderer) => Renderer;

/** Keeps from the transcript what Web Chat does not know how to draw: endOfConversation, trace and their like. */
export const onlyMessages: ActivityMiddleware =
  () =>
  (next) =>
  (card, ...more) =>
    ['message', 'typing'].includes(card.activity.type) && next(card, ...more);

export type WebChat = {
  createDirectLine(options: {
    domain: string;
    token: string;
    conversationId?: string;
    watermark?: string;
  }): DirectLine;
  createStore(): Store;
  renderWebChat(
    props: {
      directLine: DirectLine;
      store: Store;
      username: string;
      locale: string;
      nonce: string;
      styleOptions: Record<string, unknown>;
      activityMiddleware: ActivityMiddleware;
    },
    element: HTMLElement,
  ): void;
};

declare global {
  interface Window {
    WebChat?: WebChat;
  }
}

/** Loads the bundle, which puts itself on the window. */
export function loadWebChat(): Promise<WebChat> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = bundle;
    script.onload = () => (window.WebChat ? resolve(window.WebChat) : reject(new Error('it did not start')));
    script.onerror = () => reject(new Error('it did not load'));
    document.head.append(script);
  });
}
