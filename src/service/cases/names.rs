//! What a case names: steps, agents that mend, gates. A name that the plan has not is a fault with a suggestion.

use crate::{
    base::{Code, Diagnostic, Spanned, did_you_mean},
    definition::{
        cases::{Case, CaseFile, Stub, Verdict},
        workflow::ThenFail,
    },
    driver::complete_inputs,
    plan::{Plan, PlanGate, PlanStep, StepIx, Work},
};

/// The code of a case that does not fit its workflow.
const CASE: Code = Code("E0578");

/// What a key of a case stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A step.
    Step(StepIx),
    /// The agent that mends what the gates of a step have found.
    Fixer(StepIx),
    /// A gate of a step, by its place.
    Gate(StepIx, usize),
}

/// The step of a path as the plan has it: without the items of an `each` and the rounds of a `loop`.
pub(super) fn static_path(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut depth = 0usize;
    let mut round = false;
    for letter in path.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '#' => round = true,
            _ if round && letter.is_ascii_digit() => {}
            _ => {
                round = false;
                plain.push(letter);
            }
        }
    }
    plain
}

fn step(plan: &Plan, path: &str) -> Option<StepIx> {
    let place = plan.steps.iter().position(|step| step.path == path)?;
    u32::try_from(place).ok().map(StepIx)
}

/// What a key names.
pub(super) fn named(plan: &Plan, key: &str) -> Option<Named> {
    if let Some(step) = step(plan, key) {
        return Some(Named::Step(step));
    }
    if let Some(found) = key.strip_suffix("@fix").and_then(|path| step(plan, path)) {
        return plan.step(found).on_gate_fail.fixer.is_some().then_some(Named::Fixer(found));
    }
    let (path, gate) = key.rsplit_once('/')?;
    let found = step(plan, path)?;
    let gates = &plan.step(found).gates;
    let commands: Vec<usize> = (0..gates.len()).filter(|place| is_command(&gates[*place])).collect();
    let place = match (gate.strip_prefix("gate")?, commands.as_slice(), gates.len()) {
        // Without a number it is the only one.
        ("", [only], _) => *only,
        ("", _, 1) => 0,
        (number, ..) => number.parse::<usize>().ok()?.checked_sub(1)?,
    };
    (place < gates.len()).then_some(Named::Gate(found, place))
}

fn is_command(gate: &PlanGate) -> bool {
    matches!(gate, PlanGate::Run { .. })
}

/// All faults of a file of cases against what it tests.
pub(super) fn faults(file: &CaseFile, plan: &Plan) -> Vec<Diagnostic> {
    file.cases.iter().flat_map(|case| Checker { file, plan, found: Vec::new() }.check(case)).collect()
}

