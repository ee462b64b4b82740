//! `orch lsp`: the language server, spoken over standard input and output.
//!
//! The only module that names `lsp-server` and `lsp-types`.

mod convert;
mod server;

pub use server::LspArgs;
pub(in crate::cli) use server::run;
