"use strict";
// Everything that is shown is set as text: no answer of a task, and no name, is ever read as HTML.
const at = (id) => document.getElementById(id);
const make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
// Integers beyond what a number of this language holds stay as they were written.
class Exact {
  constructor(text) { this.text = text; }
  toString() { return this.text; }
}
const mark = "\u0001";
const exact = (text) => Number.isSafeInteger(Number(text)) ? Number(text) : new Exact(text);
const parse = (text) => JSON.parse(text.replace(/("(?:[^"\\]|\\.)*")|(?<![\d.eE+-])(-?\d{16,})(?![\d.eE])/g, (all, string, integer) => string ?? `"\\u0001${integer}"`),
  (_, value) => typeof value === "string" && value.startsWith(mark) && /^-?\d{16,}$/.test(value.slice(1)) ? exact(value.slice(1)) : value);
const write = (value, indent) => JSON.stringify(value, (_, one) => one instanceof Exact ? mark + one.text : one, indent)
  ?.replace(/"\\u0001(-?\d{16,})"/g, "$1");
// What another page cannot send: the word of the session, which the sign-in has put behind the address. It is
// kept by this tab, for this server and its port alone.
if (/^#[0-9a-f]{64}$/.test(location.hash)) {
  sessionStorage.setItem("yonder-page", location.hash.slice(1));
  history.replaceState(null, "", "/");
}
const page = {"Yonder-Page": sessionStorage.getItem("yonder-page") ?? "1"};
const signIn = () => { location.href = "/?sign_in"; };

async function ask(method, target, body) {
  const options = {method, headers: {...page}};
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = write(body);
  }
  const answer = await fetch(target, options);
  if (answer.status === 401) signIn();
  const text = await answer.text();
  let value = text;
  try { value = parse(text); } catch { /* octets, or none */ }
  return {ok: answer.ok, status: answer.status, value};
}

// Server-sent events: each is given to take(name, value), until that returns true.
async function takeEvents(answer, take) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "";;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n");
      const of = (name) => lines.find((line) => line.startsWith(name + ": "))?.slice(name.length + 2);
      if (of("data") !== undefined && take(of("event"), parse(of("data")))) return reader.cancel();
    }
  }
}

// Of a task that streams: what has come is shown as it comes, the latest of much, a few times a second.
async function askStream(target, body, isShown) {
  const answer = await fetch(target, {method: "POST", headers: {...page, "Content-Type": "application/json"}, body: write(body)});
  if (answer.status === 401) signIn();
  if (!answer.ok) return showProblem(parse(await answer.text()));
  const most = 1000, between = 200;
  let items = [], count = 0, shown = 0, isStopped = false;
  const stop = make("button", {type: "button", textContent: "Stop"});
  stop.onclick = () => { isStopped = true; };
  const draw = (...more) => {
    shown = performance.now();
    show(items);
    if (count > items.length) at("result").prepend(make("p", {textContent: `The latest ${items.length} of ${count}:`}));
    at("result").append(...more);
  };
  await takeEvents(answer, (name, value) => {
    if (!isShown()) return true;
    if (isStopped || name === "end") return draw() ?? true;
    if (name === "progress") return showProgress(value);
    if (name === "error") return draw(problemOf(value)) ?? true;
    ++count;
    items.push(value);
    if (items.length >= 2 * most) items = items.slice(-most);
    if (performance.now() - shown > between) draw(stop);
    return false;
  });
}

// Of a call that takes long: how far it is, and then its result.
async function watch(id, isShown) {
  showGoing(id);
  const answer = await fetch("/v1/calls/" + id, {headers: {...page, "Accept": "text/event-stream"}});
  if (!answer.ok) return showProblem(parse(await answer.text()));
  await takeEvents(answer, (name, value) => {
    if (!isShown()) return true;
    if (name === "progress") return showProgress(value);
    if (name === "error") showProblem(value);
    else if (value.state === "succeeded") show(value.result);
    else showProblem(value.error);
    return true;
  });
}

// --- a form from a schema

let document_ = null;
const resolve = (schema) => schema.$ref ? document_.components.schemas[schema.$ref.split("/").pop()] : schema;

