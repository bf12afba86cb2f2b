// What the console shows, from /events, /letters and /drawing. Text of others is always set
// as text, and never read as markup.

const by = (id) => document.getElementById(id);
let told = null;
let known = null;
let waiting = null;

function element(tag, text, style) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (style) made.className = style;
  return made;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

const clock = (at) => new Date(at * 1000).toLocaleTimeString();

// Rows are kept by their keys, so that a focus and a selection outlive a change.
function fill(table, rows, nothing) {
  const body = by(table).tBodies[0];
  const present = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const kept = rows.map(({ key, cells }) => {
    const row = present.get(key) ?? document.createElement("tr");
    row.dataset.key = key;
    cells.forEach((cell, place) => put(row, place, cell));
    return row;
  });
  if (!kept.length) {
    const row = present.get("") ?? document.createElement("tr");
    row.dataset.key = "";
    if (!row.cells.length) row.append(element("td", "", "empty"));
    row.cells[0].colSpan = by(table).tHead.rows[0].cells.length;
    if (row.cells[0].textContent !== nothing) row.cells[0].textContent = nothing;
    kept.push(row);
  }
  for (const row of present.values()) if (!kept.includes(row)) row.remove();
  kept.forEach((row, place) => {
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
  });
}

function put(row, place, cell) {
  let at = row.cells[place];
  if (!at) {
    at = element(place ? "td" : "th");
    if (!place) at.scope = "row";
    row.append(at);
  }
  const { text = cell, style = "", make = null } = cell !== null && typeof cell === "object" ? cell : {};
  at.className = style;
  if (make) {
    if (!at.children.length) at.append(make());
  } else if (at.textContent !== String(text ?? "")) {
    at.textContent = text ?? "";
  }
}

const nameOf = (worker) => `${worker.host}:${worker.pid}`;

function stateOf(worker) {
  if (worker.hangs) return { text: `hangs: ${worker.hangs}`, style: "bad" };
  if (worker.draining) return { text: "draining" };
  if (worker.bus) return { text: `broker: ${worker.bus}`, style: "bad" };
  if (worker.cloud) return { text: `cloud: ${worker.cloud}`, style: "bad" };
  return { text: "serves" };
}

function matches(values) {
  const wanted = by("filter").value.trim().toLowerCase();
  return !wanted || values.join(" ").toLowerCase().includes(wanted);
}

const errorsOf = (calls) => Object.values(calls.errors).reduce((a, b) => a + b, 0);

function workerRow(worker) {
  const ended = worker.calls.reduce((sum, calls) => sum + calls.ended, 0);
  const failed = worker.calls.reduce((sum, calls) => sum + errorsOf(calls), 0);
  const last = worker.last_error;
  return {
    key: nameOf(worker),
    cells: [
      nameOf(worker),
      stateOf(worker),
      `${worker.busy} of ${worker.threads}`,
      worker.since ? duration(told.pool.asked_at - worker.since) : "",
      [worker.version, worker.interface && `interface ${worker.interface}`].filter(Boolean).join(", "),
      [worker.driver, worker.cloud_name].filter(Boolean).join(" at "),
      failed ? `${ended}, ${failed} with errors` : `${ended}`,
      last ? `${last.outcome} in ${last.method} at ${clock(last.when)}` : "",
    ],
  };
}

function callRow(call) {
  const step = call.waits_for.reduce((old, each) => (old && old.seconds >= each.seconds ? old : each), null);
  return {
    key: `${call.worker} ${call.operation_id}`,
    cells: [
      call.method,
      duration(call.seconds),
      call.worker,
      { text: call.load_balancer, style: "id", make: call.load_balancer ? () => drawButton(call.load_balancer) : null },
      call.caller,
      step ? `${step.request}, ${duration(step.seconds)}` : "",
      { text: [call.operation_id, call.request_id].filter(Boolean).join(" "), style: "id" },
    ],
  };
}

function drawButton(balancer) {
  const button = element("button", balancer);
  button.type = "button";
  button.title = "Draw this load balancer";
  button.addEventListener("click", () => {
    by("balancer").value = balancer;
    by("amphorae").focus();
  });
  return button;
}

