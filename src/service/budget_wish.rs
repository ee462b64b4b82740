//! A budget that somebody gives a run: before it starts, or to let it go on.

use crate::{
    base::{parse_count, parse_duration},
    plan::Plan,
    scheduler::Event,
};

/// A budget as somebody gives it; absent parts stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetWish {
    /// Micro-dollars.
    pub usd_micros: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// Milliseconds of work.
    pub time_ms: Option<u64>,
    /// Starts of agents.
    pub agents: Option<u64>,
}

impl BudgetWish {
    /// Gives a plan these limits instead of its own.
    pub fn narrow(&self, plan: &mut Plan) {
        let budget = &mut plan.budget;
        budget.usd_micros = self.usd_micros.or(budget.usd_micros);
        budget.tokens = self.tokens.or(budget.tokens);
        budget.time_ms = self.time_ms.or(budget.time_ms);
        budget.agents = self.agents.unwrap_or(budget.agents);
    }

    /// The event that raises the budget of a run; none where nothing was said.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        let Self { usd_micros, tokens, time_ms, agents } = *self;
        (*self != Self::default()).then_some(Event::BudgetRaised { usd_micros, tokens, time_ms, agents })
    }
}

/// Reads `usd=5,tokens=1M,time=1h,agents=20`.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn parse_budget(text: &str) -> Result<BudgetWish, String> {
    let mut budget = BudgetWish::default();
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
    if budget == BudgetWish::default() {
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
        let all = parse_budget("usd=2.5, tokens=1M,time=1h30m,agents=20").unwrap();
        assert_eq!(all.usd_micros, Some(2_500_000));
        assert_eq!(all.tokens, Some(1_000_000));
        assert_eq!(all.time_ms, Some(5_400_000));
        assert_eq!(all.agents, Some(20));
        for text in ["", "usd", "usd=-1", "usd=nan", "money=3", "tokens=x", "time=5", "usd=1e300"] {
            assert!(parse_budget(text).is_err(), "{text}");
        }
    }
}
