//! What is kept of a command so that a verdict can be believed later.

use std::{ffi::OsString, io};

use crate::{
    base::{Digest, Evidence, Hasher},
    execute::{
        process::{Captured, End, LogPaths, Report},
        tree::open_plain,
    },
};

/// The last lines of output, in bytes.
const LAST_BYTES_MAX: usize = 4 * 1024;
/// The longest summary of a command, in characters.
const SUMMARY_CHARS_MAX: usize = 200;
/// The longest argument shown, in bytes.
const ARGUMENT_BYTES_MAX: usize = 2 * 1024;

/// Everything seen of a command. Reads the logs if the output does not stand in memory; so it may take a while.
pub(super) fn of_command(argv: &[OsString], report: &Report, logs: &LogPaths) -> Evidence {
    let exit = match report.end {
        End::Exited { code } => Some(code),
        End::Signalled { .. }
        | End::Lingered
        | End::TimedOut
        | End::IdleTimedOut
        | End::Stopped(_)
        | End::NotFound { .. }
        | End::SpawnFailed { .. }
        | End::Tampered { .. }
        | End::KeeperLost => None,
    };
    Evidence {
        command: argv.iter().map(|word| word.to_string_lossy()).map(|word| cut(&word)).collect(),
        exit,
        last_lines: noted(last_lines(&report.stdout, &report.stderr), &report.notes),
        output_digest: digest(report, logs),
        tree: None,
        by: None,
        dropped_bytes: report.stdout.dropped + report.stderr.dropped,
    }
}

fn cut(word: &str) -> String {
    word[..word.floor_char_boundary(ARGUMENT_BYTES_MAX)].to_owned()
}

/// The digest of the kept bytes of standard output followed by those of standard error: `cat stdout.log stderr.log`.
fn digest(report: &Report, logs: &LogPaths) -> Option<Digest> {
    if report.stdout.total + report.stderr.total == 0 {
        return None;
    }
    let mut hasher = Hasher::default();
    for (stream, log) in [(&report.stdout, &logs.stdout), (&report.stderr, &logs.stderr)] {
        let in_memory = (stream.head.len() + stream.tail.len()) as u64;
        // A log that could not be kept leaves what stands in memory, and the count of what was dropped says so.
        if stream.total == in_memory || copy(log, &mut hasher).is_err() {
            hasher.update(&stream.head);
            hasher.update(&stream.tail);
        }
    }
    Some(hasher.finish())
}

fn copy(log: &std::path::Path, hasher: &mut Hasher) -> io::Result<u64> {
    io::copy(&mut open_plain(log)?, hasher)
}

/// The end of the output: first of what was said, then of what was complained about.
fn last_lines(stdout: &Captured, stderr: &Captured) -> String {
    let (out, err) = (clean(&ending(stdout)), clean(&ending(stderr)));
    let (out, err) = (out.trim_end(), err.trim_end());
    let err = last_bytes(err, LAST_BYTES_MAX.saturating_sub(out.len() + 1).max(LAST_BYTES_MAX / 2));
    let out = last_bytes(out, LAST_BYTES_MAX.saturating_sub(err.len() + 1));
    match (out.is_empty(), err.is_empty()) {
        (false, false) => format!("{out}\n{err}"),
        (true, _) => err.to_owned(),
        (false, true) => out.to_owned(),
    }
}

/// The reason of a failure with what the sandbox has to say of it.
pub(super) fn with_notes(mut reason: String, notes: &[String]) -> String {
    const SHOWN_MAX: usize = 2;
    for note in notes.iter().take(SHOWN_MAX) {
        reason.push_str("; ");
        reason.push_str(&clean(note));
    }
    if notes.len() > SHOWN_MAX {
        reason.push_str(&format!("; and {} more of this kind", notes.len() - SHOWN_MAX));
    }
    reason
}

