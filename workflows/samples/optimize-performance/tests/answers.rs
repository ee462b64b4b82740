//! What the shop answers. None of it may change when it becomes cheaper.

use shop::{backend::unique, database::Table, frontend::page};

#[test]
fn every_item_once_where_it_stood_first() {
    assert_eq!(unique(&[3, 1, 3, 2, 1]), [3, 1, 2]);
    assert_eq!(unique(&["pear", "apple", "pear"]), ["pear", "apple"]);
    assert_eq!(unique::<u8>(&[]), []);
}

#[test]
fn rows_are_found_whatever_their_order() {
    let table = Table::new([(7, "seven"), (1, "one"), (4, "four")]);
    assert_eq!([table.find(&1), table.find(&4), table.find(&7)], [Some(&"one"), Some(&"four"), Some(&"seven")]);
    assert_eq!([table.find(&0), table.find(&5), table.find(&9)], [None; 3]);
}

#[test]
fn the_first_of_two_rows_with_one_key_is_kept() {
    assert_eq!(Table::new([(2, "b"), (1, "first"), (1, "second")]).find(&1), Some(&"first"));
}

#[test]
fn a_page_shows_every_row() {
    let html = page(&[("Tea & <milk>", 250), ("Cake", 5)]);
    for part in ["Tea &amp; &lt;milk>", ">2.50<", "Cake", ">0.05<", "text-align: right", "<table"] {
        assert!(html.contains(part), "no {part} in {html}");
    }
}
