//! Where an agent's tools work: which paths they may touch, and what the model is told of each call.
//!
//! Invariants: nothing outside the workspace is touched but the files that the order names; a refused change is a
//! denial, never a small thing; what is told is bounded.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

use crate::{
    execute::{
        globs::Globs,
        tree::{open_beneath, open_plain},
    },
    guard::{PathFault, contained_path},
    runtime::{
        Order, PathRules, path_rules,
        service::{Refusal, ToolDone},
    },
};

/// The longest text that the model is told of one call, in bytes.
pub(super) const TOLD_BYTES_MAX: usize = 64 * 1024;

/// The workspace as the tools see it. It is handed to threads that may wait for the disk.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub workspace: PathBuf,
    pub attempt: String,
    /// Files outside the workspace that may be read: those that the order names.
    named: Vec<PathBuf>,
    /// What may be written, where the step declares it.
    declared: Option<Globs>,
    /// What the rules of the order say of paths.
    rules: Rules,
}

/// Rules on paths, ready to match.
#[derive(Debug, Clone)]
struct Rules {
    writes: Option<Globs>,
    no_writes: Globs,
    looks: Option<Globs>,
    no_looks: Globs,
}

impl Rules {
    fn new(rules: &PathRules) -> Result<Self, String> {
        let only = |paths: &Option<Vec<String>>| paths.as_ref().map(Globs::new).transpose();
        Ok(Self {
            writes: only(&rules.writes)?,
            no_writes: Globs::new(&rules.no_writes)?,
            looks: only(&rules.looks)?,
            no_looks: Globs::new(&rules.no_looks)?,
        })
    }
}

fn allows(only: Option<&Globs>, never: &Globs, path: &Path) -> bool {
    only.is_none_or(|only| only.is_match(path)) && !never.is_match(path)
}

impl Desk {
    /// # Errors
    /// A declared glob that cannot be understood.
    pub(super) fn new(workspace: &Path, attempt: &str, order: &Order) -> Result<Self, String> {
        let declared = if order.files.is_empty() { None } else { Some(Globs::new(&order.files)?) };
        let named = order.context_files.iter().map(PathBuf::from).filter(|path| path.is_absolute()).collect();
        let rules = Rules::new(&path_rules(order))?;
        Ok(Self { workspace: workspace.to_owned(), attempt: attempt.to_owned(), named, declared, rules })
    }

    /// Opens a file to be read.
    pub(super) fn read(&self, path: &Path) -> Result<File, Refusal> {
        let failed = |error: io::Error| wrong(format!("`{}` cannot be read: {error}", path.display()));
        if self.named.iter().any(|named| named == path) {
            return open_plain(path).map_err(failed);
        }
        open_beneath(&self.workspace, &self.readable(path)?).map_err(failed)
    }

    /// The path of a file that may be read, relative to the workspace.
    pub(super) fn readable(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let relative = self.relative(path);
        contained_path(&self.workspace, &relative).map_err(refused_look)?;
        if !self.may_look(&relative) {
            let shown = relative.display();
            return Err(Refusal::Denied(format!("the rules of this step do not let the path `{shown}` be read")));
        }
        Ok(relative)
    }

    /// Whether the rules let a file be looked at.
    pub(super) fn may_look(&self, relative: &Path) -> bool {
        allows(self.rules.looks.as_ref(), &self.rules.no_looks, relative)
    }

    /// The path of a folder or file to be looked through, relative to the workspace; empty for all of it.
    pub(super) fn below(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let relative = self.relative(path);
        if !relative.as_os_str().is_empty() {
            contained_path(&self.workspace, &relative).map_err(refused_look)?;
        }
        Ok(relative)
    }

    /// The path of a file to be written, relative to the workspace.
    pub(super) fn writable(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let relative = self.relative(path);
        contained_path(&self.workspace, &relative).map_err(|fault| Refusal::Denied(fault.to_string()))?;
        if self.declared.as_ref().is_some_and(|declared| !declared.is_match(&relative)) {
            let shown = relative.display();
            return Err(Refusal::Denied(format!("the path `{shown}` is none of the `files` of this step")));
        }
        if !allows(self.rules.writes.as_ref(), &self.rules.no_writes, &relative) {
            let shown = relative.display();
            return Err(Refusal::Denied(format!("the rules of this step do not let the path `{shown}` be changed")));
        }
        Ok(relative)
    }

    /// Models write the same path in many ways. What leads out stays as it is, for the guard to refuse.
    fn relative(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix(&self.workspace).unwrap_or(path);
        path.components().filter(|part| *part != Component::CurDir).collect()
    }
}

/// A link may well lead to a place inside; it is not followed, and that is no attempt to break out.
fn refused_look(fault: PathFault) -> Refusal {
    match fault {
        PathFault::Link { .. } | PathFault::Look { .. } | PathFault::Size { .. } => Refusal::Wrong(fault.to_string()),
        PathFault::Absolute { .. } | PathFault::NotPlain { .. } | PathFault::Reserved { .. } => {
            Refusal::Denied(fault.to_string())
        }
    }
}

/// It was done.
pub(super) fn told(text: impl Into<String>) -> ToolDone {
    ToolDone { text: text.into(), is_ok: true }
}

/// It was not done.
pub(super) fn wrong(text: impl Into<String>) -> Refusal {
    Refusal::Wrong(text.into())
}

/// The beginning and the end of a text, and how much is missing between.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= TOLD_BYTES_MAX {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(TOLD_BYTES_MAX / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - TOLD_BYTES_MAX / 2)..];
    format!("{head}\n[… {} bytes are left out …]\n{tail}", text.len() - head.len() - tail.len())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::runtime::{Access, OrderAgent};

    /// A desk on an empty workspace.
    pub(in crate::execute::service) fn desk(named: &[&str], declared: &[&str]) -> (tempfile::TempDir, Desk) {
        at(&order(named, declared))
    }

    /// A desk on an empty workspace, under rules.
    pub(in crate::execute::service) fn ruled(
        tools: Option<Vec<String>>,
        permissions: crate::definition::Permissions,
    ) -> (tempfile::TempDir, Desk) {
        at(&Order { tools, permissions, ..order(&[], &[]) })
    }

    fn at(order: &Order) -> (tempfile::TempDir, Desk) {
        let root = tempfile::tempdir().unwrap();
        let desk = Desk::new(root.path(), "run/1-1", order).unwrap();
        (root, desk)
    }

    fn order(named: &[&str], declared: &[&str]) -> Order {
        let all = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        Order {
            workflow: "w".into(),
            step: "s".into(),
            attempt: 1,
            turn: 1,
            agent: OrderAgent { name: "a".into(), instructions: String::new() },
            task: "t".into(),
            requirements: String::new(),
            constraints: vec![],
            context: String::new(),
            context_files: all(named),
            expected_output: None,
            feedback: None,
            session: None,
            session_usage: crate::base::Usage::default(),
            forks: false,
            model: None,
            tools: None,
            files: all(declared),
            answer_files: false,
            access: Access::Edit,
            permissions: crate::definition::Permissions::default(),
            mcp_servers: vec![],
            attached: vec![],
            inputs: serde_json::Map::new(),
        }
    }

    #[test]
    fn what_is_told_keeps_its_head_and_its_tail() {
        assert_eq!(cut("short"), "short");
        let text = cut(&format!("begin{}end", "é".repeat(TOLD_BYTES_MAX)));
        assert!(text.starts_with("begin") && text.ends_with("end") && text.contains("bytes are left out"));
        assert!(text.len() < TOLD_BYTES_MAX + 60);
    }
}
