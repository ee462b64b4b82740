//! Workflows of Archon: `nodes:` with `depends_on`, one kind of work each, and values as `$node.output.field`.
//!
//! `read` makes steps of nodes, `names` turns values into ours. Keys without a counterpart are marked, never dropped
//! in silence.

mod names;
mod node;
mod read;

pub(super) use read::read;
