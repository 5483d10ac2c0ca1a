// Requests of one kind that are made in one go leave in one message.
import { RequestError } from './errors.js';

/** Items, and characters of them, that leave together. */
const ITEMS_MAX = 100;
const LENGTH_MAX = 32 * 1024;

/**
 * @typedef {{ item: object, resolve: (answer: any) => void, reject: (error: unknown) => void }} Waiting
 */

/** Collects what is asked until the running code has come to its end. */
export class Together {
  /**
   * @param {(item: any) => Promise<any>} one asks for one item
   * @param {(items: any[]) => Promise<any[]>} each asks for several, and gives what came of each: its answer, or `{ error }`
   */
  constructor(one, each) {
    this.one = one;
    this.each = each;
    /** @type {Waiting[]} */
    this.waiting = [];
  }

  /**
   * @param {object} item
   * @returns {Promise<any>} the answer to this item
   */
  add(item) {
    return new Promise((resolve, reject) => {
      if (!this.waiting.length) queueMicrotask(() => this.leave());
      this.waiting.push({ item, resolve, reject });
    });
  }

  // From here on for this file only.

  leave() {
    const all = this.waiting;
    this.waiting = [];
    /** @type {Waiting[]} */
    let part = [];
    let length = 0;
    for (const waiting of all) {
      const more = all.length > 1 ? lengthOf(waiting.item) : 0;
      if (part.length === ITEMS_MAX || length + more > LENGTH_MAX) {
        this.send(part);
        [part, length] = [[], 0];
      }
      part.push(waiting);
      length += more;
    }
    this.send(part);
  }

  /** @param {Waiting[]} part */
  async send(part) {
    const alone = () => part.forEach(({ item, resolve, reject }) => this.one(item).then(resolve, reject));
    if (part.length < 2) return alone();
    try {
      const answers = await this.each(part.map(({ item }) => item));
      part.forEach(({ resolve, reject }, index) => {
        const { error } = answers[index];
        if (error) reject(new RequestError(error.code, error.message, error.details ?? undefined));
        else resolve(answers[index]);
      });
    } catch (/** @type {any} */ error) {
      // Nothing was done, as one of them is wrong in its form: that one is to hear of it, and no other.
      if (error?.code === 'VALIDATION_ERROR') return alone();
      part.forEach(({ reject }) => reject(error));
    }
  }
}

/** @param {object} item */
function lengthOf(item) {
  try {
    return JSON.stringify(item).length;
  } catch {
    // Whether it can be written another way is found out alone.
    return Infinity;
  }
}
