/**
 * Events of the connection.
 * @typedef {object} Events
 * @property {import('./connection.js').State} state the state changed
 * @property {{ session: string | null }} connected
 * @property {{ code: number, reason: string, error: ConnectionError, retryInMs: number | null }} disconnected
 *   a socket or an attempt is gone; `retryInMs` is null if that was the last
 * @property {{ position: number }} recovering a connection is about to take the session up again
 * @property {{ session: string | null, same: boolean, recovered: boolean, replayed: number | null, reason: string | null, restarted: boolean }} recovered
 *   what became of that; `recovered` is false if something is missing, and `reason` says why
 * @property {any[]} unconfirmed notifications of ours of which nobody knows whether the server got them before it was killed
 * @property {{ expiresIn: number }} token there is a new token
 * @property {{ user: { userId: string, username: string } | null, reason: string | null }} account somebody has logged in, or nobody is logged in any more
 * @property {any} hello what the server told about itself
 * @property {{ reconnect_after_ms: number }} draining the server stops soon
 * @property {StarlingError} error the server complained, or sent something wrong, or a method of ours failed
 * @property {{ topic: string, data: any }} unhandled a notification that no handler wanted
 * @property {{ direction: 'in' | 'out', data: string | ArrayBuffer | Uint8Array }} frame every frame, for looking on
 */
/** A connection to a Helios server that keeps itself alive. */
export class Starling {
    /** The part that logs in; the core bundle has none. @type {typeof import('./account.js').Account | null} */
    static Account: typeof import("./account.js").Account | null;
    /** The part that keeps sessions; the core bundle has none. @type {typeof import('./session.js').Session | null} */
    static Session: typeof import("./session.js").Session | null;
    /** The part that subscribes to topics; the core bundle has none. @type {typeof import('./subscriptions.js').Subscriptions | null} */
    static Subscriptions: typeof import("./subscriptions.js").Subscriptions | null;
    /** The ways to write messages; the core bundle has one. @type {Record<string, typeof json | typeof import('./codec-msgpack.js').msgpack>} */
    static codecs: Record<string, typeof json | typeof import("./codec-msgpack.js").msgpack>;
    /**
     * @param {string | URL} url where the server is, such as `ws://127.0.0.1:8080/ws`
     * @param {import('./options.js').PartialOptions} [options]
     */
    constructor(url: string | URL, options?: import("./options.js").PartialOptions);
    options: import("./options.js").Options;
    codec: {
        subprotocol: string;
        encode(message: import("./message.js").Message): string;
        decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
    } | {
        subprotocol: string;
        encode(message: import("./message.js").Message): Uint8Array;
        decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
    };
    connection: Connection;
    /** @type {Emitter<Events>} */
    events: Emitter<Events>;
    /** What the server told about itself: limits, capabilities, our session. Null until it has. @type {any} */
    hello: any;
    requests: Requests;
    methods: Methods;
    topics: Topics;
    /** What outlives connections of topics; null in the core bundle. @type {import('./subscriptions.js').Subscriptions | null} */
    subscriptions: import("./subscriptions.js").Subscriptions | null;
    /** Messages that wait for a connection. @type {{ send: () => void, keep?: boolean }[]} */
    waiting: {
        send: () => void;
        keep?: boolean;
    }[];
    /** Aborted when nobody waits for answers of ours any more: the socket is lost, and with it the session. */
    life: AbortController;
    /** @type {Record<'text' | 'json' | 'binary', Set<(value: any) => void>>} */
    foreign: Record<"text" | "json" | "binary", Set<(value: any) => void>>;
    heard: number;
    /** @type {any} */
    heartbeat: any;
    /** The session behind the connections; null without one. @type {import('./session.js').Session | null} */
    session: import("./session.js").Session | null;
    /** The account that connections belong to; null in the core bundle. @type {import('./account.js').Account | null} */
    account: import("./account.js").Account | null;
    /** `disconnected`, `connecting` or `connected`. */
    get state(): import("./connection.js").State;
    /**
     * Connects, and goes on trying as long as `options.reconnect` allows.
     * @returns {Promise<void>} settles once connected, or once it is given up
     */
    connect(): Promise<void>;
    /**
     * Closes and stays closed. Requests that wait are cancelled. The session waits for a while: `connect()` takes it up
     * again.
     * @param {number} [code]
     * @param {string} [reason]
     */
    disconnect(code?: number, reason?: string): void;
    /**
     * Calls a method of the server.
     * @param {string} method such as `chat:send`
     * @param {unknown} [payload] any JSON; with msgpack also bytes
     * @param {import('./requests.js').RequestOptions} [options]
     * @returns {Promise<any>} the data of the answer
     */
    request(method: string, payload?: unknown, options?: import("./requests.js").RequestOptions): Promise<any>;
    /**
     * Tells the server something. Nothing comes back.
     * @param {string} topic such as `chat:typing`
     * @param {unknown} [data]
     * @param {{ queue?: 'wait' | 'fail', peer?: unknown }} [options]
     */
    notify(topic: string, data?: unknown, options?: {
        queue?: "wait" | "fail";
        peer?: unknown;
    }): void;
    /**
     * Lets the server call a method of ours.
     * @param {string} name
     * @param {import('./methods.js').Handler} handler what it returns is the answer; a thrown `{code, message}` is passed on
     * @returns {() => void} takes the method away
     */
    method(name: string, handler: import("./methods.js").Handler): () => void;
    /**
     * Handles notifications of the server. Handlers outlive reconnects.
     * @param {string} pattern a topic, or one with wildcards: `*` is one segment, `**` is one or more
     * @param {(data: any, context: { topic: string }) => void} handler
     * @returns {() => void} takes the handler away
     */
    on(pattern: string, handler: (data: any, context: {
        topic: string;
    }) => void): () => void;
    /** @param {(text: string) => void} handler gets text that is not JSON */
    onText(handler: (text: string) => void): () => void;
    /** @param {(value: any) => void} handler gets JSON that is no message */
    onJson(handler: (value: any) => void): () => void;
    /** @param {(bytes: ArrayBuffer) => void} handler gets bytes that are no message */
    onBinary(handler: (bytes: ArrayBuffer) => void): () => void;
    /**
     * Sends a frame as it is, past the protocol.
     * @param {string | ArrayBuffer | Uint8Array} data
     */
    send(data: string | ArrayBuffer | Uint8Array): void;
    /** @param {'wait' | 'fail'} queue */
    checkRoom(queue: "wait" | "fail"): void;
    /**
     * Keeps a call until there is a connection; a call that was given up makes room.
     * @param {{ send: () => void }} entry
     * @param {{ promise: Promise<any> }} pending
     */
    wait(entry: {
        send: () => void;
    }, pending: {
        promise: Promise<any>;
    }): void;
    /** @param {string | ArrayBuffer | Uint8Array} frame */
    checkSize(frame: string | ArrayBuffer | Uint8Array): void;
    /** @param {import('./message.js').Message} message */
    encoded(message: import("./message.js").Message): string | Uint8Array<ArrayBufferLike>;
    /**
     * Sends a message now or with the next connection, as it is now: what cannot be written is told at once.
     * @param {import('./message.js').Message} message
     * @param {AbortSignal} [signal] tells that nobody waits for it any more
     */
    transmitOrWait(message: import("./message.js").Message, signal?: AbortSignal): void;
    /** @param {import('./message.js').Message} message */
    transmit(message: import("./message.js").Message): void;
    /**
     * Sends a message over a socket that may not be ready for those of the application.
     * @param {import('./message.js').Message} message
     * @param {string | Uint8Array} [frame]
     */
    put(message: import("./message.js").Message, frame?: string | Uint8Array): void;
    /**
     * What a socket is opened with.
     * @returns {{ url: string, protocols: string[] }}
     */
    opening(): {
        url: string;
        protocols: string[];
    };
    opened(): void;
    ready(): void;
    /** @param {any} socket */
    readied(socket: any): void;
    /** @param {Events['disconnected']} event */
    closed(event: Events["disconnected"]): void;
    /** Asks for a sign of life after a long silence: a lost network closes nothing by itself. */
    watch(): void;
    /** Asks for a sign of life. Says whether there was none, and the connection is given up. */
    probe(): Promise<boolean>;
    /** @param {string | ArrayBuffer} data */
    frame(data: string | ArrayBuffer): void;
    /** @param {import('./message.js').Message} message */
    message(message: import("./message.js").Message): void;
    /**
     * @param {import('./message.js').Message} message
     * @returns {Promise<unknown> | void} settles when the application has handled it
     */
    handle(message: import("./message.js").Message): Promise<unknown> | void;
    /**
     * @param {import('./message.js').Notification} notification
     * @returns {Promise<unknown> | void}
     */
    notification(notification: import("./message.js").Notification): Promise<unknown> | void;
    /**
     * @param {string} topic
     * @param {unknown} data
     * @param {Promise<unknown>[] | null} [work] what subscriptions still do with it
     * @returns {Promise<unknown> | void}
     */
    told(topic: string, data: unknown, work?: Promise<unknown>[] | null): Promise<unknown> | void;
    /** @param {any} hello */
    greeted(hello: any): void;
    /** @param {import('./message.js').Request} request */
    answer(request: import("./message.js").Request): Promise<void>;
}
/**
 * Events of the connection.
 */
