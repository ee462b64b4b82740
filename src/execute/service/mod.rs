//! An attempt on a model service: the connection, the tools, and the loop between them.
//!
//! What is said and what it proves is decided in `runtime::service`, which touches nothing; here it is sent, performed
//! and stored.

mod agent;
mod archive;
mod desk;
mod files;
mod http;
mod look;
mod shell;
