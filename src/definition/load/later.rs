//! Keys that this version reads and type-checks, but cannot do.

use crate::definition::load::{keys::PLAN, reader::Reader, shape::Fields, unsupported};

impl Reader<'_, '_> {
    /// `plan:`.
    pub fn plan(&mut self, fields: &mut Fields<'_, '_>) {
        let Some(entry) = fields.take("plan") else { return };
        let before = self.faults.count();
        if entry.value.as_text().is_some() {
            self.text_of(Some(entry));
        } else if let Some(mut inner) = Fields::open(&entry.value, &PLAN, self.faults) {
            self.text_of(inner.take("agent"));
            self.text_of(inner.take("prompt"));
            self.text_of(inner.take("prompt_file"));
            self.whole(inner.take("max_tasks"), 1, 1000);
            inner.done("`plan:`", self.faults, |_| String::new());
        }
        self.unsupported(&unsupported::PLAN, entry.key_span, before);
    }
}
