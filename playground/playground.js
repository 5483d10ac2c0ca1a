// The playground: connects, lists methods, calls them with a form, and shows frames both ways.
import { Starling } from '/helios.js';

const FRAMES_MAX = 300;
const find = (id) => document.getElementById(id);
const [url, codec, state, methodsList, filter, method, about, fields, payload, problem, answer, timing, frames, count, cancel, session, cut] = [
  'url', 'codec', 'state', 'methods', 'filter', 'method', 'about', 'fields', 'payload', 'problem', 'answer', 'timing', 'frames', 'count', 'cancel', 'session', 'cut',
].map(find);

let client = null;
let methods = [];
let running = null;
let total = 0;
let lastFrameAt = 0;

url.value = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

// Connection

function connect() {
  client?.disconnect();
  // Kept with the tab, so that the session survives a reload too.
  client = new Starling(url.value, { codec: codec.value, storage: sessionStorage });
  // A method of this page, so that demo:callme has something to call.
  client.method('page:hello', (data) => ({ hello: 'from the playground', data }));
  client.events.on('state', showState);
  client.events.on('frame', showFrame);
  client.events.on('error', (error) => showAnswer('error', `${error.code}: ${error.message}`));
  client.events.on('disconnected', ({ code, retryInMs }) => {
    state.title = `closed with ${code}; ${retryInMs === null ? 'not trying again' : `next try in ${Math.round(retryInMs)} ms`}`;
  });
  client.events.on('connected', loadMethods);
  followSession();
  client.connect().catch((error) => showAnswer('error', error.message));
}

// The session: it stays while connections come and go.

function followSession() {
  let last = 'no session yet';
  const show = (text = last) => {
    last = text;
    const { id, position } = client.session;
    session.textContent = id ? `session ${id.slice(0, 8)}…${id.slice(-4)} · message ${position} · ${text}` : text;
    session.title = id ?? '';
  };
  client.events.on('token', () => show(last === 'no session yet' ? 'can come back' : last));
  client.events.on('disconnected', ({ code }) => show(`cut off (${code}), waiting`));
  client.events.on('recovering', () => show('coming back …'));
  client.events.on('recovered', ({ recovered, replayed, reason, restarted }) => {
    const after = restarted ? ' after a restart of the server' : '';
    show(recovered ? `came back${after}, ${replayed} sent again` : `a new beginning: ${reason}`);
  });
  client.events.on('frame', () => queueMicrotask(() => show()));
}

cut.addEventListener('click', () => client?.connection.lose());

function showState(now) {
  cut.disabled = now !== 'connected';
  state.dataset.state = now;
  state.textContent = now;
  find('connect').textContent = now === 'disconnected' ? 'Connect' : 'Disconnect';
}

find('connection').addEventListener('submit', (event) => {
  event.preventDefault();
  if (client && client.state !== 'disconnected') client.disconnect();
  else connect();
});

codec.addEventListener('change', () => client && client.state !== 'disconnected' && connect());

// Methods

async function loadMethods() {
  try {
    ({ methods } = await client.request('system:methods'));
  } catch (error) {
    methods = [];
    showAnswer('error', error.message);
  }
  listMethods();
  if (!method.value && methods.length) choose(methods.find(({ name }) => name === 'demo:echo') ?? methods[0]);
}

function listMethods() {
  const fitting = methods.filter(({ name }) => name.includes(filter.value.trim()));
  methodsList.replaceChildren(...fitting.map((entry) => {
    const button = element('button', { type: 'button', textContent: entry.name, title: entry.description });
    button.setAttribute('aria-current', String(entry.name === method.value));
    button.addEventListener('click', () => choose(entry));
    return element('li', {}, button);
  }));
}

filter.addEventListener('input', listMethods);
method.addEventListener('input', () => choose(methods.find(({ name }) => name === method.value), false));

const EXAMPLES = {
  'demo:echo': { hello: 'world' },
  'demo:progress': { steps: 10, stepMs: 150 },
  'demo:topic': { topic: 'demo:news', data: { hello: 1 } },
  'demo:callme': { method: 'page:hello', payload: 42 },
  'demo:later': { topic: 'demo:later', data: 'here it is', delayMs: 1000 },
  'demo:slow': { ms: 500, value: 'done' },
  'demo:received': { topic: 'demo:said' },
  'topic:subscribe': { topic: 'demo:lobby' },
  'topic:publish': { topic: 'demo:lobby', data: { text: 'hello' } },
  'topic:history': { topic: 'demo:lobby', limit: 10 },
};

function choose(entry, write = true) {
  about.textContent = entry?.description ?? 'The server does not list this method; it can be called all the same.';
  if (write && entry) {
    method.value = entry.name;
    payload.value = entry.name in EXAMPLES ? JSON.stringify(EXAMPLES[entry.name], null, 2) : '';
  }
  drawFields(entry?.schema);
  listMethods();
}

