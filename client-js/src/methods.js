import { StarlingError } from './errors.js';
import { failureOf } from './message.js';
import { isMethod, isReserved } from './topics.js';

/**
 * What a method that the server calls knows about the call.
 * @typedef {object} CallContext
 * @property {string} requestId
 * @property {string} method
 * @property {AbortSignal} signal aborted when nobody waits for the answer any more: the session is lost
 * @property {(topic: string, data?: unknown) => void} notify tells the caller something that belongs to the call
 * @property {(percent: number, status?: string, details?: unknown) => void} progress
 */

/** @typedef {(payload: any, context: CallContext) => unknown} Handler */

/** Methods of ours that the server may call. */
export class Methods {
  constructor() {
    /** @type {Map<string, Handler>} */
    this.handlers = new Map();
  }

  /**
   * @param {string} name
   * @param {Handler} handler
   * @returns {() => void} takes the method away
   */
  add(name, handler) {
    if (!isMethod(name)) throw new TypeError(`"${name}" is not a method name: write namespace:action`);
    if (isReserved(name)) throw new TypeError(`the namespace of "${name}" is reserved`);
    if (this.handlers.has(name)) throw new TypeError(`the method ${name} is there already`);
    this.handlers.set(name, handler);
    return () => void this.handlers.delete(name);
  }

  /**
   * Runs a call and gives the answer. Errors with a code are passed on; of others nothing leaves.
   * @param {import('./message.js').Request} request
   * @param {(message: import('./message.js').Notification) => void} send
   * @param {AbortSignal} signal
   * @param {(error: unknown) => void} report
   * @returns {Promise<import('./message.js').Response>}
   */
  async call(request, send, signal, report) {
    const { id, method, payload, peer } = request;
    const answer = (/** @type {{ data?: unknown, error?: import('./message.js').Failure }} */ result) =>
      /** @type {import('./message.js').Response} */ ({ type: 'response', id, ...result, ...(peer ? { peer } : {}) });
    const handler = this.handlers.get(method);
    if (!handler) return answer({ error: { code: 'METHOD_NOT_FOUND', message: `Method ${method} not found` } });
    let done = false;
    const notify = (/** @type {string} */ topic, /** @type {unknown} */ data, progress = false) => {
      if (done) throw new StarlingError('REQUEST_CANCELLED', 'the request was answered already');
      send({ type: 'notification', id, topic, data, progress, ...(peer ? { peer } : {}) });
    };
    try {
      const data = await handler(payload, {
        requestId: id,
        method,
        signal,
        notify: (topic, value) => notify(topic, value),
        progress(percent, status, details) {
          const progress = Math.min(100, Math.max(0, Number(percent) || 0));
          notify('progress', { type: 'progress', progress, status, details }, true);
        },
      });
      return answer({ data });
    } catch (error) {
      const failure = failureOf(error);
      if (!failure) report(error);
      return answer({ error: failure ?? { code: 'METHOD_ERROR', message: 'Method execution failed' } });
    } finally {
      done = true;
    }
  }
}
