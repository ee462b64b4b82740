//! Quantities that people write: `30s`, `10m`, `2h`, `20k`, `3M`.

use std::time::Duration;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct QuantityError {
    text: String,
    expected: &'static str,
}

/// Reads a duration: a number and `ms`, `s`, `m`, `h` or `d`, or several of them (`1h30m`).
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let fault = || QuantityError { text: text.to_owned(), expected: "a duration such as `30s`, `10m` or `2h`" };
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err(fault());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let number: u64 = rest[..digits].parse().map_err(|_| fault())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit_ms = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(fault()),
        };
        total_ms = number.checked_mul(unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(fault)?;
        rest = rest[letters..].trim_start();
    }
    Ok(Duration::from_millis(total_ms))
}

/// Reads a count: a whole number, with `k` for 10³ or `M` for 10⁶ (`20k`, `1.5M`).
pub fn parse_count(text: &str) -> Result<u64, QuantityError> {
    let fault = || QuantityError { text: text.to_owned(), expected: "a whole number, `20k` or `3M`" };
    let trimmed = text.trim();
    let (number, factor) = match trimmed.strip_suffix('k') {
        Some(number) => (number, 1_000),
        None => match trimmed.strip_suffix('M') {
            Some(number) => (number, 1_000_000),
            None => (trimmed, 1),
        },
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) || whole.is_empty() {
        return Err(fault());
    }
    let scale = 10u64.checked_pow(u32::try_from(fraction.len()).map_err(|_| fault())?).ok_or_else(fault)?;
    let digits: u64 = format!("{whole}{fraction}").parse().map_err(|_| fault())?;
    let product = digits.checked_mul(factor).ok_or_else(fault)?;
    if product % scale == 0 { Ok(product / scale) } else { Err(fault()) }
}

/// Writes a duration for people: `0.4s`, `41.2s`, `3m 10s`, `2h 5m`.
#[must_use]
pub fn render_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1}s", (duration.as_secs_f64() * 10.0).floor() / 10.0)
    } else if seconds < 3600 {
        format!("{}m {}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h {}m", seconds / 3600, seconds / 60 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "5", "h", "-3s", "1.5h", "99999999999999999999s", "5 parsecs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(parse_count("20k"), Ok(20_000));
        assert_eq!(parse_count("1.5M"), Ok(1_500_000));
        for text in ["", "k", "1.5", "-1", "1e3", "99999999999999999999"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }
}
