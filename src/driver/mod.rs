//! The loop that feeds the scheduler and performs its actions.
