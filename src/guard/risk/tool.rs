//! What an agent wants to do with a tool, and whether it may. Knows no tool by its name.

use crate::{
    definition::policy::PolicyRule,
    guard::risk::{Assessment, RiskContext, Ruled, assess_delete, assess_read, assess_shell, assess_write, rule_on},
};

/// What an agent wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolIntent {
    /// A text for the shell.
    Run(String),
    /// Make or change a file.
    Write(String),
    /// Delete a file.
    Delete(String),
    /// Read a file.
    Read(String),
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRuling {
    /// The command or the path.
    pub about: String,
    /// What it would do.
    pub assessment: Assessment,
    /// What the policy says.
    pub ruled: Ruled,
    /// Whether a person has agreed to exactly this command before.
    pub is_agreed: bool,
    is_command: bool,
}

/// What the policy does with it.
#[must_use]
pub fn rule_on_tool(intent: ToolIntent, context: &RiskContext) -> ToolRuling {
    let is_command = matches!(intent, ToolIntent::Run(_));
    let (about, assessment) = match intent {
        ToolIntent::Run(text) => (text.clone(), assess_shell(&text, context)),
        ToolIntent::Write(path) => (path.clone(), assess_write(&path, context)),
        ToolIntent::Delete(path) => (path.clone(), assess_delete(&path, false, context)),
        ToolIntent::Read(path) => (path.clone(), assess_read(&path, context)),
    };
    let ruled = rule_on(&assessment, context);
    let is_agreed = is_command && ruled.rule == PolicyRule::Ask && context.policy().is_agreed(&about);
    ToolRuling { about, assessment, ruled, is_agreed, is_command }
}

impl ToolRuling {
    /// Why it may not be done, in words for the agent; `None` where it may.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let finding = self.ruled.finding.as_ref().filter(|_| self.ruled.rule > PolicyRule::Allow && !self.is_agreed)?;
        let instead =
            if finding.instead.is_empty() { String::new() } else { format!(". Instead: {}", finding.instead) };
        let asked = match (self.ruled.rule, self.is_command) {
            (PolicyRule::Ask, true) => {
                ", and nobody is here to agree to it; a person allows exactly this command under `commands:` in \
                 ~/.config/orch/policy.yaml"
            }
            (PolicyRule::Ask, false) => ", and nobody is here to agree to it",
            (PolicyRule::Allow | PolicyRule::Deny, _) => "",
        };
        Some(format!("{} ({}, {}){asked}{instead}", finding.reason, finding.class.word(), finding.level.word()))
    }
}
