// The official Web Chat bundle: how it is loaded, and the little of it that the page uses.
import bundle from '../../vendor/webchat.js?url';
import { ownScript } from './trusted';
import type { Activity } from './wire';

/** Values of connectionStatus$, as the Direct Line client numbers them. */
export const Status = { Connecting: 1, Online: 2, ExpiredToken: 3, FailedToConnect: 4, Ended: 5 } as const;

export type DirectLine = {
  connectionStatus$: { subscribe(next: (status: number) => void): { unsubscribe(): void } };
  end(): void;
  /** How far the client has read: an opaque word of the server. */
  watermark?: string;
};

/** An action of Web Chat's store; most of them carry an activity. */
export type StoreAction = {
  type: string;
  payload?: { activity?: Activity; [name: string]: unknown };
  meta?: { clientActivityID?: string };
};
export type Dispatch = (action: StoreAction) => unknown;
export type Store = { dispatch: Dispatch };
export type StoreMiddleware = (store: { dispatch: Dispatch }) => (next: Dispatch) => Dispatch;

/** An element of the React that Web Chat brings along, which is not ours. */
export type Element = { readonly $$typeof: symbol };
type Rendered = (...args: unknown[]) => Element | false | null;
type Renderer = (card: { activity: Activity }, ...more: unknown[]) => Rendered | false;

/** Decides how an activity is drawn; false is not at all. */
export type ActivityMiddleware = () => (next: Renderer) => Renderer;

/**
 * Makes an element for Web Chat's own React, which the bundle keeps to itself: this is the form that its
 * createElement gives. Only for tags and plain properties.
 */
export function element(tag: string, props: Record<string, unknown>, ...children: (Element | string | false | null)[]): Element {
  const given = { ...props, children: children.length === 1 ? children[0] : children };
  return { $$typeof: Symbol.for('react.element'), type: tag, key: props.key ?? null, ref: null, props: given, _owner: null, _store: {} } as Element;
}

export type WebChat = {
  createDirectLine(options: {
    domain: string;
    token: string;
    conversationId?: string;
    watermark?: string;
  }): DirectLine;
  createStore(initial: object, middleware: StoreMiddleware): Store;
  renderWebChat(
    props: {
      directLine: DirectLine;
      store: Store;
      username: string;
      locale: string;
      nonce: string;
      styleOptions: Record<string, unknown>;
      activityMiddleware: ActivityMiddleware;
      overrideLocalizedStrings: Record<string, string>;
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
    script.src = ownScript(bundle);
    script.onload = () => (window.WebChat ? resolve(window.WebChat) : reject(new Error('it did not start')));
    script.onerror = () => reject(new Error('it did not load'));
    document.head.append(script);
  });
}
