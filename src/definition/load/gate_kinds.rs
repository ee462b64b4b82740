//! The longer gates: `secrets:` with what it allows, and `judge:`.

use crate::{
    base::{Spanned, codes::definition as codes},
    definition::{
        load::{
            keys::{ALLOWED_SECRET, JUDGE, SECRETS_GATE},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
        },
        workflow::{AllowedSecret, Gate, Judge},
    },
};

/// The fewest digits that name one key.
const DIGEST_CHARS_MIN: usize = 12;

/// The lowest score that passes, where the file names none.
const MIN_DEFAULT: f64 = 0.7;
/// Judges of one gate at most.
const JUDGES_MAX: u32 = 9;
/// The longest rubric, in bytes.
const RUBRIC_BYTES_MAX: usize = 64 * 1024;

impl Reader<'_, '_> {
    /// The value of `judge:`.
    pub(super) fn judge(&mut self, node: &Node<'_>) -> Option<Gate> {
        let mut fields = Fields::open(node, &JUDGE, self.faults)?;
        let before = self.faults.count();
        let named = self.text_of(fields.take("rubric"));
        let min = self.number(fields.take("min"), Some(1.0)).unwrap_or(MIN_DEFAULT);
        let judges = self.whole(fields.take("judges"), 1, JUDGES_MAX).unwrap_or(1);
        let agent = self.text_of(fields.take("agent"));
        let model = self.text_of(fields.take("model"));
        let runtime = self.text_of(fields.take("runtime"));
        let timeout = self.duration(fields.take("timeout"));
        fields.done("`judge:`", self.faults, |_| String::new());
        let (rubric, file) = self.rubric(named?)?;
        let judge = Judge { rubric, file, min, judges, agent, model, runtime, timeout };
        (self.faults.count() == before).then(|| Gate::Judge(Box::new(judge)))
    }

    /// The text of a rubric, and the file that it came from.
    fn rubric(&mut self, named: Spanned<String>) -> Option<(Spanned<String>, Option<String>)> {
        let is_file = !named.value.contains(char::is_whitespace)
            && [".md", ".txt"].iter().any(|ending| named.value.ends_with(ending));
        let (text, file) = if is_file {
            let source = self.file(&named)?;
            (Spanned::new(source.text.clone(), named.span), Some(named.value))
        } else {
            (named, None)
        };
        let fault = if text.value.trim().is_empty() {
            Some(("this rubric is empty", "there is nothing to judge by", "say what is looked at, and what is good"))
        } else if text.value.len() > RUBRIC_BYTES_MAX {
            Some(("this rubric is too long", "more than 64 KiB", "keep what decides the score"))
        } else if file.is_none() && text.value.contains("{{") {
            let help = "write the rubric out; judges are shown the step's output and what it changed in any case";
            Some(("a rubric takes no `{{ }}`", "it would be taken as it is", help))
        } else {
            None
        };
        if let Some((message, cause, help)) = fault {
            self.faults.error(codes::BAD_VALUE, text.span, message, cause, help);
            return None;
        }
        Some((text, file))
    }

    /// The value of `secrets:`.
    pub(super) fn secrets_gate(&mut self, entry: &Entry<'_>) -> Option<Gate> {
        if entry.value.as_word().is_some() {
            if self.boolean(Some(entry))? {
                return Some(Gate::Secrets { paths: Vec::new(), all: false, allow: Vec::new() });
            }
            let help = "write `secrets: true`, or remove the gate";
            self.faults.error(codes::BAD_VALUE, entry.value.span, "this gate checks nothing", "it is off", help);
            return None;
        }
        let mut fields = Fields::open(&entry.value, &SECRETS_GATE, self.faults)?;
        let before = self.faults.count();
        let paths = self.texts(fields.take("paths")).unwrap_or_default();
        let all = self.boolean(fields.take("all")).unwrap_or_default();
        let allow = match fields.take("allow") {
            None => Vec::new(),
            Some(allow) => match allow.value.as_list() {
                Some(items) => items.iter().filter_map(|item| self.allowed_secret(item)).collect(),
                None => {
                    let form = "`allow: [{ path: \"tests/**\", why: made-up keys }]`";
                    wrong_type(&allow.value, "`allow`", "a list", form, self.faults);
                    Vec::new()
                }
            },
        };
        fields.done("`secrets:`", self.faults, |_| String::new());
        let inside = self.inside(&paths);
        (inside && self.faults.count() == before).then_some(Gate::Secrets { paths, all, allow })
    }

    fn allowed_secret(&mut self, node: &Node<'_>) -> Option<AllowedSecret> {
        let mut fields = Fields::open(node, &ALLOWED_SECRET, self.faults)?;
        let path = self.text_of(fields.take("path"));
        let digest = self.text_of(fields.take("digest"));
        let why = self.text_of(fields.take("why"));
        fields.done("an entry of `allow:`", self.faults, |_| String::new());
        if path.is_none() && digest.is_none() {
            let help = "name the files with `path:`, or one key with the `digest:` that the gate has shown";
            self.faults.error(codes::BAD_VALUE, node.span, "this allows every key", "no path and no digest", help);
            return None;
        }
        if let Some(digest) = &digest
            && (digest.value.len() < DIGEST_CHARS_MIN || !digest.value.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            let help = "copy it from the gate's evidence: `orch status RUN --step STEP`";
            let cause = format!("at least {DIGEST_CHARS_MIN} hexadecimal digits are wanted");
            self.faults.error(codes::BAD_VALUE, digest.span, "this is no digest", cause, help);
            return None;
        }
        let why = why?;
        if why.value.trim().is_empty() {
            let help = "say in a few words why this is no secret";
            self.faults.error(codes::BAD_VALUE, why.span, "`why` is empty", "nobody could check it later", help);
            return None;
        }
        Some(AllowedSecret { path, digest, why: why.value })
    }
}
