// The fleet page: reads /bridge/events and shows each picture. What is shown is only ever set as text.
"use strict";
const byId = id => document.getElementById(id);
const keyName = "bridge-key"; // for this tab only, forgotten with it
const headers = () => {
  const key = sessionStorage.getItem(keyName);
  return key ? { Authorization: "Bearer " + key } : {};
};
const sleep = ms => new Promise(done => setTimeout(done, ms));

// Reads events until they end. Answers the status where there were none.
async function listen() {
  const answer = await fetch("events", { headers: headers(), cache: "no-store" });
  if (!answer.ok) return answer.status;
  byId("ask").hidden = true;
  byId("fleet").hidden = false;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return 0;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2))
      if (text.startsWith("data: ")) show(JSON.parse(text.slice(6, end)));
  }
}

let pause = 1000;
async function run() {
  for (; ;) {
    let status = -1;
    try { status = await listen(); } catch { /* the connection broke; it is tried again */ }
    if (status === 401 || status === 403) return ask(status);
    pause = status === 0 ? 250 : Math.min(pause * 2, 10000);
    say(status === 0 ? "reconnecting" : status === 503 ? "the bridge cannot show it just now; trying again" : "no connection; trying again");
    await sleep(pause);
  }
}

function say(text) {
  const link = byId("link");
  if (link.textContent !== text) link.textContent = text;
}

function ask(status) {
  const wrong = sessionStorage.getItem(keyName) !== null;
  sessionStorage.removeItem(keyName);
  byId("fleet").hidden = true;
  byId("ask").hidden = false;
  byId("summary").textContent = "";
  byId("refusal").textContent = !wrong ? "" : status === 401 ? "This key is not known." : "This key is not for operators.";
  say("a key is needed");
  byId("key").focus();
}

byId("ask").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem(keyName, byId("key").value.trim());
  byId("key").value = "";
  say("connecting");
  run();
});

function show(picture) {
  pause = 1000;
  say(picture.stopping ? "the bridge is being stopped" : "live");
  set(byId("at"), new Date(picture.time).toLocaleTimeString());
  const all = picture.instances;
  const usable = all.filter(i => i.state === "healthy" && !i.draining).length;
  const sum = read => all.reduce((total, i) => total + read(i), 0);
  byId("summary").textContent = `${usable} of ${all.length} instances take work · ${sum(i => i.used)} of ${sum(i => i.slots)} slots used · `
    + `${picture.queue.length} of ${picture.queue.limit} waiting`;
  rows("instances", all, i => i.name, newInstance, showInstance);
  byId("tier-part").hidden = picture.tiers.length === 0;
  rows("tiers", picture.tiers, t => t.name, newTier, showTier);
  rows("queue", picture.queue.lines, l => JSON.stringify([l.model, l.tenant]), newRow("Model", "Tenant", "Waiting"),
    (row, l) => texts(row, l.model || "any", l.tenant || "sent again", l.waiting));
  rows("troubles", picture.troubles, (t, i) => i, newRow("Time", "What", "Model", "Tenant", "Answered by"), showTrouble);
  charts(picture.figures);
}

// One row for each item, kept as long as the item is there: what has the focus keeps it.
function rows(table, items, keyOf, make, fill) {
  const body = byId(table).tBodies[0];
  const old = new Map([...body.rows].map(row => [row.dataset.key, row]));
  let next = body.firstElementChild;
  items.forEach((item, i) => {
    const key = String(keyOf(item, i));
    let row = old.get(key);
    if (!row) (row = make(item)).dataset.key = key;
    old.delete(key);
    if (row === next) next = row.nextElementSibling;
    else body.insertBefore(row, next);
    fill(row, item);
  });
  for (const row of old.values()) row.remove();
}

function newRow(...labels) {
  return () => {
    const row = document.createElement("tr");
    row.setAttribute("role", "row");
    labels.forEach((label, i) => {
      const cell = row.appendChild(document.createElement(i === 0 ? "th" : "td"));
      if (i === 0) cell.scope = "row";
      cell.setAttribute("role", i === 0 ? "rowheader" : "cell");
      cell.dataset.label = label;
      cell.appendChild(document.createElement("span"));
    });
    return row;
  };
}

function set(element, text) {
  text = String(text ?? "");
  if (element.textContent !== text) element.textContent = text;
}

const texts = (row, ...values) => values.forEach((value, i) => set(row.cells[i].firstElementChild, value));

function newInstance(item) {
  const row = newRow("Instance", "State", "Slots", "In memory", "Work")();
  const [name, state, slots, memory, work] = [...row.cells].map(cell => cell.firstElementChild);
  name.append(document.createElement("span"), document.createElement("small"));
  state.append(document.createElement("span"), document.createElement("small"));
  slots.append(document.createElement("progress"), document.createElement("span"));
  memory.append(document.createElement("span"));
  const button = work.appendChild(document.createElement("button"));
  button.type = "button";
  button.addEventListener("click", () => drain(item.name, button));
  return row;
}

