//! The page that people see.

use recipes_backend::Recipe;

/// The page around the recipes; what stands between `<!--` and `-->` is filled in.
const PAGE: &str = include_str!("../pages/list.html");

/// A page with these recipes, in their order.
pub fn page(recipes: &[Recipe]) -> String {
    let list: String = recipes.iter().map(article).collect();
    PAGE.replace("<!-- recipes -->\n", &list)
}

fn article(recipe: &Recipe) -> String {
    let (title, minutes) = (escape(&recipe.title), recipe.minutes);
    let ingredients = escape(&recipe.ingredients.join(", "));
    format!("<h2>{title}</h2>\n<p>{minutes} minutes. {ingredients}</p>\n")
}

/// A text as it may stand in HTML, between tags and in an attribute.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
