// Runs the example bots: each is a program of its own, started as a newcomer starts it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const startLimit = 60_000; // milliseconds until a bot must listen

/** A port that was free a moment ago, for programs that need to know each other's before either runs. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts `node examples/bots/NAME.mjs`. It ends with the test. */
export async function startBot(t, name, { port, serviceUrl }) {
  const bot = new Bot(name, port, serviceUrl);
  t.after(() => bot.stop());
  await bot.start();
  return bot;
}

class Bot {
  #name;
  #serviceUrl;
  #process;
  /** Where it listens: `http://127.0.0.1:PORT`. */
  origin;

  constructor(name, port, serviceUrl) {
    this.#name = name;
    this.#serviceUrl = serviceUrl;
    this.origin = `http://127.0.0.1:${port}`;
  }

  async start() {
    const file = fileURLToPath(new URL(`../../examples/bots/${this.#name}.mjs`, import.meta.url));
    const env = { PATH: process.env.PATH, PORT: new URL(this.origin).port, SERVICE_URL: this.#serviceUrl };
    const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;

    const said = [];
    createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error([`${this.#name} ${why}`, ...said].join('\n')));
      const timer = setTimeout(() => fail('did not listen in time'), startLimit);
      child.on('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (!line.startsWith('bot: listening on ')) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async stop() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
