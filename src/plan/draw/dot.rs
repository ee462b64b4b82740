//! The plan as DOT, for Graphviz.

use std::fmt::Write as _;

use crate::plan::{
    draw::{
        escape::{clip, dot as escaped, visible},
        words,
    },
    types::{EdgeKind, Plan, StepIx},
};

/// The widest line of a label.
const COLUMNS: usize = 48;

/// Draws the plan as DOT. A container is a cluster with a head; its edges end at the cluster's border.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut text = format!(
        "digraph \"{}\" {{\n  compound=true; rankdir=TB;\n  node [shape=box, style=rounded, fontname=\"sans-serif\", \
         fontsize=11];\n  edge [fontname=\"sans-serif\", fontsize=9];\n",
        escaped(&visible(&plan.name))
    );
    body(plan, &plan.roots, 1, &mut text);
    for (waits, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            let style = match need.edge {
                EdgeKind::Implied => "solid",
                EdgeKind::Declared => "bold",
                EdgeKind::Inferred => "dashed",
            };
            let mut ends = String::new();
            if !plan.step(need.step).work.children().is_empty() {
                let _ = write!(ends, ", ltail=cluster_{}", need.step.0);
            }
            if !step.work.children().is_empty() {
                let _ = write!(ends, ", lhead=cluster_{waits}");
            }
            let kind = words::edge(need.edge);
            let _ = writeln!(text, "  s{} -> s{waits} [style={style}, tooltip=\"{kind}\"{ends}];", need.step.0);
        }
    }
    text.push_str("}\n");
    text
}

fn body(plan: &Plan, steps: &[StepIx], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth.min(20));
    for ix in steps {
        let step = plan.step(*ix);
        let mut lines = vec![visible(&step.id), words::kind(plan, step)];
        lines.extend(words::text(step));
        lines.extend(step.gates.iter().map(|gate| format!("gate {}", words::gate(plan, gate))));
        // `\l` ends a line that starts at the left.
        let label: String = lines.iter().map(|line| format!("{}\\l", escaped(&clip(line, COLUMNS)))).collect();
        let children = step.work.children();
        if children.is_empty() {
            let _ = writeln!(text, "{indent}s{} [label=\"{label}\"];", ix.0);
        } else {
            let _ = writeln!(text, "{indent}subgraph cluster_{} {{", ix.0);
            let _ = writeln!(text, "{indent}  style=rounded;");
            let _ = writeln!(text, "{indent}  s{} [shape=plaintext, label=\"{label}\"];", ix.0);
            body(plan, children, depth + 1, text);
            let _ = writeln!(text, "{indent}}}");
        }
    }
}
