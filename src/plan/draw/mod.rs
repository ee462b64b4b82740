//! Drawings of a plan: a tree for the terminal, Mermaid, DOT, SVG and numbers for a screen.
//!
//! Knows plans only. All text that comes from definitions is escaped for its format; control characters are shown, not
//! sent. The same plan always gives the same bytes.

mod dot;
mod escape;
mod layout;
mod mermaid;
mod picture;
mod svg;
mod tree;
mod words;

pub use dot::dot;
pub use mermaid::mermaid;
pub use picture::{Picture, PictureEdge, PictureStep, picture};
pub use svg::svg;
pub use tree::tree;
pub use words::kind;
