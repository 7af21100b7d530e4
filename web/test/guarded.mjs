// A browser profile in which whatever runs, leaves or reaches out is counted, and a look at what a page has become.
/**
 * Opens a page of a profile of its own. `found` gets a line for everything that pages of others' choosing may not do: run,
 * ask, open, navigate, violate the policy. A picture or a film at the canary's is refused by the policy and is no finding:
 * whoever sends a message may name one, and the answer is that nobody goes there.
 */
export async function openGuarded(browser, origin, canary, { colorScheme }) {
  const context = await browser.newContext({ viewport: { width: 1500, height: 3000 }, colorScheme });
  context.setDefaultTimeout(60_000);
  const found = [];
  const refused = { count: 0 };
  let going;
  const elsewhere = (url) => /^(https?|wss?):/.test(url) && new URL(url).host !== new URL(origin).host;

  await context.exposeBinding('pwned', ({ frame }, mark) => found.push(`ran: ${mark}, at ${frame.url()}`));
  await context.exposeBinding('violated', ({ frame }, { directive, blocked, sample, source }) => {
    const media = ['img-src', 'media-src'].includes(directive) && blocked.startsWith(canary);
    if (media) refused.count++;
    else found.push(`violates ${directive}: ${blocked} ${sample} (${source}), at ${frame.url()}`);
  });
  await context.exposeBinding('opened', ({ frame }, url) => !/^(undefined|tel:)/.test(url) && found.push(`opens ${url}, at ${frame.url()}`)); // an empty window, and a telephone, are no place
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sample, sourceFile, lineNumber }) =>
      window.violated({ directive: effectiveDirective, blocked: blockedURI, sample, source: `${sourceFile}:${lineNumber}` }),
    );
    const { open } = window;
    window.open = (...args) => {
      window.opened(String(args[0]));
      return open.apply(window, args);
    };
  });

  const page = await context.newPage();
  context.on('page', (other) => other !== page && other.url() !== 'about:blank' && found.push(`another page: ${other.url()}`));
  context.on('dialog', (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => message.type() === 'error' && /markup that does|Trusted/.test(message.text()) && found.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => found.push(`page error: ${error.message}`));
  page.on('requestfinished', (request) => elsewhere(request.url()) && found.push(`request to ${request.url()}`));
  page.on('websocket', (socket) => elsewhere(socket.url()) && found.push(`socket to ${socket.url()}`));
  page.on('framenavigated', (frame) => {
    if (frame !== page.mainFrame()) frame.url() !== 'about:blank' && found.push(`a frame: ${frame.url()}`);
    else if (!going) found.push(`navigated to ${frame.url()}`);
  });

  return {
    page,
    found,
    refused,
    /** Goes to an address on purpose; resolves with the answer, or nothing where the browser keeps the file instead. */
    async goTo(path) {
      going = true;
      const response = await page.goto(origin + path, { waitUntil: 'commit' }).catch((error) => {
        if (!/Download is starting|ERR_ABORTED/.test(error.message)) throw error;
      });
      await page.waitForLoadState('domcontentloaded', { timeout: path === '/v1/events' ? 1 : 0 }).catch(() => {});
      going = false;
      return response;
    },
    close: () => context.close(),
  };
}

/** What a person can read of the page now, and what no page may have: scripts, handlers, frames, addresses that run. */
export function inspect(page, scope = 'html') {
  return page.evaluate((scope) => {
    const bad = [];
    const root = document.querySelector(scope);
    const texts = [document.title, root.innerText];
    const places = new Set(['href', 'src', 'action', 'formaction', 'xlink:href', 'data', 'poster', 'srcset', 'background', 'ping', 'manifest', 'cite']);
    for (const element of root.querySelectorAll('*')) {
      const { localName: tag } = element;
      const ours = tag === 'script' && element.src.startsWith(`${location.origin}/assets/`) && element.textContent === '';
      const mail = tag === 'iframe' && element.getAttribute('sandbox') === 'allow-same-origin' && !element.hasAttribute('src') && !element.hasAttribute('srcdoc');
      const forbidden = !mail && ['iframe', 'frame', 'object', 'embed', 'base', 'applet', 'animate', 'set', 'handler'].includes(tag);
      if (forbidden || (tag === 'script' && !ours) || element.hasAttribute('http-equiv')) bad.push(element.outerHTML.slice(0, 200));
      for (const { name, value } of element.attributes) {
        const address = value.replace(/[\u0000-\u0020]/g, '').toLowerCase();
        const runs = /^(javascript|vbscript):/.test(address) || (/^data:/.test(address) && !(tag === 'img' && /^data:image\//.test(address)));
        if (/^on/i.test(name) || (places.has(name) && runs)) bad.push(`${name} of ${element.outerHTML.slice(0, 200)}`);
        if (['title', 'aria-label', 'alt', 'placeholder', 'value'].includes(name)) texts.push(value);
      }
      if (['option', 'textarea', 'input'].includes(tag)) texts.push(element.value, element.textContent);
    }
    return { bad, text: texts.join('\n') };
  }, scope);
}

/**
 * Opens what says in scope that it can be opened, its parts too, one after the other: the first and the last few of long
 * lists, which are alike. Calls look with each open.
 */
export async function unfold(scope, look) {
  const closed = await scope.locator('[aria-expanded=false]:not([role=combobox]):not([aria-haspopup])').elementHandles();
  for (const handle of closed.filter((_, n) => n < 4 || n >= closed.length - 6)) {
    const opened = await handle.evaluate(async (element) => {
      const drawn = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      if (!element.isConnected) return false; // it was scrolled out of sight
      element.click();
      await drawn();
      const parts = element.closest('li')?.querySelectorAll('[role=tab]') ?? [];
      let text = '';
      for (const part of parts) {
        part.click();
        await drawn();
        text += element.closest('li')?.innerText ?? '';
      }
      return { text };
    });
    if (!opened) continue;
    await look(opened.text);
    await handle.evaluate((element) => element.closest('li') && element.click());
  }
}
