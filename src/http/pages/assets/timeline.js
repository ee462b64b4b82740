// A run over time: for each attempt since when it could have begun, why it waited, when it worked. Only what is seen is painted.
"use strict";
(() => {
  const { ICONS, ROW, element, tree, took, get, follow, throttled } = globalThis.orch;
  const page = document.getElementById("timeline"), run = page.dataset.run;
  const $ = (selector) => page.querySelector(selector);
  const lanes = $(".lanes"), canvas = $(".lanes canvas"), pen = canvas.getContext("2d", { alpha: false });
  const ruler = $(".ruler"), scribe = ruler.getContext("2d", { alpha: false }), box = $(".tree"), about = document.getElementById("about");
  const say = (text) => { document.getElementById("say").textContent = text; };
  const BAD = new Set(["failed", "fail", "error", "lost"]);
  let times = null, shown = [], chosen = null, hits = [], hit = -1, queued = false;
  let view = { from: 0, to: 1000 }, fitted = true;
  const flipped = new Set();

  let ink = {};
  const mix = () => {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    ink = { bg: of("--card"), fg: of("--fg"), soft: of("--soft"), line: of("--line"), mute: of("--mute-bg"), good: of("--good"), bad: of("--bad"), ask: of("--ask"), parked: of("--ask-bg"), run: of("--run"), focus: of("--focus") };
  };

  const now = () => times.ended || Math.max(Date.now(), times.started);
  const length = () => Math.max(100, now() - times.started);

  // --- which rows there are: groups may be folded, very large ones are by themselves.
  const folded = (row) => (row.inner > 50 && times.rows.length > 400) !== flipped.has(row.path);
  const prepare = () => {
    const open = [];
    for (const row of times.rows) {
      row.inner = 0;
      row.attempts ||= [];
      while (open.length && open[open.length - 1].depth >= row.depth) open.pop();
      row.above = open[open.length - 1] || null;
      for (const above of open) above.inner++;
      open.push(row);
      row.first = row.attempts.length ? Math.min(...row.attempts.map((one) => one.ready)) : row.ready || Infinity;
      row.last = row.attempts.length ? Math.max(...row.attempts.map((one) => one.ended || Infinity)) : -Infinity;
    }
    for (let place = times.rows.length - 1; place >= 0; place--) {
      const { above, first, last } = times.rows[place];
      if (above) { above.first = Math.min(above.first, first); above.last = Math.max(above.last, last); }
    }
  };
  const choice = () => {
    const only = $("[name=critical]").checked;
    const hidden = new Set();
    shown = times.rows.filter((row) => {
      if (row.above && (hidden.has(row.above) || folded(row.above))) { hidden.add(row); return false; }
      return !only || row.critical;
    });
  };
  const spent = (row) => {
    let ran = 0, waited = 0, asked = 0;
    for (const one of row.attempts) {
      const took = (one.ended || now()) - one.started;
      if (one.phase === "approval") asked += took; else ran += took;
      waited += one.started - one.ready;
    }
    if (!row.attempts.length && row.ready && row.state === "waiting") waited = now() - row.ready;
    return { ran, waited, asked };
  };
  const noteOf = (row) => {
    if (row.container) return row.first < Infinity ? took(Math.min(row.last, now()) - row.first) : "";
    const { ran, waited, asked } = spent(row);
    return [ran > 0 || row.attempts.length ? `ran ${took(ran)}` : "", asked ? `asked ${took(asked)}` : "", waited > 100 ? `waited ${took(waited)}` : ""].filter(Boolean).join(", ");
  };

  const list = tree(box, {
    rows: () => {
      const sizes = new Map(), at = new Map();
      for (const row of shown) sizes.set(row.above, (sizes.get(row.above) || 0) + 1);
      return shown.map((row) => {
        at.set(row.above, (at.get(row.above) || 0) + 1);
        const name = row.above && row.path.startsWith(row.above.path) ? row.path.slice(row.above.path.length).replace(/^\//, "") : row.path;
        return { key: row.path, row, depth: row.depth, name: row.critical ? `${name} ◆` : name, title: row.path, get state() { return row.state; }, get note() { return noteOf(row); },
          open: row.inner ? !folded(row) : undefined, size: sizes.get(row.above), at: at.get(row.above) };
      });
    },
    pick: ({ row }) => { chosen = row.path; tell(row); paint(); },
    toggle: ({ key }) => { if (flipped.has(key)) flipped.delete(key); else flipped.add(key); again.draw(); },
  });

  // --- painting.
  const paint = () => { if (!queued) { queued = true; requestAnimationFrame(frame); } };
  const x = (time) => (time - times.started - view.from) / (view.to - view.from) * lanes.clientWidth;
  const frame = () => {
    queued = false;
    if (!times) return;
    const start = performance.now();
    if (fitted) view = { from: 0, to: length() * 1.02 };
    draw();
    rule();
    const end = performance.now();
    if (!frame.first) { frame.first = true; performance.measure("timeline-first-paint", { start: 0, end }); }
    performance.measure("timeline-paint", { start, end });
    if (performance.getEntriesByName("timeline-paint").length > 2000) performance.clearMeasures("timeline-paint");
  };
  const draw = () => {
    const ratio = devicePixelRatio || 1, wide = lanes.clientWidth, high = lanes.clientHeight;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = ink.bg;
    pen.fillRect(0, 0, wide, high);
    for (const tick of ticks()) { pen.fillStyle = ink.line; pen.fillRect(x(times.started + tick), 0, 1, high); }
    for (const pause of times.pauses) { pen.globalAlpha = 0.35; pen.fillStyle = ink.parked; pen.fillRect(x(pause.from), 0, x(Math.min(pause.until, now())) - x(pause.from), high); pen.globalAlpha = 1; }
    const first = Math.max(0, Math.floor(box.scrollTop / ROW));
    for (let place = first; place < shown.length && place * ROW - box.scrollTop < high; place++) line(shown[place], place * ROW - box.scrollTop, wide);
    if (!times.ended) { pen.fillStyle = ink.focus; pen.fillRect(x(now()), 0, 2, high); }
  };
  const line = (row, y, wide) => {
    if (row.path === chosen) { pen.fillStyle = ink.mute; pen.fillRect(0, y, wide, ROW); }
    if (row.critical && !row.container) { pen.fillStyle = ink.fg; pen.fillRect(0, y + ROW - 2, 0, 2); }
    if (row.container) {
      if (row.first === Infinity) return;
      const from = x(row.first), to = x(Math.min(row.last, now()));
      pen.fillStyle = ink.soft;
      pen.fillRect(from, y + 12, Math.max(2, to - from), 4);
      pen.fillRect(from, y + 9, 2, 10);
      pen.fillRect(to - 2, y + 9, 2, 10);
      return;
    }
    let lane = -1;
    const works = row.attempts.filter((one) => one.phase !== "gate").length, of = Math.min(4, Math.max(1, works)), high = Math.floor((ROW - 6) / of);
    for (const one of row.attempts) {
      if (one.phase !== "gate" || lane < 0) lane = Math.min(of - 1, lane + 1);
      bar(row, one, y + 3 + lane * high, high - 1, wide);
    }
    if (row.ready && row.state === "waiting") wait(row, row.ready, now(), y + 3, ROW - 7, undefined);
  };
  // What a wait was for: a runtime that took nothing, else room.
  const wait = (row, from, to, y, high, runtime) => {
    const [left, right] = [Math.max(-6, x(from)), Math.min(x(to), lanes.clientWidth)];
    if (right - left < 1) return;
    pen.fillStyle = ink.soft;
    for (let at = left; at < right; at += 6) pen.fillRect(at, y + high / 2 - 1, Math.min(3, right - at), 2);
    for (const pause of times.pauses) {
      if (runtime && pause.runtime !== runtime) continue;
      const [start, end] = [Math.max(from, pause.from), Math.min(to, pause.until)];
      if (end <= start || !runtime) continue;
      pen.fillStyle = ink.ask;
      for (let at = Math.max(-6, x(start)); at < Math.min(x(end), lanes.clientWidth); at += 5) pen.fillRect(at, y + high / 2 - 3, 2.5, 6);
    }
  };
  const bar = (row, one, y, high, wide) => {
    const from = x(one.started), to = x(one.ended || now());
    wait(row, one.ready, one.started, y, high, one.runtime);
    if (to < 0 || from > wide) return;
    const width = Math.max(3, to - from), bad = BAD.has(one.end), live = one.end === "running";
    pen.fillStyle = one.phase === "approval" ? ink.ask : one.phase === "gate" ? (bad ? ink.bad : ink.soft) : bad ? ink.bad : live ? ink.run : one.end === "stopped" ? ink.soft : ink.good;
    // A gate is low, so that it is told from work without its colour.
    const top = one.phase === "gate" ? y + high / 2 : y, tall = Math.max(2, one.phase === "gate" ? high / 2 : high);
    pen.fillRect(from, top, width, tall);
    if (row.critical) { pen.strokeStyle = ink.fg; pen.lineWidth = 2; pen.strokeRect(from, top, width, tall); }
    if (high >= 10 && width > 46) {
      pen.save();
      pen.beginPath();
      pen.rect(Math.max(0, from), y, width, high);
      pen.clip();
      pen.fillStyle = ink.bg;
      pen.font = "11px system-ui, sans-serif";
      const icon = one.phase === "approval" ? "?" : bad ? ICONS.failed : live ? ICONS.running : ICONS.succeeded;
      pen.fillText(`${icon} ${took((one.ended || now()) - one.started)}`, Math.max(0, from) + 5, y + high / 2 + (one.phase === "gate" ? 8 : 4));
      pen.restore();
    }
  };
  const STEPS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
  const ticks = () => {
    const wanted = (view.to - view.from) / Math.max(2, lanes.clientWidth / 90), step = STEPS.find((step) => step >= wanted) || STEPS[STEPS.length - 1], all = [];
    for (let at = Math.ceil(view.from / step) * step; at <= view.to && all.length < 400; at += step) all.push(at);
    return all;
  };
  const rule = () => {
    const ratio = devicePixelRatio || 1;
    scribe.setTransform(ratio, 0, 0, ratio, 0, 0);
    scribe.fillStyle = ink.bg;
    scribe.fillRect(0, 0, ruler.clientWidth, ruler.clientHeight);
    scribe.fillStyle = ink.soft;
    scribe.font = "12px system-ui, sans-serif";
    for (const tick of ticks()) scribe.fillText(tick === 0 ? "0" : took(tick), x(times.started + tick) + 3, 18);
  };
  const size = () => {
    const ratio = devicePixelRatio || 1;
    for (const one of [canvas, ruler]) { const around = one.parentElement; one.width = Math.round(around.clientWidth * ratio); one.height = Math.round(around.clientHeight * ratio); }
    paint();
  };

  // --- what is chosen, in words.
  const parked = (one) => times.pauses.filter((pause) => pause.runtime === one.runtime).reduce((sum, pause) => sum + Math.max(0, Math.min(one.started, pause.until) - Math.max(one.ready, pause.from)), 0);
  const tell = (row) => {
    const parts = [element("h2", "", row.path), element("p", "summary", `${row.state}${row.critical ? ". The end waited for it" : ""}${noteOf(row) ? `. ${noteOf(row)}` : ""}`)];
    if (row.reason) parts.push(element("p", "why", row.reason));
    if (row.attempts.length) {
      const table = element("table"), head = table.createTHead().insertRow(), body = table.createTBody();
      for (const name of ["What", "Ended", "Waited for room", "Rate-limited", "Took", "Look at"]) { const cell = element("th", "", name); cell.scope = "col"; head.append(cell); }
      for (const one of row.attempts) {
        const line = body.insertRow(), held = parked(one);
        for (const text of [one.purpose, one.reason ? `${one.end}: ${one.reason}` : one.end, took(Math.max(0, one.started - one.ready - held)), held ? took(held) : "", took((one.ended || now()) - one.started)]) line.insertCell().textContent = text;
        const cell = line.insertCell(), link = (name, to) => { const made = element("a", "", name); made.href = to; cell.append(made, " "); };
        link("log", `/runs/${run}/log?attempt=${one.id}`);
        if (one.runtime || one.phase === "approval") link(one.runtime ? "agent" : "question", `/runs/${run}/agent?attempt=${one.id}`);
      }
      parts.push(table);
    }
    const link = element("a", "", "in the graph");
    link.href = `/runs/${run}/graph#${encodeURIComponent(row.path)}`;
    parts.push(link);
    about.replaceChildren(...parts);
  };

  // --- live: what has changed is read again, seldom enough for a run of any size.
  const counts = () => {
    const all = {};
    for (const row of times.rows) if (!row.container) all[row.state] = (all[row.state] || 0) + 1;
    return Object.entries(all).map(([state, count]) => `${count} ${state}`).join(", ");
  };
  let cost = 0;
  const again = { draw: () => { choice(); list.fresh(); paint(); }, at: 0, timer: 0 };
  const read = async () => {
    const start = performance.now();
    try {
      times = await get(`/api/v1/runs/${run}/timeline`);
      prepare();
      choice();
      list.fresh();
      paint();
      $("#counts").textContent = counts();
      const row = shown.find((row) => row.path === chosen);
      if (row) tell(row);
    } catch (error) { say(error.message); }
    cost = performance.now() - start;
    again.at = performance.now();
  };
  const heard = (event) => {
    if (event?.type === "run_ended") { $("#status").className = `badge ${event.status}`; $("#status").textContent = event.status; }
    if (again.timer) return;
    again.timer = setTimeout(() => { again.timer = 0; read(); }, Math.max(50, again.at + Math.max(500, cost * 5) - performance.now()));
  };
  const announced = throttled(5000, () => { $("#heard").textContent = counts(); });

  // --- hands.
  const zoom = (by, at = lanes.clientWidth / 2) => {
    fitted = false;
    const share = at / lanes.clientWidth, middle = view.from + (view.to - view.from) * share, wide = Math.min(length() * 4, Math.max(20, (view.to - view.from) / by));
    view = { from: middle - wide * share, to: middle + wide * (1 - share) };
    paint();
  };
  const ways = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit: () => { fitted = true; paint(); } };
  page.addEventListener("click", (event) => { const way = event.target.closest("[data-zoom]"); if (way) ways[way.dataset.zoom](); });
  page.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { "+": ways.in, "=": ways.in, "-": ways.out, 0: ways.fit };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  box.addEventListener("scroll", paint);
  lanes.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 200), event.clientX - lanes.getBoundingClientRect().left);
    else {
      const side = event.shiftKey ? event.deltaY : event.deltaX;
      if (side) { fitted = false; const by = side / lanes.clientWidth * (view.to - view.from); view = { from: view.from + by, to: view.to + by }; }
      if (!event.shiftKey) box.scrollTop += event.deltaY;
      paint();
    }
  }, { passive: false });
  let drag = null;
  lanes.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, y: event.clientY, view, top: box.scrollTop, far: false }; lanes.setPointerCapture(event.pointerId); });
  lanes.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.far = true;
    if (!drag.far) return;
    if (Math.abs(dx) > 4) fitted = false;
    const by = dx / lanes.clientWidth * (drag.view.to - drag.view.from);
    if (!fitted) view = { from: drag.view.from - by, to: drag.view.to - by };
    box.scrollTop = drag.top - dy;
    paint();
  });
  lanes.addEventListener("pointerup", (event) => {
    if (drag && !drag.far) { const row = shown[Math.floor((event.clientY - lanes.getBoundingClientRect().top + box.scrollTop) / ROW)]; if (row) list.select(row.path, false); }
    drag = null;
  });
  const find = $(".find");
  find.addEventListener("input", (event) => {
    if (event.target.name === "critical") { again.draw(); return; }
    const word = find.find.value.trim().toLowerCase();
    hits = word ? times.rows.filter((row) => row.path.toLowerCase().includes(word)) : [];
    hit = -1;
    document.getElementById("hits").textContent = word ? `${hits.length} found` : "";
  });
  find.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!hits.length) return;
    hit = (hit + 1) % hits.length;
    for (let above = hits[hit].above; above; above = above.above) if (folded(above)) { if (flipped.has(above.path)) flipped.delete(above.path); else flipped.add(above.path); }
    again.draw();
    list.select(hits[hit].path, false);
    document.getElementById("hits").textContent = `${hit + 1} of ${hits.length}`;
  });
  new ResizeObserver(size).observe(lanes);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { mix(); paint(); });

  const begin = async () => {
    mix();
    const marks = [["queued", "waits for room"], ["parked", "its runtime takes nothing"], ["approval", "a person is asked"], ["run", "works"], ["good", "done"], ["bad", "not done"], ["gate", "gate (low)"]];
    $(".legend").replaceChildren(...marks.map(([name, text]) => { const mark = element("span"); mark.append(element("i", name), text); return mark; }), element("span", "", "◆ and a frame: the end waited for it"));
    await read();
    size();
    if (times.ended) return;
    follow(run, times.seq, (event) => { heard(event); announced(); }, heard);
    setInterval(() => { if (!times.ended && !document.hidden) { paint(); list.draw(); } }, 1000);
  };
  begin().catch((error) => say(error.message));
})();
