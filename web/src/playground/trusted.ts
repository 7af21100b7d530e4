// Trusted Types: what the browser lets scripts of this page write as markup, or load as a script. Our own code writes none;
// Web Chat writes what it has made of messages and cleaned. Should that cleaning ever fail, this is what still stands
// between a message and the page, besides the content security policy.

type Rules = {
  createHTML?(markup: string, type: string, sink: string): string;
  createScriptURL?(url: string): string;
};
type Policy = { createHTML(markup: string): string; createScriptURL(url: string): string };

/** What the browser has; nothing, where it does not know Trusted Types: then texts are taken as they are. */
const types = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Rules): Policy } }).trustedTypes;

const own = types?.createPolicy('headsup', { createHTML: (markup) => markup, createScriptURL: onlyOurs });

types?.createPolicy('default', {
  // What is only parsed, into a document without a window, runs nothing there.
  createHTML: (markup, _, sink) => (sink.startsWith('DOMParser') || harmless(markup) ? markup : asText(markup)),
  createScriptURL: onlyOurs,
});

/** The address of a script of this server, as the browser wants it. */
export function ownScript(url: string): string {
  return own ? own.createScriptURL(url) : url;
}

/** Scripts are this server's files; Web Chat's worker is a blob of this page. */
function onlyOurs(url: string): string {
  const { origin, protocol, pathname } = new URL(url, location.href);
  if (origin === location.origin && (protocol === 'blob:' || /^\/(assets|vendor)\//.test(pathname))) return url;
  throw new TypeError(`no script of this page: ${url}`);
}

const forbidden = 'script, iframe, frame, object, embed, base, link, meta, form, animate, set';
const leading = ['href', 'xlink:href', 'src', 'action', 'formaction', 'data', 'poster'];

/** Whether markup has nothing that runs: no script, no handler, no address that is one. */
function harmless(markup: string): boolean {
  const parsed = new DOMParser().parseFromString(own!.createHTML(markup), 'text/html');
  if (parsed.querySelector(forbidden)) return false;
  return [...parsed.querySelectorAll('*')].every((element) =>
    [...element.attributes].every(({ name, value }) => !name.startsWith('on') && !(leading.includes(name) && runs(value))),
  );
}

function runs(address: string): boolean {
  return /^(javascript|vbscript|data:(?!image\/|audio\/|video\/))/i.test(address.replace(/[\u0000-\u0020]/g, ''));
}

function asText(markup: string): string {
  console.error('markup that does something was written as text');
  return markup.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
