import { json } from './codec-json.js';
import { msgpack } from './codec-msgpack.js';
import { Connection } from './connection.js';
import { Emitter, guarded } from './emitter.js';
import { CancelledError, ConnectionError, ProtocolError, StarlingError } from './errors.js';
import { newId } from './message.js';
import { Methods } from './methods.js';
import { withDefaults } from './options.js';
import { Requests } from './requests.js';
import { Topics, isMethod, isTopic } from './topics.js';

/**
 * Events of the connection.
 * @typedef {object} Events
 * @property {import('./connection.js').State} state the state changed
 * @property {{ session: string | null }} connected
 * @property {{ code: number, reason: string, error: ConnectionError, retryInMs: number | null }} disconnected
 *   a socket or an attempt is gone; `retryInMs` is null if that was the last
 * @property {any} hello what the server told about itself
 * @property {{ reconnect_after_ms: number }} draining the server stops soon
 * @property {StarlingError} error the server complained, or sent something wrong, or a method of ours failed
 * @property {{ topic: string, data: any }} unhandled a notification that no handler wanted
 * @property {{ direction: 'in' | 'out', data: string | ArrayBuffer | Uint8Array }} frame every frame, for looking on
 */

/** A connection to a Helios server that keeps itself alive. */
export class Starling {
  /**
   * @param {string | URL} url where the server is, such as `ws://127.0.0.1:8080/ws`
   * @param {import('./options.js').PartialOptions} [options]
   */
  constructor(url, options = {}) {
    this.options = withDefaults(options);
    this.codec = this.options.codec === 'msgpack' ? msgpack : json;
    const subprotocol = this.options.extensions ? this.codec.subprotocol : undefined;
    this.connection = new Connection(url, this.options, subprotocol, {
      opened: () => this.opened(),
      frame: (data) => this.frame(data),
      closed: (event) => this.closed(event),
      state: (state) => this.events.emit('state', state),
    });
    /** @type {Emitter<Events>} */
    this.events = new Emitter();
    /** What the server told about itself: limits, capabilities, our session. Null until it has. @type {any} */
    this.hello = null;
    this.requests = new Requests();
    this.methods = new Methods();
    this.topics = new Topics();
    /** Messages that wait for a connection. @type {{ send: () => void }[]} */
    this.waiting = [];
    /** Aborted when the socket is lost. */
    this.life = new AbortController();
    /** @type {Record<'text' | 'json' | 'binary', Set<(value: any) => void>>} */
    this.foreign = { text: new Set(), json: new Set(), binary: new Set() };
    this.heard = 0;
    /** @type {any} */
    this.heartbeat = null;
  }

  /** `disconnected`, `connecting` or `connected`. */
  get state() {
    return this.connection.state;
  }

  /**
   * Connects, and goes on trying as long as `options.reconnect` allows.
   * @returns {Promise<void>} settles once connected, or once it is given up
   */
  connect() {
    return this.connection.connect();
  }

  /**
   * Closes and stays closed. Requests that wait are cancelled.
   * @param {number} [code]
   * @param {string} [reason]
   */
  disconnect(code = 1000, reason = 'Connection closed') {
    this.waiting = [];
    this.requests.fail(new CancelledError('The connection was closed by this side'));
    this.connection.disconnect(code, reason);
  }

  /**
   * Calls a method of the server.
   * @param {string} method such as `chat:send`
   * @param {unknown} [payload] any JSON; with msgpack also bytes
   * @param {import('./requests.js').RequestOptions} [options]
   * @returns {Promise<any>} the data of the answer
   */
  async request(method, payload, options = {}) {
    if (!isMethod(method)) throw new TypeError(`"${method}" is not a method name: write namespace:action`);
    const { peer, queue = this.options.queue } = options;
    if (options.signal?.aborted) throw new CancelledError();
    const id = newId();
    this.checkRoom(queue);
    const pending = this.requests.add(id, { ...options, timeout: options.timeout ?? this.options.timeout });
    const send = () => {
      if (!this.requests.pending.has(id)) return;
      try {
        this.transmit({ type: 'request', id, method, payload, ...(peer ? { peer } : {}) });
        pending.sent = true;
      } catch (error) {
        pending.settle(/** @type {Error} */ (error));
      }
    };
    if (this.state === 'connected') send();
    else this.wait({ send }, pending);
    return pending.promise;
  }

