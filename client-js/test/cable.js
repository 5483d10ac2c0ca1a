// A TCP proxy that can be cut, at any byte, and that can be slow.
import { connect, createServer } from 'node:net';

/**
 * @param {number} port of the server behind it
 * @param {{ delay?: () => number }} [options] milliseconds that bytes take
 */
export async function cable(port, { delay = () => 0 } = {}) {
  /** @type {Set<{ client: import('node:net').Socket, upstream: import('node:net').Socket }>} */
  const pairs = new Set();
  const limits = { up: Infinity, down: Infinity };
  const healed = () => Object.assign(limits, { up: Infinity, down: Infinity });
  const cut = () => {
    healed();
    for (const { client, upstream } of pairs) {
      client.destroy();
      upstream.destroy();
    }
    pairs.clear();
  };
  /** The client loses its connection and the server does not know: what is on its way still arrives there. */
  const half = (patience = 50) => {
    healed();
    for (const { client, upstream } of pairs) {
      client.destroy();
      setTimeout(() => upstream.destroy(), patience);
    }
    pairs.clear();
  };
  let target = port;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const pair = { client, upstream };
    pairs.add(pair);
    const carry = (from, to, way) => {
      let last = Promise.resolve();
      from.on('data', (data) => {
        const part = data.subarray(0, Math.min(data.length, limits[way]));
        limits[way] -= part.length;
        const over = limits[way] <= 0;
        const ms = delay();
        // One after the other: a slow cable keeps the order.
        last = last.then(async () => {
          if (ms) await new Promise((resolve) => setTimeout(resolve, ms));
          to.write(part);
          if (over) setImmediate(cut);
        });
      });
      from.on('error', () => {});
      from.on('close', () => {
        // Whoever still listens at the other end hears of it, unless the cable is to keep that to itself.
        if (pairs.delete(pair)) to.destroy();
      });
    };
    carry(client, upstream, 'up');
    carry(upstream, client, 'down');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `ws://127.0.0.1:${server.address().port}/ws`,
    cut,
    half,
    limits,
    lead: (to) => {
      target = to;
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
