//! What a policy says: paths nobody may change, hosts that may be spoken to, and which classes of danger need a person.
//!
//! Invariant: [`Policy::tightened`] never allows what one of its two sides refuses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Spanned;

/// How much harm an operation can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Level {
    /// Reads.
    #[default]
    L0,
    /// Writes in the workspace.
    L1,
    /// Executes, speaks to the network, or writes outside.
    L2,
    /// Deletes, cannot be taken back, touches credentials or the state of others: a person decides.
    L3,
    /// Never.
    L4,
}

impl Level {
    /// All, in order.
    pub const ALL: &[Self] = &[Self::L0, Self::L1, Self::L2, Self::L3, Self::L4];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
        }
    }

    /// What it means, one line.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::L0 => "reads",
            Self::L1 => "writes in the workspace",
            Self::L2 => "executes, speaks to the network, or writes outside of the workspace",
            Self::L3 => "deletes, cannot be taken back, or touches credentials or the state of others",
            Self::L4 => "destroys a system or switches its guards off",
        }
    }
}

macro_rules! classes {
    ($($name:ident $word:literal $meaning:literal;)*) => {
        /// The kind of danger.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RiskClass {
            $(#[doc = $meaning] $name,)*
        }

        impl RiskClass {
            /// All, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in a policy.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it means, one line.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

classes! {
    Read "read" "looks at files";
    Write "write" "changes files";
    Execute "execute" "runs a program";
    Delete "delete" "deletes files for good";
    Disk "disk" "writes to disks, partitions or devices";
    History "history" "rewrites history or throws uncommitted work away";
    Publish "publish" "makes something public, or changes what others see";
    Secrets "secrets" "reads or prints credentials";
    Exfiltration "exfiltration" "sends local data to another machine";
    Privilege "privilege" "works with more rights than its user's";
    Persistence "persistence" "leaves something that runs later";
    Network "network" "speaks to another machine";
    Install "install" "installs code of others, which may run at once";
    RemoteCode "remote_code" "runs code that nobody has read";
    Database "database" "destroys data in a database";
    Infra "infra" "changes machines, clusters or services";
    Process "process" "ends processes or stops the machine";
    Guard "guard" "switches off or steers what watches over it";
    Opaque "opaque" "cannot be read before it runs";
}

/// What is done with a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyRule {
    /// It passes.
    Allow,
    /// A person must have agreed to exactly this.
    Ask,
    /// It never passes.
    Deny,
}

impl PolicyRule {
    /// All, from weak to strong.
    pub const ALL: &[Self] = &[Self::Allow, Self::Ask, Self::Deny];

    /// Its name in a policy.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyLayer {
    /// The user's own: it may also allow.
    User,
    /// The project's: it may only refuse.
    Project,
}

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyFile {
    /// Globs of paths, relative to the project, that nobody may change.
    pub protected: Vec<Spanned<String>>,
    /// The most files that one attempt of an agent may change.
    pub max_changed_files: Option<u32>,
    /// Hosts that may be spoken to; `*.example.org` is every host below it. Absent: any.
    pub hosts: Option<Vec<Spanned<String>>>,
    /// What is done with each class.
    pub classes: BTreeMap<RiskClass, PolicyRule>,
    /// Commands, letter for letter, that a person has agreed to. The user's file only.
    pub commands: Vec<Spanned<String>>,
}

/// One thing that holds, and the file that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said<T> {
    /// What.
    pub value: T,
    /// Who: a file, or `default`.
    pub from: String,
}

/// What holds: the built-in rules, the user's file and the project's file together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Paths that nobody may change.
    pub protected: Vec<Said<String>>,
    /// The most files that one attempt of an agent may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_changed_files: Option<Said<u32>>,
    /// Lists of hosts: one that is spoken to stands in each of them.
    pub hosts: Vec<Said<Vec<String>>>,
    /// What is done with each class that a file names.
    pub classes: BTreeMap<RiskClass, Said<PolicyRule>>,
    /// Commands that the user has agreed to, letter for letter.
    pub commands: Vec<Said<String>>,
}