// What is typed for one value: [element, reads it].
function field(id, schema, needed) {
  let whole = resolve(schema);
  if (whole.anyOf?.[0].type === "number") whole = whole.anyOf[0];  // or a word for what is no number
  if (whole.type === "boolean") {
    const box = make("input", {type: "checkbox", id});
    return [box, () => box.checked];
  }
  if (whole.type === "integer" || whole.type === "number") {
    const input = make("input", {type: "number", id, required: needed, step: whole.type === "integer" ? "1" : "any"});
    return [input, () => /^-?\d{16,}$/.test(input.value) ? exact(input.value) : Number(input.value)];
  }
  if (whole.type === "string") {
    const area = make("textarea", {id, rows: 2});
    return [area, () => area.value];
  }
  const area = make("textarea", {id, rows: 3, placeholder: "JSON", required: needed});
  return [area, () => area.value.trim() === "" ? null : parse(area.value)];
}

async function call(path, target, body, isShown) {
  if (path.post.responses["200"].content["text/event-stream"]) return askStream(target, body, isShown);
  const answer = await ask("POST", target + "?wait=0.5", body);
  if (!isShown()) return;
  if (!answer.ok) showProblem(answer.value); else if (answer.status !== 202) show(answer.value); else await watch(answer.value.id, isShown);
}

let asked = 0;  // whose answer is shown: that of the last
function buildForm() {
  ++asked;
  const form = at("arguments");
  form.replaceChildren();
  at("result").replaceChildren();
  const path = document_.paths["/v1/tasks/" + escapeName(at("task").value)];
  if (!path) return;
  let schema = path.post.requestBody.content["application/json"].schema;
  if (schema.anyOf) schema = resolve(schema.anyOf[0]);
  const readers = [];
  const add = (name, one, needed) => {
    const id = "argument-" + readers.length;
    const [element, read] = field(id, one, needed);
    form.append(make("label", {htmlFor: id, textContent: name}), element);
    readers.push([name, read, element, needed]);
  };
  const named = schema.properties !== undefined;
  if (named)
    for (const [name, one] of Object.entries(schema.properties)) add(name, one, (schema.required || []).includes(name));
  else
    (schema.prefixItems || []).forEach((one, i) => add("argument " + (i + 1), one, true));
  form.append(make("button", {type: "submit", textContent: "Call"}));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const own = ++asked;
    const isShown = () => own === asked;
    let body;
    try {
      const values = readers.filter(([, , element, needed]) => needed || element.value !== "").map(([name, read]) => [name, read()]);
      body = named ? Object.fromEntries(values) : values.map(([, value]) => value);
    } catch (wrong) {
      return showProblem({title: "This is no JSON", detail: wrong.message});
    }
    at("result").replaceChildren(make("p", {textContent: "…"}));
    const target = "/v1/tasks/" + encodeURIComponent(at("task").value);
    try {
      await call(path, target, body, isShown);
      await refresh();
    } catch (gone) {
      if (isShown()) showProblem({title: "There is no answer", detail: gone.message});
    }
  };
}

// As the document escapes them: only what may not stand in a path.
const escapeName = (name) => encodeURIComponent(name).replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%3B/g, ";").replace(/%3D/g, "=").replace(/%26/g, "&").replace(/%24/g, "$").replace(/%2B/g, "+").replace(/%40/g, "@");

// --- a result

const words = (value) => typeof value === "string" ? value : write(value);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Exact);

