//! What models cost: the table that is built in, and `[prices."MODEL"]` of an `orch.toml`.

use std::{ops::Range, path::PathBuf};

use toml_edit::{Item, TableLike};

use crate::{
    base::{Price, Prices},
    config::{
        file::{Reader, key_span, parse},
        layer::{FilePlace, Layer},
    },
};

/// The keys of a price, in dollars for a million tokens.
pub(super) const PRICE_KEYS: &[&str] = &["input", "output", "cache_read", "cache_write"];
/// The most that a million tokens may cost, in dollars.
const DOLLARS_MAX: f64 = 10_000.0;
/// Bytes of a model's name.
const NAME_MAX: usize = 200;

/// The table that is built in.
pub(super) fn built_in() -> Layer {
    let mut layer = Layer { name: "prices".to_owned(), ..Layer::default() };
    let place = FilePlace { shown: "prices.toml".into(), folder: PathBuf::new(), is_project: false };
    parse(&mut layer, include_str!("prices.toml").to_owned(), &place);
    layer
}

/// All prices; later layers win.
pub(super) fn merged(layers: &[Layer]) -> Prices {
    let mut prices = Prices::default();
    for (name, price) in layers.iter().flat_map(|layer| &layer.prices) {
        prices.set(name, *price);
    }
    prices
}

impl Reader<'_> {
    pub(super) fn prices(&mut self, prices: &dyn TableLike) {
        for (name, item) in prices.iter() {
            let at = key_span(prices, name);
            let path = format!("prices.\"{}\"", name.escape_debug());
            if name.trim().is_empty() || name.len() > NAME_MAX {
                self.refuse(at, "prices", "this cannot be a model's name", "write [prices.\"gpt-5\"]");
            } else if let Some(table) = item.as_table_like() {
                self.price(name, &path, at, table);
            } else {
                let help = format!("write a table: [{path}] and below it input = 3.0 and output = 15.0");
                self.refuse(at, &path, "this is no table", &help);
            }
        }
    }

    fn price(&mut self, name: &str, path: &str, at: Range<usize>, table: &dyn TableLike) {
        let before = self.layer.faults.len();
        for (key, _) in table.iter().filter(|(key, _)| !PRICE_KEYS.contains(key)) {
            self.unknown(key_span(table, key), "prices.MODEL", key);
        }
        let input = self.amount(path, table, "input");
        let output = self.amount(path, table, "output");
        let cache_read = self.amount(path, table, "cache_read");
        let cache_write = self.amount(path, table, "cache_write");
        if self.layer.faults.len() > before {
            return;
        }
        let (Some(input), Some(output)) = (input, output) else {
            let help = "write both, in dollars for a million tokens: input = 3.0 and output = 15.0";
            return self.refuse(at, path, "it has no `input` or no `output`", help);
        };
        let price =
            Price { input, output, cache_read: cache_read.unwrap_or(input), cache_write: cache_write.unwrap_or(input) };
        self.layer.prices.push((name.to_owned(), price));
    }

    /// Dollars, as micro-dollars.
    fn amount(&mut self, path: &str, table: &dyn TableLike, key: &str) -> Option<u64> {
        let item = table.get(key)?;
        let number = item.as_float().or_else(|| whole(item));
        if let Some(dollars) = number.filter(|dollars| (0.0..=DOLLARS_MAX).contains(dollars)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within its bounds")]
            return Some((dollars * 1e6).round() as u64);
        }
        let at = item.span().unwrap_or_else(|| key_span(table, key));
        let help = format!("write dollars for a million tokens, from 0 to {DOLLARS_MAX}: {key} = 3.0");
        self.refuse(at, &format!("{path}.{key}"), "this is no price", &help);
        None
    }
}

fn whole(item: &Item) -> Option<f64> {
    item.as_integer().and_then(|number| i32::try_from(number).ok()).map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_whole() {
        let layer = built_in();
        assert!(layer.faults.is_empty(), "{:?}", layer.faults);
        let prices = merged(&[layer]);
        assert!(prices.iter().count() >= 30);
        for (name, price) in prices.iter() {
            assert!(price.input > 0 && price.output > price.input, "{name}: {price:?}");
            assert!(price.cache_read <= price.input && price.cache_write >= price.input, "{name}: {price:?}");
        }
    }

    #[test]
    fn models_are_found_by_the_names_that_programs_tell() {
        let prices = merged(&[built_in()]);
        let dollars = |name: &str| prices.find(name).map(|price| (price.input, price.output));
        assert_eq!(dollars("claude-opus-4-5-20251101"), Some((5_000_000, 25_000_000)));
        assert_eq!(dollars("claude-opus-4-1-20250805"), Some((15_000_000, 75_000_000)));
        assert_eq!(dollars("claude-sonnet-4-5-20250929"), Some((3_000_000, 15_000_000)));
        assert_eq!(dollars("anthropic/claude-haiku-4-5"), Some((1_000_000, 5_000_000)));
        assert_eq!(dollars("gpt-5.2-codex"), Some((1_750_000, 14_000_000)));
        assert_eq!(dollars("gpt-5.2-pro"), Some((21_000_000, 168_000_000)));
        assert_eq!(dollars("gemini-2.5-flash-lite"), Some((100_000, 400_000)));
        assert_eq!(dollars("gemini-3-pro-preview"), Some((2_000_000, 12_000_000)));
        assert_eq!(dollars("deepseek-chat"), Some((280_000, 420_000)));
        assert_eq!(dollars("gpt-6"), None);
    }
}
