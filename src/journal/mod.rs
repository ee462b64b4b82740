//! The ordered, durable records of runs.