function show(value) {
  const place = at("result");
  const list = Array.isArray(value) ? value : [value];
  if (typeof value === "string" && value.startsWith("iVBORw0KGgo"))
    return place.replaceChildren(make("img", {src: "data:image/png;base64," + value, alt: "The picture that the task returned"}));
  if (list.length > 0 && list.every((one) => isObject(one) && "label" in one && "score" in one))
    return place.replaceChildren(...list.flatMap((one) => [
      make("label", {textContent: `${one.label} ${Number(one.score).toPrecision(3)}`}),
      make("meter", {min: 0, max: 1, value: Number(one.score)})]));
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) {
    const names = [...new Set(value.flatMap(Object.keys))];
    return place.replaceChildren(make("div", {className: "scroll"}, table(names, value.map((one) => names.map((name) => one[name] ?? "")))));
  }
  place.replaceChildren(make("pre", {textContent: typeof value === "string" ? value : write(value, 2)}));
}
function showGoing(id) {
  at("result").replaceChildren(make("p", {textContent: `It goes on as ${id}; it is listed below.`}));
  refresh();
}
const progressWords = (so_far) => `${Math.round(so_far.fraction * 100)} %${so_far.text ? ", " + so_far.text : ""}`;
const bar = (so_far) => {
  const made = make("progress", {max: 1, value: so_far.fraction});
  made.setAttribute("aria-label", progressWords(so_far));
  return made;
};
function showProgress(so_far) {
  at("result").replaceChildren(bar(so_far), make("p", {textContent: progressWords(so_far)}));
}
const problemOf = (problem) => make("div", {className: "problem"},
  make("p", {textContent: `${problem.title ?? "It failed"}${problem.code ? ` (${problem.code})` : ""}`}),
  make("p", {textContent: (problem.pointer ? problem.pointer + ": " : "") + (problem.detail ?? words(problem))}));
function showProblem(problem) {
  at("result").replaceChildren(problemOf(problem));
}

// --- lists

function fill(element, names, rows) {
  const isNumber = (value) => typeof value === "number";
  const cell = (value) => value instanceof Node ? make("td", {}, value)
    : make("td", {textContent: words(value), className: isNumber(value) ? "number" : /^[0-9a-f]{32}$/.test(value) ? "id" : ""});
  const head = names.map((name, i) => make("th", {textContent: name, scope: "col", className: rows.some((row) => isNumber(row[i])) ? "number" : ""}));
  element.replaceChildren(make("thead", {}, make("tr", {}, ...head)),
                          make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))));
  return element;
}
const table = (names, rows) => fill(make("table"), names, rows);

let calls = [];
function listCalls() {
  const wanted = at("search").value.toLowerCase();
  const seen = calls.filter((one) => `${one.id} ${one.task} ${one.state}`.toLowerCase().includes(wanted));
  fill(at("calls"), ["task", "state", "ms", "", "", "", "id"], seen.map((one) => {
    const cancel = make("button", {type: "button", textContent: "Cancel"});
    cancel.setAttribute("aria-label", "Cancel " + one.id);
    cancel.onclick = async () => { await ask("DELETE", "/v1/calls/" + one.id); refresh(); };
    const explain = make("button", {type: "button", textContent: "Explain"});
    explain.setAttribute("aria-label", "Explain " + one.id);
    explain.onclick = () => explainCall(one.id);
    const logs = make("button", {type: "button", textContent: "Logs"});
    logs.setAttribute("aria-label", "Logs of " + one.id);
    logs.onclick = () => showLogs(one.id);
    const state = one.progress ? make("div", {}, bar(one.progress), make("div", {textContent: progressWords(one.progress)})) : one.state;
    return [one.task, state, one.milliseconds ?? "", one.state === "running" ? cancel : "", one.state === "running" ? explain : "", logs, one.id];
  }));
}

async function explainCall(id) {
  const answer = await ask("GET", `/v1/calls/${id}/explain`);
  at("explained").replaceChildren(table(["", ""], answer.ok ? Object.entries(answer.value) : [["", answer.value.detail ?? words(answer.value)]]));
}

// What a call prints, as it comes, to its end; of much the latest.
let followed = 0;
async function showLogs(id) {
  const own = ++followed;
  const place = at("printed");
  const most = 200000;
  let end = 0;
  const add = (text) => { place.textContent = (place.textContent + text).slice(-most); place.scrollTop = place.scrollHeight; };
  place.textContent = "";
  place.hidden = false;
  const answer = await fetch(`/v1/calls/${id}/logs`, {headers: {...page, "Accept": "text/event-stream"}});
  if (own !== followed) return answer.body?.cancel();
  if (!answer.ok) return add(parse(await answer.text()).detail);
  await takeEvents(answer, (name, value) => {
    if (own !== followed) return true;
    if (name === "end" || name === "error") {
      if (place.textContent === "") add("It has printed nothing that is kept.");
      return true;
    }
    if (value.at > end) add(`[… ${value.at - end} bytes are lost, or kept no more]\n`);
    end = value.at + value.bytes;
    add(value.text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, ""));
    return false;
  });
}

