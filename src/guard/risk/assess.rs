//! What the classifier is asked, and what it answers.

use std::{collections::BTreeSet, ops::Range};

use serde::Serialize;

use super::{
    judge::Judge,
    shell::ShellFault,
    targets::{self, Touch},
};
use crate::definition::policy::{Level, Policy, PolicyRule, RiskClass};

/// The most findings of one command that are kept, the worst of them; besides, one of each level and class.
const FINDINGS_MAX: usize = 64;

/// What an operation is judged against.
#[derive(Debug, Clone)]
pub struct RiskContext {
    pub(super) root: String,
    pub(super) home: String,
    pub(super) state: String,
    policy: Policy,
    protected: globset::GlobSet,
}

impl RiskContext {
    /// The workspace, the user's home, the folder where `orch` keeps what is the user's, and what the policy says.
    ///
    /// # Errors
    /// A protected path that is no pattern.
    pub fn new(root: &str, home: &str, state: &str, policy: Policy) -> Result<Self, String> {
        let mut globs = globset::GlobSetBuilder::new();
        for said in &policy.protected {
            // A folder protects all that is in it.
            for pattern in [said.value.clone(), format!("{}/**", said.value.trim_end_matches('/'))] {
                let glob = globset::GlobBuilder::new(&pattern).literal_separator(true).build();
                globs.add(glob.map_err(|error| error.to_string())?);
            }
        }
        let protected = globs.build().map_err(|error| error.to_string())?;
        let plain = |path: &str| {
            let path = path.trim_end_matches('/');
            if path.is_empty() { "/nowhere".to_owned() } else { path.to_owned() }
        };
        let root = if root == "/" { root.to_owned() } else { plain(root) };
        Ok(Self { root, home: plain(home), state: plain(state), policy, protected })
    }

    /// The same for another workspace.
    #[must_use]
    pub fn at(&self, root: &str) -> Self {
        Self { root: root.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The workspace.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The workspace, the user's home and the folder of what is the user's.
    #[must_use]
    pub fn places(&self) -> (&str, &str, &str) {
        (&self.root, &self.home, &self.state)
    }

    /// What the policy says.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Which file protects a path of the workspace.
    #[must_use]
    pub fn protected_by(&self, path: &str) -> Option<&str> {
        let place = *self.protected.matches(path).first()?;
        self.policy.protected.get(place / 2).map(|said| said.from.as_str())
    }
}

/// One thing that an operation does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How dangerous.
    pub level: Level,
    /// In which way.
    pub class: RiskClass,
    /// The rule that says so.
    pub rule: &'static str,
    /// Why, one line.
    pub reason: String,
    /// What to do instead; empty where nothing needs to be done.
    pub instead: String,
    /// Its place in the text of the command.
    pub span: Range<usize>,
}

/// Everything that an operation does, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Assessment {
    /// What it does.
    pub findings: Vec<Finding>,
}

impl Assessment {
    /// How dangerous it is as a whole.
    #[must_use]
    pub fn level(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or_default()
    }

    pub(super) fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|one, other| {
            (other.level, one.span.start, one.rule).cmp(&(one.level, other.span.start, other.rule))
        });
        findings.dedup();
        // Of each kind the first one stays, wherever it stands: a policy may name its class.
        let (mut kinds, mut kept) = (BTreeSet::new(), 0);
        findings.retain(|finding| {
            kept += 1;
            kinds.insert((finding.level, finding.class)) || kept <= FINDINGS_MAX
        });
        Self { findings }
    }

    fn touch(touch: Touch, length: usize) -> Self {
        Self::of(vec![touch.at(0..length)])
    }
}

impl Touch {
    pub(super) fn at(self, span: Range<usize>) -> Finding {
        let Self { level, class, rule, why, instead } = self;
        Finding { level, class, rule, reason: why, instead: instead.to_owned(), span }
    }
}

/// What is to be done about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// It passes, a person must agree, or it never passes.
    pub rule: PolicyRule,
    /// What decided it; nothing where it passes.
    pub finding: Option<Finding>,
    /// Who says so: a policy file, or `default`.
    pub from: String,
}

/// What the policy does with an assessment: the strongest answer to any of its findings.
#[must_use]
pub fn rule_on(assessment: &Assessment, context: &RiskContext) -> Ruled {
    let ruled = assessment.findings.iter().map(|finding| {
        let rule = context.policy.decide(finding.level, finding.class);
        (rule, finding)
    });
    // The findings are in order, so the first of the strongest is the worst.
    let worst = ruled.fold(None, |worst: Option<(PolicyRule, &Finding)>, (rule, finding)| match worst {
        Some((other, _)) if other >= rule => worst,
        _ => Some((rule, finding)),
    });
    match worst {
        Some((rule, finding)) if rule > PolicyRule::Allow => {
            let from = if finding.level == Level::L4 { "default" } else { context.policy.source(finding.class) };
            Ruled { rule, finding: Some(finding.clone()), from: from.to_owned() }
        }
        _ => Ruled { rule: PolicyRule::Allow, finding: None, from: "default".to_owned() },
    }
}

/// A text for the shell.
#[must_use]
pub fn assess_shell(text: &str, context: &RiskContext) -> Assessment {
    let mut judge = Judge::new(context);
    match super::shell::read(text, None) {
        Ok(pipelines) => judge.whole(&pipelines),
        Err(fault) => judge.fault(&fault, 0..text.len()),
    }
    judge.done()
}

/// A program with its arguments, which no shell cuts.
#[must_use]
pub fn assess_argv(argv: &[String], context: &RiskContext) -> Assessment {
    let mut judge = Judge::new(context);
    if argv.iter().map(String::len).sum::<usize>() > 256 * 1024 {
        judge.fault(&ShellFault::TooComplex, 0..0);
    } else {
        judge.alone(argv);
    }
    judge.done()
}

/// A file that is to be written.
#[must_use]
pub fn assess_write(path: &str, context: &RiskContext) -> Assessment {
    Assessment::touch(targets::write(path, &context.root, context), path.len())
}

/// A file, or with `recursive` a folder, that is to be deleted.
#[must_use]
pub fn assess_delete(path: &str, recursive: bool, context: &RiskContext) -> Assessment {
    Assessment::touch(targets::delete(path, &context.root, recursive, context), path.len())
}

/// A file that is to be read.
#[must_use]
pub fn assess_read(path: &str, context: &RiskContext) -> Assessment {
    match targets::read(path, &context.root, context) {
        Some(touch) => Assessment::touch(touch, path.len()),
        None => Assessment::default(),
    }
}

/// A host, or a URL, that is to be spoken to.
#[must_use]
pub fn assess_host(host: &str, context: &RiskContext) -> Assessment {
    let mut judge = Judge::new(context);
    judge.host(host, 0..host.len());
    judge.done()
}
