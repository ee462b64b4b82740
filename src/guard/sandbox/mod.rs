//! What a confined attempt may do, worked out from paths alone. Knows nothing of how a machine keeps it.

mod lists;
mod profile;

pub use lists::{CACHES, PLACEHOLDER_TIME, agent_homes, placeholder};
pub use profile::{Held, Kind, Mark, Method, Profile, Site};
