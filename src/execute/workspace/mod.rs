//! Where attempts work, and what becomes of their work: workspaces, checkpoints, merges, rollback, collection.
//!
//! One idea carries all of it: a checkpoint is the bytes of a working tree as a git commit, made and read with a git
//! folder of our own. The folder of the project is asked for two things only: its objects and `refs/orch/`. So nothing
//! that a repository says (hooks, filters, attributes, aliases, monitors, merge drivers) is carried out, the user's
//! branch, index and stash are out of reach, and a project without git has the same verbs.
//!
//! A workspace is a repository of its own that borrows the project's objects, not a linked worktree: linked worktrees
//! share the stash, the branches, the configuration and the hooks with the user, so one `git stash`, `git branch -f` or
//! `git gc --prune=now` of an agent would reach the user's own work.
//!
//! Does not know: steps, plans, when to merge, who decides.

mod apply;
mod checkpoint;
mod collect;
mod commits;
mod conflict;
mod difference;
mod fault;
mod git;
mod intent;
mod line;
mod lock;
mod memory;
mod merge;
mod owner;
mod ports;
mod reference;
mod repository;
mod resolve;
mod rollback;
mod rounds;
mod seen;
mod shown;
mod snapshot;
mod space;
mod spaces;
mod stage;
mod told;

pub use checkpoint::{Base, Checkpoint};
pub use collect::{Collected, Kept, KeptWhy};
pub use conflict::{Conflict, ConflictFile, Side};
pub use difference::{Change, ChangeKind, Count, Entry, Stat};
pub use fault::WorkspaceFault;
pub use git::{HELD, Oid};
pub use line::{Line, Merged};
pub use merge::{Candidate, Proposal, Strategy};
pub use owner::{Maker, Owner, Process, SpaceKind, State};
pub use reference::{Point, encode};
pub use repository::{Kind, Repository};
pub use rollback::{Delivery, Preview, Rollback};
pub use rounds::Rounds;
pub use shown::{Shown, ShownFile};
pub use snapshot::{Bounds, Snapshot};
pub use space::{Request, Space, Workspaces};
pub use spaces::{Ask, Proposed, Ready, Seat, Spaces, Taken, Unit};
