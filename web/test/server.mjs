// Runs the program under test: start, kill without warning, start again on the same data and port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { patience } from './until.mjs';

const startLimit = 60_000; // milliseconds until the program must listen

/** Starts `$HEADSUP_BIN serve --demo`, with the bot of that name, on a free port with data of its own; both are gone when the test ends. */
export function startServer(t, demo = 'jobs', ...more) {
  return start(t, ['serve', '--demo', demo, ...more]);
}

/** Starts `$HEADSUP_BIN playground` likewise, for a bot at that address. */
export function startPlayground(t, bot, listen) {
  return start(t, ['playground', '--bot', bot], listen);
}

async function start(t, command, listen) {
  const binary = process.env.HEADSUP_BIN;
  if (!binary) throw new Error('HEADSUP_BIN must name the headsup binary under test');

  const data = await mkdtemp(join(tmpdir(), 'headsup-test-'));
  const server = new Server(binary, data, command, listen);
  t.after(async () => {
    await server.kill();
    await rm(data, { recursive: true, force: true });
  });
  await server.start();
  return server;
}

class Server {
  #binary;
  #data;
  #process;
  #listen;
  #command;
  /** Where it listens: `http://127.0.0.1:PORT`, the same after a restart. */
  origin;

  constructor(binary, data, command, listen = '127.0.0.1:0') {
    this.#binary = binary;
    this.#data = data;
    this.#command = command;
    this.#listen = listen;
  }

  async start() {
    const args = [...this.#command, '--listen', this.#listen, '--data', this.#data];
    const child = spawn(this.#binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;

    const said = [];
    createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
    this.origin = await listening(child, said);
    this.#listen = new URL(this.origin).host;
  }

  /** Ends it as a power cut would: no signal it could handle, no goodbye. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async restart() {
    await this.kill();
    await this.start();
  }

  /** The conversations of one user, as the page learns them. */
  async conversations(userId) {
    const response = await fetch(`${this.origin}/playground/api/conversations?user=${userId}`, { signal: patience() });
    if (!response.ok) throw new Error(`GET conversations answered ${response.status}`);
    return (await response.json()).conversations;
  }

  /**
   * Posts JSON, as curl would from a terminal: without an Origin header, and with a token if there is one. Fails unless
   * the answer is a success.
   */
  async post(path, body, token) {
    const response = await fetch(this.origin + path, {
      method: 'POST',
      signal: patience(),
      headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Gets JSON. */
  async get(path) {
    const response = await fetch(this.origin + path, { signal: patience() });
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}`);
    return response.json();
  }

  /** What was said, by either side, in the first conversation of one user, as the server has it. */
  async stored(userId) {
    const [{ id }] = await this.conversations(userId);
    const { token } = await this.post('/playground/api/token', { user: { id: userId }, conversationId: id });
    const response = await fetch(`${this.origin}/v3/directline/conversations/${id}/activities`, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`GET activities answered ${response.status}`);
    return (await response.json()).activities.map(({ text }) => text);
  }

  /** A key that may do everything, as programs on this machine have it. */
  async key() {
    return (await readFile(join(this.#data, 'admin.key'), 'utf8')).split('\n')[0];
  }

  /** A Direct Line token for one user, in a new conversation. */
  token(user) {
    return this.post('/playground/api/token', { user });
  }
}

function listening(child, said) {
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error([`headsup ${why}`, ...said].join('\n')));
    const timer = setTimeout(() => fail('did not listen in time'), startLimit);
    child.on('error', (error) => fail(error.message));
    child.on('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^headsup: listening on (http:\/\/\S+)$/.exec(line);
      if (!match) return;
      clearTimeout(timer);
      resolve(match[1]);
    });
  });
}
