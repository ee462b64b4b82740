//! When a quota resets, as far as the complaint says: `try again in 2 hours`, `resets at 3pm`, `limit reached|1795219200`.

use std::time::Duration;

use crate::base::Timestamp;

const DAY_MS: u64 = 86_400_000;
/// The longest that a quota lasts, in milliseconds; what says more is misread.
const QUOTA_MAX_MS: u64 = 8 * DAY_MS;

/// The time that a complaint names, if it does and it lies ahead. `offset` is how far the local time is ahead of UTC:
/// programs tell the hour of their user's clock.
#[must_use]
pub fn reset_time(text: &str, now: Timestamp, offset_minutes: i32) -> Option<Timestamp> {
    let text = text.to_ascii_lowercase();
    let found = after_words(&text, now).or_else(|| epoch(&text)).or_else(|| at_hour(&text, now, offset_minutes))?;
    (found > now && found.0 - now.0 <= QUOTA_MAX_MS).then_some(found)
}

/// `try again in 2 hours 5 minutes`, `resets in 3h`, `retry-after: 90`.
fn after_words(text: &str, now: Timestamp) -> Option<Timestamp> {
    const SIGNS: [&str; 7] =
        ["try again in", "resets in", "reset in", "retry in", "retry after", "retry-after", "available in"];
    SIGNS.iter().find_map(|sign| {
        let rest = &text[text.find(sign)? + sign.len()..];
        let mut rest = rest.trim_start_matches([' ', ':', '=', '"', '~']);
        let mut total = None;
        while let Some((ms, after)) = amount(rest) {
            total = Some(total.unwrap_or(0u64).saturating_add(ms));
            rest = after.trim_start_matches([' ', ',']);
            rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
        }
        Some(now.plus(Duration::from_millis(total?)))
    })
}

/// A number with its unit, in milliseconds, and what follows. Seconds where no unit is named.
fn amount(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let rest = text[end..].trim_start_matches(' ');
    let word = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let factor = match &rest[..word] {
        "ms" | "milliseconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => DAY_MS,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        _ => return Some((number.saturating_mul(1_000), &text[end..])),
    };
    Some((number.saturating_mul(factor), &rest[word..]))
}

/// Seconds since 1970 behind a bar, as one program writes them.
fn epoch(text: &str) -> Option<Timestamp> {
    let rest = &text[text.find("limit reached|")? + "limit reached|".len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(Timestamp(rest[..end].parse::<u64>().ok()?.checked_mul(1_000)?))
}

/// `resets at 3pm`, `resets 15:30 utc`: the next time that a clock shows it.
fn at_hour(text: &str, now: Timestamp, offset_minutes: i32) -> Option<Timestamp> {
    const SIGNS: [&str; 5] = ["resets at", "reset at", "resets", "try again at", "available at"];
    SIGNS.iter().find_map(|sign| {
        let rest = text[text.find(sign)? + sign.len()..].trim_start_matches([' ', ':']);
        let (minute, rest) = clock(rest)?;
        let zone = rest.trim_start_matches([' ', '(']);
        let offset = if ["utc", "gmt", "z"].iter().any(|utc| zone.starts_with(utc)) { 0 } else { offset_minutes };
        let day = i64::try_from(DAY_MS / 60_000).ok()?;
        let now_minutes = i64::try_from(now.0 / 60_000).ok()?;
        let local = now_minutes + i64::from(offset);
        let mut ahead = (i64::from(minute) - local.rem_euclid(day)).rem_euclid(day);
        if ahead == 0 {
            ahead = day;
        }
        let at = u64::try_from(now_minutes + ahead).ok()?;
        Some(Timestamp(at * 60_000))
    })
}

/// `3pm`, `3:30 pm`, `15:30`, as minutes of the day, and what follows.
fn clock(text: &str) -> Option<(u32, &str)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let end = digits(text);
    let hour: u32 = text[..end].parse().ok()?;
    let mut rest = &text[end..];
    let mut minute = None;
    if let Some(after) = rest.strip_prefix(':') {
        let end = digits(after);
        minute = Some(after[..end].parse::<u32>().ok().filter(|minute| *minute < 60)?);
        rest = &after[end..];
    }
    let half = rest.trim_start();
    let (hour, rest) = if let Some(after) = half.strip_prefix("am").or(half.strip_prefix("a.m.")) {
        ((1..=12).contains(&hour).then_some(hour % 12)?, after)
    } else if let Some(after) = half.strip_prefix("pm").or(half.strip_prefix("p.m.")) {
        ((1..=12).contains(&hour).then_some(hour % 12 + 12)?, after)
    } else {
        // A number alone is no hour.
        minute?;
        ((hour < 24).then_some(hour)?, rest)
    };
    Some((hour * 60 + minute.unwrap_or(0), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 14:20 UTC.
    const NOW: Timestamp = Timestamp(1_795_219_200_000 + (14 * 60 + 20) * 60_000);

    fn minutes(text: &str, offset: i32) -> Option<u64> {
        reset_time(text, NOW, offset).map(|at| (at.0 - NOW.0) / 60_000)
    }

    #[test]
    fn times_are_read_as_people_say_them() {
        for (text, offset, expected) in [
            ("You've hit your usage limit. Try again in 2 hours 5 minutes.", 0, Some(125)),
            ("quota exceeded, try again in 90 minutes", 0, Some(90)),
            ("usage limit; resets in 3h", 0, Some(180)),
            ("insufficient_quota retry-after: 120", 0, Some(2)),
            ("try again in 1 day, 2 hours and 3 minutes", 0, Some(1_563)),
            ("5-hour limit reached ∙ resets 3pm", 0, Some(40)),
            ("limit reached, resets at 3pm", 60, Some(24 * 60 - 20)),
            ("limit reached, resets at 3:30 PM (Europe/Berlin)", 60, Some(10)),
            ("resets at 12am", 0, Some(580)),
            ("resets 15:30 UTC", 120, Some(70)),
            ("resets at 14:20", 0, Some(24 * 60)),
            ("Claude AI usage limit reached|1795275600", 0, Some(80)),
            ("your credit balance is too low", 0, None),
            ("resets 7 days", 0, None),
            ("resets at 25:10", 0, None),
            ("resets at 13pm", 0, None),
            ("try again in 900 days", 0, None),
            ("limit reached|99999999999999999999", 0, None),
            ("limit reached|1", 0, None),
        ] {
            assert_eq!(minutes(text, offset), expected, "{text}");
        }
    }
}
