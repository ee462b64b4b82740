//! What people write: agents, skills, commands, workflows and gates, and the library that holds them.
//!
//! `load/` is the only reader of definition files. Nothing here knows plans or runs.