// A form from the JSON Schema: fields write into the payload, which stays the one truth.

function properties(schema) {
  const object = schema?.properties ? schema : schema?.anyOf?.map((one) => resolve(one, schema)).find((one) => one?.properties);
  return Object.entries(object?.properties ?? {}).map(([name, about]) => ({ name, about, required: object.required?.includes(name) }));
}

function resolve(part, root) {
  const path = part?.$ref?.match(/^#\/(.+)$/)?.[1].split('/') ?? [];
  return part?.$ref ? path.reduce((at, key) => at?.[key], root) : part;
}

function drawFields(schema) {
  fields.replaceChildren(...properties(schema).map(({ name, about: { description, type }, required }) => {
    const types = [type].flat();
    const numeric = types.includes('integer') || types.includes('number');
    const input = element('input', { type: numeric ? 'number' : 'text', title: description ?? '', name, required: Boolean(required) });
    input.placeholder = types.filter(Boolean).join(' or ') || 'any JSON';
    input.addEventListener('input', () => writeField(name, input.value, numeric, types.includes('string')));
    return element('label', {}, `${name}${required ? ' *' : ''} `, input);
  }));
  readFields();
}

function current() {
  try {
    const value = JSON.parse(payload.value);
    return value && typeof value === 'object' && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

function readFields() {
  const value = current();
  for (const input of fields.querySelectorAll('input')) {
    const now = value[input.name];
    input.value = now === undefined ? '' : typeof now === 'string' ? now : JSON.stringify(now);
  }
}

function writeField(name, text, numeric, isText) {
  const value = current();
  if (text === '') delete value[name];
  else if (numeric) value[name] = Number(text);
  else if (isText) value[name] = text;
  else {
    try {
      value[name] = JSON.parse(text);
    } catch {
      value[name] = text;
    }
  }
  payload.value = JSON.stringify(value, null, 2);
}

payload.addEventListener('input', readFields);

// Calls

find('request').addEventListener('submit', async (event) => {
  event.preventDefault();
  problem.hidden = true;
  let value;
  try {
    value = payload.value.trim() === '' ? undefined : JSON.parse(payload.value);
  } catch (error) {
    problem.textContent = `The payload is not JSON: ${error.message}`;
    problem.hidden = false;
    payload.focus();
    return;
  }
  if (!client) connect();
  running?.abort();
  const mine = (running = new AbortController());
  cancel.disabled = false;
  showProgress(null);
  showAnswer('waiting', '…');
  const began = performance.now();
  try {
    const data = await client.request(method.value, value, { signal: mine.signal, onProgress: showProgress });
    showAnswer('success', JSON.stringify(data, null, 2), performance.now() - began);
  } catch (error) {
    const details = error.details === undefined ? '' : `\n${JSON.stringify(error.details, null, 2)}`;
    showAnswer('error', `${error.code ?? error.name}: ${error.message}${details}`, performance.now() - began);
  }
  if (running === mine) cancel.disabled = true;
});

cancel.addEventListener('click', () => running?.abort());
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) find('request').requestSubmit();
});

function showAnswer(kind, text, ms) {
  answer.dataset.kind = kind;
  answer.textContent = text;
  timing.textContent = ms === undefined ? '' : `${ms.toFixed(1)} ms`;
}

function showProgress(progress) {
  const box = find('progress');
  box.hidden = progress === null;
  if (progress === null) return;
  box.querySelector('progress').value = progress.progress;
  find('progress-text').textContent = `${Math.round(progress.progress)} % ${progress.status ?? ''}`;
}

// Frames

function showFrame({ direction, data }) {
  total += 1;
  const now = performance.now();
  const since = lastFrameAt ? `+${(now - lastFrameAt).toFixed(1)} ms` : '0.0 ms';
  lastFrameAt = now;
  const bytes = typeof data === 'string' ? data.length : data.byteLength;
  const text = typeof data === 'string' ? data : hex(data);
  const follows = frames.scrollHeight - frames.scrollTop - frames.clientHeight < 40;
  const row = element('li', {},
    element('span', { className: direction, textContent: direction === 'in' ? '↓' : '↑', title: direction === 'in' ? 'from the server' : 'to the server' }),
    element('time', { textContent: since }),
    element('span', { className: 'size', textContent: `${bytes} B` }),
    element('code', { textContent: text.length > 4000 ? `${text.slice(0, 4000)} …` : text }));
  row.dataset.direction = direction;
  frames.append(row);
  while (frames.childElementCount > FRAMES_MAX) frames.firstElementChild.remove();
  count.textContent = `${total}`;
  if (follows) frames.scrollTop = frames.scrollHeight;
}

function hex(data) {
  const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
  return Array.from(bytes.subarray(0, 1500), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

find('clear').addEventListener('click', () => {
  frames.replaceChildren();
  total = 0;
  count.textContent = '';
});

connect();
