/**
 * A server for tests.
 *
 * ```js
 * const server = new FakeServer();
 * server.method('chat:send', ({ text }) => ({ length: text.length }));
 * const client = new Starling('ws://fake', { WebSocket: server.WebSocket });
 * await client.connect();
 * server.notify('chat:said', { text: 'hello' });
 * server.cut();                                  // and the client comes back by itself
 * ```
 *
 * It speaks both codecs, gives out tokens, keeps sessions over a cut and answers a request that comes again with
 * its first answer, as the real one does; and it has topics, all of them open. It checks no limits and forgets nothing.
 */
export class FakeServer {
    /** @type {Map<string, FakeMethod>} */
    methods: Map<string, FakeMethod>;
    /** @type {Map<string, FakeSession>} */
    sessions: Map<string, FakeSession>;
    /** @type {Set<FakeSocket>} */
    sockets: Set<FakeSocket>;
    /** Notifications that clients have sent. @type {{ topic: string, data: any }[]} */
    received: {
        topic: string;
        data: any;
    }[];
    /** While this is set, connections are refused. */
    down: boolean;
    /** The class to give to a client. */
    WebSocket: {
        new (url: string, protocols: string[]): {
            /** What a client without our extensions shows. */
            recover: string | null;
            server: FakeServer;
            codec: {
                subprotocol: string;
                encode(message: import("./message.js").Message): string;
                decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
            } | {
                subprotocol: string;
                encode(message: import("./message.js").Message): Uint8Array;
                decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
            };
            extensions: boolean;
            resumes: boolean;
            /** @type {FakeSession | null} */
            session: FakeSession | null;
            open: boolean;
            /** @type {any} */ onopen: any;
            /** @type {any} */ onmessage: any;
            /** @type {any} */ onclose: any;
            /** @param {string | Uint8Array | ArrayBuffer} frame */
            send(frame: string | Uint8Array | ArrayBuffer): void;
            /**
             * @param {number} [code]
             * @param {string} [reason]
             */
            close(code?: number, reason?: string): void;
            /**
             * @param {number} code
             * @param {string} [reason]
             */
            lose(code: number, reason?: string): void;
            /** @param {any} message */
            deliver(message: any): void;
            /** @param {any} [claim] */
            begin(claim?: any): void;
            /**
             * @param {string} topic
             * @param {unknown} data
             */
            tell(topic: string, data: unknown): void;
            /** @param {string | ArrayBuffer} data */
            take(data: string | ArrayBuffer): void;
            /**
             * @param {FakeSession} session
             * @param {import('./message.js').Request} request
             */
            call(session: FakeSession, { id, method, payload }: import("./message.js").Request): Promise<undefined>;
        };
    };
    topics: FakeTopics;
    /**
     * Answers calls of a method. What it throws with `code` and `message` is passed on.
     * @param {string} name
     * @param {FakeMethod} handler
     */
    method(name: string, handler: FakeMethod): void;
    /**
     * Tells every client something, also those that are cut off: they get it when they are back.
     * @param {string} topic
     * @param {unknown} [data]
     */
    notify(topic: string, data?: unknown): void;
    /**
     * Publishes on a topic.
     * @param {string} topic
     * @param {unknown} data
     * @param {{ tags?: Record<string, string> }} [options]
     * @returns {{ position: string, delivered: number }}
     */
    publish(topic: string, data: unknown, { tags }?: {
        tags?: Record<string, string>;
    }): {
        position: string;
        delivered: number;
    };
    /**
     * Calls a method of the client that came last.
     * @param {string} method
     * @param {unknown} [payload]
     * @returns {Promise<any>}
     */
    request(method: string, payload?: unknown): Promise<any>;
    /** Cuts every connection, without a word. */
    cut(): void;
    /** Cuts everybody off and forgets all sessions, as a server does that lost its disk: who comes back begins anew. */
    forget(): void;
}
export type FakeSubscription = {
    matches: RegExp;
    filter: Record<string, string | string[]>;
    from: number;
    held: boolean;
};
export type FakeMethod = (payload: any, context: {
    session: string;
    notify: (topic: string, data?: unknown) => void;
}) => unknown;
/** One session of the fake server. */
declare class FakeSession {
    id: string;
    /** @type {FakeSocket | null} */
    socket: FakeSocket | null;
    /** All messages so far; the first has number 1. @type {any[]} */
    sent: any[];
    /** So many of them went out over some connection. */
    delivered: number;
    received: number;
    /** Answers by the id of their request. @type {Map<string, any>} */
    answers: Map<string, any>;
    /** @type {Map<string, (response: any) => void>} */
    asked: Map<string, (response: any) => void>;
    /** @type {Map<string, FakeSubscription>} */
    topics: Map<string, FakeSubscription>;
    /** @param {any} message */
    send(message: any): void;
}
/** The client's end of a connection that never leaves the process. */
declare class FakeSocket {
    /**
     * @param {FakeServer} server
     * @param {string} url
     * @param {string[]} protocols
     */
    constructor(server: FakeServer, url: string, protocols: string[]);
    /** What a client without our extensions shows. */
    recover: string | null;
    server: FakeServer;
    codec: {
        subprotocol: string;
        encode(message: import("./message.js").Message): string;
        decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
    } | {
        subprotocol: string;
        encode(message: import("./message.js").Message): Uint8Array;
        decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
    };
    extensions: boolean;
    resumes: boolean;
    /** @type {FakeSession | null} */
    session: FakeSession | null;
    open: boolean;
    /** @type {any} */ onopen: any;
    /** @type {any} */ onmessage: any;
    /** @type {any} */ onclose: any;
    /** @param {string | Uint8Array | ArrayBuffer} frame */
    send(frame: string | Uint8Array | ArrayBuffer): void;
    /**
     * @param {number} [code]
     * @param {string} [reason]
     */
    close(code?: number, reason?: string): void;
    /**
     * @param {number} code
     * @param {string} [reason]
     */
    lose(code: number, reason?: string): void;
    /** @param {any} message */
    deliver(message: any): void;
    /** @param {any} [claim] */
    begin(claim?: any): void;
    /**
     * @param {string} topic
     * @param {unknown} data
     */
    tell(topic: string, data: unknown): void;
    /** @param {string | ArrayBuffer} data */
    take(data: string | ArrayBuffer): void;
    /**
     * @param {FakeSession} session
     * @param {import('./message.js').Request} request
     */
    call(session: FakeSession, { id, method, payload }: import("./message.js").Request): Promise<undefined>;
}
import { FakeTopics } from './testing-topics.js';
export {};
