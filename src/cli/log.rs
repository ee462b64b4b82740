//! Log lines of `orch` about itself, on standard error.

use tracing_subscriber::filter::LevelFilter;

use crate::config::LogLevel;

/// The level of the settings, raised by each `-v` after the first, which only makes reports longer.
pub(super) fn level(set: LogLevel, verbose: u8) -> LogLevel {
    let asked = match verbose {
        0 | 1 => LogLevel::Off,
        2 => LogLevel::Debug,
        3.. => LogLevel::Trace,
    };
    set.max(asked)
}

/// Starts logging; the first call wins.
pub(super) fn start(level: LogLevel, colours: bool) {
    let filter = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let logger = tracing_subscriber::fmt().with_max_level(filter).with_writer(std::io::stderr);
    // A second start in one process can only come from a test.
    logger.with_ansi(colours).without_time().with_target(false).try_init().ok();
}
