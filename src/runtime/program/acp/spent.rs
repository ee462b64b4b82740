//! What an agent says that it has spent. Knows no session.
//!
//! What lies: some count the tokens that came from a cache as read and some do not; some count a whole session and some
//! one turn, and nothing in what they say tells which. Those that were seen begin anew when a session is taken up.

use serde_json::Value;

use crate::{
    base::Usage,
    runtime::program::json::{number, text},
};

/// The tokens that the end of a turn tells, by model where they are told so.
pub(super) fn told(result: &Value) -> Vec<(Option<String>, Usage)> {
    let usage = of_protocol(&result["usage"]);
    if !usage.is_zero() {
        return vec![(None, usage)];
    }
    let quota = &result["_meta"]["quota"];
    let counted = |counts: &Value| Usage {
        input_tokens: number(counts, "input_tokens"),
        output_tokens: number(counts, "output_tokens"),
        ..Usage::default()
    };
    let models = quota["model_usage"].as_array().into_iter().flatten();
    let mut all: Vec<_> = models
        .map(|row| (Some(text(row, "model").to_owned()).filter(|name| !name.is_empty()), counted(&row["token_count"])))
        .filter(|(_, usage)| !usage.is_zero())
        .collect();
    let sum = all.iter().fold(Usage::default(), |mut sum, (_, usage)| {
        sum.add(*usage);
        sum
    });
    // What no model has counted is counted too.
    let rest = counted(&quota["token_count"]).without(sum);
    if !rest.is_zero() {
        all.push((None, rest));
    }
    all
}

/// The fields of the protocol. The total tells whether `inputTokens` holds what came from the cache.
fn of_protocol(usage: &Value) -> Usage {
    let [input, output, read, written, thought, total] =
        ["inputTokens", "outputTokens", "cachedReadTokens", "cachedWriteTokens", "thoughtTokens", "totalTokens"]
            .map(|field| number(usage, field));
    let cached = read.saturating_add(written);
    let apart = input.saturating_add(output).saturating_add(cached);
    let holds_cached = total > 0 && total < apart;
    let known = if holds_cached { apart - cached } else { apart };
    Usage {
        input_tokens: if holds_cached { input.saturating_sub(cached) } else { input },
        // Where there is no total, thoughts are counted: too much is better than too little.
        output_tokens: if total == 0 || total >= known.saturating_add(thought) {
            output.saturating_add(thought)
        } else {
            output
        },
        cache_read_tokens: read,
        cache_write_tokens: written,
        ..Usage::default()
    }
}

/// What a turn has cost of the counts of its session, where `before` was charged already. Counts below that began anew.
pub(super) fn since(told: Usage, before: Usage) -> Usage {
    let before = Usage { usd_micros: 0, guessed_usd_micros: 0, ..before };
    let rest = told.without(before);
    let mut sum = rest;
    sum.add(before);
    if sum == told { rest } else { told }
}

/// The money that an agent says the session has cost, in micro-dollars.
pub(super) fn money(update: &Value) -> Option<u64> {
    let cost = update.get("cost").filter(|cost| cost["currency"] == "USD")?;
    let dollars = cost.get("amount")?.as_f64().filter(|dollars| (0.0..1e9).contains(dollars))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and 10^15")]
    Some((dollars * 1e6).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage(input: u64, output: u64, read: u64) -> Usage {
        Usage { input_tokens: input, output_tokens: output, cache_read_tokens: read, ..Usage::default() }
    }

    #[test]
    fn the_total_tells_what_the_input_holds() {
        let of = |value: Value| told(&json!({ "usage": value })).first().map(|(_, usage)| *usage);
        for (value, expected) in [
            (
                json!({ "inputTokens": 300, "outputTokens": 12, "totalTokens": 1312, "cachedReadTokens": 1000 }),
                usage(300, 12, 1000),
            ),
            (
                json!({ "inputTokens": 2500, "outputTokens": 57, "totalTokens": 2557, "cachedReadTokens": 1000 }),
                usage(1500, 57, 1000),
            ),
            (json!({ "inputTokens": 10, "outputTokens": 5, "thoughtTokens": 3, "totalTokens": 18 }), usage(10, 8, 0)),
            (json!({ "inputTokens": 10, "outputTokens": 5, "thoughtTokens": 3, "totalTokens": 15 }), usage(10, 5, 0)),
            (json!({ "inputTokens": 10, "outputTokens": 5, "thoughtTokens": 3 }), usage(10, 8, 0)),
        ] {
            assert_eq!(of(value.clone()), Some(expected), "{value}");
        }
        assert_eq!(of(json!({ "inputTokens": -5, "outputTokens": "7", "totalTokens": 1e300 })), None);
        assert_eq!(of(json!([])), None);
    }

    #[test]
    fn counts_of_a_session_become_those_of_a_turn() {
        assert_eq!(since(usage(250, 50, 10), usage(100, 20, 10)), usage(150, 30, 0));
        assert_eq!(since(usage(100, 20, 0), usage(100, 20, 0)), Usage::default());
        assert_eq!(since(usage(100, 5, 0), usage(90, 20, 0)), usage(100, 5, 0), "counted anew");
        assert_eq!(since(usage(5, 5, 5), Usage::default()), usage(5, 5, 5));
        assert_eq!(since(usage(9, 9, 9), Usage { usd_micros: 5, ..usage(4, 4, 4) }), usage(5, 5, 5));
    }

    #[test]
    fn only_dollars_are_money() {
        assert_eq!(money(&json!({ "cost": { "amount": 0.005_655, "currency": "USD" } })), Some(5_655));
        for cost in [json!({ "amount": 1, "currency": "EUR" }), json!({ "amount": -1, "currency": "USD" }), json!(7)] {
            assert_eq!(money(&json!({ "cost": cost })), None, "{cost}");
        }
    }
}
