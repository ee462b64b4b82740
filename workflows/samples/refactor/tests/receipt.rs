//! One receipt, whole.

use receipt::receipt;

#[test]
fn two_books_and_a_drink() {
    let text = receipt("2 book 12.50\n1 drink 1.20\n").expect("both can be read");
    let expected =
        "   2 book     25.00\n   1 drink     1.20\n     tax       1.98\n     total    28.18\n";
    assert_eq!(text, expected);
}
