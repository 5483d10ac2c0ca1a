import { guarded } from './emitter.js';

const SEGMENT = '[A-Za-z][A-Za-z0-9_]*';
const TOPIC = new RegExp(`^${SEGMENT}(:${SEGMENT})*$`);
const METHOD = new RegExp(`^${SEGMENT}(:${SEGMENT})+$`);
const RESERVED = ['system', 'internal', 'stream', 'helios'];

/** @param {unknown} name */
export const isTopic = (name) => typeof name === 'string' && !name.endsWith('\n') && TOPIC.test(name);

/** @param {unknown} name */
export const isMethod = (name) =>
  typeof name === 'string' && name.length <= 128 && !name.endsWith('\n') && METHOD.test(name);

/** @param {string} name */
export const isReserved = (name) => RESERVED.includes(name.split(':')[0]);

/**
 * A pattern of topics: `*` is one segment, `**` is one or more.
 * @param {string} pattern
 * @returns {RegExp}
 */
export function topicPattern(pattern) {
  const part = (/** @type {string} */ segment) => {
    if (segment === '*') return '[^:]+';
    if (segment === '**') return '.+';
    if (isTopic(segment)) return segment;
    throw new TypeError(`"${pattern}" is not a topic pattern: each segment is a name, * or **`);
  };
  return new RegExp(`^${String(pattern).split(':').map(part).join(':')}$`);
}

/** Handlers of notifications by topic pattern. */
export class Topics {
  constructor() {
    /** @type {Set<{ pattern: RegExp, handler: (data: any, context: { topic: string }) => unknown }>} */
    this.handlers = new Set();
  }

  /**
   * @param {string} pattern
   * @param {(data: any, context: { topic: string }) => unknown} handler
   * @returns {() => void} takes the handler away
   */
  on(pattern, handler) {
    const entry = { pattern: topicPattern(pattern), handler };
    this.handlers.add(entry);
    return () => void this.handlers.delete(entry);
  }

  /**
   * @param {string} topic
   * @param {unknown} data
   * @returns {Promise<unknown>[] | null} what handlers still do; null if nobody listened
   */
  handle(topic, data) {
    const fitting = [...this.handlers].filter(({ pattern }) => pattern.test(topic));
    /** @type {Promise<unknown>[]} */
    const work = [];
    for (const { handler } of fitting) {
      guarded(() => {
        const done = /** @type {any} */ (handler(data, { topic }));
        // What it throws late goes where it would go at once.
        if (typeof done?.then === 'function') work.push(Promise.resolve(done).catch((error) => guarded(() => { throw error; })));
      });
    }
    return fitting.length ? work : null;
  }
}
