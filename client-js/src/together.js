// Requests of one kind that are made in one go leave in one message.
import { RequestError } from './errors.js';

/** Items that leave together. */
const ITEMS_MAX = 100;

/**
 * @typedef {{ item: object, resolve: (answer: any) => void, reject: (error: unknown) => void }} Waiting
 */

/**
 * Collects what is asked until the running code has come to its end.
 * @param {import('./starling.js').Starling} client
 * @param {string} method asks for one item; with `Each` behind it, for several under one `member`, and gives what came of each
 *   under that too: its answer, or `{ error }`
 * @param {string} member
 * @param {import('./requests.js').RequestOptions} [options]
 * @returns {(item: object) => Promise<any>} asks for one item, and gives the answer to it
 */
export function together(client, method, member, options) {
  /** @type {Waiting[]} */
  let waiting = [];

  /** @param {Waiting[]} part */
  const send = async (part) => {
    const alone = () => part.forEach(({ item, resolve, reject }) => client.request(method, item, options).then(resolve, reject));
    if (part.length < 2) return alone();
    try {
      const answers = (await client.request(`${method}Each`, { [member]: part.map(({ item }) => item) }, options))[member];
      part.forEach(({ resolve, reject }, index) => {
        const { error } = answers[index];
        if (error) reject(new RequestError(error.code, error.message, error.details ?? undefined));
        else resolve(answers[index]);
      });
    } catch (/** @type {any} */ error) {
      // Nothing was done: together they are too long, or one cannot be written or is wrong in its form, which no other is to feel.
      if (!error.code || ['VALIDATION_ERROR', 'PROTOCOL_VIOLATION'].includes(error.code)) return alone();
      part.forEach(({ reject }) => reject(error));
    }
  };

  const leave = () => {
    while (waiting.length) send(waiting.splice(0, ITEMS_MAX));
  };

  return (item) =>
    new Promise((resolve, reject) => {
      if (!waiting.length) queueMicrotask(leave);
      waiting.push({ item, resolve, reject });
    });
}
