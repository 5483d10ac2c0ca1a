import { ConnectionError, StarlingError } from './errors.js';
import { newId } from './message.js';

/**
 * What a session is taken up again with, as it is kept in a storage.
 * @typedef {{ token: string, expiresAt: number, refreshAt: number, session: string | null, position: number }} Kept
 *
 * What the server says about it in `hello`.
 * @typedef {{ recovered: boolean, replayed: number, position: number, received: number | null, restarted: boolean, reason?: string, topics?: Record<string, any> }} Recovery
 *
 * @typedef {{ message: any, frame: any, id?: string, again?: boolean }} Sent
 */

/** Topics of the connection itself: not numbered, never sent again. What has a position of its own is not either. */
const ABOUT = ['hello', 'connection:recovered', 'system:draining', 'starling:ack', 'starling:resume', 'topic:gap', 'topic:presence', 'auth:expired', 'auth:changed'];

/** So many messages may be unacknowledged, and so long. */
const ACK_EACH = 64;
const ACK_AFTER_MS = 100;

/** Messages that are kept for a server that confirms none. */
const UNCONFIRMED_MAX = 10_000;

/** @param {any} message */
const isAbout = (message) =>
  message.type === 'notification' && !message.id && !message.peer && (Boolean(message.published) || ABOUT.includes(message.topic));

/**
 * The session behind the connections: its token, and the numbers of messages in both directions.
 *
 * Nothing of the numbers is on the wire. A connection keeps the order of messages, so both sides count them.
 */
export class Session {
  /** @param {import('./starling.js').Starling} starling */
  constructor(starling) {
    this.starling = starling;
    this.storage = starling.options.storage;
    this.key = `helios:${starling.connection.url}`;
    /** Tells this page from another one that has the same token. */
    this.instance = newId();
    /** The session is of a page before this one. */
    this.stale = false;
    /** Tells a connection of ours from one before that was slow to arrive. */
    this.attempt = 0;
    /** @type {Kept | null} */
    this.kept = this.load();
    this.stale = Boolean(this.kept);
    /** The number of the last message that came. */
    this.count = 0;
    /** Every message up to this one has come in this page. */
    this.seen = (starling.options.extensions && this.kept?.position) || 0;
    /** Every message up to this one was handled. */
    this.position = this.seen;
    this.acked = this.seen;
    /** Numbers behind the position that are handled already. @type {Set<number>} */
    this.handled = new Set();
    /** Moves when numbers begin anew. */
    this.epoch = 0;
    /** Messages that the server may not have. @type {Sent[]} */
    this.unconfirmed = [];
    /** The number of the last message that we sent. */
    this.sent = 0;
    this.recovering = false;
    /** Tokens that were asked for in vain, one after the other. */
    this.failures = 0;
    /** The id of the session. @type {string | null} */
    this.id = this.kept?.session ?? null;
    /** @type {Promise<void> | null} */
    this.refreshing = null;
    /** @type {any} */
    this.ackTimer = null;
    /** @type {any} */
    this.refreshTimer = null;
  }

  /** The token, unless it is over. */
  get token() {
    return this.kept && Date.now() < this.kept.expiresAt ? this.kept.token : null;
  }

  // Connections

  /**
   * What a socket is opened with.
   * @param {string[]} protocols ours; empty for a server that does not know our extensions
   * @returns {{ url: string, protocols: string[] }}
   */
  opening(protocols) {
    const { token, starling } = this;
    const { url } = starling.connection;
    this.recovering = Boolean(token);
    if (!token) return { url, protocols };
    starling.events.emit('recovering', { position: this.seen });
    if (protocols.length) return { url, protocols: [...protocols, 'helios-starling.resume'] };
    // There is no other way with such a server.
    return { url: withToken(url, token), protocols };
  }

  /**
   * There is a socket.
   * @returns {boolean} whether the server is to be heard before anything else is sent
   */
  opened() {
    if (!this.recovering) this.anew();
    else if (this.starling.options.extensions) {
      this.attempt += 1;
      const { token } = this.kept ?? {};
      const topics = this.starling.subscriptions?.places() ?? {};
      // Of subscriptions of a page before this one nobody here knows.
      const data = { token, position: this.seen, instance: this.instance, attempt: this.attempt, topics, only: this.stale };
      this.starling.put({ type: 'notification', id: null, topic: 'starling:resume', data });
      return true;
    }
    return false;
  }

  /** A server without our extensions has sent everything that was missed. */
  recovered() {
    if (!this.recovering || this.starling.options.extensions) return;
    this.recovering = false;
    this.tellRecovered({ same: true, recovered: true, replayed: null });
  }