export type Events = {
    /**
     * the state changed
     */
    state: import("./connection.js").State;
    connected: {
        session: string | null;
    };
    /**
     *   a socket or an attempt is gone; `retryInMs` is null if that was the last
     */
    disconnected: {
        code: number;
        reason: string;
        error: ConnectionError;
        retryInMs: number | null;
    };
    /**
     * a connection is about to take the session up again
     */
    recovering: {
        position: number;
    };
    /**
     *   what became of that; `recovered` is false if something is missing, and `reason` says why
     */
    recovered: {
        session: string | null;
        same: boolean;
        recovered: boolean;
        replayed: number | null;
        reason: string | null;
        restarted: boolean;
    };
    /**
     * notifications of ours of which nobody knows whether the server got them before it was killed
     */
    unconfirmed: any[];
    /**
     * there is a new token
     */
    token: {
        expiresIn: number;
    };
    /**
     * somebody has logged in, or nobody is logged in any more
     */
    account: {
        user: {
            userId: string;
            username: string;
        } | null;
        reason: string | null;
    };
    /**
     * what the server told about itself
     */
    hello: any;
    /**
     * the server stops soon
     */
    draining: {
        reconnect_after_ms: number;
    };
    /**
     * the server complained, or sent something wrong, or a method of ours failed
     */
    error: StarlingError;
    /**
     * a notification that no handler wanted
     */
    unhandled: {
        topic: string;
        data: any;
    };
    /**
     * every frame, for looking on
     */
    frame: {
        direction: "in" | "out";
        data: string | ArrayBuffer | Uint8Array;
    };
};
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { Requests } from './requests.js';
import { Methods } from './methods.js';
import { Topics } from './topics.js';
import { json } from './codec-json.js';
import { ConnectionError } from './errors.js';
import { StarlingError } from './errors.js';
