//! Values of flags that are more than a word: pairs, budgets and files. Knows no verb.

use std::{fs::File, io::Read as _, os::unix::fs::FileTypeExt as _, path::Path};

use crate::base::{parse_count, parse_duration};

/// The text of a file that a person has named, if it is one of at most `bytes_max`. A pipe that the shell has opened is one as
/// well; one that lies on the disk would be waited for without an end.
pub(super) fn text_of(path: &Path, bytes_max: u64) -> Result<String, String> {
    let is_open = ["/dev/", "/proc/"].iter().any(|folder| path.starts_with(folder));
    let found = path.metadata().map_err(|error| error.to_string())?;
    if found.file_type().is_fifo() && !is_open {
        return Err("it is a pipe, to which nobody may ever write".to_owned());
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > bytes_max {
        return Err(format!("it has more than {bytes_max} bytes"));
    }
    Ok(text)
}

/// `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Before the first `=`.
    pub name: String,
    /// After it.
    pub value: String,
}

pub(super) fn pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Pair { name: name.to_owned(), value: value.to_owned() }),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}

/// What `--budget` gives; absent parts stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetArg {
    /// Micro-dollars.
    pub usd_micros: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// Milliseconds of work.
    pub time_ms: Option<u64>,
    /// Starts of agents.
    pub agents: Option<u64>,
}

/// Reads `usd=5,tokens=1M,time=1h,agents=20`.
pub(super) fn budget(text: &str) -> Result<BudgetArg, String> {
    let mut budget = BudgetArg::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not NAME=VALUE"))?;
        let slot = match name.trim() {
            "usd" => {
                budget.usd_micros = Some(usd_micros(value)?);
                continue;
            }
            "time" => {
                let time = parse_duration(value).map_err(|error| error.to_string())?;
                budget.time_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                continue;
            }
            "tokens" => &mut budget.tokens,
            "agents" => &mut budget.agents,
            other => return Err(format!("`{other}` is none of usd, tokens, time, agents")),
        };
        *slot = Some(parse_count(value).map_err(|error| error.to_string())?);
    }
    if budget == BudgetArg::default() {
        Err("expected at least one of usd, tokens, time, agents".to_owned())
    } else {
        Ok(budget)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the amount is checked to be in range")]
fn usd_micros(text: &str) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        Ok(amount) if (0.0..=1_000_000.0).contains(&amount) => Ok((amount * 1_000_000.0).round() as u64),
        Ok(_) | Err(_) => Err(format!("`{text}` is no amount from 0 to 1000000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets() {
        let all = budget("usd=2.5, tokens=1M,time=1h30m,agents=20").unwrap();
        assert_eq!(all.usd_micros, Some(2_500_000));
        assert_eq!(all.tokens, Some(1_000_000));
        assert_eq!(all.time_ms, Some(5_400_000));
        assert_eq!(all.agents, Some(20));
        for text in ["", "usd", "usd=-1", "usd=nan", "money=3", "tokens=x", "time=5", "usd=1e300"] {
            assert!(budget(text).is_err(), "{text}");
        }
    }
}