  /** A connection begins without a token: whatever was sent before belongs to no session any more. */
  anew() {
    const lost = this.unconfirmed.splice(0);
    this.sent = 0;
    const had = this.id;
    this.id = null;
    this.skipTo(0);
    for (const request of [...this.starling.requests.pending.values()]) {
      if (!request.sent) continue;
      if (request.options.idempotent && request.again) request.again();
      else request.settle(new ConnectionError('the session was lost before the answer'));
    }
    if (had) this.tellRecovered({ reason: 'expired' });
    this.tellOf(lost.map(({ message }) => message));
  }

  /** @param {object} event what is not as in a session that is lost */
  tellRecovered(event) {
    this.starling.events.emit('recovered', { session: null, same: false, recovered: false, replayed: 0, reason: null, restarted: false, ...event });
  }

  /**
   * The server has said which session this is.
   * @param {string | null} id
   * @param {Recovery} [said]
   */
  greeted(id, said) {
    // A server that has not heard our token in time, or does not know what to do with it.
    const unheard = { recovered: false, replayed: 0, position: 0, received: null, restarted: false, reason: 'unheard' };
    const recovery = said ?? (this.recovering ? unheard : undefined);
    const same = Boolean(id && this.kept?.session === id);
    this.recovering = this.stale = false;
    this.id = id;
    if (!same) {
      this.kept = null;
      // Nobody waits for answers to what the old session was asked.
      this.starling.life.abort();
      this.starling.life = new AbortController();
    }
    this.count = recovery?.position ?? 0;
    // After a kill the numbers go on from here, whatever they were.
    if (!same || !recovery?.recovered || recovery.received === null) this.skipTo(this.count);
    if (!recovery) return;
    const lost = this.sendAgain(recovery, same);
    const { recovered, replayed, reason = null, restarted } = recovery;
    this.tellRecovered({ session: id, same, recovered, replayed, reason, restarted });
    this.tellOf(lost);
  }

  /** @param {any[]} lost */
  tellOf(lost) {
    const told = lost.filter(({ type }) => type === 'notification');
    if (told.length) this.starling.events.emit('unconfirmed', told);
  }

  /** @param {number} number */
  skipTo(number) {
    this.seen = this.position = this.acked = this.count = number;
    this.handled.clear();
    // Handlers that are not done yet have numbers that mean nothing any more.
    this.epoch += 1;
    this.save();
  }

  /**
   * Sends again what the server does not have. Of what it has, the answers come by themselves, unless they are gone
   * with the session or with the server: then requests are asked again if they may be, and else fail.
   * @param {Recovery} recovery
   * @param {boolean} same
   * @returns {any[]} messages of which nobody knows whether they have come
   */
  sendAgain({ recovered, received, restarted }, same) {
    const known = same && received !== null;
    if (known) this.confirmed(received);
    const again = this.unconfirmed.splice(0);
    this.sent = known ? received : 0;
    const lost = [];
    const { pending } = this.starling.requests;
    for (const { message, frame, id } of again) {
      // A request is looked at below; one that was given up is not sent again.
      if (known && (!id || pending.has(id))) this.starling.put(message, frame);
      else if (!id) lost.push(message);
    }
    // Whatever the server is at work on goes on, unless it is another process.
    if (known && recovered && !restarted) return lost;
    const sent = new Set(known ? again.map(({ id }) => id) : []);
    for (const [id, request] of [...pending]) {
      if (!request.sent || sent.has(id)) continue;
      // The server knows requests of the session by their id, and runs none of them twice: those that came when it
      // had given out a token, and are not for another peer.
      if ((same && request.known) || request.options.idempotent) {
        // What a new session is asked waits until it knows whose it is.
        if (!same && request.again) {
          request.again();
          continue;
        }
        this.starling.put(request.message, request.frame);
        // Its answer may be on the way already, and says nothing of what is sent here.
        const last = this.unconfirmed.at(-1);
        if (last) last.again = true;
      } else request.settle(new ConnectionError('the session was lost before the answer'));
    }
    return lost;
  }

  closed() {
    clearTimeout(this.ackTimer);
    clearTimeout(this.refreshTimer);
    this.ackTimer = null;
    if (this.starling.options.extensions) return;
    // Such a server answers nothing that was asked before.
    const error = new ConnectionError('the connection was lost');
    this.starling.requests.fail(error, ({ message }) => message?.method === 'starling:state');
    this.refreshing = null;
  }

  // Messages

  /**
   * A message goes out.
   * @param {any} message
   * @param {any} frame as it is sent
   */
  countOut(message, frame) {
    // Only a server with our extensions counts.
    if (isAbout(message) || !this.starling.options.extensions) return;
    this.sent += 1;
    if (this.unconfirmed.length >= UNCONFIRMED_MAX) this.unconfirmed.shift();
    this.unconfirmed.push({ message, frame, id: message.type === 'request' ? message.id : undefined });
  }

