// Puts the official Web Chat bundle into web/vendor.
//
// The package's full install drags in hundreds of megabytes that a page never needs, so only its archive is
// fetched (through npm, which also caches it), checked against the digest pinned here, and the one file with
// Adaptive Cards in it is taken out, beside its licence notices. Nothing of it is ever committed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const webchat = {
  name: 'botframework-webchat',
  version: '4.18.1',
  integrity: 'sha512-7jpEUJ7olT62Xm+8eh7BhhIcXVfU2xD4pZDaeBt8K4XcNy6K/83UGIxE9BFkXmHMZ4hDEVOzs5cre07GWuaXzg==',
  files: ['dist/webchat.js', 'dist/webchat.js.LICENSE.txt'],
};

const web = fileURLToPath(new URL('..', import.meta.url));
const vendor = join(web, 'vendor');
const stamp = join(vendor, 'version.json');

const wanted = JSON.stringify(webchat, null, 2) + '\n';
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) process.exit(0);

mkdirSync(vendor, { recursive: true });
const scratch = mkdtempSync(join(vendor, '.fetch-'));
try {
  take(webchat, scratch);
  writeFileSync(stamp, wanted); // last: an interrupted run starts over
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`vendor: ${webchat.name} ${webchat.version} is in place`);

function take({ name, version, integrity, files }, folder) {
  const printed = execFileSync('npm', ['pack', `${name}@${version}`, '--json', '--pack-destination', folder], {
    cwd: web,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const archive = join(folder, JSON.parse(printed)[0].filename);

  const found = 'sha512-' + createHash('sha512').update(readFileSync(archive)).digest('base64');
  if (found !== integrity) throw new Error(`${name}@${version} has digest ${found}, expected ${integrity}`);

  const inside = files.map((file) => `package/${file}`);
  execFileSync('tar', ['-xzf', archive, '-C', folder, '--strip-components=2', ...inside]);
  for (const file of files) {
    const base = file.slice(file.lastIndexOf('/') + 1);
    renameSync(join(folder, base), join(vendor, base));
  }
}
