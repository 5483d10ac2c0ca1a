import { CancelledError, RequestError, StarlingError, TimeoutError } from './errors.js';
import { guarded } from './emitter.js';

/**
 * @typedef {object} RequestOptions
 * @property {number} [timeout] milliseconds; 0 is no limit
 * @property {AbortSignal} [signal] gives up when it is aborted
 * @property {(progress: { progress: number, status?: string, details?: any }) => void} [onProgress]
 * @property {(topic: string, data: any) => void} [onNotification] what belongs to this request, progress too
 * @property {'wait' | 'fail'} [queue] what to do while there is no connection
 * @property {boolean} [idempotent] calling twice is the same as once, so it may be sent again in a new session too
 * @property {unknown} [peer] who is meant instead of the server: `true` or an object
 */

/** Requests of ours that wait for their answer. */
export class Requests {
  constructor() {
    /** @type {Map<string, Pending>} */
    this.pending = new Map();
  }

  /**
   * @param {string} id
   * @param {RequestOptions & { timeout: number, onAnswer?: (data: any) => void }} options `onAnswer` is called in order with everything else that comes
   * @returns {Pending}
   */
  add(id, options) {
    const pending = new Pending(options, () => this.pending.delete(id));
    this.pending.set(id, pending);
    return pending;
  }

  /**
   * @param {import('./message.js').Response} response
   * @returns {boolean} whether anybody waited for it
   */
  answer(response) {
    const pending = this.pending.get(response.id);
    const { error } = response;
    // It was refused because the server stops: it has not run, and the next server takes it.
    if (error?.code === 'SERVER_DRAINING' && pending?.again) pending.again();
    else if (error) pending?.settle(new RequestError(error.code, error.message, error.details));
    else {
      pending?.options.onAnswer?.(response.data);
      pending?.settle(null, response.data);
    }
    return Boolean(pending);
  }

  /**
   * @param {import('./message.js').Notification} notification
   * @returns {boolean} whether it belongs to a request
   */
  notify({ id, topic, data, progress }) {
    const pending = id && this.pending.get(id);
    if (!pending) return false;
    const { onProgress, onNotification } = pending.options;
    if (onNotification) guarded(() => onNotification(topic, data));
    if (progress && onProgress) guarded(() => onProgress(/** @type {any} */ (data)));
    return true;
  }

  /**
   * Fails requests that nobody can answer any more.
   * @param {Error} error
   * @param {(pending: Pending) => boolean} [which]
   */
  fail(error, which = () => true) {
    for (const pending of [...this.pending.values()]) if (which(pending)) pending.settle(error);
  }
}

/** Timers take no more; beyond 24 days there is no limit. */
const TIMER_MAX = 0x7fffffff;

/** One request on its way. */
class Pending {
  /**
   * @param {RequestOptions & { timeout: number, onAnswer?: (data: any) => void }} options
   * @param {() => void} forget
   */
  constructor(options, forget) {
    this.options = options;
    /** Whether it has left for the server. */
    this.sent = false;
    /** The socket that it left by. @type {any} */
    this.via = null;
    /** The server remembers it by its id. */
    this.known = false;
    /** Sends it once more over the next connection. @type {(() => void) | null} */
    this.again = null;
    /** What was or will be sent. @type {any} */
    this.message = null;
    /** As it was sent. @type {any} */
    this.frame = null;
    /** @type {(error: Error | null, data?: unknown) => void} */
    this.settle = () => {};
    /** @type {Promise<any>} */
    this.promise = new Promise((resolve, reject) => {
      const { timeout, signal } = options;
      const timer = timeout > 0 && timeout <= TIMER_MAX ? setTimeout(() => this.settle(new TimeoutError(timeout)), timeout) : undefined;
      const abort = () => this.settle(signal?.reason instanceof StarlingError ? signal.reason : new CancelledError());
      this.settle = (error, data) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        forget();
        if (error) reject(error);
        else resolve(data);
      };
      signal?.addEventListener('abort', abort);
    });
  }
}
