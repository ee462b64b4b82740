// What a person does: starts runs, decides, ends and repeats; by buttons and by keys.
"use strict";
(() => {
  const { $, say, post, isTyping } = orch;

  // Values of a form, each as its kind.
  const values = (form) => {
    const given = {};
    for (const field of form.querySelectorAll("[data-kind]")) {
      const kind = field.dataset.kind;
      if (kind === "boolean") given[field.name] = field.checked;
      else if (field.value === "") continue;
      else if (kind === "integer" || kind === "number") given[field.name] = Number(field.value);
      else if (kind === "array" || kind === "object") {
        try { given[field.name] = JSON.parse(field.value); } catch { throw new Error(`${field.name} is no JSON: ${kind} expected.`); }
      } else given[field.name] = field.value;
    }
    return given;
  };

  const body = (form, decision, comments) => {
    const said = { run: form.dataset.run, decision };
    if (form.dataset.step) said.step = form.dataset.step;
    if (form.dataset.subject && !["retry", "done", "failed"].includes(decision)) said.subject = form.dataset.subject;
    const comment = form.comment?.value.trim();
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

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches(".decide, .review")) { event.preventDefault(); return; }
    if (!form.matches(".start")) return;
    event.preventDefault();
    const start = async () => post("/api/v1/runs", { name: form.dataset.name, project: form.dataset.project, inputs: values(form) });
    start().then((told) => { location.href = `/runs/${told.run}`; }, (error) => say(error.message));
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
      decide(form, button.dataset.decision, form.matches(".review") ? orch.comments() : undefined);
    }
  });

  // Keys: j k move, a r p decide, c comments, / finds. With several questions one must be chosen first: nobody decides about
  // what they did not look at.
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
    const items = [...document.querySelectorAll(".item")];
    const at = items.indexOf(document.activeElement?.closest(".item"));
    const here = items[at] ?? (items.length === 1 ? items[0] : null) ?? $(".review");
    const move = (to) => { if (items.length) { event.preventDefault(); items[to].focus(); } };
    const focus = (field) => { if (field) { event.preventDefault(); field.focus(); } };
    switch (event.key) {
      case "j": move(Math.min(at + 1, items.length - 1)); break;
      case "k": move(Math.max(at - 1, 0)); break;
      case "Enter": if (at >= 0 && event.target === items[at] && items[at].dataset.open) location.href = items[at].dataset.open; break;
      case "a": press(event, here, items, "approve"); break;
      case "r": press(event, here, items, "reject"); break;
      case "p": press(event, here, items, "pushback"); break;
      case "c": focus(here && $("textarea", here)); break;
      case "/": focus($("input[type=search]")); break;
      default:
    }
  });
})();
