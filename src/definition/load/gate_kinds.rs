//! The longer gates: `secrets:` and what it allows.

use crate::{
    base::codes::definition as codes,
    definition::{
        load::{
            keys::{ALLOWED_SECRET, SECRETS_GATE},
            node::{Entry, Node},
            reader::Reader,
            shape::{Fields, wrong_type},
        },
        workflow::{AllowedSecret, Gate},
    },
};

/// The fewest digits that name one key.
const DIGEST_CHARS_MIN: usize = 12;

impl Reader<'_, '_> {
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
