//! What a confined attempt may do, worked out from paths alone. Knows nothing of how a machine keeps it.

mod lists;
mod profile;

pub use lists::agent_homes;
pub use profile::{Held, Kind, Method, Profile, Site};
