//! Puts a price on what an agent reports, while it works and at its end.
//!
//! What a program says that it cost is taken as it is. Where it tells tokens and no money, the price of its model is
//! taken; where nobody knows that price, the dearest known one, and the cost is marked as guessed. Costs only ever grow:
//! a guess that was too high is not taken back, because what was counted once has been acted on.

use std::sync::Arc;

use crate::base::{Prices, Usage};

/// Letters of a model's name that are kept; it comes from a program.
const MODEL_CHARS_MAX: usize = 100;

/// Counts one attempt.
pub(super) struct Meter {
    prices: Arc<Prices>,
    /// What stands for the model where the program does not tell it: the order's model, then the runtime.
    otherwise: Vec<String>,
    /// The model that was told last.
    model: Option<String>,
    /// As the program tells it.
    told: Usage,
    /// With a price on it.
    counted: Usage,
}

impl Meter {
    pub fn new(prices: Arc<Prices>, model: Option<&str>, runtime: &str) -> Self {
        let otherwise = model.into_iter().chain([runtime]).map(str::to_owned).collect();
        Self { prices, otherwise, model: None, told: Usage::default(), counted: Usage::default() }
    }

    /// Something was spent since the last report.
    pub fn spent(&mut self, usage: Usage, model: Option<String>) -> (Usage, Option<String>) {
        if let Some(model) = model {
            self.model = Some(model.chars().filter(|letter| !letter.is_control()).take(MODEL_CHARS_MAX).collect());
        }
        self.told.add(usage);
        (self.count(usage), self.model.clone())
    }

    /// The end: what the program says that it cost in all gets a price too.
    pub fn close(&mut self, all: &mut Usage) {
        let rest = all.without(self.told);
        self.told.add(rest);
        self.count(rest);
        *all = self.counted;
    }

    fn count(&mut self, mut usage: Usage) -> Usage {
        (usage.guessed_usd_micros, self.told.guessed_usd_micros) = (0, 0);
        if usage.usd_micros > 0 {
            // A sum that comes after its parts were given a price covers them.
            usage.usd_micros = self.told.usd_micros.saturating_sub(self.counted.usd_micros);
        } else if usage.tokens() > 0 {
            let names = self.model.iter().chain(&self.otherwise).map(String::as_str);
            let costs = self.prices.cost(names, &usage);
            usage.usd_micros = costs.usd_micros;
            usage.guessed_usd_micros = if costs.guessed { costs.usd_micros } else { 0 };
        }
        self.counted.add(usage);
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Price;

    fn meter(model: Option<&str>) -> Meter {
        let mut prices = Prices::default();
        prices.set("small", Price { input: 1_000_000, output: 2_000_000, cache_read: 100_000, cache_write: 1_000_000 });
        prices.set("large", Price { input: 5_000_000, output: 9_000_000, cache_read: 500_000, cache_write: 5_000_000 });
        Meter::new(Arc::new(prices), model, "claude")
    }

    fn tokens(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, output_tokens, ..Usage::default() }
    }

    #[test]
    fn tokens_get_the_price_of_the_model_that_is_told() {
        let mut meter = meter(Some("large"));
        let (first, model) = meter.spent(tokens(10, 10), Some("small-2\u{7}".to_owned()));
        assert_eq!((first.usd_micros, first.guessed_usd_micros, model.as_deref()), (30, 0, Some("small-2")));
        let mut all = tokens(30, 10);
        meter.close(&mut all);
        assert_eq!((all.usd_micros, all.tokens()), (50, 40));
    }

    #[test]
    fn without_a_told_model_the_order_s_counts() {
        let mut all = tokens(10, 0);
        meter(Some("small")).close(&mut all);
        assert_eq!((all.usd_micros, all.guessed_usd_micros), (10, 0));
    }

    #[test]
    fn an_unknown_model_counts_as_the_dearest_and_is_marked() {
        let mut all = tokens(10, 10);
        meter(None).close(&mut all);
        assert_eq!((all.usd_micros, all.guessed_usd_micros), (140, 140));
        let (live, _) = meter(Some("small")).spent(tokens(10, 10), Some("other".to_owned()));
        assert_eq!((live.usd_micros, live.guessed_usd_micros), (30, 0), "the order's model is known");
    }

    #[test]
    fn a_sum_told_at_the_end_covers_what_had_a_price_before() {
        let mut meter = meter(Some("small"));
        meter.spent(tokens(10, 10), None);
        let (sum, _) = meter.spent(Usage { usd_micros: 45, ..Usage::default() }, None);
        assert_eq!(sum.usd_micros, 15);
        let mut all = Usage { usd_micros: 45, ..tokens(10, 10) };
        meter.close(&mut all);
        assert_eq!((all.usd_micros, all.tokens()), (45, 20));
    }

    #[test]
    fn what_was_seen_counts_although_the_end_tells_nothing() {
        let mut meter = meter(Some("small"));
        meter.spent(tokens(10, 10), None);
        let mut all = Usage::default();
        meter.close(&mut all);
        assert_eq!((all.tokens(), all.usd_micros), (20, 30));
    }

    #[test]
    fn money_that_is_told_is_taken_as_it_is() {
        let mut meter = meter(None);
        let (first, _) = meter.spent(Usage { usd_micros: 7, ..tokens(10, 10) }, None);
        let (second, _) = meter.spent(Usage { usd_micros: 8, ..tokens(10, 10) }, None);
        assert_eq!((first.usd_micros, second.usd_micros, second.guessed_usd_micros), (7, 8, 0));
    }
}
