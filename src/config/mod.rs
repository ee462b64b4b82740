//! Settings: defaults < file < environment < flags. The only reader of the environment.
