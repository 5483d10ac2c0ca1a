import { Backoff } from './backoff.js';
import { CLOSE_CODES } from './close-codes.js';
import { ConnectionError } from './errors.js';

/** @typedef {'disconnected' | 'connecting' | 'connected'} State */

/**
 * @typedef {object} Handlers
 * @property {() => { url: string, protocols: string[] }} opening a socket is about to be made
 * @property {() => void} opened the socket is there; `ready` is to be called once it is of use
 * @property {() => void} ready the connection is of use
 * @property {(data: string | ArrayBuffer) => void} frame something came
 * @property {(event: { code: number, reason: string, error: ConnectionError, retryInMs: number | null }) => void} closed
 *   a socket or an attempt is gone; `retryInMs` is null if that was the last
 * @property {(state: State) => void} state the state changed
 */

/** A connection that lasted so long was a good one: the next loss starts the backoff anew. */
const STABLE_MS = 5_000;

/** One socket after the other: connects, notices losses, connects again. */
export class Connection {
  /**
   * @param {string | URL} url
   * @param {import('./options.js').Options} options
   * @param {Handlers} handlers
   */
  constructor(url, options, handlers) {
    this.url = String(url);
    this.options = options;
    this.handlers = handlers;
    this.backoff = new Backoff(options);
    /** @type {State} */
    this.state = 'disconnected';
    /** Milliseconds that the server asked us to stay away after the next loss. @type {number | null} */
    this.advisedDelay = null;
    /** @type {any} */
    this.socket = null;
    this.openedAt = 0;
    /** @type {any} */
    this.timer = null;
    /** @type {Attempt | null} */
    this.attempt = null;
  }

  /** @returns {Promise<void>} settles once connected, or once it is given up */
  connect() {
    if (this.state === 'connected') return Promise.resolve();
    if (this.attempt) return this.attempt.promise;
    const { promise } = (this.attempt = attempt());
    this.setState('connecting');
    // A listener may have disconnected.
    if (this.attempt?.promise === promise) this.open();
    return promise;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  disconnect(code, reason) {
    clearTimeout(this.timer);
    const socket = this.release();
    if (this.state === 'disconnected') return;
    try {
      // Throws for codes that an application may not use.
      socket?.close(code, reason);
    } finally {
      this.give(new ConnectionError('disconnected by this side', { closeCode: code, reason }), code, reason);
    }
  }

  /** @param {string | Uint8Array | ArrayBuffer} data */
  send(data) {
    this.socket.send(data);
  }

  /** Drops the socket as if it had been lost, because nothing is heard of the server. */
  lose() {
    const socket = this.release();
    socket?.close(4009, 'no sign of life');
    this.lost(1006, 'no sign of life');
  }

  open() {
    this.timer = setTimeout(() => {
      this.release()?.close();
      this.lost(1006, `no connection within ${this.options.connectTimeout}ms`);
    }, this.options.connectTimeout);
    const { timer } = this;
    let socket;
    try {
      const { url, protocols } = this.handlers.opening();
      // A listener may have disconnected.
      if (this.state !== 'connecting' || this.timer !== timer) return clearTimeout(timer);
      socket = new this.options.WebSocket(url, protocols);
    } catch (error) {
      clearTimeout(this.timer);
      return this.give(new ConnectionError(`cannot connect to ${this.url}: ${/** @type {Error} */ (error).message}`), 1006, '');
    }
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.handlers.opened();
    socket.onmessage = (/** @type {MessageEvent} */ event) => this.handlers.frame(event.data);
    socket.onclose = (/** @type {CloseEvent} */ event) => {
      clearTimeout(this.timer);
      this.release();
      this.lost(event.code, event.reason);
    };
    // A close event follows, with more in it.
    socket.onerror = () => {};
    this.socket = socket;
  }

  /** The socket is of use from now on. */
  ready() {
    if (this.state !== 'connecting' || !this.socket) return;
    clearTimeout(this.timer);
    this.openedAt = performance.now();
    this.advisedDelay = null;
    const { socket, attempt } = this;
    this.attempt = null;
    this.state = 'connected';
    // What has waited goes first, whatever listeners send.
    this.handlers.ready();
    // One of them may have disconnected.
    if (this.socket === socket) this.handlers.state('connected');
    if (this.socket === socket) attempt?.resolve();
    else attempt?.reject(new ConnectionError('disconnected by this side'));
  }

  /** Tries at once instead of waiting for the next attempt. */
  hurry() {
    if (this.state !== 'connecting' || this.socket) return;
    clearTimeout(this.timer);
    this.open();
  }

  /** Lets go of the socket, so that its late events change nothing. */
  release() {
    const socket = this.socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.socket = null;
    return socket;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  lost(code, reason) {
    const text = `the connection was lost (${code}${reason ? ` ${reason}` : ''})`;
    const error = new ConnectionError(text, { closeCode: code, reason });
    if (!this.options.reconnect || CLOSE_CODES[code]?.reconnect === false) return this.give(error, code, reason);
    // A server that accepts and closes at once has not come back.
    if (this.openedAt && performance.now() - this.openedAt > STABLE_MS) this.backoff.reset();
    this.openedAt = 0;
    const retryInMs = this.advisedDelay ?? this.backoff.next();
    this.advisedDelay = null;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), retryInMs);
    this.attempt ??= attempt();
    this.setState('connecting');
    this.handlers.closed({ code, reason, error, retryInMs });
  }

  /**
   * The end: nobody tries any more.
   * @param {ConnectionError} error
   * @param {number} code
   * @param {string} reason
   */
  give(error, code, reason) {
    // A listener may connect again: that is a new attempt, and not the one that ends here.
    const { attempt } = this;
    this.attempt = null;
    this.setState('disconnected');
    this.handlers.closed({ code, reason, error, retryInMs: null });
    attempt?.reject(error);
  }

  /** @param {State} state */
  setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.handlers.state(state);
  }
}

/** @typedef {{ promise: Promise<void>, resolve: () => void, reject: (error: Error) => void }} Attempt */

/** @returns {Attempt} a promise that nobody has to watch */
function attempt() {
  /** @type {any} */
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {});
  return made;
}
