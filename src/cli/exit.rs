//! The public table of exit codes. `orch help exit-codes` prints it; the documentation is made from it.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything is done and proven.
    Success = 0,
    /// A step failed, or orch could not do what was asked.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A definition or the settings have faults.
    Invalid = 10,
    /// There is no such thing.
    NotFound = 11,
    /// `plan --detailed-exitcode`: there is work to do.
    WorkToDo = 12,
    /// A person must decide.
    Waiting = 20,
    /// A person said no.
    Rejected = 21,
    /// A gate failed or had no verdict.
    GateFailed = 22,
    /// A budget is used up.
    BudgetExceeded = 23,
    /// Something took too long.
    TimedOut = 24,
    /// An attempt started and nobody knows how it ended.
    UnknownOutcome = 30,
    /// The store cannot be used.
    Store = 31,
    /// Another orch holds the run.
    Locked = 32,
    /// The disk is full.
    DiskFull = 33,
    /// The commands of a definition are not trusted.
    NotTrusted = 40,
    /// Reserved: the sandbox is not available.
    SandboxUnavailable = 41,
    /// Blocked by its risk or by a policy.
    Blocked = 42,
    /// An agent's program is missing or not logged in.
    AgentMissing = 43,
    /// A bug in orch.
    Bug = 70,
    /// Reserved: a service is limited or down; later it may work.
    Unavailable = 75,
    /// Ended by Ctrl-C.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// All codes, in order.
    pub const ALL: &[Self] = &[
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::Invalid,
        Self::NotFound,
        Self::WorkToDo,
        Self::Waiting,
        Self::Rejected,
        Self::GateFailed,
        Self::BudgetExceeded,
        Self::TimedOut,
        Self::UnknownOutcome,
        Self::Store,
        Self::Locked,
        Self::DiskFull,
        Self::NotTrusted,
        Self::SandboxUnavailable,
        Self::Blocked,
        Self::AgentMissing,
        Self::Bug,
        Self::Unavailable,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit with that number.
    #[must_use]
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|exit| exit.code() == code)
    }

    /// What it means, one line.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success: everything is done and proven",
            Self::Failed => "a step failed, or orch could not do what was asked",
            Self::Usage => "the command line is wrong",
            Self::Invalid => "a definition or the settings have faults",
            Self::NotFound => "there is no such definition, run, file or code",
            Self::WorkToDo => "plan --detailed-exitcode: there is work to do",
            Self::Waiting => "the run waits for a person's decision",
            Self::Rejected => "a person said no",
            Self::GateFailed => "a gate failed or had no verdict",
            Self::BudgetExceeded => "a budget is used up",
            Self::TimedOut => "something took too long",
            Self::UnknownOutcome => "an attempt has no known outcome; `orch resume` needs an answer",
            Self::Store => "the store cannot be used",
            Self::Locked => "another orch holds the run",
            Self::DiskFull => "the disk is full",
            Self::NotTrusted => "commands of a definition are not trusted; `orch trust` shows them",
            Self::SandboxUnavailable => "reserved: the sandbox is not available",
            Self::Blocked => "a command is blocked by its risk or by a policy",
            Self::AgentMissing => "an agent's program is missing or not logged in",
            Self::Bug => "a bug in orch",
            Self::Unavailable => "reserved: a service is limited or down; try again later",
            Self::Interrupted => "ended by Ctrl-C or `orch cancel`; `orch retry` goes on",
            Self::Terminated => "ended by SIGTERM; `orch retry` goes on",
        }
    }

    /// Whether the same command may succeed later without an edit.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Waiting
            | Self::Locked
            | Self::DiskFull
            | Self::Unavailable
            | Self::Interrupted
            | Self::Terminated => true,
            Self::Success
            | Self::Failed
            | Self::Usage
            | Self::Invalid
            | Self::NotFound
            | Self::WorkToDo
            | Self::Rejected
            | Self::GateFailed
            | Self::BudgetExceeded
            | Self::TimedOut
            | Self::UnknownOutcome
            | Self::Store
            | Self::NotTrusted
            | Self::SandboxUnavailable
            | Self::Blocked
            | Self::AgentMissing
            | Self::Bug => false,
        }
    }

    /// The whole table as text.
    #[must_use]
    pub fn table() -> String {
        Self::ALL.iter().map(|exit| format!("{:>5}  {}\n", exit.code(), exit.meaning())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<_> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        let public = [0, 1, 2, 10, 11, 12, 20, 21, 22, 23, 24, 30, 31, 32, 33, 40, 41, 42, 43, 70, 75, 130, 143];
        assert_eq!(codes, public);
    }

    #[test]
    fn every_error_code_ends_with_a_public_exit() {
        for info in crate::base::codes::all() {
            assert!(Exit::of(info.exit).is_some(), "{}", info.code);
        }
    }
}