/// What a sandbox has to say stands below what the command said.
fn noted(lines: String, notes: &[String]) -> String {
    if notes.is_empty() {
        return lines;
    }
    let notes: Vec<String> = notes.iter().map(|note| format!("orch: {note}")).collect();
    let notes = clean(&notes.join("\n"));
    let notes = &notes[..notes.floor_char_boundary(LAST_BYTES_MAX / 2)];
    let lines = last_bytes(&lines, LAST_BYTES_MAX - notes.len() - 1);
    if lines.is_empty() { notes.to_owned() } else { format!("{lines}\n{notes}") }
}

/// At most `max` bytes from the end, from the start of a line where there is one.
fn last_bytes(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = &text[text.ceil_char_boundary(text.len() - max)..];
    end.find('\n').map_or(end, |newline| &end[newline + 1..])
}

/// The last bytes of a stream, more than are needed of them.
fn ending(stream: &Captured) -> String {
    const ENOUGH: usize = 4 * LAST_BYTES_MAX;
    let mut bytes = Vec::new();
    if stream.tail.len() < ENOUGH && stream.total == (stream.head.len() + stream.tail.len()) as u64 {
        bytes.extend_from_slice(&stream.head[stream.head.len().saturating_sub(ENOUGH - stream.tail.len())..]);
    }
    bytes.extend_from_slice(&stream.tail[stream.tail.len().saturating_sub(ENOUGH)..]);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last line that says something, for the run's state.
pub(super) fn last_line(stream: &Captured) -> String {
    if stream.total == 0 {
        return String::new();
    }
    let text = clean(&ending(stream));
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().take(SUMMARY_CHARS_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// Text without escape sequences and control characters: it is shown on terminals and given to agents.
fn clean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\u{1b}' => skip_escape(&mut rest),
            '\r' if rest.peek() == Some(&'\n') => {}
            // A progress line overwrites itself; each state becomes a line.
            '\r' => kept.push('\n'),
            '\n' | '\t' => kept.push(letter),
            _ if letter.is_control() => {}
            _ => kept.push(letter),
        }
    }
    kept
}

/// Skips the rest of an escape sequence: CSI to its final byte, OSC and other strings to their end.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|letter| !('\u{40}'..='\u{7e}').contains(&letter)) {},
        Some(']' | 'P' | 'X' | '^' | '_') => {
            // An unclosed string must not swallow the lines below it.
            while let Some(letter) = rest.next_if(|letter| *letter != '\n') {
                if letter == '\u{7}' || (letter == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some('(' | ')' | '#') => drop(rest.next()),
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(text: &str) -> Captured {
        Captured { total: text.len() as u64, head: text.into(), ..Captured::default() }
    }

    #[test]
    fn both_streams_have_a_share() {
        assert_eq!(last_lines(&captured("a\n"), &captured("b\n")), "a\nb");
        assert_eq!(last_lines(&captured(""), &captured("b\n")), "b");
        assert_eq!(last_lines(&captured("a\n\n"), &captured("")), "a");
        let (out, err) = ("out\n".repeat(5_000), "err\n".repeat(5_000));
        let last = last_lines(&captured(&out), &captured(&err));
        assert!(last.len() <= LAST_BYTES_MAX && last.len() > LAST_BYTES_MAX - 16, "{}", last.len());
        assert!(last.starts_with("out\n") && last.ends_with("err"));
        let last = last_lines(&captured(&out), &captured("e"));
        assert!(last.ends_with("out\ne") && last.len() > LAST_BYTES_MAX - 16);
        let last = last_lines(&captured("o"), &captured(&err));
        assert!(last.starts_with("o\nerr") && last.len() <= LAST_BYTES_MAX, "{}", last.len());
    }

    #[test]
    fn nothing_commands_the_terminal() {
        let hostile = "\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\ \u{8}\u{9b}1m\u{1b}]0;open\nnext\r\n10%\r20%";
        assert_eq!(clean(hostile), "red link 1m\nnext\n10%\n20%");
    }

    #[test]
    fn a_summary_is_the_last_line() {
        assert_eq!(last_line(&captured("a\n  b \n\n")), "b");
        assert_eq!(last_line(&captured("")), "");
        assert_eq!(last_line(&captured(&"é".repeat(500))).chars().count(), 201);
    }
}
