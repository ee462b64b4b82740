// Comments on the lines of a difference, gathered for one push-back. One line is in the order of the tab key; j, k and the
// arrows move it, so that nobody passes a thousand buttons.
"use strict";
(() => {
  if (document.body.dataset.view !== "diff") return;
  const { $, say } = orch;
  const buttons = [...document.querySelectorAll(".comment")];

  const boxes = () => [...document.querySelectorAll(".note")];
  orch.comments = () => boxes().map((box) => ({
    path: box.dataset.path, line: Number(box.dataset.line), side: box.dataset.side, comment: $("textarea", box).value.trim(),
  })).filter((one) => one.comment);
  // Where a person stands who leaves a box.
  orch.home = (field) => { const row = field.closest(".note")?.previousElementSibling; return row && $(".comment", row); };

  const count = () => {
    const all = orch.comments().length;
    $("#commented").textContent = all;
    $(".review button").disabled = all === 0;
  };

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

  let here = buttons[0];
  const choose = (button, isFocused) => {
    here.tabIndex = -1;
    here = button;
    here.tabIndex = 0;
    if (isFocused) here.focus();
  };
  if (here) here.tabIndex = 0;
  document.addEventListener("focusin", (event) => { if (event.target.matches(".comment")) choose(event.target, false); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".comment");
    if (button) comment(button.closest("tr"));
  });
  document.addEventListener("keydown", (event) => {
    if (!here || orch.isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const inside = document.activeElement === here;
    const at = buttons.indexOf(here);
    const to = (place) => { event.preventDefault(); choose(buttons[Math.max(0, Math.min(place, buttons.length - 1))], true); };
    if (event.key === "j" || (inside && event.key === "ArrowDown")) to(inside ? at + 1 : at);
    else if (event.key === "k" || (inside && event.key === "ArrowUp")) to(inside ? at - 1 : at);
    else if (inside && event.key === "Home") to(0);
    else if (inside && event.key === "End") to(buttons.length - 1);
    else if (event.key === "c") { event.preventDefault(); comment(here.closest("tr")); }
  });
  // Remarks that nobody has sent are not thrown away unasked.
  let isSent = false;
  document.addEventListener("click", (event) => { if (event.target.closest(".review button")) isSent = true; });
  addEventListener("beforeunload", (event) => { if (!isSent && orch.comments().length) { event.preventDefault(); say("Your comments were not sent"); } });
})();
