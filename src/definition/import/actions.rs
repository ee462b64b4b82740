//! GitHub Actions: jobs become steps that need each other, a matrix becomes an `each`.
//!
//! Best effort: `run:` is carried over, `uses:` is somebody else's program and is marked. Expressions `${{ }}` become
//! variables, because no value may become a part of a command.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use crate::{
    base::Source,
    definition::{
        import::{
            draft::{Draft, Kind, Piece, Step},
            run::ImportError,
            text::{excerpt, is_risky, literal},
        },
        load::{Lined, LinedKind, legal_id, lined},
    },
};

/// Combinations of a matrix at most.
const ITEMS_MAX: usize = 256;

struct Reading {
    draft: Draft,
    /// The environment of the whole workflow.
    env: BTreeMap<String, String>,
    /// The last step of each job.
    ends: BTreeMap<String, String>,
}

/// Reads a workflow of GitHub Actions.
pub(super) fn read(source: &Arc<Source>, name: &str) -> Result<Draft, ImportError> {
    let root = lined(source).map_err(ImportError::Faults)?;
    let Some(jobs) = root.get("jobs").filter(|jobs| !jobs.entries().is_empty()) else {
        return Err(ImportError::Unknown("the key `jobs` is missing or empty".to_owned()));
    };
    let mut reading = Reading { draft: Draft::default(), env: environment(&root), ends: BTreeMap::new() };
    reading.draft.name = legal_id(name).replace('_', "-");
    reading.draft.description = root.get("name").and_then(Lined::text).unwrap_or_default();
    for (key, line, value) in root.entries().iter().filter(|(key, ..)| !["name", "jobs", "env"].contains(&key.as_str()))
    {
        let what = format!("`{key}: {}` of the workflow", excerpt(&value.value().to_string()));
        reading.draft.head(*line, what, "it is not carried over", "a person or a schedule starts `orch run`");
    }
    let all = in_order(jobs.entries());
    for (id, line, job) in all {
        reading.job(id, *line, job, jobs);
    }
    Ok(reading.draft)
}

/// The jobs with those that others need first, as far as they do not need each other.
fn in_order(jobs: &[(String, usize, Lined)]) -> Vec<&(String, usize, Lined)> {
    let mut open: Vec<&(String, usize, Lined)> = jobs.iter().collect();
    let (mut done, mut order) = (BTreeSet::new(), Vec::new());
    while !open.is_empty() {
        let is_ready = |job: &&&(String, usize, Lined)| {
            needs(&job.2).iter().all(|need| done.contains(need) || !jobs.iter().any(|(id, ..)| id == need))
        };
        let place = open.iter().position(|job| is_ready(&job)).unwrap_or(0);
        let job = open.remove(place);
        done.insert(job.0.clone());
        order.push(job);
    }
    order
}

fn needs(job: &Lined) -> Vec<String> {
    job.get("needs").map(Lined::items).unwrap_or_default().iter().filter_map(Lined::text).collect()
}

fn environment(holder: &Lined) -> BTreeMap<String, String> {
    let entries = holder.get("env").map(Lined::entries).unwrap_or_default();
    entries.iter().map(|(key, _, value)| (key.clone(), value.text().unwrap_or_default())).collect()
}

