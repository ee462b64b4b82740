//! What has come of the cases. Every kind of check is a section with results of one form, so that people, programs and
//! JUnit are told all kinds alike.

use serde::Serialize;

/// The version of the JSON form.
pub const TEST_REPORT_VERSION: u16 = 1;

/// What `orch test` has found.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// [`TEST_REPORT_VERSION`].
    pub version: u16,
    /// Cases that have passed.
    pub passed: usize,
    /// Cases that have failed.
    pub failed: usize,
    /// The kinds of checks.
    pub sections: Vec<Section>,
}

/// One kind of checks.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// `skills` or `workflows`.
    pub name: &'static str,
    /// The results, in the order of the files.
    pub cases: Vec<CaseResult>,
}

/// What has come of one case.
#[derive(Debug, Clone, Serialize)]
pub struct CaseResult {
    /// Its file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What was tested: the name of a workflow or a command.
    pub subject: String,
    /// The case's name.
    pub name: String,
    /// Whether all was as expected.
    pub passed: bool,
    /// How long it took.
    pub millis: u64,
    /// What was not as expected; all of it, the most telling first.
    pub differences: Vec<Difference>,
}

/// One thing that was not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What was compared: `exit`, `steps.fix`.
    pub about: String,
    /// What the case expects.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Why it is so, as far as the run tells.
    pub evidence: String,
}

impl TestReport {
    /// A report of sections.
    #[must_use]
    pub fn new(sections: Vec<Section>) -> Self {
        let cases = || sections.iter().flat_map(|section| &section.cases);
        let passed = cases().filter(|case| case.passed).count();
        Self { version: TEST_REPORT_VERSION, passed, failed: cases().count() - passed, sections }
    }
}