  /**
   * The server has everything up to a number.
   * @param {number} number
   */
  confirmed(number) {
    const first = this.sent - this.unconfirmed.length + 1;
    this.unconfirmed.splice(0, Math.max(0, number - first + 1));
  }

  /**
   * A message came.
   * @param {any} message
   * @returns {number | null} its number; null if it is about the connection; 0 if it came before
   */
  countIn(message) {
    // Only a server with our extensions counts.
    if (isAbout(message) || !this.starling.options.extensions) return null;
    this.count += 1;
    // An answer says that its request has come, and all that was sent before.
    if (message.type === 'response') {
      const at = this.unconfirmed.findIndex(({ id, again }) => id === message.id && !again);
      if (at >= 0) this.unconfirmed.splice(0, at + 1);
    }
    if (this.count <= this.seen) return 0;
    this.seen = this.count;
    return this.count;
  }

  /**
   * The application has handled a message.
   * @param {number} number
   * @param {number} epoch when it came
   */
  done(number, epoch) {
    if (epoch !== this.epoch) return;
    this.handled.add(number);
    while (this.handled.delete(this.position + 1)) this.position += 1;
    if (!this.kept) return;
    this.save();
    if (this.position - this.acked >= ACK_EACH) this.acknowledge();
    else this.ackTimer ??= setTimeout(() => this.acknowledge(), ACK_AFTER_MS);
  }

  acknowledge() {
    clearTimeout(this.ackTimer);
    this.ackTimer = null;
    if (this.starling.state !== 'connected' || this.acked >= this.position) return;
    this.acked = this.position;
    this.starling.transmit({ type: 'notification', id: null, topic: 'starling:ack', data: this.position });
  }

  // Tokens

  /** Asks for a token, once at a time. @returns {Promise<void>} */
  refresh() {
    this.refreshing ??= this.ask().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  async ask() {
    clearTimeout(this.refreshTimer);
    const { recovering } = this;
    this.failures += 1;
    const { token, expiresIn } = await this.starling.request('starling:state', null, { queue: 'fail', idempotent: true });
    if (recovering && this.recovering) this.notRecovered();
    this.failures = 0;
    const life = expiresIn * 1000;
    const { random } = this.starling.options;
    // At 80 % of its life, and not all clients at the same moment.
    const refreshAt = Date.now() + life * (0.75 + 0.1 * random());
    this.kept = { token, expiresAt: Date.now() + life, refreshAt, session: this.id, position: this.position };
    this.save();
    this.starling.events.emit('token', { expiresIn });
    this.schedule();
  }

  /**
   * Asks for a token when it is time. A page that nobody sees waits until somebody does.
   * @param {boolean} [now]
   */
  schedule(now = false) {
    clearTimeout(this.refreshTimer);
    if (this.starling.state !== 'connected') return;
    const wait = now ? 0 : (this.kept?.refreshAt ?? 0) - Date.now();
    const ask = () => {
      if (this.starling.state !== 'connected') return;
      if (/** @type {any} */ (globalThis).document?.hidden) return;
      this.refresh().catch((error) => {
        // A server without sessions, or a connection that is gone: the next connection asks again.
        if (error instanceof StarlingError && ['METHOD_NOT_FOUND', 'CONNECTION_LOST', 'REQUEST_CANCELLED'].includes(error.code)) return;
        this.starling.events.emit('error', error);
        if (this.starling.state !== 'connected') return;
        this.refreshTimer = setTimeout(() => this.schedule(true), Math.min(60_000, 500 * 2 ** this.failures));
      });
    };
    if (wait <= 0) ask();
    else this.refreshTimer = setTimeout(ask, Math.min(wait, 0x7fffffff));
  }

  /** A server without our extensions says nothing of a token that is no good; what it says next tells. */
  notRecovered() {
    this.recovering = false;
    const error = new ConnectionError('the session was lost before the answer');
    this.starling.requests.fail(error, (pending) => pending.sent && pending.via !== this.starling.connection.socket);
    this.starling.subscriptions?.lost();
    this.tellRecovered({ replayed: null });
  }

  /** Forgets the session: the next connection begins a new one. */
  forget() {
    this.kept = null;
    this.save();
  }

  // Storage

  /** @returns {Kept | null} */
  load() {
    try {
      return JSON.parse(this.storage?.getItem(this.key) ?? 'null');
    } catch {
      return null;
    }
  }

  save() {
    if (this.kept) this.kept.position = this.position;
    if (!this.storage) return;
    try {
      if (this.kept) this.storage.setItem(this.key, JSON.stringify(this.kept));
      else this.storage.removeItem(this.key);
    } catch {
      // A storage that is full or forbidden: the session still survives everything but a reload.
    }
  }
}

/**
 * The address with the token in it.
 * @param {string} url
 * @param {string} token
 */
function withToken(url, token) {
  const made = new URL(url);
  made.searchParams.set('recover', token);
  return made.href;
}
