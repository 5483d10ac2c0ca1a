import { topicPattern } from './topics.js';

/** @typedef {{ topic: string, data: unknown, position: string, tags: Record<string, string>, at: number }} FakePublication */

/** The topics of the fake server: each remembers everything, and its positions are numbers. */
export class FakeTopics {
  /** @param {import('./testing.js').FakeServer} server */
  constructor(server) {
    this.server = server;
    /** @type {Map<string, FakePublication[]>} */
    this.topics = new Map();
    server.method('topic:subscribe', ({ topic, topics, since, filter }, { session }) => {
      const begin = (/** @type {string} */ name) => this.subscribe(session, name, since, filter ?? {});
      return topic ? begin(topic) : { subscriptions: Object.fromEntries(topics.map((/** @type {string} */ name) => [name, begin(name)])) };
    });
    server.method('topic:unsubscribe', ({ topic }, { session }) => ({ ended: this.of(session).delete(topic) }));
    server.method('topic:publish', ({ topic, data, tags }) => this.publish(topic, data, tags));
    server.method('topic:history', ({ topic, since, limit = 100 }) => {
      const all = this.past(topic);
      return { position: String(all.length), publications: since ? all.slice(Number(since), Number(since) + limit) : all.slice(-limit) };
    });
  }

  /** @param {string} topic */
  past(topic) {
    const known = this.topics.get(topic) ?? [];
    this.topics.set(topic, known);
    return known;
  }

  /** @param {string} session */
  of(session) {
    return this.server.sessions.get(session)?.topics ?? new Map();
  }

  /**
   * @param {string} session
   * @param {string} topic
   * @param {string | undefined} since
   * @param {Record<string, string | string[]>} filter
   */
  subscribe(session, topic, since, filter) {
    const past = this.past(topic);
    const from = since === undefined ? past.length : Number(since);
    const entry = { matches: topicPattern(topic), filter, from, held: true };
    this.of(session).set(topic, entry);
    // What was missed comes behind the answer: `resumed` sends it.
    return { topic, position: String(from), ...(since === undefined ? {} : { recovered: true, replayed: past.length - from }) };
  }

  /**
   * @param {string} session
   * @param {string} topic
   * @param {import('./testing.js').FakeSubscription} entry
   */
  release(session, topic, entry) {
    if (this.of(session).get(topic) !== entry || !entry.held) return;
    entry.held = false;
    for (const publication of this.past(topic).slice(entry.from)) this.deliver(session, topic, entry, publication);
  }

  /**
   * What a session is told of its topics when it is back; {@link FakeTopics.resumed} sends the rest.
   * @param {string} session
   * @param {Record<string, string>} places
   */
  resuming(session, places) {
    /** @type {Record<string, any>} */
    const told = {};
    for (const [topic, entry] of this.of(session)) {
      entry.from = Number(places[topic] ?? entry.from);
      entry.held = true;
      told[topic] = { position: String(entry.from), recovered: true, replayed: this.past(topic).length - entry.from };
    }
    return told;
  }

  /** @param {string} session */
  resumed(session) {
    for (const [topic, entry] of this.of(session)) this.release(session, topic, entry);
  }

  /**
   * @param {string} topic
   * @param {unknown} data
   * @param {Record<string, string>} [tags]
   */
  publish(topic, data, tags = {}) {
    const past = this.past(topic);
    const publication = { topic, data, position: String(past.length + 1), tags, at: Date.now() };
    past.push(publication);
    let delivered = 0;
    for (const { id, socket } of this.server.sessions.values()) {
      if (!socket) continue;
      for (const [name, entry] of this.of(id)) {
        if (!entry.held && entry.matches.test(topic)) delivered += Number(this.deliver(id, name, entry, publication));
      }
    }
    return { position: publication.position, delivered };
  }

  /**
   * @param {string} session
   * @param {string} name
   * @param {import('./testing.js').FakeSubscription} entry
   * @param {FakePublication} publication
   */
  deliver(session, name, { filter }, { topic, data, position, tags }) {
    const wanted = Object.entries(filter).every(([tag, texts]) => [texts].flat().includes(tags[tag]));
    const socket = this.server.sessions.get(session)?.socket;
    if (!wanted || !socket) return false;
    const pattern = name === topic ? {} : { pattern: name };
    const told = Object.keys(tags).length ? { tags } : {};
    const published = socket.extensions ? { published: { position, ...pattern, ...told } } : {};
    socket.deliver({ type: 'notification', id: null, topic, data, ...published });
    return true;
  }
}
