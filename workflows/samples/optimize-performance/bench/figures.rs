//! Counts the work of each layer: comparisons of keys, bytes of a page. No clock: the same on every machine.

use std::{cell::Cell, cmp::Ordering, env};

use shop::{backend::unique, database::Table, frontend::page};

thread_local!(static COMPARED: Cell<u64> = const { Cell::new(0) });

/// A key that counts how often it is compared.
#[derive(Debug, Clone, Copy, Eq)]
struct Key(u32);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

/// Numbers that look as if they had no order.
fn mixed(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |number| number.wrapping_mul(7919) % 10_007)
}

/// Comparisons for 500 orders of 4 in a table of 1000 rows; making the table counts, too.
fn database() -> u64 {
    COMPARED.set(0);
    let table = Table::new(mixed(1000).map(|key| (Key(key), key)));
    let found = (0..4).flat_map(|_| mixed(500)).filter(|key| table.find(&Key(*key)) == Some(key)).count();
    assert_eq!(found, 2000, "a row is lost");
    COMPARED.get()
}

/// Comparisons for an order of 1000 items, half of them twice.
fn backend() -> u64 {
    let items: Vec<Key> = mixed(500).chain(mixed(500)).map(Key).collect();
    COMPARED.set(0);
    let kept = unique(&items).len();
    let compared = COMPARED.get();
    assert_eq!(kept, 500, "an item is lost");
    compared
}

/// Bytes of a page of 100 rows.
fn frontend() -> u64 {
    let names: Vec<String> = mixed(100).map(|number| format!("Article {number}")).collect();
    let rows: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1999)).collect();
    page(&rows).len() as u64
}

fn main() {
    let layer = env::args().nth(1).unwrap_or_default();
    let (figure, bar, unit) = match layer.as_str() {
        "frontend" => (frontend(), 8_000, "bytes"),
        "backend" => (backend(), 20_000, "comparisons"),
        "database" => (database(), 60_000, "comparisons"),
        "total" => (frontend() + backend() + database(), 88_000, "comparisons and bytes"),
        _ => panic!("the layers are frontend, backend, database and total"),
    };
    println!("{{ \"figure\": {figure}, \"bar\": {bar}, \"unit\": \"{unit}\" }}");
}
