//! What pages draw: bars and lines as numbers for SVG, and figures in words. Everything drawn stands in a table as well.

use serde_json::{Value, json};

use crate::{
    base::{Timestamp, Usage, dollars, render_duration},
    service::{Burn, BurnLine},
};

/// How wide a line chart is, in its own units.
const WIDTH: u128 = 600;
const HEIGHT: u128 = 150;

/// A count in few letters: `999`, `12.3k`, `4.5M`.
pub(super) fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}.{}k", number / 1_000, number / 100 % 10),
        _ => format!("{}.{}M", number / 1_000_000, number / 100_000 % 10),
    }
}

/// Money; with a mark where a part of it is estimated.
pub(super) fn money(usage: &Usage) -> String {
    format!("{}{}", if usage.guessed_usd_micros > 0 { "~" } else { "" }, dollars(usage.usd_micros))
}

/// By what costs are compared: money, or tokens where nobody has told money.
pub(super) fn weight(usage: &Usage, total: &Usage) -> u64 {
    if total.usd_micros > 0 { usage.usd_micros } else { usage.tokens() }
}

/// A part of the largest, of a hundred.
pub(super) fn percent(part: u64, most: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(most.max(1))).unwrap_or(100)
}

/// An amount of something that is budgeted.
fn amount(what: &str, number: u64) -> String {
    match what {
        "usd_micros" => dollars(number),
        "time_ms" => render_duration(std::time::Duration::from_millis(number)),
        _ => count(number),
    }
}

/// One limit of a run as a line, and as a row of the table.
pub(super) fn burn_line(burn: &Burn, line: &BurnLine) -> Value {
    let (from, until) = (burn.started.0, burn.until.0.max(burn.started.0 + 1));
    // What is to come is drawn for as long again as the run has taken, and no longer.
    let right = line.runs_out.map_or(until, |at| at.0.clamp(until, until + (until - from)));
    let top = line.limit.unwrap_or(0).max(line.spent + line.reserved).max(1);
    let x = |at: u64| u128::from(at.clamp(from, right) - from) * WIDTH / u128::from(right - from);
    let y = |amount: u64| HEIGHT - u128::from(amount.min(top)) * (HEIGHT - 10) / u128::from(top);
    let mut path = format!("M0 {HEIGHT}");
    let mut last = 0;
    for (at, spent) in &line.points {
        path.push_str(&format!("L{} {}L{} {}", x(at.0), y(last), x(at.0), y(*spent)));
        last = *spent;
    }
    path.push_str(&format!("L{} {}", x(until), y(line.spent)));
    let name = match line.what {
        "usd_micros" => "Money",
        "tokens" => "Tokens",
        "time_ms" => "Time of work",
        _ => "Starts of agents",
    };
    json!({
        "name": name, "path": path, "limit_y": line.limit.map(|limit| y(limit).to_string()),
        "ahead": line.runs_out.map(|_| {
            let reached = ahead(line, until, right);
            format!("M{} {}L{WIDTH} {}", x(until), y(line.spent), y(reached))
        }),
        "reserved": (line.reserved > 0).then(|| json!({
            "x": x(until).saturating_sub(6), "y": y(line.spent + line.reserved),
            "height": y(line.spent) - y(line.spent + line.reserved),
        })),
        "budget": line.limit.map(|limit| amount(line.what, limit)), "spent": amount(line.what, line.spent),
        "held": amount(line.what, line.reserved),
        "left": line.limit.map(|limit| amount(line.what, limit.saturating_sub(line.spent))),
        "rate": amount(line.what, line.per_hour), "runs_out": line.runs_out.map(|at| at.to_string()),
        "percent": line.limit.map(|limit| percent(line.spent, limit)),
        "points": points(line),
    })
}

/// What will be spent at the right end, at the rate until now.
fn ahead(line: &BurnLine, until: u64, right: u64) -> u64 {
    let more = u128::from(line.per_hour) * u128::from(right - until) / 3_600_000;
    line.spent.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
}

fn points(line: &BurnLine) -> Vec<Value> {
    let row = |(at, spent): &(Timestamp, u64)| json!({ "at": at.to_string(), "spent": amount(line.what, *spent) });
    line.points.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limit: Option<u64>, spent: u64, runs_out: Option<u64>) -> BurnLine {
        let points = vec![(Timestamp(0), 0), (Timestamp(500), spent)];
        BurnLine {
            what: "tokens",
            limit,
            spent,
            reserved: 0,
            per_hour: spent,
            runs_out: runs_out.map(Timestamp),
            points,
        }
    }

    fn burn() -> Burn {
        Burn {
            v: 1,
            id: String::new(),
            workflow: String::new(),
            status: "running",
            started: Timestamp(0),
            until: Timestamp(1_000),
            on_limit: "pause",
            lines: Vec::new(),
        }
    }

    #[test]
    fn lines_stay_in_their_picture() {
        let drawn = burn_line(&burn(), &line(Some(100), 50, Some(2_000)));
        assert_eq!(drawn["path"], "M0 150L0 150L0 150L150 150L150 80L300 80");
        assert_eq!((&drawn["limit_y"], &drawn["percent"]), (&json!("10"), &json!(50)));
        for (limit, spent, out) in
            [(None, 0, None), (Some(0), 7, Some(0)), (Some(u64::MAX), u64::MAX / 2, Some(u64::MAX))]
        {
            let drawn = burn_line(&burn(), &line(limit, spent, out));
            let path = drawn["path"].as_str().expect("a path").to_owned() + drawn["ahead"].as_str().unwrap_or_default();
            let numbers = path.split(['M', 'L', ' ']).filter(|word| !word.is_empty());
            assert!(numbers.map(|word| word.parse::<u64>().expect("a number")).all(|number| number <= 600), "{path}");
        }
    }

    #[test]
    fn counts_are_short() {
        assert_eq!([count(9_999), count(12_345), count(4_560_000)], ["9999", "12.3k", "4.5M"]);
        assert_eq!([percent(0, 0), percent(5, 10), percent(u64::MAX, u64::MAX)], [0, 50, 100]);
    }
}
