//! One attempt from order to outcome: process tree, gate checks, artifacts. Unaware of the graph.

<<<<<<< .merge_file_KqYRt2
pub mod render;
=======
pub mod process;
>>>>>>> .merge_file_FYqeXS
