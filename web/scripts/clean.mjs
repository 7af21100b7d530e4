// Empties web/dist but for its README.md: Go embeds the folder, so it must never be quite empty.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

for (const name of readdirSync(dist)) {
  if (name !== 'README.md') rmSync(join(dist, name), { recursive: true });
}