function showPool() {
  const pool = told.pool;
  if (!pool) return;
  by("broker").textContent = `${pool.version} at ${pool.broker}, ${pool.exchange}/${pool.topic}`;
  const running = pool.workers.flatMap((worker) => worker.running.map((call) => ({ ...call, worker: nameOf(worker) })));
  running.sort((a, b) => b.seconds - a.seconds);
  const workers = pool.workers.map(workerRow).filter(({ cells }) => matches(cells.map((cell) => cell.text ?? cell)));
  const calls = running.map(callRow).filter(({ cells }) => matches(cells.map((cell) => cell?.text ?? cell ?? "")));
  fill("workers", workers, pool.workers.length ? "No worker has that." : "No worker answers.");
  fill("running", calls, running.length ? "No call has that." : "Nothing runs.");
  by("filtered").textContent = by("filter").value.trim()
    ? `${workers.length} of ${pool.workers.length} workers, ${calls.length} of ${running.length} calls` : "";
  fill("queues", pool.queues.filter((queue) => queue.messages !== null || queue.use !== "outcomes").map((queue) => ({
    key: queue.name,
    cells: [queue.name, queue.use, queue.messages ?? "no such queue", queue.consumers ?? "", duration(queue.oldest)],
  })), "There are no queues.");
  const dead = pool.queues.find((queue) => queue.use === "dead");
  by("dead").textContent = `${dead?.messages ?? 0} in the queue.`;
  const unwell = by("unwell");
  if ([...unwell.children].map((each) => each.textContent).join("\n") !== pool.unwell.join("\n")) {
    unwell.replaceChildren(...pool.unwell.map((text) => element("li", text)));
  }
}

function showState() {
  const unwell = told.pool?.unwell ?? [];
  const text = told.error ?? (unwell.length ? `${unwell.length} ${unwell.length === 1 ? "thing is" : "things are"} not well` : "all is well");
  setState(!told.error && !unwell.length, text);
}

function setState(good, text) {
  by("state").className = `state ${good ? "good" : "bad"}`;
  by("state").firstElementChild.textContent = good ? "✓" : "✗";
  by("state-text").textContent = text;
}

function showRates() {
  const { seconds, methods, errors, curve } = told.rates;
  by("counted").textContent = seconds ? `${duration(seconds)} up to now` : "nothing yet";
  fill("methods", Object.entries(methods).sort().map(([name, [ended, failed, ran]]) => ({
    key: name,
    cells: [name, ended, seconds ? (ended * 60 / seconds).toFixed(1) : "", failed, duration(ran / ended)],
  })), "No call has ended.");
  fill("errors", Object.entries(errors).sort((a, b) => b[1] - a[1]).map(([name, count]) => ({ key: name, cells: [name, count] })), "There was no error.");
  const highest = Math.max(0.1, ...curve.map(([, calls]) => calls));
  const now = told.at;
  const points = (place) => curve.map((sample) =>
    `${(720 * (1 - Math.min(3600, now - sample[0]) / 3600)).toFixed(1)},${(155 - 150 * sample[place] / highest).toFixed(1)}`).join(" ");
  by("curve-calls").setAttribute("points", points(1));
  by("curve-errors").setAttribute("points", points(2));
  const latest = curve.at(-1) ?? [0, 0, 0];
  by("curve-title").textContent = `Calls and errors a second over the last hour: at most ${highest.toFixed(1)} calls a second, now ${latest[1].toFixed(1)} calls and ${latest[2].toFixed(1)} errors a second`;
  by("highest").textContent = `top: ${highest.toFixed(1)} a second; left: an hour ago`;
}

// What a person would otherwise have to find out by comparing.
function note(lines) {
  const log = by("log");
  for (const line of lines) log.prepend(element("li", `${new Date().toLocaleTimeString()} ${line}`));
  while (log.children.length > 200) log.lastElementChild.remove();
}

