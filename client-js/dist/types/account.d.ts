/**
 * The account that connections belong to. Logged in once, it stays so: tokens are replaced in time over the open
 * connection, one at a time, and each new session is told whose it is before anything else is asked.
 */
export class Account {
    /** @param {import('./starling.js').Starling} starling */
    constructor(starling: import("./starling.js").Starling);
    starling: import("./starling.js").Starling;
    storage: Pick<Storage, "getItem" | "removeItem" | "setItem"> | null;
    key: string;
    /** @type {Login | null} */
    login_: Login | null;
    /** @type {Promise<boolean> | null} */
    refreshing: Promise<boolean> | null;
    /** @type {any} */
    timer: any;
    /** @type {any} */
    tabs: any;
    locks: any;
    /** Refresh tokens that this tab has used up. @type {Set<string>} */
    used: Set<string>;
    /** Who is logged in, as far as this side knows. @type {{ userId: string, username: string } | null} */
    get user(): {
        userId: string;
        username: string;
    } | null;
    /** The access token, for HTTP: `Authorization: Bearer <token>`. Null if nobody is logged in. @type {string | null} */
    get accessToken(): string | null;
    /**
     * Makes an account. It is not logged in by that.
     * @param {string} username
     * @param {string} password
     * @returns {Promise<{ userId: string, username: string }>}
     */
    register(username: string, password: string): Promise<{
        userId: string;
        username: string;
    }>;
    /**
     * Logs in: this session and all that come after it belong to the account.
     * @param {string} username
     * @param {string} password
     * @returns {Promise<User>}
     */
    login(username: string, password: string): Promise<User>;
    /**
     * Logs in with tokens that were had elsewhere, over HTTP for instance.
     * @param {{ accessToken: string, refreshToken?: string, expiresIn?: number }} tokens
     * @returns {Promise<User>}
     */
    use({ accessToken, refreshToken, expiresIn }: {
        accessToken: string;
        refreshToken?: string;
        expiresIn?: number;
    }): Promise<User>;
    /** Logs out: the tokens are void, and this session belongs to nobody. */
    logout(): Promise<void>;
    /** Logs out everywhere. */
    logoutAll(): Promise<void>;
    /**
     * Who the server takes us for.
     * @returns {Promise<User>}
     */
    me(): Promise<User>;
    /**
     * Changes the password; all other logins end.
     * @param {string} currentPassword
     * @param {string} newPassword
     */
    changePassword(currentPassword: string, newPassword: string): Promise<void>;
    /**
     * Replaces the tokens, once at a time.
     * @returns {Promise<boolean>} whether somebody is still logged in
     */
    refresh(): Promise<boolean>;
    /**
     * Refreshes, unless another tab has taken the same token for it: then that one tells what it was given.
     * @param {() => Promise<boolean>} ask
     * @returns {Promise<boolean>}
     */
    alone(ask: () => Promise<boolean>): Promise<boolean>;
    /** @param {{ was: string, login?: Login }} told by another tab with the same login, or asked without one */
    heard({ was, login }: {
        was: string;
        login?: Login;
    }): undefined;
    /** @param {string} method */
    leave(method: string): Promise<void>;
    /**
     * A new session: it is told whose it is before anything else is asked.
     * @param {() => void} go what waits for it
     */
    greeted(go: () => void): void;
    /** The connection is as it was, or a new one is ready. */
    connected(): void;
    /**
     * The server says that we are not who we were.
     * @param {{ reason: string, graceMs: number }} data
     */
    expired({ reason }: {
        reason: string;
        graceMs: number;
    }): void;
    closed(): void;
    /**
     * Asks past everything that waits, for nothing else may go out before.
     * @param {string} method
     * @param {any} payload
     * @returns {Promise<boolean>}
     */
    ask(method: string, payload: any): Promise<boolean>;
    /** @param {any} given */
    adopt({ accessToken, refreshToken, expiresIn, userId, username }: any): void;
    /** @param {string} reason */
    forget(reason: string): void;
    /** The token of the session says whose it is. */
    renewSession(): Promise<void>;
    schedule(): void;
    /** @returns {Login | null} */
    load(): Login | null;
    save(): void;
}
/**
 * What an account is logged in with, as it is kept in a storage.
 */
export type Login = {
    accessToken: string;
    expiresAt: number;
    refreshToken: string | null;
    refreshAt: number;
    userId: string;
    username: string;
};
/**
 * What an account is logged in with, as it is kept in a storage.
 */
export type User = {
    userId: string;
    username: string;
    roles: string[];
    permissions?: string[];
};
