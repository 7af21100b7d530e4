const limit = 20_000; // milliseconds
const step = 50;

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
