import { Emitter, guarded } from './emitter.js';
import { CancelledError, StarlingError } from './errors.js';
import { Iteration } from './iteration.js';
import { isTopic, topicPattern } from './topics.js';

/**
 * What was published, and where.
 * @typedef {{ data: any, topic: string, position: string | null, tags: Record<string, string> }} Publication
 *
 * Publications are missing: `reason` is `slow` (we read too slowly, `missed` tells how many), or what the server says about
 * a position that it could not go on from.
 * @typedef {{ topic: string, reason: string, missed: number | null, position: string | null }} Gap
 *
 * Who has come and left. With `truncated` only the counts are told: ask `members()` for names.
 * @typedef {{ joined: { user?: string, session?: string }[], left: { user?: string, session?: string }[], sessions: number, users: number, anonymous: number, version: number, truncated?: boolean }} Presence
 *
 * @typedef {object} SubscribeOptions
 * @property {string} [since] the position of the last publication that you have; what came after it is sent again
 * @property {Record<string, string | string[]>} [filter] tags that publications must have, chosen by the server
 * @property {boolean} [presence] be told who comes and leaves, as event `presence`
 * @property {(gap: Gap) => void} [onGap] publications are missing: fetch what you need anew
 *
 * @typedef {{ session?: string, user?: string, sessions?: number, since?: number, away?: boolean }} Member
 *
 * @typedef {{ state: 'subscribing' | 'subscribed' | 'unsubscribed', gap: Gap, presence: Presence, error: Error }} SubscriptionEvents
 *
 * @typedef {(data: any, publication: Publication) => unknown} PublicationHandler
 */

/** An end that is nobody's fault is tried again, at a random time up to this, doubled each time. */
const RETRY_MS = 500;
const RETRY_MAX_MS = 20_000;

/** All subscriptions of a client, by topic or pattern. */
export class Subscriptions {
  /** @param {import('./starling.js').Starling} starling */
  constructor(starling) {
    this.starling = /** @type {import('./index.js').Starling} */ (starling);
    /** @type {Map<string, Subscription>} */
    this.all = new Map();
  }

  /**
   * @param {string} topic
   * @param {PublicationHandler | undefined} handler
   * @param {SubscribeOptions} options
   */
  add(topic, handler, options) {
    const pattern = topicPattern(topic);
    const others = [...this.all.values()];
    // A server without our extensions does not say by which subscription something came.
    const mixed = !this.starling.options.extensions && others.find((other) => pattern.test(other.topic) || other.matches.test(topic));
    const other = this.all.get(topic) ?? mixed;
    if (other) throw new TypeError(`there is a subscription to "${other.topic}" already: use client.subscription("${other.topic}")`);
    const subscription = new Subscription(this, topic, handler, options);
    this.all.set(topic, subscription);
    subscription.begin();
    return subscription;
  }

  /** Where each of them stands, for a server that goes on from there. */
  places() {
    const confirmed = [...this.all.values()].filter(({ confirmed, seen }) => confirmed && seen);
    return Object.fromEntries(confirmed.map(({ topic, seen }) => [topic, seen]));
  }

  /**
   * There is a connection.
   * @param {Record<string, any> | null} told what the server says of each topic that it goes on with; null for a session that is new
   */
  connected(told) {
    for (const subscription of this.all.values()) subscription.connected(told?.[subscription.topic], !told);
    // It never heard that these are over.
    for (const topic of Object.keys(told ?? {})) if (!this.all.has(topic)) this.leave(topic);
  }

  closed() {
    for (const subscription of this.all.values()) subscription.closed();
  }

  /** Nobody knows what came meanwhile. */
  lost() {
    for (const subscription of this.all.values()) subscription.gap('no_position', null);
  }

  /**
   * Tells the server that a subscription is over. If it does not hear of it now, it is told when it names the topic.
   * @param {string} topic
   * @returns {Promise<void>}
   */
  async leave(topic) {
    await this.ask('topic:unsubscribe', { topic }).catch((error) => {
      if (!isLoss(error)) throw error;
    });
  }

  /**
   * A request that waits for a connection whatever else does.
   * @param {string} method
   * @param {unknown} payload
   * @param {(data: any) => void} [onAnswer] called in order with everything else that comes
   */
  ask(method, payload, onAnswer) {
    return this.starling.request(method, payload, /** @type {any} */ ({ idempotent: true, timeout: 0, queue: 'wait', always: true, onAnswer }));
  }

  /**
   * A notification came.
   * @param {import('./message.js').Notification} message
   * @returns {Promise<unknown>[] | null} what handlers still do; null if no subscription wants it
   */
  handle({ topic, data, published }) {
    if (topic === 'topic:gap' || topic === 'topic:presence') {
      const subscription = this.all.get(data?.pattern ?? data?.topic);
      subscription?.told(topic, data);
      return subscription ? [] : null;
    }
    if (published) {
      const subscription = this.all.get(published.pattern ?? topic);
      return subscription ? subscription.receive({ data, topic, position: published.position, tags: published.tags ?? {} }) : null;
    }
    // A server without our extensions: what comes on the topic is what was published.
    if (this.starling.options.extensions) return null;
    const subscription = [...this.all.values()].find(({ matches }) => matches.test(topic));
    return subscription ? subscription.receive({ data, topic, position: null, tags: {} }) : null;
  }
}