  /**
   * Tells the server something. Nothing comes back.
   * @param {string} topic such as `chat:typing`
   * @param {unknown} [data]
   * @param {{ queue?: 'wait' | 'fail', peer?: unknown }} [options]
   */
  notify(topic, data, options = {}) {
    if (!isTopic(topic)) throw new TypeError(`"${topic}" is not a topic name`);
    const { peer, queue = this.options.queue } = options;
    this.checkRoom(queue);
    const send = () => this.transmit({ type: 'notification', id: null, topic, data, ...(peer ? { peer } : {}) });
    if (this.state === 'connected') send();
    else this.waiting.push({ send: () => guarded(send) });
  }

  /**
   * Lets the server call a method of ours.
   * @param {string} name
   * @param {import('./methods.js').Handler} handler what it returns is the answer; a thrown `{code, message}` is passed on
   * @returns {() => void} takes the method away
   */
  method(name, handler) {
    return this.methods.add(name, handler);
  }

  /**
   * Handles notifications of the server. Handlers outlive reconnects.
   * @param {string} pattern a topic, or one with wildcards: `*` is one segment, `**` is one or more
   * @param {(data: any, context: { topic: string }) => void} handler
   * @returns {() => void} takes the handler away
   */
  on(pattern, handler) {
    return this.topics.on(pattern, handler);
  }

  /** @param {(text: string) => void} handler gets text that is not JSON */
  onText(handler) {
    return listen(this.foreign.text, handler);
  }

  /** @param {(value: any) => void} handler gets JSON that is no message */
  onJson(handler) {
    return listen(this.foreign.json, handler);
  }

  /** @param {(bytes: ArrayBuffer) => void} handler gets bytes that are no message */
  onBinary(handler) {
    return listen(this.foreign.binary, handler);
  }

  /**
   * Sends a frame as it is, past the protocol.
   * @param {string | ArrayBuffer | Uint8Array} data
   */
  send(data) {
    if (this.state !== 'connected') throw new ConnectionError('there is no connection');
    this.connection.send(data);
    this.events.emit('frame', { direction: 'out', data });
  }

  // From here on for this file only.

  /** @param {'wait' | 'fail'} queue */
  checkRoom(queue) {
    if (this.state === 'connected') return;
    if (queue === 'fail') throw new ConnectionError('there is no connection');
    if (this.waiting.length >= this.options.queueMax) {
      throw new ConnectionError(`${this.options.queueMax} calls wait for a connection already`);
    }
  }

  /**
   * Keeps a call until there is a connection; a call that was given up makes room.
   * @param {{ send: () => void }} entry
   * @param {{ promise: Promise<any> }} pending
   */
  wait(entry, pending) {
    this.waiting.push(entry);
    const forget = () => {
      const at = this.waiting.indexOf(entry);
      if (at >= 0) this.waiting.splice(at, 1);
    };
    pending.promise.then(forget, forget);
  }

  /** @param {import('./message.js').Message} message */
  transmit(message) {
    const frame = this.codec.encode(message);
    const bytes = typeof frame === 'string' ? frame.length : frame.byteLength;
    const limit = this.hello?.limits?.messageBytes ?? 1048563;
    if (bytes > limit) throw new StarlingError('PROTOCOL_VIOLATION', `the message has ${bytes} bytes, more than the ${limit} that the server takes`);
    this.send(frame);
  }

  opened() {
    this.life = new AbortController();
    this.heard = Date.now();
    if (!this.options.extensions) this.events.emit('connected', { session: null });
    for (const { send } of this.waiting.splice(0)) send();
    this.watch();
  }

