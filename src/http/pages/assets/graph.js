// A run as a graph. The picture comes once from the server; from then on only steps that have changed are painted again.
"use strict";
(() => {
  const { ICONS, ORDER, element, tree, took, get, follow, throttled, attempts } = globalThis.orch;
  const page = document.getElementById("graph"), run = page.dataset.run;
  const $ = (selector) => page.querySelector(selector);
  const board = $(".picture"), canvas = $("canvas"), pen = canvas.getContext("2d", { alpha: false });
  const about = document.getElementById("about");
  about.tabIndex = -1;
  const DONE = new Set(["succeeded", "failed", "skipped", "cancelled"]);
  const say = (text) => { document.getElementById("say").textContent = text; };

  let graph = null, steps = [], shown = [], byPath = new Map(), rows = new Map(), times = null, chosen = null, hits = [], hit = -1;
  let view = { scale: 1, x: 0, y: 0 }, whole = true, queued = false, heardAt = 0;
  const changed = new Set();

  // --- colours: those of the page, so that light and dark and what a person has set are kept.
  let ink = {};
  const mix = () => {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    ink = { bg: of("--bg"), fg: of("--fg"), soft: of("--soft"), line: of("--line"), card: of("--card"), focus: of("--focus") };
    const pair = (name) => [of(`--${name}-bg`), of(`--${name}`)];
    const mute = [of("--mute-bg"), of("--soft")];
    ink.states = { succeeded: pair("good"), failed: pair("bad"), running: pair("run"), asking: pair("ask"), unknown: pair("ask"), sleeping: mute, cancelled: pair("bad"), skipped: mute, waiting: [ink.card, ink.soft] };
  };

  // --- what stands where.
  const stripped = (path) => path.replace(/\[[^\]]*\]|#\d+(?=\/|$)/g, "");
  const stateOf = (step) => {
    const all = step.counts;
    const first = ORDER.find((state) => all[state] > 0);
    if (!first) return "waiting";
    // Some are done and others not begun: it goes on.
    if (first === "waiting" && (all.succeeded || all.skipped)) return step.total ? "running" : "waiting";
    return first;
  };
  const count = (step, state, by) => {
    step.counts[state] = (step.counts[state] || 0) + by;
    if (by > 0) step.total++; else step.total--;
  };
  // A row counts for its own step and, where it holds nothing, for all groups around it.
  const tally = (row, state, by) => {
    const own = steps[row.node];
    if (!own) return;
    if (!row.container) for (let step = own; step; step = step.parent === undefined ? null : steps[step.parent]) { count(step, state, by); changed.add(step.ix); }
    else { own.own[state] = (own.own[state] || 0) + by; changed.add(own.ix); }
  };
  const settle = (row, state) => {
    if (row.state === state) return;
    tally(row, row.state, -1);
    row.state = state;
    tally(row, state, 1);
  };
  const groupState = (step) => {
    const own = ORDER.find((state) => step.own[state] > 0), inner = stateOf(step);
    if (!step.holds) return inner;
    return own && own !== "waiting" && (own !== "running" || inner === "waiting") ? own : step.total ? inner : own || "waiting";
  };
  const noteOf = (step) => {
    if (step.total < 2 && !step.holds) return "";
    const done = (step.counts.succeeded || 0) + (step.counts.skipped || 0), bad = step.counts.failed || 0;
    const live = step.counts.running || 0;
    return step.total ? `${done} of ${step.total} done${bad ? `, ${bad} failed` : ""}${live ? `, ${live} running` : ""}` : step.holds ? `${step.holds} steps` : "";
  };

  const load = () => {
    rows = new Map();
    const parents = [];
    for (const step of steps) { step.counts = {}; step.own = {}; step.total = 0; step.rows = []; }
    let path = new Set();
    for (const row of times.rows) {
      if (!row.heard) { row.above = row.depth ? parents[row.depth - 1] : null; parents[row.depth] = row; }
      rows.set(row.path, row);
      steps[row.node]?.rows.push(row);
      tally(row, row.state, 1);
      if (row.critical) path.add(row.node);
    }
    // What the end has really waited for, once there is an end; before that the longest way.
    if (!times.ended) path = new Set();
    for (const step of steps) step.key = path.size ? path.has(step.ix) : step.critical;
  };

  const fold = async (ixs) => {
    const toggled = new Set(graph.toggled);
    for (const ix of ixs) { if (toggled.has(ix)) toggled.delete(ix); else toggled.add(ix); }
    try {
      await place([...toggled].sort((a, b) => a - b).slice(0, 200).join("."));
      if (chosen !== null) { let step = steps[chosen]; while (step && !step.place) step = steps[step.parent]; choose(step || steps[0], false); }
    } catch (error) { say(error.message); }
  };
  const place = async (toggled) => {
    graph = await get(`/api/v1/runs/${run}/graph${toggled ? `?toggled=${toggled}` : ""}`);
    steps = graph.steps;
    for (const step of steps) Object.assign(step, { counts: {}, own: {}, total: 0, rows: [], key: step.critical });
    byPath = new Map(steps.map((step) => [step.path, step]));
    shown = steps.filter((step) => step.place);
    if (times) load();
    $("[data-zoom=unfold]").hidden = !steps.some((step) => step.folded);
    list.fresh();
    size();
  };

  // --- painting.
  const paint = () => { whole = true; ask(); };
  const ask = () => { if (!queued) { queued = true; requestAnimationFrame(frame); } };
  const frame = () => {
    queued = false;
    const start = performance.now();
    if (whole) all(); else for (const ix of changed) if (steps[ix]?.place) one(steps[ix]);
    whole = false;
    changed.clear();
    const end = performance.now();
    if (heardAt) { performance.measure("graph-update", { start: heardAt, end }); heardAt = 0; }
    if (!frame.first && times) { frame.first = true; performance.measure("graph-first-paint", { start: 0, end }); }
    performance.measure("graph-paint", { start, end });
    if (performance.getEntriesByName("graph-paint").length > 2000) { performance.clearMeasures("graph-paint"); performance.clearMeasures("graph-update"); }
  };
  const all = () => {
    const ratio = devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = ink.bg;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    move();
    const [left, top, right, bottom] = seen();
    for (const step of shown) if (step.holds && !step.folded && meets(step.place, left, top, right, bottom)) box(step);
    lines(left, top, right, bottom);
    for (const step of shown) if (meets(step.place, left, top, right, bottom)) body(step);
  };
  const one = (step) => {
    const [left, top, right, bottom] = seen();
    if (!meets(step.place, left, top, right, bottom)) return;
    move();
    body(step);
  };
  const move = () => { const ratio = (devicePixelRatio || 1) * view.scale; pen.setTransform(ratio, 0, 0, ratio, view.x * (devicePixelRatio || 1), view.y * (devicePixelRatio || 1)); };
  const seen = () => { const wide = board.clientWidth, high = board.clientHeight; return [-view.x / view.scale, -view.y / view.scale, (wide - view.x) / view.scale, (high - view.y) / view.scale]; };
  const meets = ([x, y, w, h], left, top, right, bottom) => x < right && x + w > left && y < bottom && y + h > top;
  const box = (step) => {
    const [x, y, w, h] = step.place;
    pen.fillStyle = ink.bg;
    pen.fillRect(x, y, w, h);
    pen.strokeStyle = ink.line;
    pen.lineWidth = Math.max(1, 0.7 / view.scale);
    pen.strokeRect(x, y, w, h);
  };
  const lines = (left, top, right, bottom) => {
    const dashes = { implied: [], declared: [], inferred: [5, 4] };
    for (const strong of [false, true]) {
      for (const edge of graph.edges) {
        const key = Boolean(steps[edge.from].key && steps[edge.to].key);
        if (key !== strong) continue;
        const points = edge.points;
        let least = Infinity, most = -Infinity;
        for (let at = 0; at < points.length; at += 2) { least = Math.min(least, points[at]); most = Math.max(most, points[at]); }
        if (most < left || least > right || points[points.length - 1] < top || points[1] > bottom) continue;
        pen.beginPath();
        pen.moveTo(points[0], points[1]);
        for (let at = 2; at < points.length; at += 2) pen.lineTo(points[at], points[at + 1]);
        pen.strokeStyle = strong ? ink.fg : ink.soft;
        pen.lineWidth = Math.max(strong ? 2.6 : edge.kind === "declared" ? 1.6 : 1, 0.5 / view.scale);
        pen.setLineDash(view.scale > 0.4 ? dashes[edge.kind] : []);
        pen.stroke();
        if (view.scale > 0.3) {
          const x = points[points.length - 2], y = points[points.length - 1];
          pen.setLineDash([]);
          pen.fillStyle = strong ? ink.fg : ink.soft;
          pen.beginPath();
          pen.moveTo(x - 4, y - 7); pen.lineTo(x + 4, y - 7); pen.lineTo(x, y); pen.fill();
        }
      }
    }
    pen.setLineDash([]);
  };
  const body = (step) => {
    const [x, y, w, h] = step.place, open = step.holds && !step.folded, state = groupState(step), [fill, text] = ink.states[state];
    const high = open ? 58 : h;
    pen.fillStyle = fill;
    pen.fillRect(x + 0.5, y + 0.5, w - 1, high - 1);
    pen.setLineDash(step.folded ? [4, 3] : []);
    pen.strokeStyle = step.ix === chosen ? ink.focus : step.key ? ink.fg : state === "waiting" ? ink.line : text;
    pen.lineWidth = step.ix === chosen ? 4 : step.key ? 2.5 : Math.max(1, 0.6 / view.scale);
    pen.strokeRect(x + 1, y + 1, w - 2, (open ? h : high) - 2);
    pen.setLineDash([]);
    if (view.scale < 0.22) return;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, w, high);
    pen.clip();
    pen.fillStyle = text;
    pen.font = "bold 12px ui-monospace, Menlo, Consolas, monospace";
    pen.fillText(`${ICONS[state]} ${step.id}`, x + 8, y + 18);
    if (view.scale >= 0.45) {
      pen.font = "11px system-ui, sans-serif";
      pen.fillStyle = ink.fg;
      pen.fillText(step.kind, x + 8, y + 34);
      pen.fillStyle = text;
      const note = noteOf(step);
      pen.fillText(`${state}${note ? `, ${note}` : ""}${step.gates ? ` · ${step.gates} gate${step.gates > 1 ? "s" : ""}` : ""}`, x + 8, y + 50);
    }
    if (step.total > 1 || step.holds) bar(step, x, y + high - 4, w);
    if (hits.includes(step)) { pen.strokeStyle = ink.focus; pen.lineWidth = 2; pen.strokeRect(x + 4, y + 4, w - 8, high - 8); }
    pen.restore();
  };
  // How much of a fan-out or a group stands how.
  const bar = (step, x, y, w) => {
    let from = x;
    for (const state of ORDER) {
      const part = (step.counts[state] || 0) / Math.max(1, step.total) * w;
      if (!part) continue;
      pen.fillStyle = state === "waiting" ? ink.line : ink.states[state][1];
      pen.fillRect(from, y, part, 4);
      from += part;
    }
  };

  // --- size and place.
  const size = () => {
    const ratio = devicePixelRatio || 1, wide = board.clientWidth, high = board.clientHeight;
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    paint();
  };
  const fit = (least) => {
    const wide = board.clientWidth, high = board.clientHeight;
    const scale = Math.min(1.2, wide / (graph.width + 20), high / (graph.height + 20));
    view.scale = Math.max(least, scale);
    view.x = Math.max(10, (wide - graph.width * view.scale) / 2);
    view.y = 10;
    if (scale < least) view.x = graph.width * view.scale > wide ? (wide - graph.width * view.scale) / 2 : view.x;
    paint();
  };
  const zoom = (by, x = board.clientWidth / 2, y = board.clientHeight / 2) => {
    const scale = Math.min(3, Math.max(0.02, view.scale * by)), real = scale / view.scale;
    view = { scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
    paint();
  };
  const center = (step) => {
    if (!step.place) return;
    const [x, y, w, h] = step.place, [left, top, right, bottom] = seen();
    if (view.scale < 0.45) view.scale = 0.7;
    else if (x >= left && x + w <= right && y >= top && y + Math.min(h, 60) <= bottom) { paint(); return; }
    view.x = board.clientWidth / 2 - (x + w / 2) * view.scale;
    view.y = board.clientHeight / 2 - (y + Math.min(h, 60) / 2) * view.scale;
    paint();
  };
  const whatGoesOn = () => {
    const wanted = ["failed", "asking", "unknown", "running"].map((state) => shown.find((step) => !step.holds && groupState(step) === state)).find(Boolean);
    if (wanted) choose(wanted, true); else say("Nothing goes on now");
  };

  // --- the list beside it, and what is chosen.
  const list = tree($(".tree"), {
    rows: () => {
      const depth = [], at = new Map(), sizes = new Map();
      for (const step of shown) sizes.set(step.parent, (sizes.get(step.parent) || 0) + 1);
      return inOrder().map((step) => {
        depth[step.ix] = step.parent === undefined ? 0 : depth[step.parent] + 1;
        at.set(step.parent, (at.get(step.parent) || 0) + 1);
        return { key: step.ix, step, depth: depth[step.ix], name: step.id, title: step.path, get state() { return groupState(step); }, get note() { return noteOf(step); },
          open: step.holds ? !step.folded : undefined, size: sizes.get(step.parent), at: at.get(step.parent) };
      });
    },
    pick: (row, focus) => choose(row.step, focus, true),
    toggle: (row) => fold([row.key]),
  });
  // Each group before what stands in it, siblings as the workflow has them.
  const inOrder = () => {
    const inner = new Map(), order = [];
    for (const step of shown) { const key = step.parent ?? -1; if (!inner.has(key)) inner.set(key, []); inner.get(key).push(step); }
    const open = [...(inner.get(-1) || [])].reverse();
    while (open.length) { const step = open.pop(); order.push(step); open.push(...[...(inner.get(step.ix) || [])].reverse()); }
    return order;
  };
  const choose = (step, centers, fromList) => {
    if (!step) return;
    chosen = step.ix;
    history.replaceState(null, "", `#${encodeURIComponent(step.path)}`);
    if (!fromList) list.select(step.ix, false);
    tell();
    if (centers) center(step); else paint();
  };
  const tell = () => {
    const step = steps[chosen];
    if (!step) return;
    const parts = [element("h2", "", step.path), element("p", "summary", `${step.kind}. ${groupState(step)}${noteOf(step) ? `, ${noteOf(step)}` : ""}${step.key ? (times?.ended ? ". The end waited for it" : ". On the longest way") : ""}`)];
    if (step.folded !== undefined && step.holds) {
      const button = element("button", "", step.folded ? "Unfold" : "Fold");
      button.type = "button";
      button.addEventListener("click", () => fold([step.ix]));
      parts.push(button);
    }
    const bad = (row) => ["failed", "unknown", "asking", "running"].indexOf(row.state) >>> 0;
    const some = [...step.rows].sort((a, b) => bad(a) - bad(b)).slice(0, 60);
    for (const row of some) {
      if (step.rows.length > 1 || row.path !== step.path) parts.push(element("h3", "", `${ICONS[row.state]} ${row.path}: ${row.state}`));
      if (row.reason) parts.push(element("p", "why", row.reason));
      parts.push(attempts(run, row));
      if (row.state === "succeeded" && !row.container) { const link = element("a", "", "changes"); link.href = `/runs/${run}/diff?step=${encodeURIComponent(row.path)}`; parts.push(link); }
    }
    if (step.rows.length > some.length) parts.push(element("p", "none", `${step.rows.length - some.length} more`));
    about.replaceChildren(...parts);
  };

  // --- events: only what they name is painted again.
  const counts = () => {
    const all = {};
    for (const row of rows.values()) if (!row.container) all[row.state] = (all[row.state] || 0) + 1;
    return ORDER.filter((state) => all[state]).map((state) => `${all[state]} ${state}`).join(", ");
  };
  const summed = throttled(500, () => { $("#counts").textContent = counts(); list.draw(); if (steps[chosen]) tell(); });
  const announced = throttled(3000, () => { $("#heard").textContent = counts(); });
  const row = (path) => {
    const known = rows.get(path);
    if (known) return known;
    const step = byPath.get(stripped(path));
    if (!step) { again(); return null; }
    const made = { path, node: step.ix, state: "waiting", container: step.holds > 0, depth: 0, heard: true, attempts: [] };
    made.above = (steps[step.parent]?.rows || []).find((around) => path.startsWith(around.path)) || null;
    rows.set(path, made);
    times.rows.push(made);
    step.rows.push(made);
    tally(made, made.state, 1);
    return made;
  };
  const heard = (event) => {
    if (!heardAt) heardAt = performance.now();
    const states = { attempt_started: "running", asking: "asking", unknown: "unknown", retrying: "sleeping" };
    const one = event.step ? row(event.step) : null;
    if (event.type === "run_ended") { $("#status").className = `badge ${event.status}`; $("#status").textContent = event.status; again(); }
    if (one) {
      if (event.type === "step_settled") { one.state === event.state || settle(one, event.state); one.reason = event.reason; }
      else if (states[event.type]) settle(one, states[event.type]);
      if (event.type === "attempt_started" || event.type === "asking") {
        one.attempts ||= [];
        if (!one.attempts.some((known) => known.id === event.attempt)) one.attempts.push({ id: event.attempt, purpose: event.purpose || "question", end: "running", started: event.at, runtime: event.runtime, phase: event.type === "asking" ? "approval" : "run" });
        for (let above = one.above; above; above = above.above) if (above.state === "waiting") settle(above, "running");
      } else if (event.type === "attempt_finished") {
        const known = one.attempts?.find((known) => known.id === event.attempt);
        if (known) { known.end = event.end; known.reason = event.reason; known.ended = known.started + event.duration_ms; }
      }
    }
    if (event.type === "run_started" || event.type === "held") again();
    if (changed.size) ask(); else heardAt = 0;
    summed();
    announced();
  };
  // Everything once more, where something may be missing: what is seen stays where it is.
  const again = throttled(1500, async () => {
    try {
      times = await get(`/api/v1/runs/${run}/timeline`);
      load();
      paint();
      summed();
    } catch (error) { say(error.message); }
  });

  // --- hands.
  const at = (event) => { const place = board.getBoundingClientRect(); return [event.clientX - place.left, event.clientY - place.top]; };
  const under = ([x, y]) => {
    const px = (x - view.x) / view.scale, py = (y - view.y) / view.scale;
    let found = null;
    for (const step of shown) { const [left, top, w, h] = step.place; if (px >= left && px <= left + w && py >= top && py <= top + h) found = step; }
    return found;
  };
  let drag = null;
  board.addEventListener("pointerdown", (event) => { drag = { from: at(event), x: view.x, y: view.y, far: false }; board.setPointerCapture(event.pointerId); });
  board.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = at(event), [dx, dy] = [x - drag.from[0], y - drag.from[1]];
    if (Math.abs(dx) + Math.abs(dy) > 4) { drag.far = true; board.classList.add("moves"); }
    if (drag.far) { view.x = drag.x + dx; view.y = drag.y + dy; paint(); }
  });
  board.addEventListener("pointerup", (event) => {
    if (drag && !drag.far) { const step = under(at(event)); if (step) choose(step, false); }
    drag = null;
    board.classList.remove("moves");
  });
  board.addEventListener("dblclick", (event) => { const step = under(at(event)); if (step?.holds) fold([step.ix]); });
  board.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 200), ...at(event));
    else { view.x -= event.shiftKey ? event.deltaY : event.deltaX; view.y -= event.shiftKey ? 0 : event.deltaY; paint(); }
  }, { passive: false });
  const ways = { in: () => zoom(1.3), out: () => zoom(1 / 1.3), fit: () => fit(0.02), live: whatGoesOn, unfold: () => fold(steps.filter((step) => step.folded).map((step) => step.ix)) };
  page.addEventListener("click", (event) => { const way = event.target.closest("[data-zoom]"); if (way) ways[way.dataset.zoom](); });
  page.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { "+": ways.in, "=": ways.in, "-": ways.out, 0: ways.fit };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
    if (event.key === "Enter" && event.target.getAttribute("role") === "treeitem") { tell(); (about.querySelector("a, button") || about).focus(); }
  });
  const find = $(".find");
  find.addEventListener("input", () => {
    const word = find.find.value.trim().toLowerCase();
    hits = word ? shown.filter((step) => step.path.toLowerCase().includes(word)) : [];
    hit = -1;
    document.getElementById("hits").textContent = word ? `${hits.length} found` : "";
    paint();
  });
  find.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!hits.length) return;
    hit = (hit + 1) % hits.length;
    document.getElementById("hits").textContent = `${hit + 1} of ${hits.length}`;
    choose(hits[hit], true);
  });
  new ResizeObserver(() => { if (graph) size(); }).observe(board);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { mix(); paint(); });

  const begin = async () => {
    mix();
    $(".legend").replaceChildren(...[...Object.entries(ICONS).map(([state, icon]) => `${icon} ${state}`), "bold: the longest way, or what the end waited for", "dashed line: a value is read"].map((text) => element("span", "", text)));
    const [, first] = await Promise.all([place(""), get(`/api/v1/runs/${run}/timeline`)]);
    times = first;
    load();
    list.fresh();
    fit(0.25);
    const wanted = (() => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return location.hash.slice(1); } })();
    let step = byPath.get(wanted) || byPath.get(stripped(wanted));
    while (step && !step.place) step = steps[step.parent];
    if (step) choose(step, true);
    $("#counts").textContent = counts();
    if (!times.ended) follow(run, times.seq, heard, again);
    globalThis.orchGraph = { steps: () => steps, view: () => view, state: (path) => { const step = byPath.get(path); return step && groupState(step); } };
  };
  begin().catch((error) => say(error.message));
})();
