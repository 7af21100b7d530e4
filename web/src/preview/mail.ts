// A mail, drawn in a frame without scripts. It is built anew, element by element, of what mails may have: so nothing of it runs, is
// fetched or leads anywhere, and the page's policy need allow no styles but its own.

type Policy = { createHTML(markup: string): string };
const types = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes;
/** What is only parsed, into a document without a window, runs nothing there. */
const parsed = types?.createPolicy('headsup', { createHTML: (markup) => markup });

const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

const tags = new Set(
  'a b blockquote br center code col colgroup dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p pre s small span strong sub sup table tbody td tfoot th thead tr u ul'.split(' '),
);
const attributes = new Set('align bgcolor border cellpadding cellspacing class colspan dir height lang role rowspan valign width aria-hidden aria-label'.split(' '));

/** Draws a mail's page into a frame, and makes that as high as it is. */
export function drawMail(frame: HTMLIFrameElement, html: string, dark: boolean): void {
  const unstyled = tamed(html);
  const source = new DOMParser().parseFromString(parsed ? parsed.createHTML(unstyled) : unstyled, 'text/html');
  const target = frame.contentDocument!;
  frame.style.colorScheme = dark ? 'dark' : 'light'; // which is what its own colours go by
  target.documentElement.lang = source.documentElement.lang || 'en';
  target.title = source.title;
  const style = target.createElement('style');
  style.nonce = nonce;
  style.textContent = ':root{color-scheme:light dark}' + [...source.querySelectorAll('style')].map(({ textContent }) => textContent).join('\n');
  target.head.replaceChildren(style);
  const body = target.createElement('body');
  copyAttributes(source.body, body);
  copyChildren(source.body, body, target);
  target.body.replaceWith(body);
  const fit = () => (frame.style.height = `${target.documentElement.scrollHeight + 2}px`);
  frame.style.height = '0';
  requestAnimationFrame(fit);
}

/** Styles under names that the page's policy, which goes for what is only parsed too, has nothing against. */
function tamed(html: string): string {
  return html
    .replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/(\s)style(\s*=)/gi, '$1data-style$2'))
    .replace(/<style\b/gi, `<style nonce="${nonce}"`);
}

function copyChildren(from: Element, to: Element, target: Document): void {
  for (const child of from.childNodes) {
    if (child instanceof Text || child.nodeType === Node.TEXT_NODE) to.append(target.createTextNode(child.textContent ?? ''));
    if (child.nodeType !== Node.ELEMENT_NODE) continue;
    const element = child as Element;
    if (element.localName === 'img') {
      const stand = target.createElement('span');
      stand.className = 'dim';
      stand.textContent = `[${element.getAttribute('alt') ?? 'picture'}]`;
      to.append(stand);
      continue;
    }
    if (!tags.has(element.localName)) continue;
    const copy = target.createElement(element.localName);
    copyAttributes(element, copy);
    if (element.localName === 'a') copy.title = element.getAttribute('href') ?? '';
    copyChildren(element, copy, target);
    to.append(copy);
  }
}

function copyAttributes(from: Element, to: HTMLElement): void {
  for (const { name, value } of from.attributes) {
    if (attributes.has(name)) to.setAttribute(name, value);
    else if (name === 'data-style' && !/url\s*\(/i.test(value)) to.style.cssText = value; // not an attribute, which the policy refuses
  }
}
