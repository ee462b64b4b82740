//! `sandbox:` of a step: a word, or a mapping with whom it may reach and where else it may write.

use crate::{
    base::{Network, Sandbox, SandboxMode},
    definition::load::{keys::SANDBOX, node::Entry, reader::Reader, shape::Fields},
};

impl Reader<'_, '_> {
    /// `sandbox:`.
    pub(super) fn sandbox(&mut self, entry: &Entry<'_>) -> Option<Sandbox> {
        if entry.value.as_map().is_none() {
            let mode = self.one_of(Some(entry), &SandboxMode::ALL)?;
            return Some(Sandbox { mode: Some(mode), ..Sandbox::default() });
        }
        let mut fields = Fields::open(&entry.value, &SANDBOX, self.faults)?;
        let mode = self.one_of(fields.take("mode"), &SandboxMode::ALL);
        let network = self.texts(fields.take("network")).map(|words| {
            let mut words: Vec<String> = words.into_iter().map(|word| word.value).collect();
            match words.as_slice() {
                [one] if one == "any" => Network::Any,
                [one] if one == "none" => Network::None,
                [] => Network::None,
                _ => Network::Hosts(std::mem::take(&mut words)),
            }
        });
        let writes = self.texts(fields.take("write")).unwrap_or_default();
        fields.done("`sandbox:`", self.faults, |_| String::new());
        Some(Sandbox { mode, network, writes: writes.into_iter().map(|path| path.value).collect() })
    }
}
