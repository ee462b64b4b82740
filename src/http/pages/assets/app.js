// The dashboard's only script: keeps pages live, sends decisions, shows long logs. No text of a run is ever taken for markup:
// parts of pages come whole and escaped from the server, everything else is put in as text.
"use strict";
(() => {
  const own = globalThis.trustedTypes
    ? trustedTypes.createPolicy("orch", { createHTML: (text) => text })
    : { createHTML: (text) => text };
  const csrf = document.querySelector("meta[name=csrf]").content;
  const $ = (selector, root = document) => root.querySelector(selector);
  const say = (text) => { $("#say").textContent = text; };

  const post = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Orch-CSRF": csrf },
      body: JSON.stringify(body),
    });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(`${told.detail || answer.status}. ${told.help || ""}`);
    return told;
  };

  // --- live parts: the server draws them, the stream says when they are old.
  let asked = false, pending = false;
  const refresh = async () => {
    if (asked) { pending = true; return; }
    asked = true;
    try {
      const answer = await fetch(location.href);
      if (answer.ok) {
        const page = new DOMParser().parseFromString(own.createHTML(await answer.text()), "text/html");
        const [old, fresh] = [$("#live"), page.getElementById("live")];
        // Nothing moves under the hands of somebody who types.
        const typing = old.contains(document.activeElement) && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
        const focus = document.activeElement?.closest?.("[id]")?.id;
        if (fresh && !typing) { old.replaceWith(document.adoptNode(fresh)); if (focus) document.getElementById(focus)?.focus?.(); }
      }
    } finally {
      setTimeout(() => { asked = false; if (pending) { pending = false; refresh(); } }, 250);
    }
  };
  const live = document.body.dataset.live;
  if (live) {
    const events = new EventSource(live);
    for (const name of ["requirement_submitted", "task_completed", "decision_needed", "status_update", "reset"]) {
      events.addEventListener(name, (event) => {
        refresh();
        if (name === "decision_needed") say("A decision is needed");
      });
    }
  }

  // --- values of a form, each as its kind.
  const values = (form) => {
    const given = {};
    for (const field of form.querySelectorAll("[data-kind]")) {
      const kind = field.dataset.kind;
      if (kind === "boolean") given[field.name] = field.checked;
      else if (field.value === "") continue;
      else if (kind === "integer" || kind === "number") given[field.name] = Number(field.value);
      else if (kind === "array" || kind === "object") given[field.name] = JSON.parse(field.value);
      else given[field.name] = field.value;
    }
    return given;
  };

  const decide = async (form, decision, comments) => {
    const body = { run: form.dataset.run, decision };
    if (form.dataset.step) body.step = form.dataset.step;
    if (form.dataset.subject) body.subject = form.dataset.subject;
    const comment = form.comment?.value.trim();
    if (comment && decision !== "approve") body.comment = comment;
    if (comments) body.comments = comments;
    const fields = values(form);
    if (decision === "approve" && Object.keys(fields).length) body.fields = fields;
    if (["retry", "done", "failed"].includes(decision)) delete body.subject;
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    try {
      const told = await post("/api/v1/decisions", body);
      say(`${told.done}: ${told.run}`);
      document.activeElement?.blur();
      if (document.body.dataset.view === "diff") location.href = `/runs/${body.run}`; else refresh();
    } catch (error) {
      say(error.message);
      for (const button of form.querySelectorAll("button")) button.disabled = false;
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches(".decide, .review")) { event.preventDefault(); return; }
    if (form.matches(".start")) {
      event.preventDefault();
      post("/api/v1/runs", { name: form.dataset.name, project: form.dataset.project, inputs: values(form) })
        .then((told) => { location.href = `/runs/${told.run}`; }, (error) => say(error.message));
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) {
      post(`/api/v1/runs/${button.dataset.run}/${button.dataset.do}`, {}).then((told) => { say(told.done); refresh(); }, (error) => say(error.message));
    } else if (button.matches(".comment")) {
      comment(button.closest("tr"));
    } else if (button.dataset.decision) {
      event.preventDefault();
      const form = button.closest("form");
      decide(form, button.dataset.decision, form.matches(".review") ? gather() : undefined);
    }
  });

  // --- comments on lines of a difference.
  const comment = (row) => {
    let box = row.nextElementSibling?.matches(".note") ? row.nextElementSibling : null;
    if (!box) {
      box = document.createElement("tr");
      box.className = "note";
      const cell = box.insertCell();
      cell.colSpan = 3;
      const text = document.createElement("textarea");
      text.rows = 2;
      text.setAttribute("aria-label", `Comment on line ${row.dataset.line} of ${row.dataset.path}`);
      text.addEventListener("input", count);
      cell.append(text);
      Object.assign(box.dataset, row.dataset);
      row.after(box);
    }
    $("textarea", box).focus();
  };
  const gather = () => [...document.querySelectorAll(".note")].map((box) => ({
    path: box.dataset.path, line: Number(box.dataset.line), side: box.dataset.side, comment: $("textarea", box).value.trim(),
  })).filter((one) => one.comment);
  const count = () => {
    const all = gather().length;
    $("#commented").textContent = all;
    $(".review button").disabled = all === 0;
  };

  // --- keys: j k a r c p, and / to find.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) { if (event.key === "Escape") event.target.blur(); return; }
    const items = [...document.querySelectorAll(".item")];
    const at = items.indexOf(document.activeElement?.closest(".item"));
    const here = items[at] || $(".ask");
    const press = (decision) => { const button = here && $(`[data-decision=${decision}]`, here); if (button) { event.preventDefault(); button.click(); } };
    switch (event.key) {
      case "j": items[Math.min(at + 1, items.length - 1)]?.focus(); break;
      case "k": items[Math.max(at - 1, 0)]?.focus(); break;
      case "Enter": if (at >= 0 && event.target === items[at]) location.href = items[at].dataset.open; break;
      case "a": press("approve"); break;
      case "r": press("reject"); break;
      case "p": press("pushback"); break;
      case "c": { const box = here && $("textarea", here); if (box) { event.preventDefault(); box.focus(); } break; }
      case "/": { const box = $("input[type=search]"); if (box) { event.preventDefault(); box.focus(); } break; }
      default:
    }
  });

  // --- logs: only the lines that are seen are there; all others are a height.
  const log = $("#log");
  if (log) {
    const ROW = 20, MOST = 15_000_000, space = $(".space", log), { run, attempt, stream } = log.dataset;
    let total = 0, hit = -1, drawn = "", scale = 1;
    const ask = async (more) => {
      const query = new URLSearchParams({ attempt, stream, ...more });
      const answer = await fetch(`/api/v1/runs/${run}/lines?${query}`);
      if (!answer.ok) throw new Error((await answer.json()).detail);
      return answer.json();
    };
    const follow = $("input[name=follow]");
    const draw = async (force) => {
      const seen = Math.ceil(log.clientHeight / ROW) + 2;
      const first = Math.max(0, Math.min(Math.floor((log.scrollTop * scale) / ROW), Math.max(0, total - seen + 2)));
      const key = `${first} ${seen} ${total} ${hit}`;
      if (key === drawn && !force) return;
      drawn = key;
      const read = await ask({ from: Math.max(0, first - 20), count: Math.min(2000, seen + 40) });
      if (drawn !== key) return;
      const rows = read.lines.map((line, place) => {
        const number = read.from + place, row = document.createElement("div"), link = document.createElement("a");
        row.className = number === hit ? "row hit" : "row";
        row.style.top = `${log.scrollTop - (log.scrollTop * scale) % ROW + (number - first) * ROW}px`;
        link.href = `#L${number + 1}`;
        link.textContent = number + 1;
        row.append(link, line.replace(/\u001b\[[0-9;]*m/g, ""));
        return row;
      });
      space.replaceChildren(...rows);
    };
    const look = async () => {
      try {
        const read = await ask({ from: 0, count: 1 });
        const grown = read.total !== total;
        total = read.total;
        const height = Math.min(total * ROW, MOST);
        scale = height > 0 ? (total * ROW) / height : 1;
        space.style.height = `${height}px`;
        $("#lines").textContent = `${total.toLocaleString()} lines`;
        if (grown && follow.checked) log.scrollTop = log.scrollHeight;
        await draw(grown);
      } catch (error) { say(error.message); }
    };
    const go = (line) => { follow.checked = false; hit = line; log.scrollTop = (line * ROW) / scale - log.clientHeight / 2; draw(true); };
    const wanted = /^#L(\d+)$/.exec(location.hash);
    log.addEventListener("scroll", () => requestAnimationFrame(() => draw(false)));
    log.addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
    addEventListener("hashchange", () => { const line = /^#L(\d+)$/.exec(location.hash); if (line) go(Number(line[1]) - 1); });
    $(".find").addEventListener("submit", async (event) => {
      event.preventDefault();
      const find = event.target.find.value;
      if (!find) return;
      const read = await ask({ from: hit + 1, count: 1, find });
      if (read.lines.length) go(read.from); else { say("Not found below; the search begins at the top again"); hit = -1; }
    });
    look().then(() => { if (wanted) go(Number(wanted[1]) - 1); });
    setInterval(look, 1000);
  }
})();
