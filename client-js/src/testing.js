// For tests of applications: a server that is not there, in the same process, at the other end of a WebSocket class.
import { msgpack } from './codec-msgpack.js';
import { json } from './codec-json.js';
import { newId } from './message.js';
import { FakeTopics } from './testing-topics.js';

/** @typedef {{ matches: RegExp, filter: Record<string, string | string[]>, from: number, held: boolean }} FakeSubscription */

/** @typedef {(payload: any, context: { session: string, notify: (topic: string, data?: unknown) => void }) => unknown} FakeMethod */

/** Topics of the connection itself: not numbered. */
const ABOUT = ['hello', 'connection:recovered', 'system:draining', 'starling:ack', 'starling:resume', 'topic:gap', 'topic:presence', 'auth:expired', 'auth:changed'];

/**
 * A server for tests.
 *
 * ```js
 * const server = new FakeServer();
 * server.method('chat:send', ({ text }) => ({ length: text.length }));
 * const client = new Starling('ws://fake', { WebSocket: server.WebSocket });
 * await client.connect();
 * server.notify('chat:said', { text: 'hello' });
 * server.cut();                                  // and the client comes back by itself
 * ```
 *
 * It speaks both codecs, gives out tokens, keeps sessions over a cut and answers a request that comes again with
 * its first answer, as the real one does; and it has topics, all of them open. It checks no limits and forgets nothing.
 */
export class FakeServer {
  constructor() {
    /** @type {Map<string, FakeMethod>} */
    this.methods = new Map();
    /** @type {Map<string, FakeSession>} */
    this.sessions = new Map();
    /** @type {Set<FakeSocket>} */
    this.sockets = new Set();
    /** Notifications that clients have sent. @type {{ topic: string, data: any }[]} */
    this.received = [];
    /** While this is set, connections are refused. */
    this.down = false;
    const server = this;
    /** The class to give to a client. */
    this.WebSocket = class extends FakeSocket {
      /**
       * @param {string} url
       * @param {string[]} protocols
       */
      constructor(url, protocols) {
        super(server, url, protocols);
      }
    };
    this.method('starling:state', (_, { session }) => ({ token: `token-of-${session}`, expiresIn: 3600, state: {} }));
    this.method('starling:end', (_, { session }) => ({ ended: this.sessions.delete(session) }));
    this.topics = new FakeTopics(this);
    this.method('system:ping', () => ({ timestamp: Date.now(), uptime: 1 }));
  }

  /**
   * Answers calls of a method. What it throws with `code` and `message` is passed on.
   * @param {string} name
   * @param {FakeMethod} handler
   */
  method(name, handler) {
    this.methods.set(name, handler);
  }

  /**
   * Tells every client something, also those that are cut off: they get it when they are back.
   * @param {string} topic
   * @param {unknown} [data]
   */
  notify(topic, data) {
    for (const session of this.sessions.values()) session.send({ type: 'notification', id: null, topic, data });
  }

  /**
   * Publishes on a topic.
   * @param {string} topic
   * @param {unknown} data
   * @param {{ tags?: Record<string, string> }} [options]
   * @returns {{ position: string, delivered: number }}
   */
  publish(topic, data, { tags } = {}) {
    return this.topics.publish(topic, data, tags);
  }

  /**
   * Calls a method of the client that came last.
   * @param {string} method
   * @param {unknown} [payload]
   * @returns {Promise<any>}
   */
  request(method, payload) {
    const session = [...this.sessions.values()].filter(({ socket }) => socket).at(-1);
    if (!session) return Promise.reject(new Error('no client is connected'));
    const id = newId();
    return new Promise((resolve, reject) => {
      session.asked.set(id, (/** @type {any} */ { data, error }) => (error ? reject(Object.assign(new Error(error.message), error)) : resolve(data)));
      session.send({ type: 'request', id, method, payload });
    });
  }

  /** Cuts every connection, without a word. */
  cut() {
    for (const socket of [...this.sockets]) socket.lose(1006);
  }

  /** Cuts everybody off and forgets all sessions, as a server does that lost its disk: who comes back begins anew. */
  forget() {
    this.sessions.clear();
    this.cut();
  }
}

/** One session of the fake server. */
class FakeSession {
  constructor() {
    this.id = newId();
    /** @type {FakeSocket | null} */
    this.socket = null;
    /** All messages so far; the first has number 1. @type {any[]} */
    this.sent = [];
    /** So many of them went out over some connection. */
    this.delivered = 0;
    this.received = 0;
    /** Answers by the id of their request. @type {Map<string, any>} */
    this.answers = new Map();
    /** @type {Map<string, (response: any) => void>} */
    this.asked = new Map();
    /** @type {Map<string, FakeSubscription>} */
    this.topics = new Map();
  }

  /** @param {any} message */
  send(message) {
    this.sent.push(message);
    this.socket?.deliver(message);
  }
}

