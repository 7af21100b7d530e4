// A client of the Headsup HTTP API. Paths, requests and answers are typed by the OpenAPI document.
//
//   const headsup = connect({ url: 'http://127.0.0.1:3978' });
//   const { id } = await headsup.notify({ to: { user: 'dl_ann' }, text: 'Your build is done.' });
//   const { state } = await headsup.wait(id);
//
// notify, notification and wait are for the common case; get, post, put, patch and delete reach every route.
import createFetch, { type MaybeOptionalInit } from 'openapi-fetch';

import type { components, paths } from './openapi.js';

export type { components, paths };
export type Schemas = components['schemas'];
export type Notification = Schemas['Notification'];
export type NotificationRequest = Schemas['NotificationRequest'];
export type Delivery = Schemas['Delivery'];
export type Change = Schemas['Change'];
export type Problem = Schemas['Problem'];

/** What the server refused: problem+json (RFC 9457) with a stable code, and the fields at fault. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** A stable word for programs; `unexpected_answer` when what answered was not Headsup. */
    readonly code: string,
    message: string,
    /** The fields at fault, by their path in the request. */
    readonly fields: { field: string; message: string }[] = [],
    /** Seconds after which the server wants to be asked again, if it said so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The server gave no answer, or none within the time that the call had. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

export type Options = {
  /** The server's address, with the path under which a proxy may have it. The server on this machine, if not given. */
  url?: string;
  /** An API key. A server in development mode wants none. */
  key?: string;
  /** How often a call that may be repeated is, when the server cannot be reached or is unavailable. 3, if not given. */
  retries?: number;
  /** Sends the requests. The global fetch, if not given. */
  fetch?: typeof globalThis.fetch;
};

type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';
type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];
type Init<P extends keyof paths, M extends Method> = MaybeOptionalInit<paths[P], M & keyof paths[P]>;
type Rest<I> = undefined extends I ? [init?: I] : [init: I];

/** The body of a route's success. */
export type Answer<P extends keyof paths, M extends Method> = paths[P] extends Record<M, { responses: infer R }>
  ? {
      [S in keyof R]: S extends 200 | 201 | 202
        ? R[S] extends { content: { 'application/json': infer Body } }
          ? Body
          : undefined
        : S extends 204
          ? undefined
          : never;
    }[keyof R]
  : never;

type Call<M extends Method> = <P extends PathsWith<M>>(path: P, ...init: Rest<Init<P, M>>) => Promise<Answer<P, M>>;

/** A Headsup server. Its methods reject with a {@link ProblemError} or an {@link UnreachableError}. */
export type Headsup = {
  /**
   * Has the server accept a notification, which is stored durably when the promise resolves. The call carries an
   * idempotency key, the given one or one made for it, so repeating it says nothing twice.
   */
  notify(request: NotificationRequest, options?: { key?: string; signal?: AbortSignal }): Promise<Notification>;
  /** A notification, its deliveries and their history. */
  notification(id: string): Promise<Notification>;
  /** Asks until every delivery has an outcome, at most every 2 s. The signal ends it. */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<Notification>;
  get: Call<'get'>;
  put: Call<'put'>;
  post: Call<'post'>;
  patch: Call<'patch'>;
  delete: Call<'delete'>;
};

/** Makes a client. It calls nothing by itself. */
export function connect({ url = 'http://127.0.0.1:3978', key, retries = 3, fetch = globalThis.fetch }: Options = {}): Headsup {
  const client = createFetch<paths>({
    baseUrl: url.replace(/\/+$/, ''),
    fetch: (request) => attempt(request, fetch, retries),
    ...(key !== undefined && { headers: { Authorization: `Bearer ${key}` } }),
  });
  const call = (method: Method) => async (path: string, init?: object) => {
    const verb = method.toUpperCase() as Uppercase<Method>;
    const ask = client[verb] as unknown as (path: string, init?: object) => Promise<{ data?: unknown; error?: unknown; response: Response }>;
    const { data, error, response } = await ask(path, init);
    if (!response.ok) throw problem(response, error);
    return data;
  };

  const get = call('get') as Call<'get'>;
  const post = call('post') as Call<'post'>;
  const notification = (id: string) => get('/v1/notifications/{id}', { params: { path: { id } } });
  return {
    get,
    post,
    put: call('put') as Call<'put'>,
    patch: call('patch') as Call<'patch'>,
    delete: call('delete') as Call<'delete'>,
    notification,
    notify: (body, { key = crypto.randomUUID(), signal } = {}) =>
      post('/v1/notifications', {
        params: { header: { 'Idempotency-Key': key } },
        body,
        ...(signal && { signal }),
      }),
    async wait(id, { signal } = {}) {
      for (let pause = 50; ; pause = Math.min(2 * pause, 2000)) {
        const seen = await notification(id);
        if ((seen.deliveries ?? []).every(({ state }) => settled.has(state))) return seen;
        await sleep(pause, signal);
      }
    },
  };
}

/** The states that a delivery does not leave by itself. */
export const settled: ReadonlySet<string> = new Set(['delivered', 'failed', 'unknown', 'expired', 'suppressed', 'cancelled']);

/** Sends a request, again where that can do no harm. */
async function attempt(request: Request, fetch: typeof globalThis.fetch, retries: number): Promise<Response> {
  const repeatable = request.method === 'GET' || request.headers.has('Idempotency-Key');
  for (let left = repeatable ? retries : 0, pause = 200; ; left--, pause *= 2) {
    const answer = await fetch(request.clone()).catch((error: Error) => error);
    if (request.signal.aborted) throw request.signal.reason;
    const away = answer instanceof Error || answer.status === 502 || answer.status === 503;
    if (!away) return answer;
    if (left <= 0) {
      if (answer instanceof Error) throw new UnreachableError(`${request.url} does not answer`, { cause: answer });
      return answer;
    }
    const asked = answer instanceof Error ? undefined : seconds(answer);
    await sleep(Math.min(1000 * (asked ?? pause / 1000), 5000), request.signal);
  }
}

function problem(response: Response, body: unknown): ProblemError {
  const given = (body && typeof body === 'object' ? body : {}) as Partial<Problem>;
  const detail = given.detail ?? `${new URL(response.url).pathname} answered ${response.status}`;
  const code = given.code ?? 'unexpected_answer';
  return new ProblemError(response.status, code, detail, given.errors ?? [], seconds(response));
}

/** The answer's Retry-After, where it is a number of seconds. */
function seconds(response: Response): number | undefined {
  const value = response.headers.get('Retry-After');
  return value !== null && /^\d+$/.test(value) ? Number(value) : undefined;
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
