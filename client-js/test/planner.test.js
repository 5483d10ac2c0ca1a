// The example that plans in universes, as people run it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { START, moves, plan, score } from '../examples/planner.js';
import { Starling } from '../src/node.js';
import { startServer } from './helper.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

test('a planner finds the shortest way, and the plan is a universe with its history', async () => {
  const client = new Starling(server.url);
  await client.connect();
  const { universe, path, tries } = await plan(client, START);
  assert.equal(path.length, score(START), 'no way is shorter than what is left to do');
  let state = structuredClone(START);
  for (const name of path) {
    const { changes } = moves(state).find((move) => move.name === name);
    state = { ...state, ...changes, boxes: { ...state.boxes, ...changes.boxes } };
  }
  const found = await client.request('universe:get', { universe });
  assert.deepEqual({ ...found.state, carries: found.state.carries || null }, state);
  assert.deepEqual(found.state.boxes.red, START.goal);
  assert.deepEqual(found.children, [], 'what was tried is gone');
  const { commits } = await client.request('universe:log', { universe, limit: 1 });
  assert.match(commits[0].message, /^planned: .*pick up red/);
  assert.ok(tries > path.length, `${tries} states were tried`);
  client.disconnect();
});
