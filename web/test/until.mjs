const limit = 60_000; // milliseconds: it finds what hangs, and does not measure
const step = 50;

/** A signal for requests that would else be waited for without end. */
export const patience = () => AbortSignal.timeout(limit);

/** Resolves as the promise does, and fails with what was awaited when that takes for ever. */
export async function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is truthy, and resolves with it. Fails with what was awaited. */
export async function until(what, ask) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, step));
  }
}