impl Reading {
    fn job(&mut self, id: &str, line: usize, job: &Lined, jobs: &Lined) {
        let mut needed = Vec::new();
        let mut marks = Vec::new();
        for need in needs(job) {
            match self.ends.get(&need) {
                Some(end) => needed.push(Value::String(end.clone())),
                None => {
                    let why = if jobs.get(&need).is_some() {
                        "needs this one too, or has no commands"
                    } else {
                        "is not there"
                    };
                    let what = format!("the job `{id}` needs `{need}`, which {why}");
                    marks.push(self.draft.mark(line, what, "it does not wait for it", "write its `needs:`"));
                }
            }
        }
        self.left_over(id, job, &mut marks);
        let mut env = self.env.clone();
        env.extend(environment(job));
        let strategy = job.get("strategy").map(Lined::entries).unwrap_or_default();
        for (key, line, value) in strategy.iter().filter(|(key, ..)| key != "matrix") {
            let what = format!("`{key}: {}` of the matrix of `{id}`", excerpt(&value.value().to_string()));
            let edit = "set `on_failure:` or `max_parallel:` on the `each`";
            marks.push(self.draft.mark(*line, what, "it is not carried over", edit));
        }
        let matrix = job.get("strategy").and_then(|strategy| strategy.get("matrix"));
        let items = matrix.map(|matrix| self.items(id, matrix, &mut marks)).filter(|items| !items.is_empty());
        let mut steps = self.steps(id, job, &env, items.is_some());
        if steps.is_empty() {
            let what = format!("the job `{id}` has no commands");
            self.draft.head(line, what, "it is left out", "write a step that does what it did");
            self.draft.head.extend(marks);
            // Who needs it waits for what it needs.
            if let Some(Value::String(last)) = needed.last() {
                self.ends.insert(id.to_owned(), last.clone());
            }
            return;
        }
        if let Some(items) = items {
            let ours = self.draft.id(id);
            let mut each = Step::new(ours.clone(), id, Kind::Each(Value::Array(items).to_string()));
            each.set("needs", needed);
            each.set("as", "matrix");
            each.children = steps;
            each.marks = marks;
            self.ends.insert(id.to_owned(), ours);
            self.draft.pieces.push(Piece::Step(each));
            return;
        }
        let mut before = needed;
        for step in &mut steps {
            step.keys.insert(0, ("needs", Value::Array(std::mem::replace(&mut before, vec![json!(step.id)]))));
            self.ends.insert(id.to_owned(), step.id.clone());
        }
        if let Some(first) = steps.first_mut() {
            first.marks.splice(0..0, marks);
        }
        self.draft.pieces.extend(steps.into_iter().map(Piece::Step));
    }

    /// Keys of a job without a counterpart.
    fn left_over(&mut self, id: &str, job: &Lined, marks: &mut Vec<usize>) {
        let used =
            ["steps", "needs", "env", "name", "runs-on", "strategy", "timeout-minutes", "continue-on-error", "if"];
        for (key, line, value) in job.entries().iter().filter(|(key, ..)| !used.contains(&key.as_str())) {
            let what = format!("`{key}: {}` of the job `{id}`", excerpt(&value.value().to_string()));
            marks.push(self.draft.mark(
                *line,
                what,
                "it is not carried over",
                "say it in the commands, or leave it out",
            ));
        }
        if let Some(on) = job.get("runs-on").and_then(Lined::text) {
            let what = format!("the job `{id}` runs on {on}");
            let edit = "check that the commands work on the machine that runs `orch`";
            marks.push(self.draft.mark(job.line, what, "it runs where `orch` runs", edit));
        }
    }

    /// Every combination of a matrix.
    fn items(&mut self, id: &str, matrix: &Lined, marks: &mut Vec<usize>) -> Vec<Value> {
        let mut items: Vec<Map<String, Value>> = vec![Map::new()];
        for (key, line, values) in matrix.entries() {
            let list = matches!(values.kind, LinedKind::List(_)) && key != "include" && key != "exclude";
            if !list || items.len().saturating_mul(values.items().len()) > ITEMS_MAX {
                let what = format!("`{key}` of the matrix of `{id}`");
                marks.push(self.draft.mark(*line, what, "it is not carried over", "edit the list of `each:`"));
                continue;
            }
            let with = |item: &Map<String, Value>, value: &Lined| {
                let mut item = item.clone();
                item.insert(legal_id(key), value.value());
                item
            };
            items = items.iter().flat_map(|item| values.items().iter().map(move |value| with(item, value))).collect();
        }
        items.retain(|item| !item.is_empty());
        items.into_iter().map(Value::Object).collect()
    }

