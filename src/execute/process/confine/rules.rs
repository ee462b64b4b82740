//! What the kernel's Landlock keeps: writing, signals to others, sockets without a name in the tree.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::Fault;

/// What the rules are written for; an older kernel keeps a part of them, which is not enough.
const ABI_WRITTEN_FOR: ABI = ABI::V6;

/// Restricts this thread and all that come from it, for good, to write these trees and files. `None` leaves all files to
/// the mounts, because with rules on files nobody can make mounts of their own.
pub(super) fn restrict(writes: Option<&[PathBuf]>) -> Result<(), Fault> {
    let made = |error: landlock::RulesetError| Fault::new("make the Landlock rules", error);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if writes.is_some() {
        ruleset = ruleset.handle_access(AccessFs::from_all(ABI_WRITTEN_FOR)).map_err(made)?;
    }
    let mut created = ruleset.scope(Scope::from_all(ABI_WRITTEN_FOR)).and_then(Ruleset::create).map_err(made)?;
    if let Some(writes) = writes {
        created = created.add_rule(beneath(Path::new("/"), AccessFs::from_read(ABI_WRITTEN_FOR))?).map_err(made)?;
        // Only the few devices that the mounts leave there can be opened.
        let devices = AccessFs::from_read(ABI_WRITTEN_FOR) | AccessFs::WriteFile | AccessFs::Truncate;
        created = created.add_rule(beneath(Path::new("/dev"), devices | AccessFs::IoctlDev)?).map_err(made)?;
        for path in writes {
            let all = AccessFs::from_all(ABI_WRITTEN_FOR) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
            created = created.add_rule(beneath(path, all)?).map_err(made)?;
        }
    }
    let status = created.restrict_self().map_err(made)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => {
            Err(Fault::new("Landlock", format!("{}; Linux 6.12 or newer keeps all of it", words(&status.landlock))))
        }
    }
}

fn beneath(path: &Path, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, Fault> {
    let fault = |error: &dyn std::fmt::Display| Fault::new(format!("a rule for {}", path.display()), error);
    let is_file = path.metadata().map_err(|error| fault(&error))?.is_file();
    let access = if is_file { access & AccessFs::from_file(ABI_WRITTEN_FOR) } else { access };
    Ok(PathBeneath::new(PathFd::new(path).map_err(|error| fault(&error))?, access))
}

fn words(status: &LandlockStatus) -> String {
    match status {
        LandlockStatus::NotEnabled => "it is switched off on this machine".to_owned(),
        LandlockStatus::NotImplemented => "this kernel has none".to_owned(),
        other => format!("this kernel keeps a part of it ({other:?})"),
    }
}
