//! Gates: the checks of a step, what follows a failed one, and files of named gates.

use crate::{
    base::{Diagnostic, Spanned, codes::definition as codes},
    definition::{
        load::{
            keys::{CHANGED, GATE, ON_GATE_FAIL},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
        },
        workflow::{Gate, OnGateFail, RunCommand, ThenFail},
    },
};

const GATE_KEYS: [&str; 9] = ["run", "run_file", "check", "schema", "files", "changed", "approve", "judge", "secrets"];
/// Extra attempts after a failed gate where the file says nothing.
const TRIES_DEFAULT: u32 = 2;
/// The longest command of `run_file:`: Linux takes no argument over 128 KiB.
const SCRIPT_BYTES_MAX: usize = 100_000;

impl Reader<'_, '_> {
    /// A list of gates.
    pub fn gates(&mut self, entry: &Entry<'_>) -> Vec<Spanned<Gate>> {
        let Some(items) = entry.value.as_list() else {
            let what = format!("`{}`", entry.key);
            let form = format!("`{}: [{{ run: cargo test }}]`, or each gate with `- ` on a line below", entry.key);
            wrong_type(&entry.value, &what, "a list of gates", &form, self.faults);
            return Vec::new();
        };
        if items.is_empty() {
            let help = format!("remove it, or add a gate: `{}: [{{ run: cargo test }}]`", entry.key);
            self.faults.error(
                codes::BAD_VALUE,
                entry.value.span,
                format!("`{}` is empty", entry.key),
                "nothing is checked",
                help,
            );
        }
        items.iter().filter_map(|item| Some(Spanned::new(self.gate(item)?, item.span))).collect()
    }

    fn gate(&mut self, node: &Node<'_>) -> Option<Gate> {
        if node.as_text().is_some() {
            let name = self.text("gate", node)?;
            return self.check_name(&name).then_some(Gate::Named(name));
        }
        let mut fields = Fields::open(node, &GATE, self.faults)?;
        let kinds: Vec<&Entry<'_>> = GATE_KEYS.iter().filter_map(|key| fields.peek(key)).collect();
        let kind = match kinds.as_slice() {
            [kind] => *kind,
            [] if fields.has_unknown() => return None,
            [] => {
                let help = "write one of run, run_file, check, schema, files, changed, secrets, judge, approve, or the name of a gate";
                self.faults.error(
                    codes::KIND,
                    node.span,
                    "this gate checks nothing",
                    "no key says what it checks",
                    help,
                );
                return None;
            }
            [first, second, ..] => {
                let (first, second) = if first.key_span < second.key_span { (first, second) } else { (second, first) };
                let message = format!("a gate checks one thing, this one has `{}` and `{}`", first.key, second.key);
                let fault = Diagnostic::error(codes::KIND, self.faults.source(), second.key_span, message)
                    .cause("a second check")
                    .label(first.key_span, "the first")
                    .help("make two gates of it: both must pass");
                self.faults.add(fault);
                return None;
            }
        };
        let gate = self.gate_kind(&kind.key, &mut fields);
        let word = format!("a `{}` gate", kind.key);
        fields.done(&word, self.faults, |_| {
            "remove it (`expect` and `timeout` are for `run` and `run_file` gates)".to_owned()
        });
        gate
    }

    fn gate_kind(&mut self, kind: &str, fields: &mut Fields<'_, '_>) -> Option<Gate> {
        match kind {
            "run" | "run_file" => {
                let command = match fields.take("run_file") {
                    Some(entry) => self.scripts(entry),
                    None => self.command(fields.take("run"), false),
                };
                let expect_entry = fields.take("expect");
                let expect = self.expression(expect_entry);
                let timeout = self.duration(fields.take("timeout"));
                Some(Gate::Run { command: command?, expect, timeout })
            }
            "check" => self.expression(fields.take("check")).map(Gate::Check),
            "schema" => self.output(fields.take("schema")).map(|schema| Gate::Schema { schema }),
            "files" => {
                let entry = fields.take("files")?;
                let paths = self.texts(Some(entry))?;
                if paths.is_empty() {
                    let help = "name at least one: `files: [README.md]`";
                    self.faults.error(
                        codes::BAD_VALUE,
                        entry.value.span,
                        "`files` is empty",
                        "nothing is checked",
                        help,
                    );
                    return None;
                }
                self.inside(&paths).then_some(Gate::Files { paths })
            }
            "changed" => self.changed(fields.take("changed")),
            "approve" => self.text_of(fields.take("approve")).map(|text| Gate::Approve { text }),
            "judge" => {
                let entry = fields.take("judge")?;
                self.judge(&entry.value)
            }
            _ => {
                let entry = fields.take("secrets")?;
                self.secrets_gate(entry)
            }
        }
    }

