// The start page's only moving part: the notify button, and the address in the curl line.
import { notifyCommand, notifyEveryone } from '../server';

const curl = document.querySelector<HTMLElement>('#curl')!;
const send = document.querySelector<HTMLButtonElement>('#send')!;
const outcome = document.querySelector<HTMLElement>('#outcome')!;

curl.textContent = notifyCommand();

send.addEventListener('click', async () => {
  send.disabled = true;
  try {
    await notifyEveryone();
    outcome.textContent = 'Done. Every known conversation is being told.';
  } catch (error) {
    outcome.textContent = `That did not work: ${(error as Error).message}`;
  } finally {
    send.disabled = false;
  }
});
