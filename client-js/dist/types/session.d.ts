/**
 * The session behind the connections: its token, and the numbers of messages in both directions.
 *
 * Nothing of the numbers is on the wire. A connection keeps the order of messages, so both sides count them.
 */
export class Session {
    /** @param {import('./starling.js').Starling} starling */
    constructor(starling: import("./starling.js").Starling);
    starling: import("./starling.js").Starling;
    storage: Pick<Storage, "getItem" | "removeItem" | "setItem"> | null;
    key: string;
    /** Tells this page from another one that has the same token. */
    instance: string;
    /** The session is of a page before this one. */
    stale: boolean;
    /** Tells a connection of ours from one before that was slow to arrive. */
    attempt: number;
    /** @type {Kept | null} */
    kept: Kept | null;
    /** The number of the last message that came. */
    count: number;
    /** Every message up to this one has come in this page. */
    seen: number;
    /** Every message up to this one was handled. */
    position: number;
    acked: number;
    /** Numbers behind the position that are handled already. @type {Set<number>} */
    handled: Set<number>;
    /** Moves when numbers begin anew. */
    epoch: number;
    /** Messages that the server may not have. @type {Sent[]} */
    unconfirmed: Sent[];
    /** The number of the last message that we sent. */
    sent: number;
    recovering: boolean;
    /** Tokens that were asked for in vain, one after the other. */
    failures: number;
    /** The id of the session. @type {string | null} */
    id: string | null;
    /** @type {Promise<void> | null} */
    refreshing: Promise<void> | null;
    /** @type {any} */
    ackTimer: any;
    /** @type {any} */
    refreshTimer: any;
    /** The token, unless it is over. */
    get token(): string | null;
    /**
     * What a socket is opened with.
     * @param {string[]} protocols ours; empty for a server that does not know our extensions
     * @returns {{ url: string, protocols: string[] }}
     */
    opening(protocols: string[]): {
        url: string;
        protocols: string[];
    };
    /**
     * There is a socket.
     * @returns {boolean} whether the server is to be heard before anything else is sent
     */
    opened(): boolean;
    /** A server without our extensions has sent everything that was missed. */
    recovered(): void;
    /** A connection begins without a token: whatever was sent before belongs to no session any more. */
    anew(): void;
    /** @param {object} event what is not as in a session that is lost */
    tellRecovered(event: object): void;
    /**
     * The server has said which session this is.
     * @param {string | null} id
     * @param {Recovery} [said]
     */
    greeted(id: string | null, said?: Recovery): void;
    /** @param {any[]} lost */
    tellOf(lost: any[]): void;
    /** @param {number} number */
    skipTo(number: number): void;
    /**
     * Sends again what the server does not have. Of what it has, the answers come by themselves, unless they are gone
     * with the session or with the server: then requests are asked again if they may be, and else fail.
     * @param {Recovery} recovery
     * @param {boolean} same
     * @returns {any[]} messages of which nobody knows whether they have come
     */
    sendAgain({ recovered, received, restarted }: Recovery, same: boolean): any[];
    closed(): void;
    /**
     * A message goes out.
     * @param {any} message
     * @param {any} frame as it is sent
     */
    countOut(message: any, frame: any): void;
    /**
     * The server has everything up to a number.
     * @param {number} number
     */
    confirmed(number: number): void;
    /**
     * A message came.
     * @param {any} message
     * @returns {number | null} its number; null if it is about the connection; 0 if it came before
     */
    countIn(message: any): number | null;
    /**
     * The application has handled a message.
     * @param {number} number
     * @param {number} epoch when it came
     */
    done(number: number, epoch: number): void;
    acknowledge(): void;
    /** Asks for a token, once at a time. @returns {Promise<void>} */
    refresh(): Promise<void>;
    ask(): Promise<void>;
    /**
     * Asks for a token when it is time. A page that nobody sees waits until somebody does.
     * @param {boolean} [now]
     */
    schedule(now?: boolean): void;
    /** A server without our extensions says nothing of a token that is no good; what it says next tells. */
    notRecovered(): void;
    /** Forgets the session: the next connection begins a new one. */
    forget(): void;
    /** @returns {Kept | null} */
    load(): Kept | null;
    save(): void;
}
/**
 * What the server says about it in `hello`.
 */
export type Kept = {
    token: string;
    expiresAt: number;
    refreshAt: number;
    session: string | null;
    position: number;
};
/**
 * What a session is taken up again with, as it is kept in a storage.
 */
export type Recovery = {
    recovered: boolean;
    replayed: number;
    position: number;
    received: number | null;
    restarted: boolean;
    reason?: string;
    topics?: Record<string, any>;
};
/**
 * What a session is taken up again with, as it is kept in a storage.
 */
export type Sent = {
    message: any;
    frame: any;
    id?: string;
    again?: boolean;
};
