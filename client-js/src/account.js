import { ConnectionError } from './errors.js';
import { newId } from './message.js';

/**
 * What an account is logged in with, as it is kept in a storage.
 * @typedef {{ accessToken: string, expiresAt: number, refreshToken: string | null, refreshAt: number, userId: string, username: string }} Login
 *
 * @typedef {{ userId: string, username: string, roles: string[], permissions?: string[] }} User
 */

/** What is refreshed less than this long before its end comes too late. */
const MARGIN_MS = 5_000;

/**
 * The account that connections belong to. Logged in once, it stays so: tokens are replaced in time over the open
 * connection, one at a time, and each new session is told whose it is before anything else is asked.
 */
export class Account {
  /** @param {import('./starling.js').Starling} starling */
  constructor(starling) {
    this.starling = starling;
    this.storage = starling.options.storage;
    this.key = `helios:account:${starling.connection.url}`;
    /** @type {Login | null} */
    this.login_ = this.load();
    /** @type {Promise<boolean> | null} */
    this.refreshing = null;
    /** @type {any} */
    this.timer = null;
    const { locks } = /** @type {any} */ (globalThis.navigator ?? {});
    // A copied tab has the same refresh token, which works once: whoever asks tells the others.
    /** @type {any} */
    this.tabs = this.storage && locks ? new BroadcastChannel(this.key) : null;
    if (this.tabs) {
      this.tabs.unref?.();
      this.tabs.onmessage = (/** @type {any} */ { data }) => this.heard(data);
      this.locks = locks;
      /** Refresh tokens that this tab has used up. @type {Set<string>} */
      this.used = new Set();
    }
  }

  /** Who is logged in, as far as this side knows. @type {{ userId: string, username: string } | null} */
  get user() {
    return this.login_ && { userId: this.login_.userId, username: this.login_.username };
  }

  /** The access token, for HTTP: `Authorization: Bearer <token>`. Null if nobody is logged in. @type {string | null} */
  get accessToken() {
    return this.login_?.accessToken ?? null;
  }

  /**
   * Makes an account. It is not logged in by that.
   * @param {string} username
   * @param {string} password
   * @returns {Promise<{ userId: string, username: string }>}
   */
  register(username, password) {
    return this.starling.request('auth:register', { username, password });
  }

  /**
   * Logs in: this session and all that come after it belong to the account.
   * @param {string} username
   * @param {string} password
   * @returns {Promise<User>}
   */
  async login(username, password) {
    const given = await this.starling.request('auth:login', { username, password });
    this.adopt(given);
    await this.renewSession();
    const { userId, username: name, roles } = given;
    return { userId, username: name, roles };
  }

  /**
   * Logs in with tokens that were had elsewhere, over HTTP for instance.
   * @param {{ accessToken: string, refreshToken?: string, expiresIn?: number }} tokens
   * @returns {Promise<User>}
   */
  async use({ accessToken, refreshToken, expiresIn }) {
    const me = await this.starling.request('auth:authenticate', { accessToken });
    const left = expiresIn ?? Math.max(0, ((me.expiresAt ?? Date.now()) - Date.now()) / 1000);
    this.adopt({ ...me, accessToken, refreshToken: refreshToken ?? null, expiresIn: left });
    await this.renewSession();
    return me;
  }

  /** Logs out: the tokens are void, and this session belongs to nobody. */
  async logout() {
    await this.leave('auth:logout');
  }

  /** Logs out everywhere. */
  async logoutAll() {
    await this.leave('auth:logoutAll');
  }

  /**
   * Who the server takes us for.
   * @returns {Promise<User>}
   */
  me() {
    return this.starling.request('auth:me', {}, { idempotent: true });
  }

  /**
   * Changes the password; all other logins end.
   * @param {string} currentPassword
   * @param {string} newPassword
   */
  async changePassword(currentPassword, newPassword) {
    this.adopt(await this.starling.request('auth:changePassword', { currentPassword, newPassword }));
  }