// Below the numbers, of pools whose workers do not come: what a scheduler says, or a start that failed.
function listPools(pools) {
  at("pools-part").hidden = pools.length === 0;
  fill(at("pools"), ["pool", "workers", "idle", "starting", "queued", "max", "needs"], pools.map((one) =>
    [one.name, one.workers, one.idle_workers, one.starting_workers, one.queued, one.max, one.needs]));
  at("reasons").replaceChildren(...pools.filter((one) => one.why !== "").map((one) =>
    make("div", {className: "problem"}, make("b", {textContent: `Workers of ${one.name} do not come`}), make("pre", {textContent: one.why}))));
}

// Each that goes on, how far it is, and when it will have done.
const timeWords = (seconds) => seconds < 60 ? `${Math.round(seconds)} s`
  : seconds < 3600 ? `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
function listMaps(maps) {
  at("maps-part").hidden = maps.length === 0;
  fill(at("maps"), ["task", "so far", "done", "failed", "of", "each second", "left"], maps.map((one) => {
    const so_far = one.fraction === undefined ? timeWords(one.seconds) : make("div", {}, bar(one), make("div", {textContent: progressWords(one)}));
    return [one.task, so_far, one.done, one.failed, one.total ?? "", one.per_second === undefined ? "" : Number(one.per_second.toPrecision(3)),
            one.seconds_left === undefined ? "" : timeWords(one.seconds_left)];
  }));
}

function listWorkers(workers) {
  at("workers-part").hidden = workers.length === 0;
  const names = ["name", "pool", "state", "gpus", "progress", "calls"];
  fill(at("workers"), names, workers.map((one) => names.map((name) => one[name] ?? "")));
}

function listSchedules(schedules) {
  at("schedules-part").hidden = schedules.length === 0;
  fill(at("schedules"), ["schedule", "when", "next", "runs", "failed", "", ""], schedules.map((one) => {
    const button = (what) => {
      const made = make("button", {type: "button", textContent: what[0].toUpperCase() + what.slice(1)});
      made.setAttribute("aria-label", `${made.textContent} ${one.name}`);
      made.onclick = async () => { await ask("POST", `/v1/schedules/${one.id}/${what}`); refresh(); };
      return made;
    };
    return [one.name, one.when, one.paused ? "paused" : one.next ?? "never", one.runs, one.failed, button(one.paused ? "resume" : "pause"), button("fire")];
  }));
}

async function refresh() {
  const [status, list, schedules, pools, workers, maps] = await Promise.all(["status", "calls", "schedules", "pools", "workers", "maps"].map((what) => ask("GET", "/v1/" + what)));
  at("state").textContent = status.ok || status.status === 403 ? "connected" : status.value.detail ?? "";
  if (status.ok) {
    const {tasks, ...numbers} = status.value;
    at("numbers").replaceChildren(...Object.entries(numbers).map(([name, value]) =>
      make("div", {}, make("dt", {textContent: name.replaceAll("_", " ")}), make("dd", {textContent: String(value)}))));
    fill(at("tasks"), ["task", "calls", "ok", "failed", "mean ms"], tasks.map((one) =>
      [one.name, one.calls, one.succeeded, one.failed, one.succeeded ? Number((one.run_seconds * 1000 / one.succeeded).toPrecision(3)) : ""]));
  }
  if (schedules.ok) listSchedules(schedules.value);
  if (pools.ok) listPools(pools.value);
  if (workers.ok) listWorkers(workers.value);
  if (maps.ok) listMaps(maps.value);
  if (list.ok) {
    calls = list.value;
    listCalls();
  }
}

async function begin() {
  at("search").oninput = listCalls;
  at("leave").onclick = async () => { await ask("DELETE", "/v1/session"); sessionStorage.removeItem("yonder-page"); signIn(); };
  document_ = (await ask("GET", "/openapi.json")).value;
  const tasks = (await ask("GET", "/v1/tasks")).value.tasks;
  at("task").replaceChildren(...tasks.map((name) => make("option", {value: name, textContent: name})));
  at("task").onchange = buildForm;
  buildForm();
  await refresh();
  document.body.dataset.ready = "yes";
  setInterval(() => { if (!document.hidden) refresh().catch(() => { at("state").textContent = "not connected"; }); }, 2000);
}
begin();
