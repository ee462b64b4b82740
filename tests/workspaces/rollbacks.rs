//! rollbacks
