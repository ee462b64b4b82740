// A log of any length: only the lines that are seen are there, all others are a height. Pages of lines that were read stay
// for a while; the last one is read again as the log grows.
"use strict";
(() => {
  const { $, say, get, ansi } = orch;
  const log = $("#log");
  if (!log) return;
  const ROW = 20, HEIGHT_MAX = 15_000_000, PAGE = 200, PAGES_MAX = 60, COPY_MAX = 5_000;
  const space = $(".space", log), block = $(".rows", log);
  const { run, attempt, stream } = log.dataset;
  const follow = $("input[name=follow]"), wrap = $("input[name=wrap]");
  const kept = new Map(), asked = new Set();
  let total = 0, hit = -1, sought = "", drawn = "", grewAt = 0, isLost = false;

  const ask = (more) => get(`/api/v1/runs/${run}/lines?${new URLSearchParams({ attempt, stream, ...more })}`);

  const keep = (page, lines, isWhole) => {
    kept.delete(page);
    kept.set(page, { lines, isWhole });
    while (kept.size > PAGES_MAX) kept.delete(kept.keys().next().value);
  };
  // A line with no end yet may grow: only what stands before the last line is settled.
  const take = (page, read) => keep(page, read.lines, read.lines.length === PAGE && read.total > (page + 1) * PAGE);
  const fetchPage = async (page) => {
    if (asked.has(page) || asked.size >= 4) return;
    asked.add(page);
    try {
      const read = await ask({ from: page * PAGE, count: PAGE });
      take(page, read);
      isLost = false;
    } catch (error) {
      isLost = true;
      say(error.message);
    } finally {
      asked.delete(page);
    }
    if (!isLost) { drawn = ""; draw(); }
  };
  const line = (number) => kept.get(Math.floor(number / PAGE))?.lines[number % PAGE];

  const seen = () => Math.ceil(log.clientHeight / ROW) + 1;
  // Lines above the first one when the end is in view; where lines are wrapped any line may be the first.
  const above = () => (wrap.checked ? Math.max(0, total - 1) : Math.max(0, total - log.clientHeight / ROW));
  const room = () => space.clientHeight - log.clientHeight;

  // The text of a line, what was sought in it marked.
  const put = (row, text) => {
    for (const [classes, part] of ansi.parts(text)) {
      const span = document.createElement("span");
      if (classes) span.className = classes;
      const pieces = sought ? part.split(sought) : [part];
      pieces.slice(0, 200).forEach((piece, number) => {
        if (number > 0) { const mark = document.createElement("mark"); mark.textContent = sought; span.append(mark); }
        span.append(piece);
      });
      row.append(span);
    }
  };
  const rowOf = (number) => {
    const row = document.createElement("div"), link = document.createElement("a"), text = document.createElement("code");
    row.className = number === hit ? "row hit" : "row";
    link.href = `#L${number + 1}`;
    link.textContent = number + 1;
    // Each line would be one more stop of the tab key; the address line and Find take people to a line as well.
    link.tabIndex = -1;
    link.setAttribute("aria-label", `Link to line ${number + 1}`);
    const said = line(number);
    if (said === undefined) text.textContent = "…"; else put(text, said);
    row.append(link, text);
    return row;
  };

  const draw = () => {
    const ratio = room() > 0 ? Math.min(1, log.scrollTop / room()) : 0;
    const top = ratio * above(), first = Math.floor(top);
    const last = Math.min(total, first + seen());
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page += 1) {
      const known = kept.get(page);
      const needed = Math.min(total - page * PAGE, PAGE);
      if (!known || (!known.isWhole && known.lines.length < needed)) fetchPage(page);
    }
    const key = `${first} ${last} ${hit} ${sought} ${wrap.checked} ${kept.size} ${log.clientWidth}`;
    if (key !== drawn) {
      drawn = key;
      const rows = [];
      for (let number = first; number < last; number += 1) rows.push(rowOf(number));
      block.replaceChildren(...rows);
    }
    const shift = wrap.checked ? (ratio >= 1 ? Math.max(0, block.offsetHeight - log.clientHeight) : 0) : (top - first) * ROW;
    block.style.top = `${log.scrollTop - shift}px`;
  };

  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  const measure = () => {
    const lines = wrap.checked ? total + log.clientHeight / ROW : total;
    space.style.height = `${Math.max(Math.min(lines * ROW, HEIGHT_MAX), total ? log.clientHeight : 0)}px`;
  };

  // Asks for what stands at the end: how many there are, and the newest of them at once.
  const look = async () => {
    const page = Math.floor(Math.max(0, total - 1) / PAGE);
    try {
      let read = await ask({ from: page * PAGE, count: PAGE });
      const old = kept.get(page);
      const isNew = read.total !== total || !old || old.lines.at(-1) !== read.lines.at(-1);
      take(page, read);
      if (isLost) { isLost = false; say("Connected again"); drawn = ""; }
      if (isNew) {
        const stays = !follow.checked && room() > 0 ? (log.scrollTop / room()) * above() : null;
        if (read.total !== total) grewAt = Date.now();
        total = read.total;
        const end = Math.floor(Math.max(0, total - 1) / PAGE);
        if (end !== page && follow.checked) take(end, read = await ask({ from: end * PAGE, count: PAGE }));
        measure();
        $("#lines").textContent = total === 1 ? "1 line" : `${total.toLocaleString("en")} lines`;
        // Where heights are scaled, a longer log would move what is looked at.
        if (follow.checked) toEnd();
        else if (stays !== null && total * ROW > HEIGHT_MAX && above() > 0) log.scrollTop = (stays / above()) * room();
        drawn = "";
      }
      draw();
    } catch (error) {
      if (!isLost) say(error.message);
      isLost = true;
    }
  };
  const again = async () => {
    if (!document.hidden) await look();
    setTimeout(again, Date.now() - grewAt < 10_000 ? 150 : 1_000);
  };

  const go = (number) => {
    follow.checked = false;
    hit = number;
    const top = Math.max(0, Math.min(wrap.checked ? number : number - seen() / 2, above()));
    log.scrollTop = above() > 0 ? (top / above()) * room() : 0;
    drawn = "";
    draw();
  };
  const wanted = () => { const found = /^#L(\d{1,12})$/.exec(location.hash); return found ? Number(found[1]) - 1 : null; };

  let isDrawing = false;
  log.addEventListener("scroll", () => {
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(() => { isDrawing = false; draw(); });
  });
  // Who goes up wants to read there; who goes to the end wants to stay at it.
  log.addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
  log.addEventListener("keydown", (event) => {
    if (["PageUp", "ArrowUp", "Home"].includes(event.key)) follow.checked = false;
    if (event.key === "End") { follow.checked = true; toEnd(); }
  });
  log.addEventListener("pointerdown", () => { if (room() > 0 && log.scrollTop < room() - ROW) follow.checked = false; });
  follow.addEventListener("change", () => { if (follow.checked) { toEnd(); draw(); } });
  wrap.addEventListener("change", () => {
    log.classList.toggle("wrapped", wrap.checked);
    measure();
    drawn = "";
    if (hit >= 0) go(hit); else { if (follow.checked) toEnd(); draw(); }
  });
  addEventListener("hashchange", () => { const number = wanted(); if (number !== null && number < total) go(number); });
  addEventListener("resize", () => { measure(); drawn = ""; draw(); });

  $(".find").addEventListener("submit", async (event) => {
    event.preventDefault();
    const find = event.target.find.value;
    if (find !== sought) { sought = find; drawn = ""; draw(); }
    if (!find) return;
    try {
      let read = await ask({ from: hit + 1, count: 1, find });
      const isAround = !read.lines.length && hit >= 0;
      if (isAround) read = await ask({ from: 0, count: 1, find });
      if (!read.lines.length) { say(`“${find}” is nowhere in the log`); return; }
      go(read.from);
      history.replaceState(null, "", `#L${read.from + 1}`);
      say(isAround ? `Line ${read.from + 1}, from the top again` : `Line ${read.from + 1}`);
    } catch (error) { say(error.message); }
  });

  $("[data-copy]").addEventListener("click", async () => {
    try {
      const from = Math.max(0, total - COPY_MAX), lines = [];
      while (from + lines.length < total) {
        const read = await ask({ from: from + lines.length, count: Math.min(2_000, total - from - lines.length) });
        if (!read.lines.length) break;
        lines.push(...read.lines.map(ansi.text));
      }
      await navigator.clipboard.writeText(`${lines.join("\n")}\n`);
      say(from ? `Copied the last ${lines.length.toLocaleString("en")} lines; Save has all` : `Copied ${lines.length.toLocaleString("en")} lines`);
    } catch (error) { say(`Not copied: ${error.message}`); }
  });

  const begin = async () => {
    if (wanted() !== null) follow.checked = false;
    await look();
    const number = wanted();
    if (number !== null && number < total) go(number);
    setTimeout(again, 200);
  };
  begin();
})();
