//! Prose commands: a text that tells one agent to lead others through phases.
//!
//! `outline` reads the Markdown, `words` knows the turns of phrase, `phases` finds the parts, `phase` turns one part
//! into steps. What a text means is decided by its structure and by few words; everything else stays text.

mod agents;
mod lists;
mod outline;
mod phase;
mod phases;
mod read;
mod words;

pub(super) use read::read;
