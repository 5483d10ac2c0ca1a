// Jobs: queues, what runs and how far it is, what has failed and why, schedules; and a worker in the page.
import { Starling } from '/helios.js';
import { Worker } from '/helios-worker.js';

const find = (id) => document.getElementById(id);
const client = new Starling(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
const look = (method, payload = {}) => client.request(method, payload, { idempotent: true });
const short = (id) => id.slice(-8);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  const { className, ...rest } = attributes;
  if (className) made.className = className;
  Object.assign(made, rest);
  made.append(...children);
  return made;
}

function button(text, about, act) {
  const made = element('button', { type: 'button', textContent: text, ariaLabel: about });
  made.addEventListener('click', () => attempt(act));
  return made;
}

/** Does something, and says if it did not work out. */
async function attempt(act) {
  find('problem').hidden = true;
  try {
    await act();
    await refresh();
  } catch (error) {
    find('problem').textContent = error.details?.errors?.join('; ') ?? error.message;
    find('problem').hidden = false;
  }
}

client.events.on('state', (state) => {
  find('state').dataset.state = state;
  find('state').textContent = state;
});

// What there is. Jobs that run are drawn as they are told of; the rest is looked up when something has changed.

const running = new Map();

/** The row of a job that runs; it stays the same, so that nobody's click gets lost. */
function rowOf(id) {
  const bar = element('progress', { max: 100, ariaLabel: `How far ${short(id)} is` });
  const what = element('span');
  const said = element('span', { className: 'said' });
  const row = element('li', { id: `running-${id}` }, what, button('Cancel', `Cancel ${short(id)}`, () => client.jobs.get(id).cancel('from the page')), bar, said);
  return Object.assign(row, { show({ type, attempts, maxAttempts, workerId, progress }) {
    what.replaceChildren(element('code', { textContent: short(id) }), ` ${type}, attempt ${attempts} of ${maxAttempts}`);
    if (progress) bar.value = progress.progress;
    else bar.removeAttribute('value');
    said.textContent = `${progress ? `${Math.round(progress.progress)} % ${progress.message ?? ''}` : 'its worker has said nothing yet'} · ${workerId ?? ''}`;
  } });
}

function drawRunning() {
  find('idle').hidden = running.size > 0;
  const rows = [...running.values()].map((job) => {
    const row = find(`running-${job.id}`) ?? rowOf(job.id);
    row.show(job);
    return row;
  });
  const shown = [...find('running').children];
  if (rows.length !== shown.length || rows.some((row, at) => row !== shown[at])) find('running').replaceChildren(...rows);
}

function drawList(jobs) {
  find('none').hidden = jobs.length > 0;
  find('list').replaceChildren(...jobs.map((job) => {
    const acts = {
      PENDING: () => button('Cancel', `Cancel ${short(job.id)}`, () => client.jobs.get(job.id).cancel('from the page')),
      DONE: () => '',
    }[job.status] ?? (() => button('Retry', `Retry ${short(job.id)}`, () => client.request('jobs:retry', { id: job.id })));
    const parts = [element('span', {}, element('code', { textContent: short(job.id) }), ` ${job.type}, ${job.attempts} of ${job.maxAttempts} attempts`), acts()];
    if (job.error) parts.push(element('span', { className: 'said bad', textContent: job.error }));
    if (job.history.length) {
      const rows = job.history.map(({ outcome, workerId, startedAt, endedAt, error }) =>
        element('li', { textContent: `${outcome} after ${((endedAt - startedAt) / 1000).toFixed(1)} s by ${workerId}${error ? `: ${error}` : ''}` }));
      parts.push(element('details', {}, element('summary', { textContent: `history (${rows.length})` }), element('ol', {}, ...rows)));
    }
    return element('li', {}, ...parts);
  }));
}

