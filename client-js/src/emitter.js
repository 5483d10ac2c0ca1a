/**
 * Calls listeners by name. A listener that throws does not stop the others.
 * @template {Record<string, any>} Events
 */
export class Emitter {
  constructor() {
    /** @type {Map<keyof Events, Set<(event: any) => void>>} */
    this.listeners = new Map();
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(event: Events[Name]) => void} listener
   * @returns {() => void} takes the listener away
   */
  on(name, listener) {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
    return () => void set.delete(listener);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @returns {Promise<Events[Name]>} the next event of this name
   */
  once(name) {
    return new Promise((resolve) => {
      const off = this.on(name, (event) => {
        off();
        resolve(event);
      });
    });
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} event
   * @returns {boolean} whether anybody listened
   */
  emit(name, event) {
    const set = this.listeners.get(name);
    for (const listener of [...(set ?? [])]) guarded(() => listener(event));
    return Boolean(set?.size);
  }
}

/**
 * Runs code of the application; what it throws goes where uncaught errors go, and nowhere else.
 * @param {() => unknown} work
 */
export function guarded(work) {
  try {
    work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
