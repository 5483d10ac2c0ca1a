// Universes: the tree of forks, the state of one, its history, and what it takes to merge another into it.
import { Starling } from '/helios.js';

const find = (id) => document.getElementById(id);
const client = new Starling(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
const universes = new Map();
let chosen = null;
let shown = '';

const ask = (method, payload) => client.request(method, payload);
const look = (method, payload) => client.request(method, payload, { idempotent: true });
const named = ({ id, name }) => name ?? id.slice(0, 8);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

function say(error) {
  find('problem').textContent = error.details?.errors?.join('; ') ?? error.message;
  find('problem').hidden = false;
}

/** Does something, and says what became of it. */
async function attempt(work, done = '') {
  find('problem').hidden = true;
  find('done').textContent = '';
  try {
    await work();
    find('done').textContent = done;
  } catch (error) {
    say(error);
  }
}

client.events.on('state', (state) => {
  find('state').dataset.state = state;
  find('state').textContent = state;
});

// The tree.

async function load() {
  const found = [];
  for (let cursor = null; found.length < 2000;) {
    const page = await look('universe:list', { limit: 1000, cursor });
    found.push(...page.universes);
    cursor = page.cursor;
    find('total').textContent = `${page.total} universes`;
    if (cursor === null) break;
  }
  universes.clear();
  found.forEach((one) => universes.set(one.id, one));
  draw();
}

const ROW = 30;
const STEP = 26;
const SVG = 'http://www.w3.org/2000/svg';

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

/** Every universe below its parent, in the order in which they were made, with its depth. */
function rows() {
  const children = new Map();
  for (const one of universes.values()) {
    const parent = universes.has(one.parentId) ? one.parentId : null;
    children.set(parent, [...(children.get(parent) ?? []), one]);
  }
  const listed = [];
  const waiting = (children.get(null) ?? []).map((one) => ({ one, depth: 0, parent: -1 })).reverse();
  while (waiting.length > 0) {
    const row = waiting.pop();
    const at = listed.push(row) - 1;
    waiting.push(...(children.get(row.one.id) ?? []).map((one) => ({ one, depth: row.depth + 1, parent: at })).reverse());
  }
  return listed;
}

const fresh = new Set();

function draw() {
  const listed = rows();
  const width = Math.max(...listed.map(({ depth }) => depth), 0) * STEP + 300;
  const edges = [];
  const items = listed.map(({ one, depth, parent }, at) => {
    const [x, y] = [depth * STEP + 14, at * ROW + ROW / 2];
    if (parent >= 0) {
      const [px, py] = [listed[parent].depth * STEP + 14, parent * ROW + ROW / 2];
      edges.push(svg('path', { class: 'edge', d: `M${px},${py + 6} V${y - 8} Q${px},${y} ${px + 8},${y} H${x - 6}` }));
    }
    const label = svg('text', { x: x + 12, y: y + 4 }, named(one));
    label.append(svg('tspan', { class: 'kind', dx: 8 }, one.committed ? one.type : `${one.type}, not committed`));
    const item = svg('g', {
      role: 'treeitem', tabindex: 0, 'aria-level': depth + 1, 'aria-selected': one.id === chosen, 'data-id': one.id,
      'data-open': one.id === chosen, 'data-fresh': fresh.has(one.id), 'aria-label': `${named(one)}, ${one.type}`,
    }, svg('rect', { x: x - 10, y: y - 12, width: width - x, height: 24 }), svg('circle', { cx: x, cy: y, r: 6 }), label);
    item.addEventListener('click', () => choose(one.id));
    item.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(one.id); }
    });
    return item;
  });
  const focused = document.activeElement?.dataset?.id;
  find('tree').replaceChildren(svg('svg', { width, height: listed.length * ROW }, ...edges, ...items));
  if (focused) find('tree').querySelector(`[data-id="${focused}"]`)?.focus();
  find('none').hidden = listed.length > 0;
  drawOthers();
}

// One universe.

const acting = ['save', 'commit', 'fork', 'delete', 'merge', 'resolve'];

