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

  // A page of this server as a document that runs nothing.
  const page = async (path) => {
    const answer = await fetch(path);
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
  };

  const isTyping = (element) =>
    /^(TEXTAREA|SELECT)$/.test(element?.tagName) || (element?.tagName === "INPUT" && !/^(checkbox|radio|button)$/.test(element.type));

  return { $, say, get, post, page, isTyping };
})();
