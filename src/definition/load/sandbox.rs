//! `sandbox:` of a step: a word, or a mapping with whom it may reach and where else it may write.

use crate::{
    base::{Network, Sandbox, SandboxMode, Spanned, codes::definition as codes, is_host_entry},
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
        let network = self.texts(fields.take("network")).map(|words| match words.as_slice() {
            [one] if one.value == "any" => Network::Any,
            [one] if one.value == "none" => Network::None,
            [] => Network::None,
            hosts => {
                hosts.iter().for_each(|host| self.host_of_network(host));
                Network::Hosts(words.into_iter().map(|word| word.value).collect())
            }
        });
        let writes = self.texts(fields.take("write")).unwrap_or_default();
        fields.done("`sandbox:`", self.faults, |_| String::new());
        Some(Sandbox { mode, network, writes: writes.into_iter().map(|path| path.value).collect() })
    }
}

impl Reader<'_, '_> {
    fn host_of_network(&mut self, host: &Spanned<String>) {
        if !is_host_entry(&host.value) {
            let shown: String = host.value.chars().take(60).collect();
            self.faults.error(
                codes::BAD_VALUE,
                host.span,
                format!("`{shown}` is no host"),
                "a name, `*.` and a name, or an address, and a port where it is another than 80 and 443",
                "write `registry.npmjs.org`, `*.github.com`, `git.example.org:22` or `[2001:db8::1]:8443`",
            );
        }
    }
}
