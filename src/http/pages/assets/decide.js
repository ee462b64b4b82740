// What a person does: starts runs, decides, ends and repeats; by buttons and by keys.
"use strict";
(() => {
  const { $, say, post, isTyping } = orch;

  // A field hides what its form has of the same name. So the names that definitions give stand behind `in.`, and of a form only
  // its attributes are read.
  const NAME = "in.";
  const of = (form, name) => Element.prototype.getAttribute.call(form, `data-${name}`);
  const is = (form, selector) => Element.prototype.matches.call(form, selector);

  // Values of a form, each as its kind.
  const values = (form) => {
    const given = {};
    for (const field of form.querySelectorAll("[data-kind]")) {
      const kind = field.dataset.kind, name = field.name.slice(NAME.length);
      if (kind === "boolean") given[name] = field.checked;
      else if (field.value === "") continue;
      else if (kind === "integer" || kind === "number") given[name] = Number(field.value);
      else if (kind === "array" || kind === "object") {
        try { given[name] = JSON.parse(field.value); } catch { throw new Error(`${name} is no JSON: ${kind} expected.`); }
      } else given[name] = field.value;
    }
    return given;
  };

  const body = (form, decision, comments) => {
    const said = { run: of(form, "run"), decision };
    const [step, subject] = [of(form, "step"), of(form, "subject")];
    if (step) said.step = step;
    if (subject && !["retry", "done", "failed"].includes(decision)) said.subject = subject;
    const comment = $("textarea[name=comment]", form)?.value.trim();
    if (comment) said.comment = comment;
    if (comments) said.comments = comments;
    const fields = values(form);
    if (decision === "approve" && Object.keys(fields).length) said.fields = fields;
    return said;
  };

  const decide = async (form, decision, comments) => {
    const buttons = [...form.querySelectorAll("button")];
    try {
      const said = body(form, decision, comments);
      for (const button of buttons) button.disabled = true;
      const told = await post("/api/v1/decisions", said);
      say(`${told.done}: ${told.run}`);
      if (document.body.dataset.view === "diff") { location.href = `/runs/${said.run}`; return; }
      // The form has done its work: what was typed in it holds nothing up any more.
      if (isTyping(document.activeElement)) (form.closest(".item") ?? $("#main")).focus();
      orch.refresh();
    } catch (error) {
      say(error.message);
      for (const button of buttons) button.disabled = false;
    }
  };
  orch.decide = decide;

  // What a form of this page starts is one run, however often it is sent.
  const keys = new Map();
  const chance = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const start = async (form) => {
    const body = { name: of(form, "name"), project: of(form, "project") };
    const about = JSON.stringify(body), button = $("button", form);
    try {
      body.inputs = values(form);
      if (!keys.has(about)) keys.set(about, chance());
      button.disabled = true;
      const told = await post("/api/v1/runs", body, { "Idempotency-Key": keys.get(about) });
      location.href = `/runs/${told.run}`;
    } catch (error) {
      // What was refused has begun nothing; where no answer came, nobody knows.
      if (error.status >= 400 && error.status < 500) keys.delete(about);
      button.disabled = false;
      say(error.message);
    }
  };
  // A browser may keep the page as it was left.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    keys.clear();
    for (const button of document.querySelectorAll(".start button")) button.disabled = false;
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (is(form, ".decide, .review, .start")) event.preventDefault();
    if (is(form, ".start")) start(form);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) {
      post(`/api/v1/runs/${button.dataset.run}/${button.dataset.do}`, {})
        .then((told) => { say(told.done); orch.refresh(); }, (error) => say(error.message));
    } else if (button.dataset.decision) {
      event.preventDefault();
      const form = button.closest("form");
      decide(form, button.dataset.decision, is(form, ".review") ? orch.comments() : undefined);
    }
  });

  // Keys: j k move, a r p decide, c comments, / finds. With several questions one must be chosen first, and so must one that has
  // come since or that is left alone: nobody decides about what they did not look at.
  const found = [...document.querySelectorAll(".item")];
  const only = found.length === 1 ? orch.mark(found[0]) : null;
  const press = (event, here, items, decision) => {
    if (!here && items.length > 0) {
      items[0].focus();
      say("Choose with j and k, then press the key again");
      return;
    }
    const button = here && $(`[data-decision=${decision}]:not(:disabled)`, here);
    if (button) { event.preventDefault(); button.click(); }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") { event.preventDefault(); (event.target.closest(".item") ?? orch.home?.(event.target) ?? $("#main")).focus(); }
      return;
    }
    // A key that is held down does one thing.
    if (event.repeat && ["a", "r", "p"].includes(event.key)) return;
    const items = [...document.querySelectorAll(".item")];
    const at = items.indexOf(document.activeElement?.closest(".item"));
    const alone = items.length === 1 ? items[0] : null;
    const here = items[at] ?? (alone && orch.mark(alone) === only ? alone : null) ?? $(".review");
    const move = (to) => { if (items.length) { event.preventDefault(); items[to].focus(); } };
    const focus = (field) => { if (field) { event.preventDefault(); field.focus(); } };
    switch (event.key) {
      case "j": move(Math.min(at + 1, items.length - 1)); break;
      case "k": move(Math.max(at - 1, 0)); break;
      case "Enter": if (at >= 0 && event.target === items[at] && items[at].dataset.open) location.href = items[at].dataset.open; break;
      case "a": press(event, here, items, "approve"); break;
      case "r": press(event, here, items, "reject"); break;
      case "p": press(event, here, items, "pushback"); break;
      case "c": { const about = here ?? alone; focus(about && $("textarea", about)); break; }
      case "/": focus($("input[type=search]")); break;
      default:
    }
  });
})();
