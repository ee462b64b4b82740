//! How much one text may be, read, take and give.

/// The longest text of a template or expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The longest rendered text and the largest result of an expression, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest values a text may read, estimated in bytes of memory.
pub const VALUES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Instructions one rendering may take.
pub const FUEL: u64 = 50_000;