function drawStats({ types, workers }, { schedules }) {
  const row = ([type, { ready, delayed, inProgress, done, failed, dlq }]) =>
    element('tr', {}, ...[type, ready, delayed, inProgress, done, failed, dlq].map((text) => element('td', { textContent: text })));
  find('queues').querySelector('tbody').replaceChildren(...Object.entries(types).map(row));
  find('workers').replaceChildren(...workers.map(({ worker, types: of, running: busy, concurrency, away }) =>
    element('li', {}, element('span', { textContent: worker }), element('span', { textContent: `${away ? 'away, ' : ''}${busy} of ${concurrency} busy, ${of.join(', ') || 'all types'}` }))));
  find('schedules').replaceChildren(...schedules.map(({ name, cron, type, nextAt, fired }) =>
    element('li', {}, element('span', { textContent: `${cron} ${type}, next ${nextAt ? new Date(nextAt).toLocaleString([], { dateStyle: 'short', timeStyle: 'short' }) : 'never'}, ${fired} so far` }),
      button('Remove', `Remove the schedule ${name}`, () => client.request('jobs:unschedule', { name })))));
}

async function refresh() {
  const status = find('status').value;
  const [stats, schedules, list, now] = await Promise.all([
    look('jobs:stats'), look('jobs:schedules'), look('jobs:list', { status, limit: 100 }), look('jobs:list', { status: 'IN_PROGRESS', limit: 100 }),
  ]);
  drawStats(stats, schedules);
  const open = new Set([...find('list').querySelectorAll('details[open]')].map((it) => it.closest('li')?.dataset.id));
  drawList(list.jobs);
  list.jobs.forEach(({ id }, at) => {
    const item = find('list').children[at];
    item.dataset.id = id;
    if (open.has(id)) item.querySelector('details')?.setAttribute('open', '');
  });
  running.clear();
  now.jobs.forEach((job) => running.set(job.id, job));
  drawRunning();
}

let planned = null;
/** Looks again soon, once for all that has just happened. */
function soon() {
  planned ??= setTimeout(() => {
    planned = null;
    refresh().catch(() => {});
  }, 100);
}

client.subscribe('jobs:events', (event) => {
  const job = running.get(event.id);
  if (event.event === 'progress') {
    if (job) Object.assign(job, { progress: event });
    return drawRunning();
  }
  if (event.status !== 'IN_PROGRESS') running.delete(event.id);
  const line = element('li', { textContent: `${new Date(event.at).toLocaleTimeString()} ${short(event.id)} ${event.type} ${event.event}${event.reason ? `: ${event.reason}` : ''}` });
  find('events').prepend(line);
  while (find('events').children.length > 12) find('events').lastChild.remove();
  drawRunning();
  soon();
}, { onGap: soon });
client.events.on('connected', soon);
find('status').addEventListener('change', soon);

// What can be done.

const wish = () => ({ type: find('type').value, payload: JSON.parse(find('payload').value || 'null') });

find('enqueue').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => {
    const { type, payload } = wish();
    const options = { priority: Number(find('priority').value), delayMs: Number(find('delay').value) * 1000, backoffMs: 1000, backoffMaxMs: 4000 };
    await Promise.all(Array.from({ length: Number(find('count').value) }, () => client.jobs.enqueue(type, payload, options)));
  });
});
find('schedule').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(() => client.request('jobs:schedule', { name: `page-${Date.now()}`, cron: find('cron').value, ...wish() }));
});
find('replay').addEventListener('click', () => attempt(() => client.request('jobs:replay', { status: find('status').value })));
find('purge').addEventListener('click', () => attempt(() => client.request('jobs:purge', { status: find('status').value })));

let worker = null;
const demo = {
  'demo.work': async (payload, { attempt: number, progress, signal }) => {
    const { steps = 10, stepMs = 300, fail = 0 } = payload ?? {};
    for (let step = 1; step <= steps && !signal.aborted; step += 1) {
      await new Promise((resolve) => setTimeout(resolve, stepMs));
      await progress((step * 100) / steps, `step ${step} of ${steps}`);
      if (step > steps / 2 && (fail === true || number <= fail)) throw new Error(`attempt ${number} was to fail`);
    }
    return { steps };
  },
};
find('work').addEventListener('click', () => attempt(async () => {
  if (worker) {
    const stopping = worker;
    worker = null;
    await stopping.stop({ graceMs: 1000 });
  } else {
    worker = new Worker(client, demo, { concurrency: 3, name: `page-${Math.random().toString(36).slice(2, 8)}` });
    await worker.ready;
  }
  find('work').textContent = worker ? 'Stop working' : 'Work here';
  find('working').textContent = worker ? 'this page works' : 'nobody works here';
}));

await client.connect();
