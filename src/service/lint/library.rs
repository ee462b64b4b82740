//! All rules over all definitions, in the order of files and places.

use crate::{
    base::Diagnostic,
    definition::Library,
    service::{
        lint::{rules, subject::subjects},
        project::Project,
    },
};

/// Judges the words of the project's agents, skills and prose commands: findings E0180 to E0187, by file and place.
///
/// Without `names` it takes all that the project and the user have, but nothing that is built in; with names (`x` or
/// `/x`), the definitions of these names of any kind and source. A name that nobody has gives nothing. Unknown tools are
/// not among the findings: loading reports them (E0155), and `check` shows that.
#[must_use]
pub fn lint(project: &Project, names: &[String]) -> Vec<Diagnostic> {
    lint_library(project.library(), names)
}

/// The same for a library that is not a project's.
#[must_use]
pub fn lint_library(library: &Library, names: &[String]) -> Vec<Diagnostic> {
    let subjects = subjects(library, names);
    let mut found: Vec<Diagnostic> = subjects.iter().flat_map(|subject| rules::one(subject, library)).collect();
    found.extend(rules::same_descriptions(&subjects));
    found.sort_by(|one, other| {
        let key = |fault: &Diagnostic| (fault.source.path.clone(), fault.span, fault.code);
        key(one).cmp(&key(other))
    });
    found
}