  /**
   * Replaces the tokens, once at a time.
   * @returns {Promise<boolean>} whether somebody is still logged in
   */
  refresh() {
    const ask = () => this.ask('auth:refresh', { refreshToken: this.login_?.refreshToken });
    this.refreshing ??= (this.tabs ? this.alone(ask) : ask()).finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  // From here on for the client only.

  /**
   * Refreshes, unless another tab has taken the same token for it: then that one tells what it was given.
   * @param {() => Promise<boolean>} ask
   * @returns {Promise<boolean>}
   */
  alone(ask) {
    const was = this.login_?.refreshToken ?? '';
    return new Promise((resolve, reject) => {
      this.locks.request(`${this.key}:${was.slice(-16)}`, { ifAvailable: true }, async (/** @type {any} */ lock) => {
        if (!lock) {
          this.tabs.postMessage({ was });
          throw new ConnectionError('another tab asks');
        }
        resolve(await ask());
        if (this.login_?.refreshToken === was) return;
        this.used.add(was);
        this.heard({ was });
        // Nobody may ever take it again: it is held as long as this tab is there.
        await new Promise(() => {});
      }).catch(reject);
    });
  }

  /** @param {{ was: string, login?: Login }} told by another tab with the same login, or asked without one */
  heard({ was, login }) {
    if (!login) return void (this.used.has(was) && this.tabs.postMessage({ was, login: this.login_ }));
    if (this.login_?.refreshToken !== was) return;
    this.login_ = login;
    this.save();
    this.schedule();
    if (this.starling.state === 'connected') this.ask('auth:authenticate', { accessToken: login.accessToken }).catch(() => {});
  }

  /** @param {string} method */
  async leave(method) {
    // Whoever is nobody for the server already has nothing to end there.
    await this.starling.request(method, {}).catch((error) => {
      if (error.code !== 'UNAUTHENTICATED') throw error;
    });
    this.forget('logout');
    await this.renewSession();
  }

  /**
   * A new session: it is told whose it is before anything else is asked.
   * @param {() => void} go what waits for it
   */
  greeted(go) {
    const { login_: login } = this;
    if (!login) return go();
    const fresh = login.expiresAt - Date.now() > MARGIN_MS;
    if (!fresh && !login.refreshToken) {
      this.forget('expired');
      return go();
    }
    const proven = fresh ? this.ask('auth:authenticate', { accessToken: login.accessToken }) : Promise.resolve(false);
    // Whatever comes of it, the application hears of it and goes on.
    const failed = () => {
      // For a reason that passes: soon once more.
      if (this.login_) this.login_.refreshAt = Date.now();
      return false;
    };
    proven.then((known) => (known || !this.login_?.refreshToken ? known : this.refresh())).catch(failed).then(go);
  }

  /** The connection is as it was, or a new one is ready. */
  connected() {
    this.schedule();
  }

  /**
   * The server says that we are not who we were.
   * @param {{ reason: string, graceMs: number }} data
   */
  expired({ reason }) {
    if (!this.login_) return;
    if (reason === 'revoked' || !this.login_.refreshToken) this.forget(reason);
    else this.refresh().catch(() => {});
  }

  closed() {
    clearTimeout(this.timer);
  }

  /**
   * Asks past everything that waits, for nothing else may go out before.
   * @param {string} method
   * @param {any} payload
   * @returns {Promise<boolean>}
   */
  async ask(method, payload) {
    const { starling } = this;
    const { socket } = starling.connection;
    if (!socket || (!starling.hello && starling.state !== 'connected')) throw new ConnectionError('there is no connection');
    const id = newId();
    // A refresh that is given up too early is one that is asked twice: only the end of the connection ends it.
    const timeout = method === 'auth:refresh' ? 0 : starling.options.connectTimeout;
    const pending = starling.requests.add(id, { timeout });
    const message = { type: /** @type {'request'} */ ('request'), id, method, payload };
    starling.put(message);
    Object.assign(pending, { sent: true, message, frame: starling.codec.encode(message), via: socket });
    pending.known = Boolean(starling.session?.token);
    try {
      const given = await pending.promise;
      if (given.accessToken) this.adopt(given);
      return true;
    } catch (error) {
      const { code, details } = /** @type {any} */ (error);
      if (code !== 'UNAUTHENTICATED') throw error;
      // A refresh token that is no good ends it; an access token may have another one behind it.
      const over = method === 'auth:refresh' || details?.reason === 'revoked' || !this.login_?.refreshToken;
      // Unless there is a newer login by now.
      const mine = [this.login_?.refreshToken, this.login_?.accessToken];
      if (over && mine.includes(payload.refreshToken ?? payload.accessToken)) this.forget(details?.reason ?? 'refused');
      return false;
    }
  }

  /** @param {any} given */
  adopt({ accessToken, refreshToken, expiresIn, userId, username }) {
    const life = expiresIn * 1000;
    // At 80 % of its life, and not all clients at the same moment.
    const refreshAt = Date.now() + life * (0.75 + 0.1 * this.starling.options.random());
    const before = this.login_?.userId;
    this.login_ = { accessToken, refreshToken, expiresAt: Date.now() + life, refreshAt, userId, username };
    this.save();
    this.schedule();
    if (before !== userId) this.starling.events.emit('account', { user: this.user, reason: null });
  }

  /** @param {string} reason */
  forget(reason) {
    clearTimeout(this.timer);
    const had = this.login_;
    this.login_ = null;
    this.save();
    if (had) this.starling.events.emit('account', { user: null, reason });
  }

  /** The token of the session says whose it is. */
  async renewSession() {
    await this.starling.session?.refresh().catch(() => {});
  }

  schedule() {
    clearTimeout(this.timer);
    const { login_: login, starling } = this;
    if (!login?.refreshToken || starling.state !== 'connected') return;
    const failed = () => {
      // The connection is gone, or the server is busy: the next connection asks again, or a moment does.
      if (starling.state === 'connected') this.timer = setTimeout(() => this.schedule(), MARGIN_MS);
    };
    const ask = () => void this.refresh().catch(failed);
    this.timer = setTimeout(ask, Math.min(Math.max(0, login.refreshAt - Date.now()), 0x7fffffff));
  }

  /** @returns {Login | null} */
  load() {
    try {
      return JSON.parse(this.storage?.getItem(this.key) ?? 'null');
    } catch {
      return null;
    }
  }

  save() {
    try {
      if (this.login_) this.storage?.setItem(this.key, JSON.stringify(this.login_));
      else this.storage?.removeItem(this.key);
    } catch {
      // A storage that is full or forbidden: the account is logged in until a reload.
    }
  }
}
