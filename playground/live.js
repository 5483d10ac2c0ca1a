// The live page: numbers of the server, the topics of the namespace demo, who is there, and what is published.
import { Starling } from '/helios.js';

const SECONDS = 60;
const TAIL_MAX = 200;
const find = (id) => document.getElementById(id);

const client = new Starling(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

client.events.on('state', (state) => {
  find('state').dataset.state = state;
  find('state').textContent = state;
});

// Charts: one path each, over the last minute.

const series = { publications: [], deliveries: [], requests: [], connections: [] };
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

function draw(name, value) {
  const values = series[name];
  values.push(value);
  if (values.length > SECONDS) values.shift();
  const top = Math.max(...values, 1);
  const svg = find(name);
  svg.setAttribute('viewBox', `0 0 ${SECONDS - 1} 100`);
  const first = SECONDS - values.length;
  const points = values.map((one, at) => `${first + at},${98 - (96 * one) / top}`);
  const path = svg.querySelector('path') ?? svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'path'));
  path.setAttribute('d', `M${first},100 L${points.join(' L')} L${SECONDS - 1},100 Z`);
  find(`${name}-now`).textContent = whole.format(value);
}

client.on('metrics:update', (numbers) => {
  draw('publications', numbers.perSecond.publications);
  draw('deliveries', numbers.perSecond.deliveries);
  draw('requests', numbers.perSecond.requests);
  draw('connections', numbers.activeConnections);
  find('health').textContent = numbers.systemHealth;
  listTopics();
});
client.events.on('connected', () => client.request('metrics:subscribe', null, { idempotent: true }).catch(say));

// Topics: listed each second, counted as they come.

const counted = new Map();

async function listTopics() {
  const { topics } = await client.request('topic:list', { namespace: 'demo', limit: 100 }, { idempotent: true });
  find('no-topics').hidden = topics.length > 0;
  find('topics').replaceChildren(...topics.map(({ topic, subscribers, history }) => {
    const button = element('button', { type: 'button', textContent: topic });
    button.setAttribute('aria-current', String(topic === chosen?.topic));
    button.addEventListener('click', () => choose(topic));
    // This page has subscribed to all of them.
    const cells = [subscribers - 1, counted.get(topic) ?? 0, history].map((number) => element('td', { textContent: whole.format(number) }));
    return element('tr', {}, element('td', {}, button), ...cells);
  }));
  counted.clear();
}

const all = client.subscribe('demo:**', (data, { topic }) => {
  counted.set(topic, (counted.get(topic) ?? 0) + 1);
  tail(topic, data);
});
all.on('gap', ({ reason }) => tailed(element('li', { className: 'gap', textContent: `Something may be missing here: ${reason}` })));

// Messages

let total = 0;

function tail(topic, data) {
  total += 1;
  find('count').textContent = whole.format(total);
  const text = JSON.stringify(data);
  tailed(element('li', {},
    element('time', { textContent: new Date().toLocaleTimeString() }),
    element('code', { textContent: topic }),
    element('code', { textContent: text.length > 500 ? `${text.slice(0, 500)} …` : text })));
}

function tailed(row) {
  const list = find('tail');
  const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(row);
  while (list.childElementCount > TAIL_MAX) list.firstElementChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

find('clear').addEventListener('click', () => find('tail').replaceChildren());

// One topic: who is there, and something to say.

let chosen = null;
let showing = 0;

function choose(topic) {
  find('topic').value = topic;
  if (chosen?.topic === topic) return;
  chosen?.unsubscribe();
  chosen = client.subscribe(topic, () => {}, { presence: true });
  chosen.on('presence', showMembers);
  chosen.on('error', say);
  showMembers();
}

async function showMembers() {
  const mine = (showing += 1);
  const { members, sessions, users } = await chosen.ready.then(() => chosen.members(), () => ({ members: [], sessions: 0, users: 0 }));
  if (mine !== showing) return;
  find('members-count').textContent = `${whole.format(sessions)} sessions, ${whole.format(users)} users`;
  find('members').replaceChildren(...members.slice(0, 200).map(({ session, user, away }) => {
    const own = session === client.session?.id ? ' (this page)' : '';
    const row = element('li', { textContent: `${user ?? session}${own}${away ? ', away' : ''}` });
    row.dataset.away = String(Boolean(away));
    return row;
  }));
}

function say(error) {
  find('problem').hidden = !error;
  find('problem').textContent = error ? `${error.code ?? error.name}: ${error.message}` : '';
}

find('publish').addEventListener('submit', async (event) => {
  event.preventDefault();
  say(null);
  const text = find('data').value;
  let data = text;
  try {
    data = JSON.parse(text);
  } catch {
    // Then it is text.
  }
  try {
    choose(find('topic').value.trim());
    const { delivered } = await client.publish(chosen.topic, data);
    find('delivered').textContent = `delivered to ${whole.format(delivered)}`;
  } catch (error) {
    say(error);
  }
});

choose('demo:lobby');
client.connect();
