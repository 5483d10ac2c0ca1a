/**
 * How long to wait before the next attempt: a random time up to a limit that doubles, so that a thousand
 * clients that lost one server do not come back at one moment.
 */
export class Backoff {
  /** @param {{ backoffMin: number, backoffMax: number, random: () => number }} options */
  constructor({ backoffMin, backoffMax, random }) {
    this.min = backoffMin;
    this.max = backoffMax;
    this.random = random;
    this.attempts = 0;
  }

  /** @returns {number} milliseconds */
  next() {
    const limit = Math.min(this.max, this.min * 2 ** this.attempts);
    this.attempts += 1;
    return this.random() * limit;
  }

  reset() {
    this.attempts = 0;
  }
}
