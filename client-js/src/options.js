/**
 * @typedef {object} Options
 * @property {'json' | 'msgpack'} codec how messages are written; the server must know our extensions for msgpack
 * @property {boolean} extensions tell the server that we know its extensions; off for a server that does not
 * @property {number} timeout milliseconds that a request may take; 0 is no limit
 * @property {number} connectTimeout milliseconds that one attempt to connect may take
 * @property {boolean} reconnect connect again after a loss
 * @property {number} backoffMin milliseconds: the first retry comes at a random time up to this
 * @property {number} backoffMax milliseconds: no retry waits longer
 * @property {'wait' | 'fail'} queue what a call does while there is no connection
 * @property {number} queueMax calls that may wait for a connection
 * @property {number} heartbeat milliseconds of silence after which the server is asked for a sign of life; 0 is never
 * @property {boolean} session take the session up again after a loss; off for clients that begin anew each time
 * @property {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null} storage where the token is kept besides memory, so that
 *   the session survives a reload: `sessionStorage`, or whatever has its three methods
 * @property {any} WebSocket the class to connect with
 * @property {() => number} random a number from 0 to 1, for tests
 */

/** @typedef {Partial<Options>} PartialOptions */

/** @type {Readonly<Omit<Options, 'WebSocket'>>} */
export const DEFAULTS = Object.freeze({
  codec: 'json',
  extensions: true,
  timeout: 30_000,
  connectTimeout: 10_000,
  reconnect: true,
  backoffMin: 500,
  backoffMax: 20_000,
  queue: 'wait',
  queueMax: 1000,
  heartbeat: 30_000,
  session: true,
  storage: null,
  random: Math.random,
});

/**
 * @param {PartialOptions} given
 * @returns {Options}
 */
export function withDefaults(given) {
  const options = { WebSocket: /** @type {any} */ (globalThis).WebSocket, ...DEFAULTS, ...given };
  if (!options.WebSocket) throw new TypeError('there is no WebSocket here: pass one as options.WebSocket');
  if (!['json', 'msgpack'].includes(options.codec)) throw new TypeError(`options.codec: unknown codec "${options.codec}"`);
  if (!['wait', 'fail'].includes(options.queue)) throw new TypeError(`options.queue: "wait" or "fail", not "${options.queue}"`);
  if (options.codec === 'msgpack' && !options.extensions) throw new TypeError('options.codec: msgpack needs options.extensions');
  return options;
}