/** @param {any} error */
const isLoss = (error) => ['REQUEST_CANCELLED', 'CONNECTION_LOST'].includes(error?.code);

/** A subscription that outlives connections: what is missed in between is sent again, or told as a gap. */
export class Subscription {
  /**
   * @param {Subscriptions} all
   * @param {string} topic
   * @param {PublicationHandler | undefined} handler
   * @param {SubscribeOptions} options
   */
  constructor(all, topic, handler, { since, filter, presence, onGap } = {}) {
    this.all = all;
    this.topic = topic;
    this.matches = topicPattern(topic);
    this.handler = handler;
    this.options = { filter, presence };
    /** `subscribing`, `subscribed` or `unsubscribed`. @type {SubscriptionEvents['state']} */
    this.state = 'subscribing';
    /** The position of the last publication that was handled, to go on from in another session. @type {string | null} */
    this.position = since ?? null;
    /** The position of the last one that came. */
    this.seen = this.position;
    /** @type {Emitter<SubscriptionEvents>} */
    this.events = new Emitter();
    if (onGap) this.events.on('gap', onGap);
    /** Publications that are not handled yet, the oldest first. @type {{ position: string | null, done: boolean }[]} */
    this.open = [];
    /** Whoever goes through publications as they come. Without a handler they wait for the first of them. */
    this.iteration = handler ? null : new Iteration(this);
    /** The server has confirmed it in this session. */
    this.confirmed = false;
    /** The server was asked and has not answered. */
    this.asking = false;
    /** What the server said was lost before it has answered. @type {string | null} */
    this.missing = null;
    /** Tells answers to what was asked before from those to what was asked last. */
    this.attempt = 0;
    this.failures = 0;
    /** Why it has ended. @type {Error | null} */
    this.error = null;
    /** @type {(error: Error | null) => void} */
    this.settle = () => {};
    // Settles once it has begun, or cannot.
    /** @type {Promise<void>} */
    this.ready = new Promise((resolve, reject) => {
      this.settle = (error) => (error ? reject(error) : resolve());
    });
    this.ready.catch(() => {});
  }

  /**
   * Calls a listener with what happens to the subscription: `state`, `gap`, `presence`, `error`.
   * @template {keyof SubscriptionEvents} Name
   * @param {Name} name
   * @param {(event: SubscriptionEvents[Name]) => void} listener
   * @returns {() => void} takes the listener away
   */
  on(name, listener) {
    return this.events.on(name, listener);
  }

  /**
   * Publishes on the topic.
   * @param {unknown} data
   * @param {import('./index.js').PublishOptions} [options]
   */
  publish(data, options) {
    return this.all.starling.publish(this.topic, data, options);
  }

  /**
   * The last publications, or those since a position.
   * @param {{ since?: string, limit?: number }} [options]
   * @returns {Promise<{ position: string, publications: (Publication & { at: number })[], more?: boolean }>}
   */
  async history(options = {}) {
    const { topic } = this;
    const answer = await this.all.starling.request('topic:history', { topic, ...options }, { idempotent: true });
    return { ...answer, publications: answer.publications.map((/** @type {any} */ one) => ({ topic, tags: {}, ...one })) };
  }

  /**
   * Everybody who is there, and the last difference that is in it.
   * @param {{ by?: 'session' | 'user' }} [options]
   * @returns {Promise<{ members: Member[], version: number, sessions: number, users: number, anonymous: number }>}
   */
  async members({ by = 'session' } = {}) {
    const members = new Map();
    for (let cursor, first; ; ) {
      const page = await this.all.starling.request('topic:presence', { topic: this.topic, by, cursor, limit: 1000 }, { idempotent: true });
      // A user with sessions on two pages is on both.
      for (const member of page.members) members.set(member.session ?? `user ${member.user}`, member);
      // What has changed since the first page may be missing.
      first ??= page.version;
      ({ cursor } = page);
      if (!cursor) return { members: [...members.values()], version: first, sessions: page.sessions, users: page.users, anonymous: page.anonymous };
    }
  }

  /** Ends it. Settles when the server knows, or there is no connection to tell it by. */
  async unsubscribe() {
    if (this.state === 'unsubscribed') return;
    this.end(new CancelledError('the subscription was ended by this side'), true);
    await this.all.leave(this.topic);
  }

  /**
   * Goes through publications as they come; ends when the subscription does. One counts as handled when the next one is
   * asked for; what was not, waits for the next who goes through them.
   * @returns {AsyncIterableIterator<Publication>}
   */
  [Symbol.asyncIterator]() {
    this.iteration ??= new Iteration(this);
    return this.iteration.begin();
  }

  // From here on for this file only.

