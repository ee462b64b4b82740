//! One attempt from order to outcome: process tree, gate checks, artifacts. Unaware of the graph.

pub mod render;
