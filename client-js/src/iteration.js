/** Publications that may wait. */
const WAITING_MAX = 1_000;

/** Publications of a subscription that wait to be gone through. One at a time has them. */
export class Iteration {
  /** @param {import('./subscriptions.js').Subscription} subscription */
  constructor(subscription) {
    this.subscription = subscription;
    /** @type {{ publication: import('./subscriptions.js').Publication, done: () => void }[]} */
    this.waiting = [];
    /** The one that was handed out last: it is handled when the next one is asked for. @type {(() => void) | null} */
    this.last = null;
    /** Dropped, and not told yet. */
    this.dropped = 0;
    /** Somebody goes through them. */
    this.used = false;
    this.wake = () => {};
  }

  /**
   * @param {import('./subscriptions.js').Publication} publication
   * @param {() => void} done called when it was handled
   */
  add(publication, done) {
    if (this.waiting.length >= WAITING_MAX) {
      this.waiting.shift()?.done();
      this.dropped += 1;
    }
    this.waiting.push({ publication, done });
    this.wake();
  }

  /** @returns {AsyncIterableIterator<import('./subscriptions.js').Publication>} */
  begin() {
    if (this.used) throw new TypeError('somebody goes through these publications already');
    this.used = true;
    let over = false;
    const iterator = {
      next: async () => {
        this.handled();
        while (!over) {
          const next = this.waiting.shift();
          if (next) {
            if (this.dropped) this.subscription.gap('slow', this.dropped);
            this.dropped = 0;
            this.last = next.done;
            return { done: false, value: next.publication };
          }
          if (this.subscription.state === 'unsubscribed') {
            over = true;
            if (this.subscription.error) throw this.subscription.error;
          } else await new Promise((resolve) => (this.wake = () => resolve(null)));
        }
        return /** @type {any} */ ({ done: true, value: undefined });
      },
      // What waits is for the next one.
      return: async () => {
        over = true;
        this.used = false;
        this.handled();
        this.wake();
        return /** @type {any} */ ({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  handled() {
    this.last?.();
    this.last = null;
  }
}