    fn steps(&mut self, id: &str, job: &Lined, env: &BTreeMap<String, String>, inside: bool) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut waiting = Vec::new();
        let mut ids = crate::definition::import::text::Ids::default();
        let all = job.get("steps").map(Lined::items).unwrap_or_default();
        for (place, one) in all.iter().enumerate() {
            let given = one.get("name").or(one.get("id")).and_then(Lined::text);
            // A step without a name is called by what it runs.
            let first = || one.get("run").and_then(Lined::text).map(|script| first_words(&script));
            let name = given.or_else(first).unwrap_or_else(|| format!("step {}", place + 1));
            let Some(script) = one.get("run").and_then(Lined::text) else {
                let uses = one.get("uses").and_then(Lined::text).unwrap_or_else(|| name.clone());
                let what = format!("`uses: {uses}` in the job `{id}`");
                let (assumed, edit) = if uses.starts_with("actions/checkout") {
                    ("the files are there already", "nothing, if `orch` runs in the project")
                } else {
                    ("it is left out", "write a command that does the same")
                };
                waiting.push(self.draft.mark(one.line, what, assumed, edit));
                continue;
            };
            let title = if inside { name.clone() } else { format!("{id} {name}") };
            let ours = if inside { ids.make(&title) } else { self.draft.id(&title) };
            let mut step = Step::new(ours, &name, Kind::Parallel);
            step.marks.append(&mut waiting);
            self.command(&mut step, job, one, &script, env);
            steps.push(step);
        }
        match steps.last_mut() {
            Some(last) => last.marks.append(&mut waiting),
            None => self.draft.head.append(&mut waiting),
        }
        steps
    }

    fn command(&mut self, step: &mut Step, job: &Lined, one: &Lined, script: &str, env: &BTreeMap<String, String>) {
        let mut all = env.clone();
        all.extend(environment(one));
        let (mut ours, mut unknown) = (Map::new(), BTreeSet::new());
        let mut script = variables(script, &mut ours, &mut unknown);
        for (key, value) in all {
            let text = template(&value, &mut unknown);
            ours.insert(key, Value::String(text));
        }
        if let Some(folder) = one.get("working-directory").and_then(Lined::text) {
            script = format!("cd '{}'\n{script}", folder.replace('\'', "'\\''"));
        }
        let shell = one.get("shell").and_then(Lined::text).unwrap_or_else(|| "bash".to_owned());
        let program: Vec<String> = match shell.as_str() {
            "bash" => ["bash", "-e", "-o", "pipefail", "-c"].map(str::to_owned).into(),
            "sh" => ["sh", "-e", "-c"].map(str::to_owned).into(),
            "python" => ["python3", "-c"].map(str::to_owned).into(),
            _ => {
                let what = format!("`shell: {shell}`");
                step.marks.push(self.draft.mark(one.line, what, "bash runs it", "name the program in `run:`"));
                ["bash", "-e", "-o", "pipefail", "-c"].map(str::to_owned).into()
            }
        };
        step.kind = Kind::Run { program, script };
        if !ours.is_empty() {
            step.set("env", ours);
        }
        if !unknown.is_empty() {
            let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
            let what = format!("values that only GitHub has: {names}");
            let edit = "set the variable in `env:`, or declare an input";
            step.marks.push(self.draft.mark(one.line, what, "the variables are empty", edit));
        }
        self.limits(step, job, one);
        let used =
            ["name", "id", "run", "env", "working-directory", "shell", "if", "timeout-minutes", "continue-on-error"];
        for (key, line, value) in one.entries().iter().filter(|(key, ..)| !used.contains(&key.as_str())) {
            let what = format!("`{key}: {}`", excerpt(&value.value().to_string()));
            step.marks.push(self.draft.mark(
                *line,
                what,
                "it is not carried over",
                "say it in the command, or leave it out",
            ));
        }
    }

    /// Conditions, times, and whether a failure counts.
    fn limits(&mut self, step: &mut Step, job: &Lined, one: &Lined) {
        for holder in [job, one] {
            let Some(condition) = holder.get("if").and_then(Lined::text) else { continue };
            let title = if step.title.is_empty() { step.id.clone() } else { step.title.clone() };
            let on = !is_risky(&step.id) && !is_risky(&title);
            let name = self.draft.switch(&step.id, on, format!("Whether to do: {title}"));
            step.set("when", format!("inputs.{name}"));
            let what = format!("the condition `if: {}`", excerpt(&condition));
            let assumed =
                format!("the input `{name}` decides; without it the step {}", if on { "runs" } else { "is skipped" });
            let edit = "write it as an expression over inputs or outputs";
            step.marks.push(self.draft.mark(holder.line, what, &assumed, edit));
        }
        let minutes =
            one.get("timeout-minutes").or(job.get("timeout-minutes")).and_then(|value| value.value().as_u64());
        if let Some(minutes) = minutes.filter(|minutes| (1..=10_000).contains(minutes)) {
            step.set("timeout", format!("{minutes}m"));
        }
        let is_optional = |holder: &Lined| holder.get("continue-on-error").map(Lined::value) == Some(Value::Bool(true));
        if is_optional(one) || is_optional(job) {
            step.set("optional", true);
        }
    }
}

