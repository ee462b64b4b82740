// A tree of any length of which only the rows that are seen are there; moved through with the arrow keys, one stop for Tab.
"use strict";
globalThis.orch = (() => {
  const { listen } = orch;
  const ICONS = { waiting: "○", running: "▶", asking: "?", sleeping: "◷", unknown: "?", succeeded: "✓", failed: "✗", skipped: "–", cancelled: "⊘" };
  // What stands for many: what needs a person first, then what goes on.
  const ORDER = ["failed", "unknown", "asking", "running", "sleeping", "cancelled", "waiting", "succeeded", "skipped"];
  const ROW = 28;

  const element = (name, words, text) => {
    const made = document.createElement(name);
    if (words) made.className = words;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // rows: () => [{ key, depth, name, title, state, note, open (true, false, undefined), size, at }]
  const tree = (box, { rows, pick, toggle }) => {
    const space = element("div", "space");
    box.replaceChildren(space);
    let all = [], active = 0;
    const drawn = new Map();
    const fill = (line, row, place) => {
      line.className = `row ${row.state}${place === active ? " active" : ""}`;
      line.style.top = `${place * ROW}px`;
      line.style.paddingLeft = `${8 + row.depth * 16}px`;
      line.setAttribute("aria-level", row.depth + 1);
      line.setAttribute("aria-setsize", row.size);
      line.setAttribute("aria-posinset", row.at);
      line.setAttribute("aria-selected", place === active);
      if (row.open === undefined) line.removeAttribute("aria-expanded"); else line.setAttribute("aria-expanded", row.open);
      line.tabIndex = place === active ? 0 : -1;
      line.title = row.title;
      const fold = row.open === undefined ? "" : row.open ? "▾ " : "▸ ";
      const text = `${fold}${ICONS[row.state] || "○"} ${row.name}`;
      if (line.firstChild.textContent !== text) line.firstChild.textContent = text;
      const note = `${row.state}${row.note ? `, ${row.note}` : ""}`;
      if (line.lastChild.textContent !== note) line.lastChild.textContent = note;
    };
    const draw = () => {
      const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 5), last = Math.min(all.length, first + Math.ceil(box.clientHeight / ROW) + 10);
      const focused = box.contains(document.activeElement);
      const kept = new Set();
      for (let place = first; place < last; place++) kept.add(place);
      if (active < all.length) kept.add(active);
      for (const [place, line] of drawn) if (!kept.has(place)) { line.remove(); drawn.delete(place); }
      for (const place of [...kept].sort((a, b) => a - b)) {
        let line = drawn.get(place);
        if (!line) {
          line = element("div");
          line.setAttribute("role", "treeitem");
          line.append(element("span", "name"), element("span", "note"));
          drawn.set(place, line);
          space.append(line);
        }
        line.dataset.place = place;
        fill(line, all[place], place);
      }
      if (focused && document.activeElement === document.body) drawn.get(active)?.focus({ preventScroll: true });
    };
    const show = (place) => {
      const top = place * ROW;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
    };
    const go = (place, focus) => {
      if (!all.length) return;
      active = Math.max(0, Math.min(all.length - 1, place));
      show(active);
      draw();
      if (focus) drawn.get(active)?.focus({ preventScroll: true });
      pick(all[active], focus);
    };
    const fresh = () => {
      const key = all[active]?.key;
      all = rows();
      const still = all.findIndex((row) => row.key === key);
      active = still >= 0 ? still : Math.min(active, Math.max(0, all.length - 1));
      space.style.height = `${all.length * ROW}px`;
      draw();
    };
    box.addEventListener("scroll", () => requestAnimationFrame(draw));
    box.addEventListener("click", (event) => {
      const line = event.target.closest("[role=treeitem]");
      if (line) go(Number(line.dataset.place), true);
    });
    box.addEventListener("dblclick", (event) => { if (event.target.closest("[role=treeitem]") && all[active]?.open !== undefined) toggle(all[active]); });
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const row = all[active], page = Math.max(1, Math.floor(box.clientHeight / ROW) - 1);
      const up = () => { let place = active - 1; while (place >= 0 && all[place].depth >= row.depth) place--; return Math.max(place, 0); };
      const moves = { ArrowDown: () => go(active + 1, true), ArrowUp: () => go(active - 1, true), Home: () => go(0, true), End: () => go(all.length - 1, true),
        PageDown: () => go(active + page, true), PageUp: () => go(active - page, true),
        ArrowRight: () => { if (row?.open === false) toggle(row); else if (row?.open) go(active + 1, true); },
        ArrowLeft: () => { if (row?.open) toggle(row); else go(up(), true); } };
      const move = moves[event.key];
      if (move) { event.preventDefault(); event.stopPropagation(); move(); }
    });
    new ResizeObserver(draw).observe(box);
    return { fresh, draw, select: (key, focus) => { const place = all.findIndex((row) => row.key === key); if (place >= 0) go(place, focus); return place >= 0; }, row: () => all[active], get: (place) => all[place] };
  };

  // Words for a length of time.
  const took = (ms) => ms < 60000 ? `${(Math.max(0, ms) / 1000).toFixed(1)}s` : ms < 3600000 ? `${Math.floor(ms / 60000)}m ${Math.floor(ms / 1000) % 60}s` : `${Math.floor(ms / 3600000)}h ${Math.floor(ms / 60000) % 60}m`;

  const get = async (path) => {
    const answer = await fetch(path);
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${told.detail || answer.status}. ${told.help || ""}`);
    return told;
  };

  // The events of a run after a record; `heard` gets each, `again` is called when some may be missing.
  const follow = (run, seq, heard, again) => {
    const names = ["requirement_submitted", "task_completed", "decision_needed", "status_update", "reset"];
    const take = (event, name) => { try { if (name === "reset") again(); else heard(JSON.parse(event.data)); } catch { again(); } };
    listen(`/api/v1/runs/${run}/events?after=${seq}.4000000000`, names, take, again);
  };

  // Calls at once, then at most once in so many milliseconds; the last call is never lost.
  const throttled = (ms, work) => {
    let last = 0, timer = 0;
    return () => {
      if (timer) return;
      const wait = Math.max(0, last + ms - performance.now());
      timer = setTimeout(() => { timer = 0; last = performance.now(); work(); }, wait);
    };
  };

  // The attempts of a step: what each was for, how it ended, and where to look.
  const attempts = (run, row) => {
    const list = element("ul", "attempts");
    for (const one of row.attempts || []) {
      const line = element("li");
      const link = (name, to) => { const made = element("a", "", name); made.href = to; line.append(" ", made); };
      line.append(element("span", `badge ${{ running: "running", failed: "failed", fail: "failed", error: "failed", lost: "failed", pass: "succeeded", succeeded: "succeeded" }[one.end] || ""}`, one.end), ` ${one.purpose}`);
      if (one.started) line.append(`, ${took((one.ended || Date.now()) - one.started)}`);
      link("log", `/runs/${run}/log?attempt=${one.id}`);
      if (one.runtime || one.phase === "approval") link(one.runtime ? "agent" : "question", `/runs/${run}/agent?attempt=${one.id}`);
      if (one.reason) line.append(element("div", "why", one.reason));
      list.append(line);
    }
    return list;
  };

  return { ICONS, ORDER, ROW, element, tree, took, get, follow, throttled, attempts };
})();
