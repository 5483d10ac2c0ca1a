/** All subscriptions of a client, by topic or pattern. */
export class Subscriptions {
    /** @param {import('./starling.js').Starling} starling */
    constructor(starling: import("./starling.js").Starling);
    starling: import("./index.js").Starling;
    /** @type {Map<string, Subscription>} */
    all: Map<string, Subscription>;
    /**
     * @param {string} topic
     * @param {PublicationHandler | undefined} handler
     * @param {SubscribeOptions} options
     */
    add(topic: string, handler: PublicationHandler | undefined, options: SubscribeOptions): Subscription;
    /** Where each of them stands, for a server that goes on from there. */
    places(): {
        [k: string]: string | null;
    };
    /**
     * There is a connection.
     * @param {Record<string, any> | null} told what the server says of each topic that it goes on with; null for a session that is new
     */
    connected(told: Record<string, any> | null): void;
    closed(): void;
    /** Nobody knows what came meanwhile. */
    lost(): void;
    /**
     * Tells the server that a subscription is over. If it does not hear of it now, it is told when it names the topic.
     * @param {string} topic
     * @returns {Promise<void>}
     */
    leave(topic: string): Promise<void>;
    /**
     * A request that waits for a connection whatever else does.
     * @param {string} method
     * @param {unknown} payload
     * @param {(data: any) => void} [onAnswer] called in order with everything else that comes
     */
    ask(method: string, payload: unknown, onAnswer?: (data: any) => void): Promise<any>;
    /**
     * A notification came.
     * @param {import('./message.js').Notification} message
     * @returns {Promise<unknown>[] | null} what handlers still do; null if no subscription wants it
     */
    handle({ topic, data, published }: import("./message.js").Notification): Promise<unknown>[] | null;
}
/** A subscription that outlives connections: what is missed in between is sent again, or told as a gap. */
export class Subscription {
    /**
     * @param {Subscriptions} all
     * @param {string} topic
     * @param {PublicationHandler | undefined} handler
     * @param {SubscribeOptions} options
     */
    constructor(all: Subscriptions, topic: string, handler: PublicationHandler | undefined, { since, filter, presence, onGap }?: SubscribeOptions);
    all: Subscriptions;
    topic: string;
    matches: RegExp;
    handler: PublicationHandler | undefined;
    options: {
        filter: Record<string, string | string[]> | undefined;
        presence: boolean | undefined;
    };
    /** `subscribing`, `subscribed` or `unsubscribed`. @type {SubscriptionEvents['state']} */
    state: SubscriptionEvents["state"];
    /** The position of the last publication that was handled, to go on from in another session. @type {string | null} */
    position: string | null;
    /** The position of the last one that came. */
    seen: string | null;
    /** @type {Emitter<SubscriptionEvents>} */
    events: Emitter<SubscriptionEvents>;
    /** Publications that are not handled yet, the oldest first. @type {{ position: string | null, done: boolean }[]} */
    open: {
        position: string | null;
        done: boolean;
    }[];
    /** Whoever goes through publications as they come. Without a handler they wait for the first of them. */
    iteration: Iteration | null;
    /** The server has confirmed it in this session. */
    confirmed: boolean;
    /** The server was asked and has not answered. */
    asking: boolean;
    /** What the server said was lost before it has answered. @type {string | null} */
    missing: string | null;
    /** Tells answers to what was asked before from those to what was asked last. */
    attempt: number;
    failures: number;
    /** Why it has ended. @type {Error | null} */
    error: Error | null;
    /** @type {(error: Error | null) => void} */
    settle: (error: Error | null) => void;
    /** @type {Promise<void>} */
    ready: Promise<void>;
    /**
     * Calls a listener with what happens to the subscription: `state`, `gap`, `presence`, `error`.
     * @template {keyof SubscriptionEvents} Name
     * @param {Name} name
     * @param {(event: SubscriptionEvents[Name]) => void} listener
     * @returns {() => void} takes the listener away
     */
    on<Name extends keyof SubscriptionEvents>(name: Name, listener: (event: SubscriptionEvents[Name]) => void): () => void;
    /**
     * Publishes on the topic.
     * @param {unknown} data
     * @param {import('./index.js').PublishOptions} [options]
     */
    publish(data: unknown, options?: import("./index.js").PublishOptions): Promise<{
        position: string;
        delivered: number;
    }>;
    /**
     * The last publications, or those since a position.
     * @param {{ since?: string, limit?: number }} [options]
     * @returns {Promise<{ position: string, publications: (Publication & { at: number })[], more?: boolean }>}
     */
    history(options?: {
        since?: string;
        limit?: number;
    }): Promise<{
        position: string;
        publications: (Publication & {
            at: number;
        })[];
        more?: boolean;
    }>;
    /**
     * Everybody who is there, and the last difference that is in it.
     * @param {{ by?: 'session' | 'user' }} [options]
     * @returns {Promise<{ members: Member[], version: number, sessions: number, users: number, anonymous: number }>}
     */
    members({ by }?: {
        by?: "session" | "user";
    }): Promise<{
        members: Member[];
        version: number;
        sessions: number;
        users: number;
        anonymous: number;
    }>;
    /** Ends it. Settles when the server knows, or there is no connection to tell it by. */
    unsubscribe(): Promise<void>;
    /** @param {SubscriptionEvents['state']} state */
    enter(state: SubscriptionEvents["state"]): void;
    /** Asks the server for it. */
    begin(): void;
    /** @param {any} error */
    failed(error: any): void;
    /** @param {any} told what the server says of it, in order with the publications */
    begun(told: any): void;
    /**
     * @param {any} told what the server says of it, if it goes on with it
     * @param {boolean} anew the session is a new one
     */
    connected(told: any, anew: boolean): void;
    closed(): void;
    /** Who is there may have changed while we were not. */
    refresh(): Promise<void>;
    /**
     * @param {string} reason
     * @param {number | null} missed
     * @param {string} [topic]
     */
    gap(reason: string, missed: number | null, topic?: string): void;
    /**
     * @param {string} topic
     * @param {any} data
     */
    told(topic: string, data: any): void;
    /**
     * @param {Publication} publication
     * @returns {Promise<unknown>[]} what handlers still do
     */
    receive(publication: Publication): Promise<unknown>[];
    /**
     * @param {Error} error
     * @param {boolean} wanted it was asked for
     */
    end(error: Error, wanted: boolean): void;
    /**
     * Goes through publications as they come; ends when the subscription does. One counts as handled when the next one is
     * asked for; what was not, waits for the next who goes through them.
     * @returns {AsyncIterableIterator<Publication>}
     */
    [Symbol.asyncIterator](): AsyncIterableIterator<Publication>;
}
/**
 * Publications are missing: `reason` is `slow` (we read too slowly, `missed` tells how many), or what the server says about
 * a position that it could not go on from.
 */
