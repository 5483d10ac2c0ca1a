/** Publications of a subscription that wait to be gone through. One at a time has them. */
export class Iteration {
    /** @param {import('./subscriptions.js').Subscription} subscription */
    constructor(subscription: import("./subscriptions.js").Subscription);
    subscription: import("./subscriptions.js").Subscription;
    /** @type {{ publication: import('./subscriptions.js').Publication, done: () => void }[]} */
    waiting: {
        publication: import("./subscriptions.js").Publication;
        done: () => void;
    }[];
    /** The one that was handed out last: it is handled when the next one is asked for. @type {(() => void) | null} */
    last: (() => void) | null;
    /** Dropped, and not told yet. */
    dropped: number;
    /** Somebody goes through them. */
    used: boolean;
    wake: () => void;
    /**
     * @param {import('./subscriptions.js').Publication} publication
     * @param {() => void} done called when it was handled
     */
    add(publication: import("./subscriptions.js").Publication, done: () => void): void;
    /** @returns {AsyncIterableIterator<import('./subscriptions.js').Publication>} */
    begin(): AsyncIterableIterator<import("./subscriptions.js").Publication>;
    handled(): void;
}
