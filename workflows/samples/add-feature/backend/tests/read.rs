//! What can be read, and what is said of the rest.

use recipes_backend::read;

#[test]
fn a_line_is_a_recipe() {
    let recipes = read("Omelette | 10 | Eggs , Chives\n\n").expect("it can be read");
    assert_eq!(recipes.len(), 1);
    assert_eq!(
        (recipes[0].title.as_str(), recipes[0].minutes),
        ("Omelette", 10)
    );
    assert_eq!(recipes[0].ingredients, ["Eggs", "Chives"]);
}

#[test]
fn what_is_no_recipe_is_named() {
    let reason = read("Omelette | 10 | Eggs\nOmelette, soon").expect_err("no minutes");
    assert_eq!(reason, "line 2 is no recipe: Omelette, soon");
}
