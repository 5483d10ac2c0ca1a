/**
 * A pattern of topics: `*` is one segment, `**` is one or more.
 * @param {string} pattern
 * @returns {RegExp}
 */
export function topicPattern(pattern: string): RegExp;
export function isTopic(name: unknown): boolean;
export function isMethod(name: unknown): boolean;
export function isReserved(name: string): boolean;
/** Handlers of notifications by topic pattern. */
export class Topics {
    /** @type {Set<{ pattern: RegExp, handler: (data: any, context: { topic: string }) => unknown }>} */
    handlers: Set<{
        pattern: RegExp;
        handler: (data: any, context: {
            topic: string;
        }) => unknown;
    }>;
    /**
     * @param {string} pattern
     * @param {(data: any, context: { topic: string }) => unknown} handler
     * @returns {() => void} takes the handler away
     */
    on(pattern: string, handler: (data: any, context: {
        topic: string;
    }) => unknown): () => void;
    /**
     * @param {string} topic
     * @param {unknown} data
     * @returns {Promise<unknown>[] | null} what handlers still do; null if nobody listened
     */
    handle(topic: string, data: unknown): Promise<unknown>[] | null;
}