async function choose(id) {
  chosen = id;
  // Until it is here, nothing can be done with it: what is shown must be what is changed.
  acting.forEach((name) => { find(name).disabled = true; });
  find('json').value = shown = '';
  find('chosen-title').textContent = named(universes.get(id) ?? { id });
  find('edit').hidden = find('compare').hidden = false;
  find('conflicts').hidden = true;
  draw();
  await refresh(true);
}

/** Shows the chosen universe as it is. What somebody types is not taken away. */
async function refresh(force = false) {
  if (chosen === null) return;
  const id = chosen;
  try {
    const [found, log] = await Promise.all([look('universe:get', { universe: id }), look('universe:log', { universe: id, limit: 20 })]);
    if (id !== chosen) return;
    const { metadata, state } = found;
    find('chosen-title').textContent = named(metadata);
    find('about').textContent = `${metadata.stateSize} bytes, ${metadata.entries} values, ${metadata.childrenCount} ${metadata.childrenCount === 1 ? 'fork' : 'forks'}. ${metadata.snapshotId.slice(0, 23)}…`;
    const text = JSON.stringify(state, null, 2);
    if (force || find('json').value === shown) find('json').value = shown = text;
    acting.forEach((name) => { find(name).disabled = false; });
    find('history-title').hidden = false;
    find('history').replaceChildren(...log.commits.map((commit) => {
      const back = element('button', { type: 'button', textContent: 'Restore' });
      back.addEventListener('click', () => attempt(async () => {
        await ask('universe:restore', { universe: id, to: commit.commitId });
        await refresh(true);
      }, 'Restored.'));
      const what = element('span', { textContent: `${commit.message || 'commit'} ` }, element('code', { textContent: commit.snapshotId.slice(7, 15) }));
      return element('li', {}, what, back);
    }));
    await compare();
  } catch (error) {
    if (error.code !== 'UNIVERSE_NOT_FOUND') return say(error);
    chosen = null;
    const parts = ['edit', 'compare', 'diff', 'history-title', 'conflicts'];
    parts.forEach((name) => { find(name).hidden = true; });
    find('history').replaceChildren();
    find('chosen-title').textContent = 'No universe chosen';
    find('about').textContent = '';
  }
}

find('create').addEventListener('click', () => attempt(async () => {
  const { universes: [made] } = await ask('universe:create', { state: { hello: 'world' }, name: `universe ${universes.size + 1}` });
  await load();
  universes.set(made.id, made);
  await choose(made.id);
}));

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The JSON Merge Patch that leads from one object to another. */
function patch(from, to) {
  if (!isObject(to)) throw new Error('the state is a JSON object');
  const changes = {};
  for (const name of Object.keys(from)) if (!(name in to)) changes[name] = null;
  for (const [name, value] of Object.entries(to)) {
    if (isObject(value) && isObject(from[name])) {
      const below = patch(from[name], value);
      if (Object.keys(below).length > 0) changes[name] = below;
    } else if (JSON.stringify(value) !== JSON.stringify(from[name])) changes[name] = value;
  }
  return changes;
}

find('edit').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => {
    // Only what was changed here goes out: what others have changed meanwhile stays. A patch cannot say null.
    const state = JSON.parse(find('json').value);
    const whole = /\bnull\b/.test(find('json').value);
    const updates = whole ? state : patch(JSON.parse(shown), state);
    await ask('universe:update', { universe: chosen, updates, merge: !whole });
    await refresh(true);
  }, 'Saved.');
});

find('commit').addEventListener('click', () => attempt(async () => {
  const { insight } = await ask('universe:commit', { universe: chosen, message: `${named(universes.get(chosen))}: state kept` });
  await refresh();
  find('done').dataset.insight = insight.addedBytes;
}, 'Committed.'));

find('fork').addEventListener('click', () => attempt(async () => {
  const source = universes.get(chosen);
  const { universes: [made] } = await ask('universe:fork', { universe: chosen, name: `fork ${universes.size + 1}`, type: source.type });
  await load();
  universes.set(made.id, made);
  await choose(made.id);
}, 'Forked.'));

find('delete').addEventListener('click', () => attempt(async () => {
  await ask('universe:delete', { universe: chosen });
  await load();
  await refresh();
}));

// Two universes.

