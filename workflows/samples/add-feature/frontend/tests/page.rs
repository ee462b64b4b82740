//! What stands on the page.

use recipes::page;
use recipes_backend::read;

#[test]
fn every_recipe_is_on_the_page_in_its_order() {
    let all = read("Pancakes | 20 | Eggs, Milk\nBread & Butter | 2 | Bread").expect("two recipes");
    let text = page(&all);
    let first = text.find("<h2>Pancakes</h2>\n<p>20 minutes. Eggs, Milk</p>");
    let second = text.find("<h2>Bread &amp; Butter</h2>");
    assert!(first.is_some() && first < second, "{text}");
}