fn first_words(script: &str) -> String {
    let line =
        script.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The variable for an expression, and the template that fills it; none where only GitHub knows it.
fn variable(expression: &str) -> (String, Option<String>) {
    let expression = expression.trim();
    let name: String = expression
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect::<String>()
        .trim_matches('_')
        .chars()
        .take(60)
        .collect();
    let name = if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("VALUE_{name}") };
    let plain =
        |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if let Some(rest) = expression.strip_prefix("matrix.").filter(|rest| plain(rest)) {
        return (name, Some(format!("{{{{ matrix.{} }}}}", legal_id(rest))));
    }
    if let Some(rest) = expression.strip_prefix("env.").filter(|rest| plain(rest)) {
        return (rest.to_owned(), Some(String::new()));
    }
    (name, None)
}

/// A script whose `${{ }}` are variables.
fn variables(script: &str, env: &mut Map<String, Value>, unknown: &mut BTreeSet<String>) -> String {
    each_expression(script, str::to_owned, |expression| {
        let (name, value) = variable(expression);
        match value {
            Some(value) if value.is_empty() => {}
            Some(value) => {
                env.insert(name.clone(), Value::String(value));
            }
            None => {
                unknown.insert(format!("{} as ${name}", expression.trim()));
                env.entry(name.clone()).or_insert_with(|| Value::String(String::new()));
            }
        }
        format!("${{{name}}}")
    })
}

/// A value of the environment as a template.
fn template(value: &str, unknown: &mut BTreeSet<String>) -> String {
    each_expression(value, literal, |expression| match variable(expression) {
        (_, Some(value)) => value,
        (name, None) => {
            unknown.insert(format!("{} as ${name}", expression.trim()));
            String::new()
        }
    })
}

fn each_expression(text: &str, plain: impl Fn(&str) -> String, mut change: impl FnMut(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${{") {
        let Some(end) = rest[at..].find("}}") else { break };
        out.push_str(&plain(&rest[..at]));
        out.push_str(&change(&rest[at + 3..at + end]));
        rest = &rest[at + end + 2..];
    }
    out + &plain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_become_variables() {
        let (mut env, mut unknown) = (Map::new(), BTreeSet::new());
        let script =
            variables("echo ${{ matrix.os }} ${{secrets.TOKEN}} ${{ env.A }} ${{ open", &mut env, &mut unknown);
        assert_eq!(script, "echo ${MATRIX_OS} ${SECRETS_TOKEN} ${A} ${{ open");
        assert_eq!(env["MATRIX_OS"], "{{ matrix.os }}");
        assert_eq!(unknown.len(), 1);
    }
}
