//! One file a subcommand; terminal reports; exit codes.
