/**
 * @param {PartialOptions} given
 * @returns {Options}
 */
export function withDefaults(given: PartialOptions): Options;
/**
 * @typedef {object} Options
 * @property {'json' | 'msgpack'} codec how messages are written; the server must know our extensions for msgpack
 * @property {boolean} extensions tell the server that we know its extensions; off for a server that does not
 * @property {number} timeout milliseconds that a request may take; 0 is no limit
 * @property {number} connectTimeout milliseconds that one attempt to connect may take
 * @property {boolean} reconnect connect again after a loss
 * @property {number} backoffMin milliseconds: the first retry comes at a random time up to this
 * @property {number} backoffMax milliseconds: no retry waits longer
 * @property {'wait' | 'fail'} queue what a call does while there is no connection
 * @property {number} queueMax calls that may wait for a connection
 * @property {number} heartbeat milliseconds of silence after which the server is asked for a sign of life; 0 is never
 * @property {boolean} session take the session up again after a loss; off for clients that begin anew each time
 * @property {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null} storage where the token is kept besides memory, so that
 *   the session survives a reload: `sessionStorage`, or whatever has its three methods
 * @property {any} WebSocket the class to connect with
 * @property {() => number} random a number from 0 to 1, for tests
 */
/** @typedef {Partial<Options>} PartialOptions */
/** @type {Readonly<Omit<Options, 'WebSocket'>>} */
export const DEFAULTS: Readonly<Omit<Options, "WebSocket">>;
export type Options = {
    /**
     * how messages are written; the server must know our extensions for msgpack
     */
    codec: "json" | "msgpack";
    /**
     * tell the server that we know its extensions; off for a server that does not
     */
    extensions: boolean;
    /**
     * milliseconds that a request may take; 0 is no limit
     */
    timeout: number;
    /**
     * milliseconds that one attempt to connect may take
     */
    connectTimeout: number;
    /**
     * connect again after a loss
     */
    reconnect: boolean;
    /**
     * milliseconds: the first retry comes at a random time up to this
     */
    backoffMin: number;
    /**
     * milliseconds: no retry waits longer
     */
    backoffMax: number;
    /**
     * what a call does while there is no connection
     */
    queue: "wait" | "fail";
    /**
     * calls that may wait for a connection
     */
    queueMax: number;
    /**
     * milliseconds of silence after which the server is asked for a sign of life; 0 is never
     */
    heartbeat: number;
    /**
     * take the session up again after a loss; off for clients that begin anew each time
     */
    session: boolean;
    /**
     * where the token is kept besides memory, so that
     * the session survives a reload: `sessionStorage`, or whatever has its three methods
     */
    storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
    /**
     * the class to connect with
     */
    WebSocket: any;
    /**
     * a number from 0 to 1, for tests
     */
    random: () => number;
};
export type PartialOptions = Partial<Options>;
