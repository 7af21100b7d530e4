// Command lines that do what the page does, to paste into a POSIX shell.

export type HttpRequest = { method: string; url: string; headers?: Record<string, string | string[]>; body?: unknown };

// Headers that curl makes itself, or that belong to one connection.
const own = new Set(['host', 'content-length', 'connection', 'accept-encoding', 'user-agent', 'transfer-encoding']);

export function curl({ method, url, headers = {}, body }: HttpRequest): string {
  const words = ['curl'];
  const text = body === undefined || body === null || body === '' ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  if (method !== (text === undefined ? 'GET' : 'POST')) words.push('-X', method);
  words.push(quote(url));
  for (const [name, value] of Object.entries(headers)) {
    if (own.has(name.toLowerCase())) continue;
    for (const one of [value].flat()) words.push('-H', quote(`${name}: ${one}`));
  }
  if (text !== undefined) words.push('--data-binary', quote(text));
  return words.join(' ');
}

/** One word for the shell, whatever is in it. */
function quote(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
