// The client for browsers, and the common part for Node (see node.js).
import { Account } from './account.js';
import { json } from './codec-json.js';
import { msgpack } from './codec-msgpack.js';
import { Jobs } from './jobs.js';
import { Session } from './session.js';
import { Starling as Core } from './starling.js';
import { Subscriptions } from './subscriptions.js';
import { isTopic } from './topics.js';
import { watchWaking } from './wake.js';

export { ERROR_CODES } from './error-codes.js';
export { CLOSE_CODES } from './close-codes.js';
export { JobError } from './jobs.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from './errors.js';

/** @typedef {Omit<import('./requests.js').RequestOptions, 'idempotent' | 'peer'> & { tags?: Record<string, string> }} PublishOptions */

/** A connection to a Helios server that keeps itself alive, and a session that outlives it. See {@link Core}. */
export class Starling extends Core {
  static Account = Account;

  static Session = Session;

  static Subscriptions = Subscriptions;

  static codecs = { json, msgpack };

  /** Jobs: work in the background. */
  jobs = new Jobs(this);

  /** Stops looking for a machine that wakes up. @type {(() => void) | null} */
  unwatch = null;

  connect() {
    this.unwatch ??= watchWaking(() => this.woken());
    return super.connect();
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  disconnect(code, reason) {
    this.unwatch?.();
    this.unwatch = null;
    super.disconnect(code, reason);
  }

  /** @param {import('./starling.js').Events['disconnected']} event */
  closed(event) {
    super.closed(event);
    if (event.retryInMs !== null || this.state !== 'disconnected') return;
    this.unwatch?.();
    this.unwatch = null;
  }

  /**
   * Subscribes to a topic, or a pattern of topics, of the server. The subscription outlives connections and sessions: it goes
   * on after the last publication that was handled, or tells of a gap.
   * @param {string} topic
   * @param {import('./subscriptions.js').PublicationHandler | import('./subscriptions.js').SubscribeOptions} [handler] gets each publication; there is also `for await`
   * @param {import('./subscriptions.js').SubscribeOptions} [options]
   * @returns {import('./subscriptions.js').Subscription}
   */
  subscribe(topic, handler, options) {
    if (typeof handler === 'function') return /** @type {Subscriptions} */ (this.subscriptions).add(topic, handler, options ?? {});
    return /** @type {Subscriptions} */ (this.subscriptions).add(topic, undefined, options ?? handler ?? {});
  }

  /**
   * The subscription that there is to a topic or pattern.
   * @param {string} topic
   */
  subscription(topic) {
    return this.subscriptions?.all.get(topic) ?? null;
  }

  /**
   * Publishes on a topic.
   * @param {string} topic
   * @param {unknown} data
   * @param {PublishOptions} [options]
   * @returns {Promise<{ position: string, delivered: number }>} where, and to how many subscribers
   */
  async publish(topic, data, options = {}) {
    if (!isTopic(topic)) throw new TypeError(`"${topic}" is not a topic name`);
    const { tags, ...rest } = options;
    return this.request('topic:publish', { topic, data: data ?? null, ...(tags ? { tags } : {}) }, rest);
  }

  /**
   * Ends the session and closes: its token is void, and nobody comes back to it.
   * @returns {Promise<void>}
   */
  async end() {
    try {
      await this.request('starling:end', null, { queue: 'fail', idempotent: true });
    } finally {
      this.session?.forget();
      this.disconnect();
    }
  }

  /** The machine has slept, or the network is back: what looks alive is asked, what waits is done at once. */
  woken() {
    if (this.state === 'connecting') this.connection.hurry();
    if (this.state !== 'connected') return;
    this.session?.schedule();
    this.probe();
  }
}