  /** @param {SubscriptionEvents['state']} state */
  enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.events.emit('state', state);
  }

  /** Asks the server for it. */
  begin() {
    this.attempt += 1;
    const { attempt, seen } = this;
    const { extensions } = this.all.starling.options;
    this.enter('subscribing');
    this.asking = true;
    this.confirmed = false;
    this.missing = null;
    // Without our extensions what was missed comes with the session, if it comes.
    const since = seen && (extensions || attempt === 1) ? { since: seen } : {};
    const asked = this.all.ask('topic:subscribe', { topic: this.topic, ...since, ...this.options }, (told) => {
      if (attempt === this.attempt) this.begun(told);
      else if (!this.all.all.has(this.topic)) void this.all.leave(this.topic);
    });
    asked.catch((error) => {
      if (attempt !== this.attempt) return;
      this.asking = false;
      // The connection was closed from this side: the next one asks again.
      if (!isLoss(error)) this.failed(error);
    });
  }

  /** @param {any} error */
  failed(error) {
    if (!error.retryable) return this.end(error, false);
    this.failures += 1;
    const { attempt } = this;
    const wait = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.failures) * this.all.starling.options.random();
    setTimeout(() => attempt === this.attempt && !this.asking && this.begin(), wait);
  }

  /** @param {any} told what the server says of it, in order with the publications */
  begun(told) {
    const reason = this.missing ?? (told.recovered === false ? told.reason : null);
    this.asking = false;
    this.confirmed = true;
    this.missing = null;
    this.failures = 0;
    this.seen = told.position ?? null;
    if (reason || told.recovered !== true) {
      // What is still being handled from before says nothing of where this one stands.
      this.open = [];
      this.position = this.seen;
    }
    this.enter('subscribed');
    this.settle(null);
    if (reason) this.gap(reason, null);
    // Nobody knows what has happened meanwhile: names have to be asked for.
    if (told.presence) this.events.emit('presence', { joined: [], left: [], truncated: true, ...told.presence });
  }

  /**
   * @param {any} told what the server says of it, if it goes on with it
   * @param {boolean} anew the session is a new one
   */
  connected(told, anew) {
    if (this.asking && this.all.starling.options.extensions) {
      // What was asked for and not answered is asked for again by itself, unless it was answered and the answer comes.
      if (told?.recovered === false) this.missing = told.reason;
      return;
    }
    if (anew || !told || !this.confirmed) return this.begin();
    this.begun(told);
    if (this.options.presence) this.refresh();
  }

  closed() {
    if (this.state === 'subscribed') this.enter('subscribing');
  }

  /** Who is there may have changed while we were not. */
  async refresh() {
    const page = await this.all.ask('topic:presence', { topic: this.topic, limit: 0 }).catch(() => null);
    if (!page) return;
    const { members, ...counts } = page;
    this.events.emit('presence', { joined: [], left: [], truncated: true, ...counts });
  }

  /**
   * @param {string} reason
   * @param {number | null} missed
   * @param {string} [topic]
   */
  gap(reason, missed, topic = this.topic) {
    this.events.emit('gap', { topic, reason, missed, position: this.position });
  }

  /**
   * @param {string} topic
   * @param {any} data
   */
  told(topic, data) {
    if (topic === 'topic:gap') this.gap(data.reason, data.missed, data.topic);
    else this.events.emit('presence', { joined: [], left: [], ...data });
  }

  /**
   * @param {Publication} publication
   * @returns {Promise<unknown>[]} what handlers still do
   */
  receive(publication) {
    // What comes before the answer is of a subscription before, and comes again behind it.
    if (this.asking && this.all.starling.options.extensions) return [];
    const entry = { position: publication.position, done: false };
    this.seen = publication.position ?? this.seen;
    this.open.push(entry);
    /** @type {Promise<unknown>[]} */
    const work = [];
    const { handler } = this;
    guarded(() => {
      const done = /** @type {any} */ (handler?.(publication.data, publication));
      // What it throws late goes where it would go at once.
      if (typeof done?.then === 'function') work.push(Promise.resolve(done).catch((error) => guarded(() => { throw error; })));
    });
    let users = 1 + Number(Boolean(this.iteration));
    const handled = () => {
      users -= 1;
      entry.done = users === 0;
      while (this.open[0]?.done) this.position = this.open.shift()?.position ?? this.position;
    };
    this.iteration?.add(publication, handled);
    if (work.length) Promise.allSettled(work).then(handled);
    else handled();
    return work;
  }

  /**
   * @param {Error} error
   * @param {boolean} wanted it was asked for
   */
  end(error, wanted) {
    this.attempt += 1;
    this.confirmed = this.asking = false;
    if (this.all.all.get(this.topic) === this) this.all.all.delete(this.topic);
    this.error = wanted ? null : error;
    this.enter('unsubscribed');
    this.settle(error);
    this.iteration?.wake();
    // Somebody is to hear of it.
    if (!wanted && !this.events.emit('error', error)) this.all.starling.events.emit('error', /** @type {StarlingError} */ (error));
  }
}
