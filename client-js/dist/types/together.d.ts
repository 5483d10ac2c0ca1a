/**
 * @typedef {{ item: object, resolve: (answer: any) => void, reject: (error: unknown) => void }} Waiting
 */
/**
 * Collects what is asked until the running code has come to its end.
 * @param {import('./starling.js').Starling} client
 * @param {string} method asks for one item; with `Each` behind it, for several under one `member`, and gives what came of each
 *   under that too: its answer, or `{ error }`
 * @param {string} member
 * @param {import('./requests.js').RequestOptions} [options]
 * @returns {(item: object) => Promise<any>} asks for one item, and gives the answer to it
 */
export function together(client: import("./starling.js").Starling, method: string, member: string, options?: import("./requests.js").RequestOptions): (item: object) => Promise<any>;
export type Waiting = {
    item: object;
    resolve: (answer: any) => void;
    reject: (error: unknown) => void;
};