impl Policy {
    /// This policy and a further file together. The project's file can only take away.
    #[must_use]
    pub fn tightened(mut self, file: &PolicyFile, from: &str, layer: PolicyLayer) -> Self {
        let said = |value: &Spanned<String>| Said { value: value.value.clone(), from: from.to_owned() };
        self.protected.extend(file.protected.iter().map(said));
        if let Some(most) = file.max_changed_files
            && self.max_changed_files.as_ref().is_none_or(|other| most < other.value)
        {
            self.max_changed_files = Some(Said { value: most, from: from.to_owned() });
        }
        if let Some(hosts) = &file.hosts {
            let value = hosts.iter().map(|host| host.value.to_lowercase()).collect();
            self.hosts.push(Said { value, from: from.to_owned() });
        }
        for (class, rule) in &file.classes {
            // A class that nobody has named asks at L3 only; named, it asks at L2 as well.
            let tighter = match self.classes.get(class) {
                Some(said) => *rule > said.value,
                None => *rule >= PolicyRule::Ask,
            };
            if layer == PolicyLayer::User || tighter {
                self.classes.insert(*class, Said { value: *rule, from: from.to_owned() });
            }
        }
        if layer == PolicyLayer::User {
            self.commands.extend(file.commands.iter().map(said));
        }
        self
    }

    /// What is done with a class at the asking level.
    #[must_use]
    pub fn rule(&self, class: RiskClass) -> PolicyRule {
        self.classes.get(&class).map_or(PolicyRule::Ask, |said| said.value)
    }

    /// What is done with an operation of this level and class.
    #[must_use]
    pub fn decide(&self, level: Level, class: RiskClass) -> PolicyRule {
        match level {
            Level::L0 | Level::L1 => PolicyRule::Allow,
            // Everyday work passes unless a file names its class.
            Level::L2 => self.classes.get(&class).map_or(PolicyRule::Allow, |said| said.value),
            Level::L3 => self.rule(class),
            Level::L4 => PolicyRule::Deny,
        }
    }

    /// Whether the user has agreed to this command, letter for letter.
    #[must_use]
    pub fn is_agreed(&self, command: &str) -> bool {
        self.commands.iter().any(|said| said.value.trim() == command.trim())
    }

    /// Who says what is done with a class.
    #[must_use]
    pub fn source(&self, class: RiskClass) -> &str {
        self.classes.get(&class).map_or("default", |said| said.from.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(classes: &[(usize, usize)], most: Option<u32>) -> PolicyFile {
        let classes = classes.iter().map(|(class, rule)| {
            (RiskClass::ALL[class % RiskClass::ALL.len()], PolicyRule::ALL[rule % PolicyRule::ALL.len()])
        });
        PolicyFile { max_changed_files: most, classes: classes.collect(), ..PolicyFile::default() }
    }

    proptest! {
        #[test]
        fn a_project_never_allows_what_its_user_refuses(
            user in proptest::collection::vec((0usize..99, 0usize..3), 0..12),
            project in proptest::collection::vec((0usize..99, 0usize..3), 0..12),
            mosts in (proptest::option::of(1u32..9), proptest::option::of(1u32..9)),
        ) {
            let own = Policy::default().tightened(&file(&user, mosts.0), "user", PolicyLayer::User);
            let mut theirs = file(&project, mosts.1);
            theirs.commands.push(Spanned::new("git push".to_owned(), crate::base::Span::default()));
            let both = own.clone().tightened(&theirs, "project", PolicyLayer::Project);
            for level in Level::ALL {
                for class in RiskClass::ALL {
                    prop_assert!(both.decide(*level, *class) >= own.decide(*level, *class));
                }
            }
            prop_assert!(both.commands.is_empty());
            if let Some(most) = own.max_changed_files {
                prop_assert!(both.max_changed_files.is_some_and(|now| now.value <= most.value));
            }
        }
    }
}
