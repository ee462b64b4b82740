//! The plan as lines for a terminal, at most 80 columns wide, without colour.

use crate::plan::{
    draw::{
        escape::{clip, visible, width},
        words,
    },
    types::{Plan, PlanInput, StepIx},
};

/// The widest line.
const COLUMNS: usize = 80;
/// Lines begin at most so far to the right; deeper steps are cut on the left.
const INDENT_MAX: usize = 36;
/// Needs shown one by one.
const NEEDS_MAX: usize = 12;

/// Draws the plan as a tree: each step with its kind, needs (marked implied, declared or inferred), gates, prompt or
/// command, and limits.
#[must_use]
pub fn tree(plan: &Plan) -> String {
    let mut drawing = Drawing { plan, text: String::new() };
    drawing.head();
    drawing.body(&plan.roots, "");
    for (name, value) in &plan.outputs {
        let value = value.value.as_str().map_or_else(|| value.value.to_string(), str::to_owned);
        drawing.line("", &format!("output {} = {}", visible(name), visible(&value)));
    }
    drawing.text
}

struct Drawing<'p> {
    plan: &'p Plan,
    text: String,
}

fn input(input: &PlanInput) -> String {
    let kind = input.schema.get("type").and_then(|kind| kind.as_str()).unwrap_or("any");
    let name = visible(&input.name);
    match &input.default {
        Some(default) => format!("{name}: {kind} = {}", visible(&default.to_string())),
        None if input.required => format!("{name}: {kind}, required"),
        None => format!("{name}: {kind}"),
    }
}

impl Drawing<'_> {
    fn line(&mut self, prefix: &str, text: &str) {
        let deep = width(prefix).saturating_sub(INDENT_MAX);
        let prefix = if deep > 0 {
            format!("…{}", prefix.chars().skip(deep + 1).collect::<String>())
        } else {
            prefix.to_owned()
        };
        let line = format!("{prefix}{}", clip(text, COLUMNS - width(&prefix)));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn head(&mut self) {
        let plan = self.plan;
        self.line("", &format!("workflow {}", visible(&plan.name)));
        if !plan.description.is_empty() {
            self.line("", &format!("  {}", crate::plan::draw::escape::first_line(&plan.description)));
        }
        for one in &plan.inputs {
            self.line("", &format!("  input {}", input(one)));
        }
        self.line("", &format!("  budget {}", words::budget(&plan.budget)));
        for line in words::estimate(plan) {
            self.line("", &format!("  {line}"));
        }
        if let Some(trust) = words::trust(plan) {
            self.line("", &format!("  {trust}"));
        }
        let mut limits: Vec<String> =
            plan.limits.parallel.map(|parallel| format!("{parallel} at once")).into_iter().collect();
        limits.extend(
            plan.limits.per_runtime.iter().map(|(runtime, count)| format!("{} on {}", count, visible(runtime))),
        );
        if !limits.is_empty() {
            self.line("", &format!("  limits {}", limits.join(", ")));
        }
    }

    fn body(&mut self, body: &[StepIx], prefix: &str) {
        for (place, ix) in body.iter().enumerate() {
            let last = place + 1 == body.len();
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let step = self.plan.step(*ix);
            self.line(
                &format!("{prefix}{branch}"),
                &format!("{}: {}", visible(&step.id), words::kind(self.plan, step)),
            );
            let inside = format!("{prefix}{below}");
            let children = step.work.children();
            let rail = if children.is_empty() { "  " } else { "│ " };
            self.details(*ix, &format!("{inside}{rail}"));
            self.body(children, &inside);
        }
    }

    fn details(&mut self, ix: StepIx, prefix: &str) {
        let plan = self.plan;
        let step = plan.step(ix);
        if let Some(text) = words::text(step) {
            self.line(prefix, &text);
        }
        if let Some(text) = words::danger(step) {
            self.line(prefix, text);
        }
        if !step.needs.is_empty() {
            let needs = words::needs(plan, &step.needs[..step.needs.len().min(NEEDS_MAX)]);
            let join = words::join(step.join).map_or(String::new(), |join| format!("{join} "));
            let more = step.needs.len().saturating_sub(NEEDS_MAX);
            let mut parts = needs;
            parts.extend((more > 0).then(|| format!("and {more} more")));
            self.wrapped(prefix, &format!("needs {join}"), &parts);
        }
        if let Some(when) = &step.when {
            self.line(prefix, &format!("when {}", crate::plan::draw::escape::first_line(&when.text)));
        }
        for gate in &step.gates {
            self.line(prefix, &format!("gate {}", words::gate(plan, gate)));
        }
        if let Some(fail) = words::gate_fail(plan, step) {
            self.line(prefix, &format!("     {fail}"));
        }
        for line in
            words::activated(plan, step).into_iter().chain(words::servers(plan, step)).chain(words::secrets(plan, step))
        {
            self.line(prefix, &line);
        }
        for fix in [false, true] {
            if let Some(line) = words::attempt_estimate(plan, ix, fix) {
                self.line(prefix, &line);
            }
        }
        let limits = words::limits(plan, step);
        if !limits.is_empty() {
            self.wrapped(prefix, "", &limits);
        }
    }

    /// Parts with commas, on as many lines as they need.
    fn wrapped(&mut self, prefix: &str, title: &str, parts: &[String]) {
        let room = COLUMNS - width(prefix).min(INDENT_MAX);
        let indent = " ".repeat(width(title));
        let mut line = title.to_owned();
        let mut empty = true;
        for (place, part) in parts.iter().enumerate() {
            let comma = if place + 1 < parts.len() { "," } else { "" };
            let part = format!("{part}{comma}");
            if !empty && width(&line) + 1 + width(&part) > room {
                self.line(prefix, &line);
                line.clone_from(&indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(&part);
            empty = false;
        }
        self.line(prefix, &line);
    }
}
