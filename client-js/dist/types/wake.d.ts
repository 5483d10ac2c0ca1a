/**
 * Tells when the machine has slept, the page was frozen or hidden, or the network came back: a connection that
 * looks alive then may be long dead, and a wait for the next attempt may be over.
 * @param {() => void} woken
 * @returns {() => void} stops
 */
export function watchWaking(woken: () => void): () => void;
