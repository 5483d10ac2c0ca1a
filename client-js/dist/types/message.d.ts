/** @returns {string} a random UUID; `crypto.randomUUID` is missing on pages without TLS */
export function newId(): string;
/**
 * @param {Uint8Array} bytes 16 of them
 * @returns {string}
 */
export function idText(bytes: Uint8Array): string;
/**
 * @param {string} text
 * @returns {Uint8Array}
 */
export function idBytes(text: string): Uint8Array;
/**
 * @param {any} error
 * @returns {Failure | undefined} the error as it came, if it has the right shape
 */
export function failureOf(error: any): Failure | undefined;
export function isId(id: unknown): boolean;
/**
 * Messages as both codecs read and write them.
 */
export type Failure = {
    code: string;
    message: string;
    details?: unknown;
};
/**
 * Messages as both codecs read and write them.
 */
export type Request = {
    type: "request";
    id: string;
    method: string;
    payload?: unknown;
    peer?: unknown;
};
/**
 * Messages as both codecs read and write them.
 */
export type Response = {
    type: "response";
    id: string;
    data?: unknown;
    error?: Failure;
    peer?: unknown;
};
/**
 * Messages as both codecs read and write them.
 */
export type Notification = {
    type: "notification";
    id: string | null;
    topic: string;
    data?: any;
    progress?: boolean;
    peer?: unknown;
    published?: Published;
};
/**
 * what a publication tells besides topic and data
 */
export type Published = {
    position: string;
    pattern?: string;
    tags?: Record<string, string>;
};
/**
 * Messages as both codecs read and write them.
 */
export type ErrorMessage = {
    type: "error";
    error: Failure;
    severity?: string;
};
/**
 * What a frame turned out to be: a message, something foreign, or a message that breaks the rules.
 */
export type Message = Request | Response | Notification | ErrorMessage;
/**
 * Messages as both codecs read and write them.
 */
export type Decoded = {
    message: Message;
} | {
    foreign: "text" | "json" | "binary";
    value: unknown;
} | {
    violation: string;
};
