//! Recipes, as people write them down: `TITLE | MINUTES | INGREDIENT, INGREDIENT` on a line each.

/// A recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub title: String,
    pub minutes: u32,
    pub ingredients: Vec<String>,
}

/// Reads recipes in their order. Empty lines are left out; the first line that is none gives the reason.
pub fn read(text: &str) -> Result<Vec<Recipe>, String> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(place, line)| {
            recipe(line).ok_or_else(|| format!("line {} is no recipe: {line}", place + 1))
        })
        .collect()
}

fn recipe(line: &str) -> Option<Recipe> {
    let (title, rest) = line.split_once('|')?;
    let (minutes, ingredients) = rest.split_once('|')?;
    let ingredients = ingredients.split(',').map(|one| one.trim().to_owned());
    Some(Recipe {
        title: title.trim().to_owned(),
        minutes: minutes.trim().parse().ok()?,
        ingredients: ingredients.filter(|one| !one.is_empty()).collect(),
    })
}