    /// The files of `run_file:` as one text for the shell, in their order and as they are.
    fn scripts(&mut self, entry: &Entry<'_>) -> Option<RunCommand> {
        let names = self.texts(Some(entry))?;
        let Some(last) = names.last() else {
            let help = "name at least one: `run_file: scripts/lint.sh`";
            self.faults.error(codes::BAD_VALUE, entry.value.span, "`run_file` is empty", "no script here", help);
            return None;
        };
        // People are shown the first line of a command, so it says which script this is.
        let title: String = last.value.chars().filter(|letter| !letter.is_control()).collect();
        let mut text = format!("# {title}\n");
        let mut whole = true;
        for name in &names {
            match self.file(name) {
                Some(source) => text.push_str(&format!("{}\n", source.text.trim_end())),
                None => whole = false,
            }
        }
        if text.len() > SCRIPT_BYTES_MAX {
            let message = format!("these scripts have {} bytes, {SCRIPT_BYTES_MAX} are allowed", text.len());
            let help = "keep a long program in the project and call it: `run: sh checks/long.sh`";
            self.faults.error(codes::BAD_VALUE, entry.value.span, message, "they become one command", help);
            return None;
        }
        whole.then(|| RunCommand::Shell(Spanned::new(text, entry.value.span)))
    }

    /// Reports paths and globs that lead out of the project.
    pub fn inside(&mut self, paths: &[Spanned<String>]) -> bool {
        let mut inside = true;
        for path in paths {
            if path.value.starts_with('/') || path.value.split('/').any(|part| part == "..") {
                let shown: String = path.value.chars().take(100).collect();
                let help = "name paths from the root of the project, without `..`";
                self.faults.error(
                    codes::FILE_OUTSIDE,
                    path.span,
                    format!("`{shown}` leaves the project"),
                    "steps work inside the project",
                    help,
                );
                inside = false;
            }
        }
        inside
    }

    fn changed(&mut self, entry: Option<&Entry<'_>>) -> Option<Gate> {
        let entry = entry?;
        let mut fields = Fields::open(&entry.value, &CHANGED, self.faults)?;
        let unbounded = !["max_files", "allow", "deny"].iter().any(|key| fields.has(key)) && !fields.has_unknown();
        let max_files = self.whole(fields.take("max_files"), 0, 1_000_000);
        let allow = self.texts(fields.take("allow")).unwrap_or_default();
        let deny = self.texts(fields.take("deny")).unwrap_or_default();
        fields.done("`changed:`", self.faults, |_| String::new());
        if unbounded {
            let help = "add `max_files`, `allow` or `deny`";
            self.faults.error(codes::BAD_VALUE, entry.value.span, "`changed` has no bound", "nothing is checked", help);
            return None;
        }
        Some(Gate::Changed { max_files, allow, deny })
    }

    /// The value of `on_gate_fail:`, which needs a gate beside it.
    pub fn on_gate_fail(&mut self, entry: &Entry<'_>, step: &Fields<'_, '_>) -> Option<Spanned<OnGateFail>> {
        let mut fields = Fields::open(&entry.value, &ON_GATE_FAIL, self.faults)?;
        let agent = self.text_of(fields.take("agent"));
        let feedback_entry = fields.take("feedback");
        let feedback = self.boolean(feedback_entry);
        if let (Some(agent), Some(true), Some(place)) = (&agent, feedback, feedback_entry) {
            let fault = Diagnostic::error(
                codes::CONFLICT,
                self.faults.source(),
                place.key_span,
                "the evidence goes to two agents",
            )
            .cause("`feedback` sends it to the step's own agent")
            .label(agent.span, "`agent` sends it to this one")
            .help("keep one of `feedback: true` and `agent`");
            self.faults.add(fault);
        }
        let tries = self.whole(fields.take("tries"), 0, 100).unwrap_or(TRIES_DEFAULT);
        let then = [("fail", ThenFail::Fail), ("ask", ThenFail::Ask), ("continue", ThenFail::Continue)];
        let then = self.one_of(fields.take("then"), &then).unwrap_or_default();
        fields.done("`on_gate_fail:`", self.faults, |_| String::new());
        if !step.has("gate") && !step.has_unknown() {
            let help = "add `gate: [{ run: cargo test }]`, or remove it";
            self.faults.error(
                codes::CONFLICT,
                entry.key_span,
                "`on_gate_fail` without a gate",
                "this step has no gate that could fail",
                help,
            );
        }
        let feedback = feedback.unwrap_or(agent.is_none());
        Some(Spanned::new(OnGateFail { feedback, agent, tries, then }, entry.value.span))
    }
}
