/** A clock that is so late has slept. */
const SLEPT_MS = 5_000;
const TICK_MS = 2_000;

/**
 * Tells when the machine has slept, the page was frozen or hidden, or the network came back: a connection that
 * looks alive then may be long dead, and a wait for the next attempt may be over.
 * @param {() => void} woken
 * @returns {() => void} stops
 */
export function watchWaking(woken) {
  const page = /** @type {any} */ (globalThis);
  const visible = () => {
    if (!page.document?.hidden) woken();
  };
  const on = page.addEventListener ? [[page, 'online', woken], [page, 'pageshow', woken]] : [];
  if (page.document?.addEventListener) on.push([page.document, 'visibilitychange', visible], [page.document, 'resume', woken]);
  for (const [target, name, listener] of on) target.addEventListener(name, listener);
  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - last > TICK_MS + SLEPT_MS) woken();
    last = now;
  }, TICK_MS);
  // Node ends when only this is left.
  /** @type {any} */ (timer).unref?.();
  return () => {
    clearInterval(timer);
    for (const [target, name, listener] of on) target.removeEventListener(name, listener);
  };
}