  /** @param {Events['disconnected']} event */
  closed(event) {
    clearTimeout(this.heartbeat);
    this.life.abort();
    this.hello = null;
    const given = event.retryInMs === null;
    if (given) this.waiting = [];
    // What has left may or may not have been done; what waits still may be.
    this.requests.fail(event.error, (pending) => given || pending.sent);
    this.events.emit('disconnected', event);
  }

  /** Asks for a sign of life after a long silence: a lost network closes nothing by itself. */
  watch() {
    const every = this.options.heartbeat;
    if (!every) return;
    const silent = Date.now() - this.heard;
    this.heartbeat = setTimeout(async () => {
      const since = this.heard;
      if (Date.now() - since >= every) {
        // Any answer will do, an error too: it is a sign of life.
        await this.request('system:ping', undefined, { timeout: this.options.connectTimeout, queue: 'fail' }).catch(() => {});
        if (this.state === 'connected' && this.heard === since) return this.connection.lose();
      }
      if (this.state === 'connected') this.watch();
    }, Math.max(1, every - silent));
  }

  /** @param {string | ArrayBuffer} data */
  frame(data) {
    this.heard = Date.now();
    this.events.emit('frame', { direction: 'in', data });
    const decoded = this.codec.decode(data);
    if ('foreign' in decoded) {
      for (const handler of this.foreign[decoded.foreign]) guarded(() => handler(decoded.value));
    } else if ('violation' in decoded) {
      const details = { violations: [decoded.violation] };
      this.events.emit('error', new ProtocolError('PROTOCOL_VIOLATION', decoded.violation, details));
      // A listener may have disconnected.
      if (this.state !== 'connected') return;
      this.transmit({ type: 'error', error: { code: 'PROTOCOL_VIOLATION', message: 'Message processing failed', details } });
    } else this.message(decoded.message);
  }

  /** @param {import('./message.js').Message} message */
  message(message) {
    switch (message.type) {
      case 'response':
        // An answer that came after its time has nobody left to tell.
        this.requests.answer(message);
        break;
      case 'notification':
        this.notification(message);
        break;
      case 'request':
        this.answer(message);
        break;
      default: {
        const { code, message: text, details } = message.error;
        this.events.emit('error', new ProtocolError(code, text, details));
      }
    }
  }

  /** @param {import('./message.js').Notification} notification */
  notification(notification) {
    const { id, topic, data } = notification;
    if (id) return void this.requests.notify(notification);
    if (topic === 'hello' && this.options.extensions && !this.hello) {
      this.hello = data;
      this.events.emit('hello', data);
      this.events.emit('connected', { session: /** @type {any} */ (data)?.session ?? null });
      return;
    }
    if (topic === 'system:draining') {
      const advice = /** @type {Events['draining']} */ (data);
      this.connection.advisedDelay = Math.max(0, Number(advice?.reconnect_after_ms) || 0);
      this.events.emit('draining', advice);
    }
    if (!this.topics.handle(topic, data)) this.events.emit('unhandled', { topic, data });
  }

  /** @param {import('./message.js').Request} request */
  async answer(request) {
    const { signal } = this.life;
    const send = (/** @type {import('./message.js').Message} */ message) => {
      if (!signal.aborted) this.transmit(message);
    };
    const report = (/** @type {unknown} */ cause) => {
      const error = new StarlingError('METHOD_ERROR', `the method ${request.method} failed`, cause);
      this.events.emit('error', error);
    };
    const response = await this.methods.call(request, send, signal, report);
    try {
      send(response);
    } catch (error) {
      report(error);
      const failure = { code: 'INTERNAL_ERROR', message: 'The answer cannot be sent' };
      send({ type: 'response', id: request.id, error: failure, ...(request.peer ? { peer: request.peer } : {}) });
    }
  }
}

/**
 * @template T
 * @param {Set<(value: T) => void>} set
 * @param {(value: T) => void} handler
 * @returns {() => void}
 */
function listen(set, handler) {
  set.add(handler);
  return () => void set.delete(handler);
}
