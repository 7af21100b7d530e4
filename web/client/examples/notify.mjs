// Tells one person something, and waits for what became of it:
//
//   node examples/notify.mjs dl_ann "Your build is done."
import { connect, ProblemError } from 'headsup-client';

const [user, text] = process.argv.slice(2);
const headsup = connect({ url: process.env.HEADSUP_SERVER, key: process.env.HEADSUP_KEY });

try {
  const { id } = await headsup.notify({ to: { user }, text });
  const { state } = await headsup.wait(id, { signal: AbortSignal.timeout(30_000) });
  console.log(`${id} is ${state}`);
} catch (error) {
  if (!(error instanceof ProblemError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  for (const { field, message } of error.fields) console.error(`  ${field}: ${message}`);
  process.exitCode = 1;
}
