//! Why a request could not be carried out: refused, or because of faults in what people wrote.

use crate::{base::Diagnostic, service::refusal::Refusal};

/// A request that could not be carried out.
#[derive(Debug, Clone)]
pub enum Fault {
    /// With its own exit code and help.
    Refused(Refusal),
    /// Because of faults in definitions or settings, all of them; exit 10.
    Diagnosed(Vec<Diagnostic>),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Diagnosed(faults) => match faults.first() {
                Some(first) => write!(f, "{} ({} faults)", first.message, faults.len()),
                None => f.write_str("faults in what people wrote"),
            },
        }
    }
}