export type Publication = {
    data: any;
    topic: string;
    position: string | null;
    tags: Record<string, string>;
};
/**
 * Who has come and left. With `truncated` only the counts are told: ask `members()` for names.
 */
export type Gap = {
    topic: string;
    reason: string;
    missed: number | null;
    position: string | null;
};
/**
 * What was published, and where.
 */
export type Presence = {
    joined: {
        user?: string;
        session?: string;
    }[];
    left: {
        user?: string;
        session?: string;
    }[];
    sessions: number;
    users: number;
    anonymous: number;
    version: number;
    truncated?: boolean;
};
/**
 * What was published, and where.
 */
export type SubscribeOptions = {
    /**
     * the position of the last publication that you have; what came after it is sent again
     */
    since?: string | undefined;
    /**
     * tags that publications must have, chosen by the server
     */
    filter?: Record<string, string | string[]> | undefined;
    /**
     * be told who comes and leaves, as event `presence`
     */
    presence?: boolean | undefined;
    /**
     * publications are missing: fetch what you need anew
     */
    onGap?: ((gap: Gap) => void) | undefined;
};
/**
 * What was published, and where.
 */
export type Member = {
    session?: string;
    user?: string;
    sessions?: number;
    since?: number;
    away?: boolean;
};
/**
 * What was published, and where.
 */
export type SubscriptionEvents = {
    state: "subscribing" | "subscribed" | "unsubscribed";
    gap: Gap;
    presence: Presence;
    error: Error;
};
/**
 * What was published, and where.
 */
export type PublicationHandler = (data: any, publication: Publication) => unknown;
import { Emitter } from './emitter.js';
import { Iteration } from './iteration.js';
