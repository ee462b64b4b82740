// Keeps `#live` of a page as new as its stream says: the server draws it, and what a person has begun in it stays.
"use strict";
(() => {
  const { $, say, page, listen, isTyping } = orch;
  const NAMES = ["requirement_submitted", "task_completed", "decision_needed", "status_update", "reset"];
  const CHOSEN = "a, button, input, textarea, select, summary, [tabindex]";
  // How long a page stands still after it was renewed: longer where drawing it costs much.
  const PAUSE = Number(document.body.dataset.pause);
  let asked = false, pending = false, events = null;

  // What an element is, so that its like is found in a newer page. What belongs to a question is never taken for a part of
  // another one.
  const mark = (element) => {
    const own = element.dataset, question = element.closest(".item")?.dataset ?? {};
    return [element.tagName, element.id, element.getAttribute("href"), element.name, own.decision, own.do, own.run, question.run, question.step, question.subject].join("|");
  };
  orch.mark = mark;
  const placeOf = (element, root) => {
    const name = mark(element);
    return { name, at: [...root.querySelectorAll(CHOSEN)].filter((other) => mark(other) === name).indexOf(element) };
  };
  const at = (place, root) => [...root.querySelectorAll(CHOSEN)].filter((other) => mark(other) === place.name)[place.at];

  // What was typed, chosen, opened and scrolled.
  const carry = (old, fresh) => {
    for (const field of old.querySelectorAll("input, textarea, select")) {
      if (field.tagName !== "SELECT" && field.value === field.defaultValue && field.checked === field.defaultChecked) continue;
      const like = at(placeOf(field, old), fresh);
      if (!like) continue;
      if (field.type === "checkbox") like.checked = field.checked; else like.value = field.value;
    }
    for (const summary of old.querySelectorAll("details[open] > summary")) {
      const like = at(placeOf(summary, old), fresh);
      if (like) like.parentElement.open = true;
    }
  };

  const swap = (fresh) => {
    const old = $("#live");
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const place = focused && placeOf(focused, old);
    carry(old, fresh);
    const tops = [...old.querySelectorAll("pre")].map((text) => text.scrollTop);
    old.replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll("pre").forEach((text, number) => { if (tops[number]) text.scrollTop = tops[number]; });
    if (focused) {
      // Whoever has no place any more stands at the beginning: never nowhere, and never at a question that they did not choose.
      (at(place, fresh) ?? $("#main")).focus({ preventScroll: true });
    }
    document.dispatchEvent(new Event("orch:fresh"));
  };

  const refresh = async () => {
    if (asked || document.hidden) { pending = true; return; }
    const old = $("#live");
    // Nothing moves under the hands of somebody who types.
    if (!old || (old.contains(document.activeElement) && isTyping(document.activeElement))) { pending = true; return; }
    asked = true;
    pending = false;
    try {
      const newer = await page(location.href);
      const fresh = newer?.getElementById("live");
      if (fresh && isTyping(document.activeElement) && $("#live").contains(document.activeElement)) pending = true;
      else if (fresh) {
        swap(fresh);
        const [nav, other] = [$(".bar nav"), newer.querySelector(".bar nav")];
        if (nav && other && !nav.contains(document.activeElement) && nav.textContent !== other.textContent) nav.replaceWith(document.adoptNode(other));
        follow(newer.body.dataset.live);
      }
    } catch {
      // The stream comes again, and asks for the page again.
    } finally {
      setTimeout(() => { asked = false; if (pending) refresh(); }, PAUSE);
    }
  };

  // Listens while the page says that there is something to come.
  const follow = (path) => {
    if (!path) { events?.close(); events = null; return; }
    events ??= listen(path, NAMES, (_, name) => {
      refresh();
      if (name === "decision_needed") say("A decision is needed");
    }, refresh);
  };

  document.addEventListener("visibilitychange", () => { if (!document.hidden && pending) refresh(); });
  document.addEventListener("focusout", () => setTimeout(() => { if (pending && !asked) refresh(); }));
  follow(document.body.dataset.live);
  orch.refresh = refresh;
})();
