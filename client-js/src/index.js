// The client for browsers, and the common part for Node (see node.js).
import { json } from './codec-json.js';
import { msgpack } from './codec-msgpack.js';
import { Session } from './session.js';
import { Starling as Core } from './starling.js';
import { watchWaking } from './wake.js';

export { ERROR_CODES } from './error-codes.js';
export { CLOSE_CODES } from './close-codes.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from './errors.js';

/** A connection to a Helios server that keeps itself alive, and a session that outlives it. See {@link Core}. */
export class Starling extends Core {
  static Session = Session;

  static codecs = { json, msgpack };

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