/** The client's end of a connection that never leaves the process. */
class FakeSocket {
  /**
   * @param {FakeServer} server
   * @param {string} url
   * @param {string[]} protocols
   */
  constructor(server, url, protocols) {
    /** What a client without our extensions shows. */
    this.recover = new URL(url).searchParams.get('recover');
    this.server = server;
    this.codec = protocols.includes(msgpack.subprotocol) ? msgpack : json;
    this.extensions = protocols.length > 0;
    this.resumes = protocols.includes('helios-starling.resume');
    /** @type {FakeSession | null} */
    this.session = null;
    this.open = false;
    /** @type {any} */ this.onopen = null;
    /** @type {any} */ this.onmessage = null;
    /** @type {any} */ this.onclose = null;
    queueMicrotask(() => {
      if (server.down) return this.lose(1006);
      this.open = true;
      server.sockets.add(this);
      this.onopen?.({});
      if (!this.resumes) this.begin(this.recover ? { token: this.recover } : undefined);
    });
  }

  /** @param {string | Uint8Array | ArrayBuffer} frame */
  send(frame) {
    if (!this.open) return;
    // Both sides copy: nothing that is changed later reaches the other one.
    const data = typeof frame === 'string' ? frame : new Uint8Array(/** @type {any} */ (frame)).slice().buffer;
    queueMicrotask(() => this.open && this.take(data));
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code = 1000, reason = '') {
    queueMicrotask(() => this.lose(code, reason));
  }

  /**
   * @param {number} code
   * @param {string} [reason]
   */
  lose(code, reason = '') {
    this.open = false;
    this.server.sockets.delete(this);
    if (this.session?.socket === this) this.session.socket = null;
    const { onclose } = this;
    this.onclose = null;
    onclose?.({ code, reason });
  }

  /** @param {any} message */
  deliver(message) {
    const frame = this.codec.encode(message);
    const data = typeof frame === 'string' ? frame : frame.slice().buffer;
    if (this.session) this.session.delivered = this.session.sent.length;
    queueMicrotask(() => this.open && this.onmessage?.({ data }));
  }

  /** @param {any} [claim] */
  begin(claim) {
    const known = claim && this.server.sessions.get(String(claim.token).replace('token-of-', ''));
    /** @type {FakeSession} */
    const session = known ?? new FakeSession();
    this.session = session;
    this.server.sessions.set(session.id, session);
    const { socket: old } = session;
    session.socket = this;
    old?.lose(4011, 'taken over');
    if (!this.extensions) {
      if (known) {
        session.sent.slice(session.delivered).forEach((message) => this.deliver(message));
        this.tell('connection:recovered', { timestamp: Date.now(), recoveredFrom: Date.now() });
      }
      return;
    }
    const position = known ? claim.position : 0;
    const missed = session.sent.slice(position);
    const reason = known ? {} : { reason: 'session_ended' };
    const recovery = { recovered: Boolean(known), replayed: missed.length, position, received: session.received, restarted: false, ...reason, ...(known ? { topics: this.server.topics.resuming(session.id, claim.topics ?? {}) } : {}) };
    this.tell('hello', { session: session.id, server: { name: 'fake' }, ...(claim ? { recovery } : {}) });
    missed.forEach((message) => this.deliver(message));
    if (known) this.tell('connection:recovered', { timestamp: Date.now(), recoveredFrom: Date.now() });
    if (known) this.server.topics.resumed(session.id);
  }

  /**
   * @param {string} topic
   * @param {unknown} data
   */
  tell(topic, data) {
    this.deliver({ type: 'notification', id: null, topic, data });
  }

  /** @param {string | ArrayBuffer} data */
  take(data) {
    const decoded = this.codec.decode(data);
    if (!('message' in decoded)) return;
    const { message } = decoded;
    const about = message.type === 'notification' && ABOUT.includes(message.topic);
    if (!this.session) return this.begin(about && message.topic === 'starling:resume' ? message.data : undefined);
    if (about) return;
    this.session.received += 1;
    if (message.type === 'request') this.call(this.session, message);
    else if (message.type === 'response') this.session.asked.get(message.id)?.(message);
    else if (message.type === 'notification') this.server.received.push({ topic: message.topic, data: message.data });
  }

  /**
   * @param {FakeSession} session
   * @param {import('./message.js').Request} request
   */
  async call(session, { id, method, payload }) {
    const first = session.answers.get(id);
    // It runs, and its answer will come; or it has run.
    if (first) return void (first.type && session.send(first));
    session.answers.set(id, {});
    const handler = this.server.methods.get(method);
    const context = {
      session: session.id,
      notify: (/** @type {string} */ topic, /** @type {unknown} */ data) => session.send({ type: 'notification', id, topic, data }),
    };
    /** @type {any} */
    const answer = { type: 'response', id };
    try {
      if (!handler) throw { code: 'METHOD_NOT_FOUND', message: `Method ${method} not found` };
      answer.data = (await handler(payload, context)) ?? null;
    } catch (error) {
      const { code, message, details } = /** @type {any} */ (error);
      answer.error = code ? { code, message, ...(details === undefined ? {} : { details }) } : { code: 'METHOD_ERROR', message: 'Method execution failed' };
    }
    session.answers.set(id, answer);
    session.send(answer);
    this.server.topics.resumed(session.id);
  }
}
