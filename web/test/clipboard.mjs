// What the page copied, and what it does in a shell.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export async function copied(page) {
  await page.getByText('Copied', { exact: true }).last().waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** Runs a curl line as it is, and resolves with the status of the answer and its body. */
export async function run(line) {
  const { stdout } = await promisify(execFile)('sh', ['-c', `${line} --silent --write-out '\n%{http_code}'`]);
  const at = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
}
