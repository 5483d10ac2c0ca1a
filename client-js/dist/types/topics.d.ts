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
    /** @type {Set<{ pattern: RegExp, handler: (data: any, context: { topic: string }) => void }>} */
    handlers: Set<{
        pattern: RegExp;
        handler: (data: any, context: {
            topic: string;
        }) => void;
    }>;
    /**
     * @param {string} pattern
     * @param {(data: any, context: { topic: string }) => void} handler
     * @returns {() => void} takes the handler away
     */
    on(pattern: string, handler: (data: any, context: {
        topic: string;
    }) => void): () => void;
    /**
     * @param {string} topic
     * @param {unknown} data
     * @returns {boolean} whether anybody listened
     */
    handle(topic: string, data: unknown): boolean;
}
