import { json } from './codec-json.js';
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
 * @property {{ position: number }} recovering a connection is about to take the session up again
 * @property {{ session: string | null, same: boolean, recovered: boolean, replayed: number | null, reason: string | null, restarted: boolean }} recovered
 *   what became of that; `recovered` is false if something is missing, and `reason` says why
 * @property {any[]} unconfirmed notifications of ours of which nobody knows whether the server got them before it was killed
 * @property {{ expiresIn: number }} token there is a new token
 * @property {{ user: { userId: string, username: string } | null, reason: string | null }} account somebody has logged in, or nobody is logged in any more
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
    const { Account, Session, Subscriptions, codecs } = /** @type {typeof Starling} */ (new.target);
    this.codec = codecs[this.options.codec];
    if (!this.codec) throw new TypeError(`options.codec: this bundle has no ${this.options.codec}`);
    this.connection = new Connection(url, this.options, {
      opening: () => this.opening(),
      opened: () => this.opened(),
      ready: () => this.ready(),
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
    /** What outlives connections of topics; null in the core bundle. @type {import('./subscriptions.js').Subscriptions | null} */
    this.subscriptions = Subscriptions ? new Subscriptions(this) : null;
    /** Messages that wait for a connection. @type {{ send: () => void, keep?: boolean }[]} */
    this.waiting = [];
    /** Aborted when nobody waits for answers of ours any more: the socket is lost, and with it the session. */
    this.life = new AbortController();
    /** @type {Record<'text' | 'json' | 'binary', Set<(value: any) => void>>} */
    this.foreign = { text: new Set(), json: new Set(), binary: new Set() };
    this.heard = 0;
    /** @type {any} */
    this.heartbeat = null;
    /** The session behind the connections; null without one. @type {import('./session.js').Session | null} */
    this.session = this.options.session && Session ? new Session(this) : null;
    /** The account that connections belong to; null in the core bundle. @type {import('./account.js').Account | null} */
    this.account = Account ? new Account(this) : null;
  }

  /** The part that logs in; the core bundle has none. @type {typeof import('./account.js').Account | null} */
  static Account = null;

  /** The part that keeps sessions; the core bundle has none. @type {typeof import('./session.js').Session | null} */
  static Session = null;

  /** The part that subscribes to topics; the core bundle has none. @type {typeof import('./subscriptions.js').Subscriptions | null} */
  static Subscriptions = null;

  /** The ways to write messages; the core bundle has one. @type {Record<string, typeof json | typeof import('./codec-msgpack.js').msgpack>} */
  static codecs = { json };

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
   * Closes and stays closed. Requests that wait are cancelled. The session waits for a while: `connect()` takes it up
   * again.
   * @param {number} [code]
   * @param {string} [reason]
   */
  disconnect(code = 1000, reason = 'Connection closed') {
    this.waiting = this.waiting.filter(({ keep }) => keep);
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
    // Ours wait whatever else does.
    if (!(/** @type {any} */ (options).always)) this.checkRoom(queue);
    const pending = this.requests.add(id, { ...options, timeout: options.timeout ?? this.options.timeout });
    /** @type {import('./message.js').Request} */
    const message = { type: 'request', id, method, payload, ...(peer ? { peer } : {}) };
    pending.message = message;
    const send = () => {
      if (!this.requests.pending.has(id)) return;
      try {
        const frame = this.encoded(message);
        if (this.state !== 'connected') throw new ConnectionError('there is no connection');
        this.put(message, frame);
        pending.sent = true;
        pending.frame = frame;
        pending.via = this.connection.socket;
        pending.known = Boolean(this.session?.token && !peer);
      } catch (error) {
        pending.settle(/** @type {Error} */ (error));
      }
    };
    if (queue === 'wait') {
      pending.again = () => {
        pending.sent = false;
        this.wait({ send }, pending);
      };
    }
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
    this.transmitOrWait({ type: 'notification', id: null, topic, data, ...(peer ? { peer } : {}) });
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
    this.checkSize(data);
    const bytes = data instanceof Uint8Array ? new Uint8Array(data).buffer : data;
    // What looks like a message to us does so to the server, which counts it.
    if (!('foreign' in this.codec.decode(bytes))) this.session?.countOut({ type: 'raw' }, data);
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

  /** @param {string | ArrayBuffer | Uint8Array} frame */
  checkSize(frame) {
    const bytes = typeof frame === 'string' ? frame.length : frame.byteLength;
    const limit = this.hello?.limits?.messageBytes ?? 1048563;
    if (bytes > limit) throw new StarlingError('PROTOCOL_VIOLATION', `the message has ${bytes} bytes, more than the ${limit} that the server takes`);
  }

  /** @param {import('./message.js').Message} message */
  encoded(message) {
    const frame = this.codec.encode(message);
    this.checkSize(frame);
    return frame;
  }

  /**
   * Sends a message now or with the next connection, as it is now: what cannot be written is told at once.
   * @param {import('./message.js').Message} message
   * @param {AbortSignal} [signal] tells that nobody waits for it any more
   */
  transmitOrWait(message, signal) {
    const frame = this.encoded(message);
    if (this.state === 'connected') return this.put(message, frame);
    const send = () => signal?.aborted || this.put(message, frame);
    // Answers are owed to the session, also over a `disconnect()`.
    this.waiting.push({ send: () => void send(), keep: message.type === 'response' });
  }

  /** @param {import('./message.js').Message} message */
  transmit(message) {
    if (this.state !== 'connected') throw new ConnectionError('there is no connection');
    this.put(message, this.encoded(message));
  }

  /**
   * Sends a message over a socket that may not be ready for those of the application.
   * @param {import('./message.js').Message} message
   * @param {string | Uint8Array} [frame]
   */
  put(message, frame = this.codec.encode(message)) {
    this.session?.countOut(message, frame);
    this.connection.send(frame);
    this.events.emit('frame', { direction: 'out', data: frame });
  }

  /**
   * What a socket is opened with.
   * @returns {{ url: string, protocols: string[] }}
   */
  opening() {
    const protocols = this.options.extensions ? [this.codec.subprotocol] : [];
    return this.session?.opening(protocols) ?? { url: this.connection.url, protocols };
  }

  opened() {
    if (this.life.signal.aborted) this.life = new AbortController();
    this.heard = performance.now();
    // What was sent before comes first, and the server says what that is.
    const heard = this.session?.opened();
    // Nor is anything asked before the server knows who asks.
    if (!heard && !(this.account?.user && this.options.extensions)) this.connection.ready();
  }

  ready() {
    const { socket } = this.connection;
    if (!this.options.extensions && this.account?.user) {
      // Such a server says nothing first: it is told at once, and whatever waits goes out behind.
      const go = () => this.connection.socket === socket && this.readied(socket);
      return this.account.greeted(go);
    }
    this.readied(socket);
  }

  /** @param {any} socket */
  readied(socket) {
    for (const { send } of this.waiting.splice(0)) send();
    this.watch();
    this.account?.connected();
    if (this.options.extensions) return;
    // Such a server does not say what it goes on with.
    this.subscriptions?.connected(null);
    if (!this.session?.recovering) this.subscriptions?.lost();
    this.events.emit('connected', { session: null });
    if (this.connection.socket === socket) this.session?.schedule(true);
  }

  /** @param {Events['disconnected']} event */
  closed(event) {
    clearTimeout(this.heartbeat);
    this.session?.closed();
    this.subscriptions?.closed();
    this.account?.closed();
    this.hello = null;
    const given = event.retryInMs === null;
    if (given) this.waiting = this.waiting.filter(({ keep }) => keep);
    // What has left may or may not have been done; what waits still may be. A session knows more when it is back.
    const kept = !given && this.session?.token;
    if (!this.session?.token) this.life.abort();
    this.requests.fail(event.error, (pending) => given || (!kept && pending.sent));
    this.events.emit('disconnected', event);
  }

  /** Asks for a sign of life after a long silence: a lost network closes nothing by itself. */
  watch() {
    const every = this.options.heartbeat;
    clearTimeout(this.heartbeat);
    if (!every) return;
    const { socket } = this.connection;
    const silent = performance.now() - this.heard;
    this.heartbeat = setTimeout(async () => {
      const since = this.heard;
      if (performance.now() - since >= every && (await this.probe())) return;
      if (this.state === 'connected' && this.connection.socket === socket) this.watch();
    }, Math.max(1, every - silent));
  }

  /** Asks for a sign of life. Says whether there was none, and the connection is given up. */
  async probe() {
    const { heard: since } = this;
    const { socket } = this.connection;
    // Any answer will do, an error too: it is a sign of life.
    await this.request('system:ping', undefined, { timeout: this.options.connectTimeout, queue: 'fail', idempotent: true }).catch(() => {});
    const dead = this.state === 'connected' && this.heard === since && this.connection.socket === socket;
    if (dead) this.connection.lose();
    return dead;
  }

  /** @param {string | ArrayBuffer} data */
  frame(data) {
    this.heard = performance.now();
    this.events.emit('frame', { direction: 'in', data });
    const decoded = this.codec.decode(data);
    if ('foreign' in decoded) {
      for (const handler of this.foreign[decoded.foreign]) guarded(() => handler(decoded.value));
    } else if ('violation' in decoded) {
      const details = { violations: [decoded.violation] };
      // It has a number like any other.
      const number = this.session?.countIn({ type: 'violation' });
      if (number) this.session?.done(number, this.session.epoch);
      this.events.emit('error', new ProtocolError('PROTOCOL_VIOLATION', decoded.violation, details));
      // A listener may have disconnected.
      if (this.state !== 'connected') return;
      this.transmit({ type: 'error', error: { code: 'PROTOCOL_VIOLATION', message: 'Message processing failed', details } });
    } else this.message(decoded.message);
  }

  /** @param {import('./message.js').Message} message */
  message(message) {
    const number = this.session?.countIn(message) ?? null;
    // It came before, over another connection.
    if (number === 0) return;
    const work = this.handle(message);
    if (number === null) return;
    const epoch = this.session?.epoch ?? 0;
    const done = () => this.session?.done(number, epoch);
    // The position moves when the application is done with it, not when it came.
    if (work) work.then(done, done);
    else done();
  }

  /**
   * @param {import('./message.js').Message} message
   * @returns {Promise<unknown> | void} settles when the application has handled it
   */
  handle(message) {
    switch (message.type) {
      case 'response':
        // An answer that came after its time has nobody left to tell.
        return void this.requests.answer(message);
      case 'notification':
        return this.notification(message);
      case 'request':
        return this.answer(message);
      default: {
        const { code, message: text, details } = message.error;
        this.events.emit('error', new ProtocolError(code, text, details));
      }
    }
  }

  /**
   * @param {import('./message.js').Notification} notification
   * @returns {Promise<unknown> | void}
   */
  notification(notification) {
    const { id, topic, data } = notification;
    if (id) return void this.requests.notify(notification);
    if (notification.peer) return this.told(topic, data);
    if (topic === 'hello' && this.options.extensions && !this.hello) {
      return this.greeted(data);
    }
    if (topic === 'starling:ack') return this.session?.confirmed(Number(data));
    if (topic === 'connection:recovered') this.session?.recovered();
    if (topic === 'auth:expired') this.account?.expired(/** @type {any} */ (data));
    if (topic === 'system:draining') {
      const advice = /** @type {Events['draining']} */ (data);
      this.connection.advisedDelay = Math.max(0, Number(advice?.reconnect_after_ms) || 0);
      this.events.emit('draining', advice);
    }
    const work = this.subscriptions?.handle(notification);
    // What a subscription gets is its own.
    if (work && this.options.extensions) return work.length ? Promise.allSettled(work) : undefined;
    return this.told(topic, data, work);
  }

  /**
   * @param {string} topic
   * @param {unknown} data
   * @param {Promise<unknown>[] | null} [work] what subscriptions still do with it
   * @returns {Promise<unknown> | void}
   */
  told(topic, data, work = null) {
    const others = this.topics.handle(topic, data);
    const handled = work || others ? [...(work ?? []), ...(others ?? [])] : null;
    if (!handled) return void this.events.emit('unhandled', { topic, data });
    if (handled.length) return Promise.allSettled(handled);
  }

  /** @param {any} hello */
  greeted(hello) {
    this.hello = hello;
    const session = hello?.session ?? null;
    // Any listener may disconnect: then the rest is not to happen.
    const { socket } = this.connection;
    const gone = () => this.connection.socket !== socket;
    this.events.emit('hello', hello);
    // First what was sent before, then what has waited.
    const same = Boolean(session) && this.session?.kept?.session === session;
    if (!gone()) this.session?.greeted(session, hello?.recovery);
    const go = () => {
      // What a session goes on with needs not be asked for again.
      if (!gone()) this.subscriptions?.connected(same && hello?.recovery ? (hello.recovery.topics ?? {}) : null);
      if (!gone()) this.connection.ready();
      if (!gone()) this.events.emit('connected', { session });
      if (!gone()) this.session?.schedule();
      if (!gone()) this.account?.connected();
    };
    // A session that goes on knows whose it is.
    if (gone() || same || !this.account) go();
    else this.account.greeted(go);
  }

  /** @param {import('./message.js').Request} request */
  async answer(request) {
    const { signal } = this.life;
    const send = (/** @type {import('./message.js').Message} */ message) => {
      if (!signal.aborted) this.transmitOrWait(message, signal);
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
