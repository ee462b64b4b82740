//! The plan as a Mermaid flowchart.

use std::fmt::Write as _;

use crate::plan::{
    draw::{
        escape::{clip, mermaid as escaped, visible},
        words,
    },
    types::{EdgeKind, Plan, StepIx, Work},
};

/// The widest line of a label.
const COLUMNS: usize = 48;

/// Draws the plan as a Mermaid flowchart; implied edges are thin, declared ones thick, inferred ones dotted.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut text = String::from("flowchart TD\n");
    body(plan, &plan.roots, 1, &mut text);
    for (waits, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            let arrow = match need.edge {
                EdgeKind::Implied => "-->",
                EdgeKind::Declared => "==>",
                EdgeKind::Inferred => "-.->",
            };
            let _ = writeln!(text, "  s{} {arrow} s{waits}", need.step.0);
        }
    }
    text
}

fn body(plan: &Plan, steps: &[StepIx], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth.min(20));
    for ix in steps {
        let step = plan.step(*ix);
        let mut lines = vec![visible(&step.id), words::kind(plan, step)];
        lines.extend(words::text(step));
        lines.extend(step.gates.iter().map(|gate| format!("gate {}", words::gate(plan, gate))));
        let label: Vec<String> = lines.iter().map(|line| escaped(&clip(line, COLUMNS))).collect();
        let label = label.join("<br/>");
        let children = step.work.children();
        if children.is_empty() {
            let (open, close) = match &step.work {
                Work::Approve { .. } | Work::Ask { .. } => ("{{", "}}"),
                Work::Stop { .. } => ("([", "])"),
                Work::Agent(_)
                | Work::Run { .. }
                | Work::Sleep { .. }
                | Work::Await { .. }
                | Work::Emit { .. }
                | Work::Checkpoint { .. }
                | Work::Merge(_)
                | Work::Parallel { .. }
                | Work::Each(_)
                | Work::Loop { .. }
                | Work::Call { .. } => ("[", "]"),
            };
            let _ = writeln!(text, "{indent}s{}{open}\"{label}\"{close}", ix.0);
        } else {
            let _ = writeln!(text, "{indent}subgraph s{}[\"{label}\"]", ix.0);
            body(plan, children, depth + 1, text);
            let _ = writeln!(text, "{indent}end");
        }
    }
}
