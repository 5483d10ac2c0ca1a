// A TCP proxy that can be cut, at any byte.
import { connect, createServer } from 'node:net';

/** @param {number} port of the server behind it */
export async function cable(port) {
  const pairs = new Set();
  const limits = { up: Infinity, down: Infinity };
  const cut = () => {
    Object.assign(limits, { up: Infinity, down: Infinity });
    for (const pair of pairs) pair.forEach((socket) => socket.destroy());
    pairs.clear();
  };
  let target = port;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const pair = [client, upstream];
    pairs.add(pair);
    const carry = (from, to, way) => {
      from.on('data', (data) => {
        const part = data.subarray(0, Math.min(data.length, limits[way]));
        limits[way] -= part.length;
        to.write(part);
        if (limits[way] <= 0) setImmediate(cut);
      });
      from.on('close', () => {
        to.end();
        pairs.delete(pair);
      });
      from.on('error', () => to.destroy());
    };
    carry(client, upstream, 'up');
    carry(upstream, client, 'down');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `ws://127.0.0.1:${server.address().port}/ws`,
    cut,
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