function drawOthers() {
  const before = find('other').value;
  const others = [...universes.values()].filter(({ id }) => id !== chosen);
  find('other').replaceChildren(...others.map((one) => element('option', { value: one.id, textContent: `${named(one)} (${one.id.slice(0, 8)})` })));
  const parent = universes.get(chosen)?.parentId;
  if (others.some(({ id }) => id === before)) find('other').value = before;
  else if (others.some(({ id }) => id === parent)) find('other').value = parent;
}

async function compare() {
  const [one, other] = [chosen, find('other').value];
  find('diff').hidden = !other;
  if (!other || one === null) return;
  const found = await look('universe:diff', { from: one, to: other, values: true, limit: 200 });
  if (one !== chosen || other !== find('other').value) return;
  const { added, changed, deleted, stats } = found;
  const text = (value) => (value === undefined ? '' : JSON.stringify(value));
  const all = [...added, ...changed, ...deleted].sort((a, b) => (a.path < b.path ? -1 : 1));
  find('diff').tBodies[0].replaceChildren(...all.map(({ path, before, after }) => element('tr', {},
    element('td', { textContent: path }),
    element('td', { textContent: text(before), className: before === undefined ? '' : 'gone' }),
    element('td', { textContent: text(after), className: after === undefined ? '' : 'new' }))));
  find('left').textContent = named(universes.get(chosen) ?? { id: chosen });
  find('right').textContent = named(universes.get(other) ?? { id: other });
  const count = stats.added + stats.changed + stats.deleted;
  find('differences').textContent = count === 0 ? 'They are equal.' : `${count} ${count === 1 ? 'difference' : 'differences'}${stats.truncated ? ', the first 200 listed' : ''}`;
}

find('other').addEventListener('change', () => { find('conflicts').hidden = true; attempt(compare); });

/** Merges, or asks about what stands in the way. */
async function merge(target, source, resolutions) {
  const message = `merge of ${named(universes.get(source) ?? { id: source })}`;
  try {
    await ask('universe:merge', { target, sources: [source], resolutions, message });
    find('conflicts').hidden = true;
    if (target === chosen) await refresh(true);
  } catch (error) {
    if (error.code !== 'MERGE_CONFLICT') throw error;
    askAbout(target, source, resolutions, error.details.conflicts);
  }
}

find('compare').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(() => merge(chosen, find('other').value, {}));
});

let asked = null;

/** Lets people choose, for each conflict, whose side stays. */
function askAbout(target, source, resolved, conflicts) {
  asked = { target, source, resolved };
  find('choices').replaceChildren(...conflicts.map(({ path, base, ours, theirs }, at) => {
    const choice = (side, title, value) => element('label', {},
      element('input', { type: 'radio', name: `conflict-${at}`, value: side, required: true, checked: side === 'ours' }),
      element('span', { textContent: `${title}: ` }, element('code', { textContent: JSON.stringify(value) })));
    const fieldset = element('fieldset', {}, element('legend', { textContent: path }),
      choice('ours', 'This', ours), choice('theirs', 'Other', theirs), element('p', { className: 'about', textContent: `before: ${JSON.stringify(base)}` }));
    fieldset.dataset.path = path;
    return fieldset;
  }));
  find('conflicts').hidden = false;
}

find('conflicts').addEventListener('submit', (event) => {
  event.preventDefault();
  const sides = [...find('choices').children].map((one) => [one.dataset.path, { take: one.querySelector('input:checked').value }]);
  const { target, source, resolved } = asked;
  attempt(() => merge(target, source, { ...resolved, ...Object.fromEntries(sides) }), 'Merged.');
});
find('cancel').addEventListener('click', () => { find('conflicts').hidden = true; });

// Live, as others change them. Many changes at once are one look.

let looking = null;
function soon() {
  looking ??= setTimeout(() => {
    looking = null;
    load().then(() => refresh()).catch(say);
  }, 150);
}
const mark = (id) => {
  fresh.add(id);
  setTimeout(() => { fresh.delete(id); draw(); }, 1500);
};
client.on('universes:created', ({ universes: made }) => { made.forEach(({ id }) => mark(id)); soon(); });
client.on('universe:operation', ({ universeId }) => { mark(universeId); soon(); });
client.events.on('connected', () => look('universes:subscribe', null).then(load).catch(say));
client.connect().catch(say);
