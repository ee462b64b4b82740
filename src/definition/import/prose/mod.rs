//! Prose commands: a text that tells one agent to lead others through phases.
//!
//! `outline` reads the Markdown, `words` knows the turns of phrase, `phases` finds the parts, `phase` turns one part
//! into steps (`children` finds its pieces, `assertions` what must hold, `placeholders` what nobody fills). What a text means is decided by its structure and by few words; everything else stays text.

mod agents;
mod assertions;
mod children;
mod lists;
mod outline;
mod phase;
mod phases;
mod placeholders;
mod read;
mod words;

pub(super) use read::read;
