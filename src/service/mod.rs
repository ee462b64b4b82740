//! What a user can ask for; the CLI and later the server call nothing else.
