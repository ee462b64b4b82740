//! What models cost. The figures are data; this knows how to find a price and how to count with it.

use std::collections::BTreeMap;

use crate::base::Usage;

/// What a million tokens cost, in micro-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from a cache.
    pub cache_read: u64,
    /// Tokens written to a cache.
    pub cache_write: u64,
}

impl Price {
    /// What a usage costs, in micro-dollars; never less than it is.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> u64 {
        let parts = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_tokens, self.cache_read),
            (usage.cache_write_tokens, self.cache_write),
        ];
        let all: u128 = parts.into_iter().map(|(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        u64::try_from(all.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
        }
    }
}

/// What something costs, and whether that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Micro-dollars.
    pub usd_micros: u64,
    /// Nobody knows the price: the dearest known one was taken.
    pub guessed: bool,
}

/// Prices by the beginnings of model names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    by_name: BTreeMap<String, Price>,
}

impl Prices {
    /// Sets the price of all models whose names begin so.
    pub fn set(&mut self, name: &str, price: Price) {
        self.by_name.insert(name.to_ascii_lowercase(), price);
    }

    /// The price of a model: that of the longest beginning of its name that is known. A beginning ends where a word
    /// ends, so that `gpt-5` says nothing of `gpt-5.9`. What stands before the last slash is the name of a provider.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<Price> {
        let model = model.trim().to_ascii_lowercase();
        let bare = model.rsplit('/').next().unwrap_or_default();
        self.longest(&model).or_else(|| self.longest(bare))
    }

    fn longest(&self, model: &str) -> Option<Price> {
        let ends = model.char_indices().filter(|(_, letter)| "-@:[/".contains(*letter)).map(|(place, _)| place);
        let ends: Vec<_> = ends.chain([model.len()]).collect();
        ends.iter().rev().find_map(|end| self.by_name.get(&model[..*end]).copied())
    }

    /// The dearest of all prices, part by part.
    #[must_use]
    pub fn dearest(&self) -> Price {
        self.by_name.values().fold(Price::default(), |dearest, price| dearest.dearer(*price))
    }

    /// What a usage costs on the first of these names that has a price. An unknown price never counts as nothing.
    #[must_use]
    pub fn cost<'a>(&self, names: impl IntoIterator<Item = &'a str>, usage: &Usage) -> Costs {
        let known = names.into_iter().find_map(|name| self.find(name));
        Costs { usd_micros: known.unwrap_or_else(|| self.dearest()).of(usage), guessed: known.is_none() }
    }

    /// All names, with their prices.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Price)> {
        self.by_name.iter().map(|(name, price)| (name.as_str(), *price))
    }
}

/// An amount of money for people: cents, and more digits below one cent.
#[must_use]
pub fn dollars(usd_micros: u64) -> String {
    match usd_micros {
        0 => "$0.00".to_owned(),
        1..10_000 => format!("${}.{:04}", usd_micros / 1_000_000, usd_micros.div_ceil(100) % 10_000),
        _ => format!("${}.{:02}", usd_micros / 1_000_000, usd_micros / 10_000 % 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let mut prices = Prices::default();
        let price = |input, output| Price { input, output, cache_read: input / 10, cache_write: input };
        prices.set("gpt-5", price(1_250_000, 10_000_000));
        prices.set("gpt-5-pro", price(15_000_000, 120_000_000));
        prices.set("claude-opus-4", price(15_000_000, 75_000_000));
        prices.set("claude-opus-4-5", price(5_000_000, 25_000_000));
        prices
    }

    #[test]
    fn the_longest_beginning_wins_and_ends_with_a_word() {
        let prices = prices();
        let output = |name: &str| prices.find(name).map(|price| price.output);
        assert_eq!(output("gpt-5"), Some(10_000_000));
        assert_eq!(output("gpt-5-2025-08-07"), Some(10_000_000));
        assert_eq!(output("gpt-5-pro-2025"), Some(120_000_000));
        assert_eq!(output("gpt-5.9"), None);
        assert_eq!(output("gpt-55"), None);
        assert_eq!(output("Claude-Opus-4-5@20251101"), Some(25_000_000));
        assert_eq!(output("anthropic/claude-opus-4-1"), Some(75_000_000));
        assert_eq!(output(""), None);
        assert_eq!(output("größe-1"), None);
    }

    #[test]
    fn an_unknown_price_is_the_dearest_and_says_so() {
        let usage = Usage { input_tokens: 1_000_000, output_tokens: 1_000_000, ..Usage::default() };
        let guessed = prices().cost(["nobody", "knows"], &usage);
        assert_eq!(guessed, Costs { usd_micros: 135_000_000, guessed: true });
        let known = prices().cost(["nobody", "gpt-5"], &usage);
        assert_eq!(known, Costs { usd_micros: 11_250_000, guessed: false });
    }

    #[test]
    fn a_part_of_a_micro_dollar_counts_as_a_whole_one_and_nothing_overflows() {
        let one = Usage { input_tokens: 1, ..Usage::default() };
        assert_eq!(Price { input: 1, ..Price::default() }.of(&one), 1);
        let most = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(Price { input: u64::MAX, output: 1, ..Price::default() }.of(&most), u64::MAX);
    }

    #[test]
    fn small_amounts_are_not_nothing() {
        let texts: Vec<_> = [0, 1, 150, 9_999, 10_000, 1_239_999].into_iter().map(dollars).collect();
        assert_eq!(texts, ["$0.00", "$0.0001", "$0.0002", "$0.0100", "$0.01", "$1.23"]);
    }
}
