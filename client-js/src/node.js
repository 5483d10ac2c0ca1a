// The client for Node: the same, with a WebSocket where Node has none of its own (before version 22).
import { NodeWebSocket } from './node-websocket.js';
import { Starling as BrowserStarling } from './index.js';

export { ERROR_CODES } from './error-codes.js';
export { CLOSE_CODES } from './close-codes.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from './errors.js';

/** A connection to a Helios server that keeps itself alive. See {@link BrowserStarling}. */
export class Starling extends BrowserStarling {
  /**
   * @param {string | URL} url where the server is, such as `ws://127.0.0.1:8080/ws`
   * @param {import('./options.js').PartialOptions} [options]
   */
  constructor(url, options = {}) {
    const own = /** @type {any} */ (globalThis).WebSocket ?? NodeWebSocket;
    super(url, { WebSocket: own, ...options });
  }
}
