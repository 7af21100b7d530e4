// Drives one person's Web Chat the way a person does: by what is visible and by accessible names.
import assert from 'node:assert/strict';

import { until } from './until.mjs';

/** The chat in front on one person's card. */
export function chatOf(page, name) {
  return new Chat(page.getByRole('region', { name, exact: true }));
}

class Chat {
  /** The person's card. */
  card;

  constructor(card) {
    this.card = card;
  }

  /** Resolves when the chat is connected. */
  async online() {
    await this.card.getByText('Connected', { exact: true }).waitFor();
  }

  /** Says something. Web Chat takes nothing while it is not connected, which a card may not show at once: it is pressed again then. */
  async send(text) {
    const box = this.card.getByRole('textbox', { name: 'Message input box' }).filter({ visible: true });
    await box.fill(text);
    await until('that the box is empty', async () => {
      await this.online();
      await box.press('Enter');
      for (let n = 0; n < 20; n++) {
        if ((await box.inputValue()) === '') return true;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return false;
    });
  }

  /** Sends what could not be sent last once more. */
  async retry() {
    await this.card.getByRole('button', { name: 'Retry' }).last().click();
  }

  /** Resolves when the chat of that title is in front and connected. */
  async inFront(title) {
    await this.card.getByRole('tab', { name: title, exact: true }).click();
    await this.online();
  }

  /** Chooses from the card's menu. */
  async choose(item) {
    await this.card.getByRole('button', { name: /^More for / }).click();
    await this.card.page().getByRole('menuitem', { name: item }).click();
  }

  /** Resolves with what the transcript shows of a message, once one that matches is there. */
  async sees(pattern) {
    const found = this.#messages(pattern).last();
    await found.waitFor();
    return found.innerText();
  }

  /** Resolves with the newest message that matches. */
  async message(pattern) {
    const found = this.#messages(pattern).last();
    await found.waitFor();
    return found;
  }

  /** How many messages match. */
  count(pattern) {
    return this.#messages(pattern).count();
  }

  /** Fails unless exactly one message matches, now that the chat has it. */
  async seesOnce(pattern) {
    await this.sees(pattern);
    assert.equal(await this.count(pattern), 1, `messages like ${pattern}`);
  }

  /** All that the transcript shows, in its order: what the person has said begins with "> ", what the bot has with "< ". */
  async transcript() {
    const names = await this.#said(/^(You|Bot) said: /).evaluateAll((all) => all.map((said) => said.textContent));
    return names.map((name) => name.replace(/^You said: /, '> ').replace(/^Bot said: /, '< '));
  }

  /** Resolves when the transcript begins with those lines. */
  async hasSaid(lines) {
    let now;
    const begun = async () => (now = (await this.transcript()).slice(0, lines.length)).join('\n') === lines.join('\n');
    await until('the transcript', begun).catch(() => assert.deepEqual(now, lines));
  }

  /** How many messages of the bot the transcript shows. */
  fromBot() {
    return this.#said(/^Bot said/).count();
  }

  /** Resolves when the bot has said more than it had. */
  async hearsMoreThan(before) {
    await until('one more message of the bot', async () => (await this.fromBot()) > before);
  }

  /** The rows of the newest table in the transcript, as arrays of cell texts, header first. */
  async table() {
    const table = this.card.getByRole('table').last();
    await table.waitFor();
    const rows = await table.getByRole('row').all();
    return Promise.all(rows.map((row) => row.locator('th, td').allInnerTexts()));
  }

  /** The names above the messages of others, in a group or channel. */
  names() {
    return this.card.locator('.headsup-name').filter({ visible: true }).allInnerTexts();
  }

  /** What a channel's picker of threads offers. */
  threads() {
    return this.card.getByLabel('Thread').locator('option').allInnerTexts();
  }

  /** The chats' tabs: there are some as soon as there is more than one. */
  tabs() {
    return this.card.getByRole('tab');
  }

  #said(name) {
    return this.card.getByRole('feed').getByRole('article', { name });
  }

  #messages(pattern) {
    return this.card.getByRole('feed').locator('p, td').filter({ hasText: pattern, visible: true });
  }
}
