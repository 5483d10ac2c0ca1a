// A planner: finds the way to a goal by trying moves in universes. Each state is a universe; a move is a fork of it, so
// that a step costs what it changes. The best leaf is merged into the plan, and every step of it stays in the history.
//
//   node examples/planner.js ws://127.0.0.1:8080/ws

import { Starling } from '../src/node.js';

/** A robot on a grid: where it is, what it carries, and what lies around. */
export const START = { robot: { x: 0, y: 0 }, carries: null, boxes: { red: { x: 2, y: 1 } }, goal: { x: 0, y: 2 } };
const SIZE = 3;

const distance = (a, b) => Math.abs(a.x - b.x) + Math.abs(a.y - b.y);
const done = ({ boxes, carries, goal }) => carries === null && distance(boxes.red, goal) === 0;

/** How far a state is from the goal: what is left to walk, and to pick up or put down. */
export function score({ robot, carries, boxes, goal }) {
  if (carries === null) return distance(boxes.red, goal) === 0 ? 0 : distance(robot, boxes.red) + distance(boxes.red, goal) + 2;
  return distance(robot, goal) + 1;
}

/** The moves of a state, each as a JSON Merge Patch of it. */
export function moves({ robot, carries, boxes }) {
  const found = [];
  for (const [name, dx, dy] of [['east', 1, 0], ['west', -1, 0], ['south', 0, 1], ['north', 0, -1]]) {
    const to = { x: robot.x + dx, y: robot.y + dy };
    const inside = to.x >= 0 && to.y >= 0 && to.x < SIZE && to.y < SIZE;
    if (inside) found.push({ name, changes: { robot: to, ...(carries ? { boxes: { [carries]: to } } : {}) } });
  }
  if (carries) found.push({ name: `put down ${carries}`, changes: { carries: null } });
  else if (distance(robot, boxes.red) === 0) found.push({ name: 'pick up red', changes: { carries: 'red' } });
  return found;
}

/** Plans from a state, best state first. Gives the universe of the plan, the moves, and how many states were tried. */
export async function plan(client, start, { triesMax = 500 } = {}) {
  const create = { state: { ...start, carries: start.carries ?? '' }, name: 'plan', type: 'plan' };
  const { universes: [root] } = await client.request('universe:create', create);
  // The state of a universe is an object without null: what is not carried is an empty text there.
  const read = async (universe) => {
    const { state } = await client.request('universe:get', { universe });
    return { ...state, carries: state.carries || null };
  };
  const open = [{ id: root.id, state: await read(root.id), path: [] }];
  const seen = new Set([root.snapshotId]);
  for (let tries = 0; open.length > 0 && tries < triesMax; tries += 1) {
    open.sort((a, b) => a.path.length + score(a.state) - (b.path.length + score(b.state)));
    const best = open.shift();
    if (done(best.state)) {
      // What led here becomes the plan; everything else goes.
      const message = `planned: ${best.path.join(', ')}`;
      if (best.id !== root.id) await client.request('universe:merge', { target: root.id, sources: [best.id], message });
      const { children } = await client.request('universe:get', { universe: root.id, withoutState: true });
      await Promise.all(children.map((universe) => client.request('universe:delete', { universe })));
      return { universe: root.id, path: best.path, tries: seen.size };
    }
    const tried = await Promise.all(moves(best.state).map(async ({ name, changes }) => {
      const patch = 'carries' in changes ? { ...changes, carries: changes.carries ?? '' } : changes;
      const { universes: [made] } = await client.request('universe:fork', { universe: best.id, changes: patch, name });
      return { ...made, path: [...best.path, name] };
    }));
    for (const { id, snapshotId, path } of tried) {
      // Equal content has an equal id, however one came there.
      if (seen.has(snapshotId)) continue;
      seen.add(snapshotId);
      open.push({ id, state: await read(id), path });
    }
  }
  return null;
}

if (process.argv[1] && import.meta.url.endsWith(process.argv[1].split('/').pop())) {
  const client = new Starling(process.argv[2] ?? 'ws://127.0.0.1:8080/ws');
  await client.connect();
  const found = await plan(client, START);
  console.log(found ? `${found.path.join(', ')} (${found.tries} states tried)` : 'there is no way');
  client.disconnect();
}