struct Checker<'a> {
    file: &'a CaseFile,
    plan: &'a Plan,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn check(mut self, case: &Case) -> Vec<Diagnostic> {
        if let Err(fault) = complete_inputs(&self.plan.inputs, case.inputs.value.clone()) {
            let at = Spanned::new(String::new(), case.inputs.span);
            self.fault(
                &at,
                fault,
                "the run could not start",
                format!("`orch show {}` lists the inputs", self.plan.name),
            );
        }
        for (key, stubs) in &case.stubs {
            match named(self.plan, &key.value) {
                Some(named) => stubs.iter().for_each(|stub| self.stub(key, named, stub)),
                None => self.unknown(key, true),
            }
        }
        for (key, _) in &case.approvals_of {
            match named(self.plan, &key.value) {
                Some(Named::Step(ix)) if asks(self.plan.step(ix)) => {}
                Some(_) => {
                    let help = "leave it out: approvals are of steps that ask a person";
                    self.fault(key, format!("nobody is asked about `{}`", key.value), "it asks nothing", help);
                }
                None => self.unknown(key, false),
            }
        }
        let expect = &case.expect;
        for key in expect.steps.iter().map(|(key, _)| key).chain(expect.attempts.iter().map(|(key, _)| key)) {
            if step(self.plan, &static_path(&key.value)).is_none() {
                self.unknown(key, false);
            }
        }
        for (key, _) in &expect.gates {
            match named(self.plan, &static_path(&key.value)) {
                Some(Named::Gate(..)) => {}
                Some(Named::Step(ix) | Named::Fixer(ix)) if !self.plan.step(ix).gates.is_empty() => {}
                Some(_) => {
                    let help = "expect it under `steps:`";
                    self.fault(key, format!("`{}` has no gate", key.value), "nothing judges it", help);
                }
                None => self.unknown(key, true),
            }
        }
        for name in expect.outputs.keys() {
            if !self.plan.outputs.iter().any(|(output, _)| output == name) {
                let at = Spanned::new(String::new(), case.name.span);
                let outputs = self.plan.outputs.iter().map(|(output, _)| output.as_str());
                let help = advice(name, outputs.collect(), "its outputs are");
                self.fault(&at, format!("`{}` has no output `{name}`", self.plan.name), "this case expects it", help);
            }
        }
        self.found
    }

    fn fault(&mut self, at: &Spanned<String>, message: String, cause: &str, help: impl Into<String>) {
        self.found.push(Diagnostic::error(CASE, &self.file.source, at.span, message).cause(cause).help(help));
    }

    fn unknown(&mut self, key: &Spanned<String>, with_gates: bool) {
        let mut names: Vec<String> = Vec::new();
        for step in &self.plan.steps {
            names.push(step.path.clone());
            if with_gates && step.on_gate_fail.fixer.is_some() {
                names.push(format!("{}@fix", step.path));
            }
            if with_gates {
                names.extend((1..=step.gates.len()).map(|place| format!("{}/gate{place}", step.path)));
            }
        }
        let shown: String = key.value.chars().take(100).collect();
        let help = advice(&shown, names.iter().map(String::as_str).collect(), "its steps are");
        self.fault(
            key,
            format!("`{}` has no step `{shown}`", self.plan.name),
            "it would change and prove nothing",
            help,
        );
    }

    /// Whether an answer is one that this step or gate can give.
    fn stub(&mut self, key: &Spanned<String>, named: Named, stub: &Stub) {
        let (what, keys): (&str, &[&str]) = match named {
            Named::Fixer(_) => ("an agent", &["output", "text", "summary", "writes", "fail"]),
            Named::Gate(ix, place) if self.plan.step(ix).gates[place].judge().is_some() => {
                ("a judge", &["output", "fail"])
            }
            Named::Gate(ix, place) => {
                if !is_command(&self.plan.step(ix).gates[place]) {
                    let help = "change what it looks at: the output or the files of the step, or `approvals:`";
                    self.fault(
                        key,
                        format!("gate {} of this step runs no command", place + 1),
                        "it judges for real",
                        help,
                    );
                    return;
                }
                ("a gate", &["exit", "stdout", "output"])
            }
            Named::Step(ix) => match &self.plan.step(ix).work {
                Work::Agent(_) => ("an agent", &["output", "text", "summary", "writes", "fail"]),
                Work::Run { .. } => ("a command", &["exit", "stdout", "output", "writes"]),
                Work::Ask { .. } => ("a form", &["output"]),
                other => {
                    let (message, help) = if other.is_container() {
                        ("holds other steps and answers nothing itself", "stub the steps inside, or its gates")
                    } else {
                        ("answers nothing", "`approvals:` says what a person answers")
                    };
                    self.fault(key, format!("`{}` {message}", key.value), "no agent and no command", help);
                    return;
                }
            },
        };
        if stub.verdict == Some(Verdict::Error) && !matches!(what, "a gate" | "a judge") {
            let help = "write `fail`, or a mapping that says how it fails";
            self.fault(
                &Spanned::new(String::new(), stub.span),
                format!("{what} cannot answer `error`"),
                "a gate can",
                help,
            );
        }
        for written in stub.keys.iter().filter(|written| !keys.contains(&written.value.as_str())) {
            let help = format!("{what} answers with: {}", keys.join(" "));
            self.fault(written, format!("`{}` means nothing for {what}", written.value), "nothing would read it", help);
        }
    }
}

fn asks(step: &PlanStep) -> bool {
    matches!(step.work, Work::Approve { .. } | Work::Ask { .. })
        || step.on_gate_fail.then == ThenFail::Ask
        || step.gates.iter().any(|gate| matches!(gate, PlanGate::Approve { .. }))
}

fn advice(word: &str, names: Vec<&str>, otherwise: &str) -> String {
    match did_you_mean(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "it has none".to_owned(),
        None => {
            let few: Vec<&str> = names.iter().copied().filter(|name| !name.contains("/gate")).take(12).collect();
            format!("{otherwise}: {}", few.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_rounds_are_no_part_of_a_step() {
        for (path, plain) in
            [("a", "a"), ("a[x/y]/b", "a/b"), ("polish#12/improve", "polish/improve"), ("a[1]#2/b", "a/b")]
        {
            assert_eq!(static_path(path), plain);
        }
    }
}
