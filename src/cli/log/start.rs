//! Which lines are written, and where.

use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    cli::log::{
        file::{Keeping, LogFile},
        gather::{Gather, Sink, To},
    },
    config::{Log, LogLevel},
    service::Redactor,
};

/// What somebody wants to be told.
#[derive(Debug)]
pub(in crate::cli) struct Wish {
    /// How much.
    pub level: LogLevel,
    /// In which form, and where it is kept.
    pub log: Log,
    /// Whether standard error has colours.
    pub colours: bool,
    /// Whether standard error tells what happens in runs, where nothing else does.
    pub story: bool,
    /// Takes secrets out of what is written.
    pub redactor: Redactor,
}

/// The level of the settings, raised by each `-v` after the first, which only makes reports longer; of whoever has no report
/// and is to be quiet, errors are left.
pub(in crate::cli) fn level(set: LogLevel, verbose: u8, quiet: bool) -> LogLevel {
    let asked = match verbose {
        0 | 1 => LogLevel::Off,
        2 => LogLevel::Debug,
        3.. => LogLevel::Trace,
    };
    if quiet { set.min(LogLevel::Error) } else { set.max(asked) }
}

/// Starts logging; the first call wins. Gives why the file is not written, where it is not.
pub(in crate::cli) fn start(wish: Wish) -> Option<String> {
    let mut sinks = vec![Sink {
        level: wish.level,
        to: To::Stderr { is_json: wish.log.is_json, colours: wish.colours },
        story: wish.story || wish.level >= LogLevel::Info,
    }];
    let mut fault = None;
    if let Some(path) = &wish.log.file {
        let Log { bytes_max, every, keep, age, .. } = wish.log;
        match LogFile::open(path.clone(), Keeping { bytes_max, every, keep: keep as usize, age }) {
            // Whoever keeps a file wants to know what happened; whoever asks for more than that gets more.
            Ok(file) => {
                sinks.push(Sink { level: wish.level.max(LogLevel::Info), to: To::File(Box::new(file)), story: true });
            }
            Err(error) => fault = Some(format!("the log file {} cannot be written: {error}", path.display())),
        }
    }
    // A second start in one process can only come from a test.
    tracing_subscriber::registry().with(Gather::new(sinks, wish.redactor)).try_init().ok();
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_leaves_errors_and_loud_shows_more() {
        assert_eq!(level(LogLevel::Warn, 0, false), LogLevel::Warn);
        assert_eq!(level(LogLevel::Warn, 1, false), LogLevel::Warn);
        assert_eq!(level(LogLevel::Warn, 2, false), LogLevel::Debug);
        assert_eq!(level(LogLevel::Trace, 0, true), LogLevel::Error);
        assert_eq!(level(LogLevel::Off, 0, true), LogLevel::Off);
    }
}
