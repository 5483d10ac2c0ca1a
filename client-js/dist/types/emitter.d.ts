/**
 * Runs code of the application; what it throws goes where uncaught errors go, and nowhere else.
 * @param {() => unknown} work
 */
export function guarded(work: () => unknown): void;
/**
 * Calls listeners by name. A listener that throws does not stop the others.
 * @template {Record<string, any>} Events
 */
export class Emitter<Events extends Record<string, any>> {
    /** @type {Map<keyof Events, Set<(event: any) => void>>} */
    listeners: Map<keyof Events, Set<(event: any) => void>>;
    /**
     * @template {keyof Events} Name
     * @param {Name} name
     * @param {(event: Events[Name]) => void} listener
     * @returns {() => void} takes the listener away
     */
    on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;
    /**
     * @template {keyof Events} Name
     * @param {Name} name
     * @returns {Promise<Events[Name]>} the next event of this name
     */
    once<Name extends keyof Events>(name: Name): Promise<Events[Name]>;
    /**
     * @template {keyof Events} Name
     * @param {Name} name
     * @param {Events[Name]} event
     * @returns {boolean} whether anybody listened
     */
    emit<Name extends keyof Events>(name: Name, event: Events[Name]): boolean;
}