function compare() {
  const now = {
    workers: new Map((told.pool?.workers ?? []).map((worker) => [nameOf(worker), stateOf(worker).text])),
    unwell: new Set(told.pool?.unwell ?? []),
    error: told.error,
  };
  if (known) {
    const lines = [];
    for (const name of known.workers.keys()) if (!now.workers.has(name)) lines.push(`Worker ${name} has gone.`);
    for (const [name, state] of now.workers) {
      if (!known.workers.has(name)) lines.push(`Worker ${name} has come.`);
      else if (known.workers.get(name).split(":")[0] !== state.split(":")[0]) lines.push(`Worker ${name}: ${state}.`);
    }
    for (const text of now.unwell) if (!known.unwell.has(text)) lines.push(`Not well: ${text}.`);
    for (const text of known.unwell) if (!now.unwell.has(text)) lines.push(`Over: ${text}.`);
    if (now.error && !known.error) lines.push(`The pool cannot be asked: ${now.error}`);
    if (!now.error && known.error) lines.push("The pool can be asked again.");
    note(lines);
  }
  known = now;
}

function show() {
  if (!told) return;
  showPool();
  showState();
  showRates();
}

const events = new EventSource("/events");
events.addEventListener("state", (event) => {
  told = JSON.parse(event.data);
  compare();
  show();
});
events.addEventListener("error", () => setState(false, "the console does not answer; trying again"));
by("filter").addEventListener("input", show);

async function ask(path, options) {
  const answer = await fetch(path, options);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

async function look() {
  by("letters-said").textContent = "Looking.";
  try {
    const { letters } = await ask("/letters");
    fill("dead-letters", letters.map(letterRow), "There are no dead letters.");
    by("letters-said").textContent = `${letters.length} dead ${letters.length === 1 ? "letter" : "letters"}.`;
  } catch (error) {
    by("letters-said").textContent = `Cannot look: ${error.message}`;
  }
}

function letterRow(letter, place) {
  return {
    key: `${place} ${letter.operation_id} ${letter.when}`,
    cells: [
      { text: letter.operation_id, style: "id" }, letter.method, letter.about, letter.when, letter.reason, letter.deliveries,
      { make: () => contents(letter) },
      letter.method ? { make: () => replayButton(letter) } : "It is no request.",
    ],
  };
}

function contents(letter) {
  const details = element("details");
  const summary = element("summary", "Contents");
  summary.setAttribute("aria-label", `Contents of ${letter.operation_id}`);
  details.append(summary, element("pre", JSON.stringify(letter.fields, null, 2)));
  return details;
}

function replayButton(letter) {
  const button = element("button", "Replay …");
  button.type = "button";
  button.setAttribute("aria-label", `Replay ${letter.operation_id}`);
  button.addEventListener("click", () => {
    waiting = letter;
    by("question-text").textContent =
      `${letter.method}, operation ${letter.operation_id}, is sent to the workers again, as a cast: nobody gets its answer. If what took its workers away is not mended, it will again.`;
    by("replay-said").textContent = "";
    by("question").showModal();
    by("token").focus();
  });
  return button;
}

by("look").addEventListener("click", look);
by("no").addEventListener("click", () => by("question").close());
by("replay").addEventListener("submit", async (event) => {
  event.preventDefault();
  by("yes").disabled = true;
  try {
    const path = `/letters/${encodeURIComponent(waiting.operation_id)}/replay`;
    await ask(path, { method: "POST", headers: { Authorization: `Bearer ${by("token").value.trim()}` } });
    by("question").close();
    note([`${waiting.method} ${waiting.operation_id} was replayed.`]);
    await look();
    by("look").focus();
  } catch (error) {
    by("replay-said").textContent = `Not replayed: ${error.message}`;
    by("token").focus();
  } finally {
    by("yes").disabled = false;
  }
});

by("draw").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = new URLSearchParams({ load_balancer: by("balancer").value.trim() });
  for (const each of by("amphorae").value.split(/\s+/).filter(Boolean)) asked.append("amphora", each);
  const port = by("vip-port").value.trim();
  if (port) asked.set("vip_port", port);
  by("drawing-said").textContent = "Asking the workers.";
  try {
    const { svg, text, troubles } = await ask(`/drawing?${asked}`);
    const picture = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
    by("picture").replaceChildren(document.importNode(picture, true));
    by("drawing-text").textContent = text;
    by("words").hidden = false;
    by("drawing-said").textContent = troubles.length
      ? `Not as it should be: ${troubles.join(" ")}` : "All that could be looked at is as it should be.";
  } catch (error) {
    by("picture").replaceChildren();
    by("words").hidden = true;
    by("drawing-said").textContent = `Cannot draw: ${error.message}`;
  }
});

fill("dead-letters", [], "Nobody has looked yet.");
