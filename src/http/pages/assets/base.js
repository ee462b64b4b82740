// What the dashboard's scripts share. No text of a run is ever taken for markup: parts of pages come whole and escaped from
// the server, everything else is put in as text.
"use strict";
const orch = (() => {
  const policy = globalThis.trustedTypes
    ? trustedTypes.createPolicy("orch", { createHTML: (text) => text })
    : { createHTML: (text) => text };
  const csrf = document.querySelector("meta[name=csrf]").content;
  const $ = (selector, root = document) => root.querySelector(selector);

  // At most one sentence a second, so that a screen reader gets to the end of it; the last one counts. It covers what lies
  // below it, so it goes away by itself.
  let said = 0, next = null;
  const say = (text) => {
    clearTimeout(next);
    const put = () => {
      said = Date.now();
      $("#say").textContent = text;
      next = setTimeout(() => { $("#say").textContent = ""; }, 4_000 + text.length * 60);
    };
    next = setTimeout(put, Math.max(0, said + 1000 - Date.now()));
  };

  const get = async (path) => {
    const answer = await fetch(path);
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(`${told.detail || answer.status}. ${told.help || ""}`);
    return told;
  };

  const post = async (path, body, more = {}) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Orch-CSRF": csrf, ...more },
      body: JSON.stringify(body),
    });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(`${told.detail || answer.status}. ${told.help || ""}`), { status: answer.status });
    return told;
  };

  // A page of this server as a document that runs nothing.
  const page = async (path) => {
    const answer = await fetch(path);
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
  };

  const isTyping = (element) =>
    /^(TEXTAREA|SELECT)$/.test(element?.tagName) || (element?.tagName === "INPUT" && !/^(checkbox|radio|button)$/.test(element.type));

  // Events of these names, for as long as somebody sees the page: a hidden one gives its connection back, as a browser has six
  // to a server. `again` is called where some may have been missed. A browser that was refused asks no more, so this does, and
  // the page says that it is not live.
  const PAUSE_MAX = 60_000;
  const listen = (path, names, heard, again) => {
    const address = new URL(path, location.href);
    let events = null, timer = 0, pause = 1_000, isMissing = document.hidden, isOver = false;
    const stale = (text) => { $("#stale").textContent = text; };
    const close = () => { clearTimeout(timer); events?.close(); events = null; };
    const lost = async () => {
      close();
      stale("Not live: load the page again");
      const answer = await fetch("/api/v1/projects").catch(() => null);
      if (answer?.status === 401) { location.href = "/login"; return; }
      if (isOver || events) return;
      timer = setTimeout(open, pause);
      pause = Math.min(pause * 2, PAUSE_MAX);
    };
    const open = () => {
      close();
      if (isOver || document.hidden) return;
      events = new EventSource(address);
      events.addEventListener("open", () => {
        pause = 1_000;
        stale("");
        if (isMissing) again();
        isMissing = false;
      });
      events.addEventListener("error", () => {
        isMissing = true;
        if (events?.readyState === EventSource.CLOSED) lost();
      });
      for (const name of names) {
        events.addEventListener(name, (event) => {
          if (event.lastEventId) address.searchParams.set("after", event.lastEventId);
          heard(event, name);
        });
      }
    };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { isMissing = true; close(); } else open();
    });
    open();
    return { close: () => { isOver = true; close(); stale(""); } };
  };

  return { $, say, get, post, page, listen, isTyping };
})();
