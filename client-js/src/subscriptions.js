import { Emitter, guarded } from './emitter.js';
import { isTopic, topicPattern } from './topics.js';

/**
 * What was published, and where.
 * @typedef {{ data: any, topic: string, position: string | null, tags: Record<string, string> }} Publication
 *
 * Publications are missing: `reason` is `slow` (we read too slowly, `missed` tells how many), or what the server says about
 * a position that it could not go on from.
 * @typedef {{ reason: string, missed: number | null, position: string | null }} Gap
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
 * @typedef {{ state: 'subscribing' | 'subscribed' | 'unsubscribed', gap: Gap, presence: Presence, error: Error }} SubscriptionEvents
 *
 * @typedef {(data: any, publication: Publication) => unknown} PublicationHandler
 */

/** Publications that may wait for an iteration that is slower than they come. */
const WAITING_MAX = 10_000;

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
    if (!isTopic(topic)) topicPattern(topic);
    if (this.all.has(topic)) throw new TypeError(`there is a subscription to "${topic}" already: unsubscribe it first, or use it`);
    const subscription = new Subscription(this, topic, handler, options);
    this.all.set(topic, subscription);
    subscription.begin();
    return subscription;
  }

  /** Where each of them stands, for a server that goes on from there. */
  places() {
    const subscribed = [...this.all.values()].filter(({ state, seen }) => state === 'subscribed' && seen);
    return Object.fromEntries(subscribed.map(({ topic, seen }) => [topic, seen]));
  }

  /**
   * There is a connection.
   * @param {Record<string, any> | undefined} told what the server says of each topic that it goes on with; nothing for a session that is new
   */
  connected(told) {
    for (const subscription of this.all.values()) subscription.connected(told?.[subscription.topic]);
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
    const fitting = [...this.all.values()].filter(({ matches }) => matches.test(topic));
    if (!fitting.length) return null;
    return fitting.flatMap((subscription) => subscription.receive({ data, topic, position: null, tags: {} }));
  }
}

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
    /** The server was asked and has not answered. */
    this.asking = false;
    /** @type {Emitter<SubscriptionEvents>} */
    this.events = new Emitter();
    if (onGap) this.events.on('gap', onGap);
    /** Publications that are not handled yet, the oldest first. @type {{ position: string | null, attempt: number, done: boolean }[]} */
    this.open = [];
    /** The attempts that the positions above are of. */
    this.seenIn = this.handledIn = 0;
    /** Whoever goes through publications as they come. Without a handler they wait for the first of them. */
    /** @type {Waiting[]} */
    this.iterations = [];
    /** @type {Waiting | null} */
    this.waiting = handler ? null : new Waiting(this);
    /** Tells answers to what was asked before from those to what was asked last. */
    this.attempt = 0;
    this.ready = /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
      this.settle = (/** @type {Error | null} */ error) => (error ? reject(error) : resolve());
    }));
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
  history(options = {}) {
    return this.all.starling.request('topic:history', { topic: this.topic, ...options }, { idempotent: true });
  }

  /**
   * Everybody who is there.
   * @param {{ by?: 'session' | 'user' }} [options]
   * @returns {Promise<{ session?: string, user?: string, sessions?: number, since?: number, away?: boolean }[]>}
   */
  async members({ by = 'session' } = {}) {
    const members = new Map();
    /** @type {string | undefined} */
    let cursor;
    do {
      const page = await this.all.starling.request('topic:presence', { topic: this.topic, by, cursor, limit: 1000 }, { idempotent: true });
      // A user with sessions on two pages is on both.
      for (const member of page.members) members.set(member.user && by === 'user' ? `user ${member.user}` : member.session, member);
      cursor = page.cursor;
    } while (cursor);
    return [...members.values()];
  }

  /** Ends it. */
  async unsubscribe() {
    if (this.state === 'unsubscribed') return;
    this.end(new Error('unsubscribed'));
    await this.all.starling.request('topic:unsubscribe', { topic: this.topic }, { idempotent: true });
  }

  /**
   * Goes through publications as they come; ends when the subscription does. One counts as handled when the next one is
   * asked for.
   * @returns {AsyncGenerator<Publication, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    const waiting = this.waiting ?? new Waiting(this);
    this.waiting = null;
    this.iterations.push(waiting);
    try {
      for (;;) {
        const next = waiting.items.shift();
        if (next) {
          try {
            yield next.publication;
          } finally {
            next.done();
          }
        } else if (this.state === 'unsubscribed') return;
        else await new Promise((resolve) => (waiting.wake = () => resolve(null)));
      }
    } finally {
      this.iterations = this.iterations.filter((other) => other !== waiting);
      for (const { done } of waiting.items) done();
    }
  }

  // From here on for this file only.

  /** @param {SubscriptionEvents['state']} state */
  enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.events.emit('state', state);
  }

  /** Asks the server for it. */
  async begin() {
    this.attempt += 1;
    const { attempt, seen } = this;
    this.enter('subscribing');
    this.asking = true;
    const wish = { topic: this.topic, ...(seen ? { since: seen } : {}), ...this.options };
    try {
      const told = await this.all.starling.request('topic:subscribe', wish, { idempotent: true, timeout: 0 });
      if (attempt === this.attempt) this.begun(told);
    } catch (error) {
      if (attempt !== this.attempt) return;
      this.asking = false;
      // The connection was closed from this side: the next one asks again.
      if (['REQUEST_CANCELLED', 'CONNECTION_LOST'].includes(/** @type {any} */ (error).code)) return;
      this.end(/** @type {Error} */ (error));
      this.events.emit('error', /** @type {Error} */ (error));
    }
  }

  /** @param {any} told what the server says of it */
  begun(told) {
    this.asking = false;
    const position = told.position ?? null;
    // Publications behind the answer may have come before we have read it.
    if (this.seenIn < this.attempt) this.seen = position;
    if (told.recovered !== true) {
      // What is still being handled from before says nothing of where this one stands.
      this.open = this.open.filter(({ attempt }) => attempt === this.attempt);
      if (this.handledIn < this.attempt) this.position = position;
    }
    this.position ??= position;
    this.enter('subscribed');
    this.settle?.(null);
    if (told.recovered === false) this.gap(told.reason, null);
    // Nobody knows what has happened meanwhile: names have to be asked for.
    if (told.presence) this.events.emit('presence', { joined: [], left: [], truncated: true, ...told.presence });
  }

  /** @param {any} told what the server says of it, if it goes on with it */
  connected(told) {
    // What was asked for and not answered is asked for again by itself.
    if (this.asking) return;
    if (!told || this.state !== 'subscribed') return void this.begin();
    this.attempt += 1;
    this.begun(told);
    if (this.options.presence) this.refresh();
  }

  /** Who is there may have changed while we were not. */
  async refresh() {
    const counts = await this.all.starling.request('topic:presence', { topic: this.topic, limit: 0 }, { idempotent: true }).catch(() => null);
    if (counts) this.events.emit('presence', { joined: [], left: [], truncated: true, ...counts });
  }

  /**
   * @param {string} reason
   * @param {number | null} missed
   */
  gap(reason, missed) {
    this.events.emit('gap', { reason, missed, position: this.position });
  }

  /**
   * @param {string} topic
   * @param {any} data
   */
  told(topic, data) {
    if (topic === 'topic:gap') this.gap(data.reason, data.missed);
    else this.events.emit('presence', { joined: [], left: [], ...data });
  }

  /**
   * @param {Publication} publication
   * @returns {Promise<unknown>[]} what handlers still do
   */
  receive(publication) {
    /** @type {Promise<unknown>[]} */
    const work = [];
    if (this.state === 'unsubscribed') return work;
    const { attempt, handler } = this;
    const entry = { position: publication.position, attempt, done: false };
    this.seen = publication.position;
    this.seenIn = attempt;
    this.open.push(entry);
    guarded(() => {
      const done = /** @type {any} */ (handler?.(publication.data, publication));
      // What it throws late goes where it would go at once.
      if (typeof done?.then === 'function') work.push(Promise.resolve(done).catch((error) => guarded(() => { throw error; })));
    });
    for (const waiting of this.waiting ? [this.waiting] : this.iterations) work.push(waiting.add(publication));
    const handled = () => {
      entry.done = true;
      for (let first = this.open[0]; first?.done; first = this.open[0]) {
        this.open.shift();
        this.position = first.position ?? this.position;
        this.handledIn = first.attempt;
      }
    };
    if (work.length) Promise.allSettled(work).then(handled);
    else handled();
    return work;
  }

  /** @param {Error} error */
  end(error) {
    this.attempt += 1;
    this.all.all.delete(this.topic);
    this.enter('unsubscribed');
    this.settle?.(error);
    for (const waiting of this.iterations) waiting.wake();
  }
}

/** Publications that wait to be gone through. */
class Waiting {
  /** @param {Subscription} subscription */
  constructor(subscription) {
    this.subscription = subscription;
    /** @type {{ publication: Publication, done: () => void }[]} */
    this.items = [];
    this.wake = () => {};
  }

  /**
   * @param {Publication} publication
   * @returns {Promise<void>} settles when it was handled
   */
  add(publication) {
    if (this.items.length >= WAITING_MAX) {
      this.items.shift()?.done();
      this.subscription.gap('slow', 1);
    }
    return new Promise((resolve) => {
      this.items.push({ publication, done: resolve });
      this.wake();
    });
  }
}
