//! The step cache: work that was done before is not done again.
//!
//! It stands in front of the executor. The scheduler does not know of it: an attempt starts, is written down, and ends
//! with what an earlier one brought back. Gates are never taken from it; they judge what is there.

mod attempted;
mod entry;
mod files;
mod foresee;
mod key;
mod memory;
mod recall;
mod tally;
mod tiers;

pub use files::{FileTier, FilesUse};
pub use foresee::{Foreseen, Would};
pub use memory::MemoryTier;
pub use recall::{Recall, Reuse, Scope};
pub use tally::{CacheCounts, CacheUse, cache_counts, cache_use};
pub use tiers::StepCache;