function showInstance(row, i) {
  const [name, state, slots, memory, work] = [...row.cells].map(cell => cell.firstElementChild);
  set(name.children[0], i.name);
  set(name.children[1], i.kind ? `${i.url} · ${kinds[i.kind] ?? i.kind}` : i.url);
  const word = i.draining ? "draining" : i.state;
  set(state.children[0], i.draining && i.state !== "healthy" ? `draining, ${i.state}` : word);
  state.children[0].className = word;
  const notes = (i.conditions ?? []).map(c => `${c.model}: ${c.state}`);
  if (i.drainDeadline) notes.unshift("by " + new Date(i.drainDeadline).toLocaleTimeString());
  if (i.error) notes.push(i.error);
  notes.push(...(i.remarks ?? []));
  set(state.children[1], notes.join("; "));
  const bar = slots.children[0];
  bar.max = Math.max(1, i.slots);
  bar.value = Math.min(i.used, i.slots);
  bar.setAttribute("aria-label", `slots of ${i.name}`);
  set(slots.children[1], `${i.used}/${i.slots}`);
  set(memory.children[0], i.loaded.map(m => m.name + (m.bytes ? ` (${(m.bytes / 1e9).toFixed(1)} GB${m.onGpu ? "" : ", partly on CPU"})` : "")).join(", ") || "–");
  const button = work.children[0];
  button.dataset.action = i.draining ? "undrain" : "drain";
  set(button, i.draining ? "Undrain" : "Drain");
  button.setAttribute("aria-label", `${i.draining ? "Undrain" : "Drain"} ${i.name}`);
}

const kinds = { openai: "OpenAI server", bridge: "another region's bridge" };

function newTier() {
  const row = newRow("Tier", "State", "Models", "Instances", "Waiting")();
  row.cells[1].firstElementChild.append(document.createElement("span"), document.createElement("small"));
  return row;
}

function showTier(row, t) {
  const [name, state, models, instances, waiting] = [...row.cells].map(cell => cell.firstElementChild);
  set(name, t.name);
  set(state.children[0], t.state);
  state.children[0].className = t.state;
  const left = Math.max(0, Math.round(t.idleSeconds - t.unusedSeconds));
  set(state.children[1], t.error ?? (t.state === "awake" && t.waiting === 0 ? `asleep in ${left} s without requests` : ""));
  set(models, t.models.join(", "));
  set(instances, `${t.instances.length} there, ${t.wanted ?? "?"} wanted, at most ${t.maxInstances}`);
  set(waiting, t.waiting);
}

async function drain(name, button) {
  const action = button.dataset.action;
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`instances/${encodeURIComponent(name)}/${action}`, { method: "POST", headers: headers() });
    byId("said").textContent = answer.ok ? "" : `${name} could not be ${action}ed: status ${answer.status}`;
  } catch {
    byId("said").textContent = `${name} could not be ${action}ed: no connection`;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function showTrouble(row, t) {
  const what = { failed: "failed", truncated: "broke off", continued: "continued", retried: "asked again" }[t.kind] ?? t.kind;
  texts(row, new Date(t.time).toLocaleTimeString(), `${what}${t.causes ? " (" + t.causes.join(", ") + ")" : ""}, ${t.status}, attempts: ${t.attempts}`,
    t.model || "–", t.tenant, t.instance ?? "–");
  row.cells[1].firstElementChild.className = t.kind;
}

// Values as a path over 600 × 100 units; where there is none, the line has a gap.
function line(values, top) {
  const step = 600 / Math.max(1, values.length - 1);
  let path = "", down = false;
  values.forEach((value, i) => {
    if (value === null) { down = false; return; }
    const point = `${(i * step).toFixed(1)} ${(96 - 90 * value / top).toFixed(1)}`;
    path += down ? "L" + point : `M${point}h0.1`;
    down = true;
  });
  return path;
}

const last = values => values.findLast(value => value !== null) ?? null;
const seconds = value => value === null ? "–" : value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;

function charts(f) {
  const top = Math.max(0.001, ...f.p95, ...f.median);
  const [p95, median] = byId("latencies").children;
  p95.setAttribute("d", line(f.p95, top));
  median.setAttribute("d", line(f.median, top));
  const latency = `${seconds(last(f.median))} / ${seconds(last(f.p95))}, most ${seconds(top === 0.001 ? null : top)}`;
  set(byId("latency"), latency);
  byId("latencies").setAttribute("aria-label", `Latency, median and p95: ${latency}`);
  // The step under way is not over yet: the one before it is the newest whole one.
  const whole = f.tokensPerSecond.slice(0, -1);
  const most = Math.max(1, ...whole);
  byId("rates").children[0].setAttribute("d", `M0 96L${line(whole, most).slice(1)}L600 96Z`);
  const rate = `${whole.at(-1)}, most ${most === 1 ? Math.max(...whole) : most}`;
  set(byId("tokens"), rate);
  byId("rates").setAttribute("aria-label", `Tokens a second: ${rate}`);
}

run();
