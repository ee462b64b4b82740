//! Makefiles and justfiles: the recipe that is made by default and all that it needs.
//!
//! Best effort: recipes are carried over where they use plain variables; where they use more, the old program is called
//! for that one recipe. Recipes that the default one does not need are listed, not carried over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use serde_json::Value;

use crate::{
    base::Source,
    definition::{
        import::{
            draft::{Draft, Kind, Piece, Step},
            run::{Format, ImportError, STEPS_MAX},
            text::{Ids, excerpt},
        },
        load::legal_id,
    },
};

/// Substitutions of a variable inside others at most.
const DEPTH_MAX: usize = 8;

struct Recipe {
    name: String,
    line: usize,
    needs: Vec<String>,
    lines: Vec<String>,
}

/// Reads a Makefile or a justfile.
pub(super) fn read(source: &Arc<Source>, name: &str, format: Format) -> Result<Draft, ImportError> {
    let is_make = format == Format::Makefile;
    let mut draft = Draft { name: own_name(name), ..Draft::default() };
    let (recipes, variables) = recipes(&source.text, is_make, &mut draft);
    let Some(first) = recipes.iter().find(|recipe| !recipe.name.starts_with('.')) else {
        return Err(ImportError::Unknown("it has no recipes".to_owned()));
    };
    if recipes.len() > STEPS_MAX {
        return Err(ImportError::TooLarge(format!("the source has {} recipes", recipes.len())));
    }
    let first = first.name.clone();
    draft.description = format!("What `{first}` needs, from a {}", if is_make { "Makefile" } else { "justfile" });
    let by_name: BTreeMap<&str, &Recipe> = recipes.iter().map(|recipe| (recipe.name.as_str(), recipe)).collect();
    let order = order(&first, &by_name);
    let mut ids = Ids::default();
    let ours: BTreeMap<&str, String> = order.iter().map(|name| (*name, ids.make(name))).collect();
    for name in &order {
        let recipe = by_name[name];
        let step = step(&mut draft, recipe, &ours, &variables, is_make);
        draft.pieces.push(Piece::Step(step));
    }
    left_out(&mut draft, &recipes, &ours, &first);
    Ok(draft)
}

fn own_name(name: &str) -> String {
    let name = legal_id(name).replace('_', "-");
    if name.is_empty() { "make".to_owned() } else { name }
}

/// The recipes that `first` needs, those that others need first.
fn order<'a>(first: &'a str, recipes: &BTreeMap<&'a str, &'a Recipe>) -> Vec<&'a str> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    // A second visit of a name means that all it needs is there.
    let mut open = vec![(first, false)];
    while let Some((name, is_ready)) = open.pop() {
        let Some((name, recipe)) = recipes.get_key_value(name) else { continue };
        if is_ready {
            order.push(*name);
        } else if seen.insert(*name) {
            open.push((*name, true));
            open.extend(
                recipe
                    .needs
                    .iter()
                    .rev()
                    .filter_map(|need| recipes.get_key_value(need.as_str()))
                    .map(|(need, _)| (*need, false)),
            );
        }
    }
    order
}

/// The recipes and the plain variables of a text.
fn recipes(text: &str, is_make: bool, draft: &mut Draft) -> (Vec<Recipe>, BTreeMap<String, String>) {
    let (mut recipes, mut variables): (Vec<Recipe>, BTreeMap<String, String>) = Default::default();
    let joined = joined(text);
    let mut open = false;
    for (line, written) in joined {
        let is_indented = written.starts_with('\t') || !is_make && written.starts_with(' ');
        if is_indented && open {
            if let Some(recipe) = recipes.last_mut() {
                recipe.lines.push(written.trim().to_owned());
            }
            continue;
        }
        let plain = written.trim();
        if plain.is_empty() || plain.starts_with('#') {
            continue;
        }
        open = false;
        if let Some((name, value)) = assignment(plain) {
            variables.insert(name.to_owned(), value.to_owned());
        } else if let Some(recipe) = head(plain, line, is_make) {
            open = true;
            if recipe.name != ".PHONY" {
                recipes.push(recipe);
            }
        } else {
            let what = format!("`{}`", excerpt(plain));
            draft.head(line, what, "it is not carried over", "write what it does into the steps that need it");
        }
    }
    (recipes, variables)
}

/// Lines with those that end with `\` joined to the next one.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (place, line) in text.lines().enumerate() {
        let (body, next) = line.strip_suffix('\\').map_or((line, false), |body| (body, true));
        match lines.last_mut() {
            Some((_, last)) if goes_on => {
                last.push(' ');
                last.push_str(body.trim_start());
            }
            Some(_) | None => lines.push((place + 1, body.to_owned())),
        }
        goes_on = next;
    }
    lines
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// `NAME = value` in the spellings of both programs.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let at = line.find('=')?;
    let name = line[..at].trim_end_matches([':', '?', '+']).trim();
    (is_name(name) && !line[at..].starts_with("==")).then(|| (name, line[at + 1..].trim().trim_matches(['"', '\''])))
}

/// `name args: needs`.
fn head(line: &str, number: usize, is_make: bool) -> Option<Recipe> {
    let (names, rest) = line.split_once(':')?;
    let name = names.trim().trim_start_matches('@').split_whitespace().next()?.to_owned();
    let (needs, same_line) = rest.trim_start_matches(':').split_once(';').unwrap_or((rest.trim_start_matches(':'), ""));
    let needs = needs.split('#').next().unwrap_or_default();
    let needs: Vec<String> = needs
        .split_whitespace()
        .filter(|need| *need != "|" && *need != "&&")
        .map(|need| need.trim_matches(['(', ')']).to_owned())
        .collect();
    let is_meant = is_make || is_name(&name) && !["set", "alias", "import", "mod", "export"].contains(&name.as_str());
    let lines = if same_line.trim().is_empty() { Vec::new() } else { vec![same_line.trim().to_owned()] };
    is_meant.then_some(Recipe { name, line: number, needs, lines })
}

fn step(
    draft: &mut Draft,
    recipe: &Recipe,
    ours: &BTreeMap<&str, String>,
    variables: &BTreeMap<String, String>,
    is_make: bool,
) -> Step {
    let mut marks = Vec::new();
    let mut script = String::new();
    let mut calls = false;
    for line in &recipe.lines {
        let mut line = line.trim_start();
        let mut may_fail = false;
        while let Some(rest) = line.strip_prefix(['@', '-', '+']) {
            may_fail |= line.starts_with('-');
            line = rest.trim_start();
        }
        match expand(line, recipe, variables, is_make, 0) {
            // Each line has a shell of its own, so a change of folder ends with it.
            Some(text) if text.contains("cd ") => {
                _ = writeln!(script, "({text}){}", if may_fail { " || true" } else { "" })
            }
            Some(text) => _ = writeln!(script, "{text}{}", if may_fail { " || true" } else { "" }),
            None => calls = true,
        }
    }
    if calls {
        let program = if is_make { "make" } else { "just --no-deps" };
        let what = format!("the recipe `{}` uses functions, parameters or patterns", recipe.name);
        let assumed = format!("`{program} {}` runs it", recipe.name);
        marks.push(draft.mark(recipe.line, what, &assumed, "write its commands, if the old file should go"));
        script = format!("{program} {}\n", recipe.name);
    }
    if script.is_empty() {
        script = "true\n".to_owned();
    }
    let missing: Vec<&str> = recipe.needs.iter().map(String::as_str).filter(|need| !ours.contains_key(need)).collect();
    if !missing.is_empty() {
        let what = format!("`{}` needs files that no recipe makes: {}", recipe.name, missing.join(", "));
        marks.push(draft.mark(
            recipe.line,
            what,
            "they are there",
            "add `gate: [{ files: […] }]` to the step that makes them",
        ));
    }
    let kind = Kind::Run { program: Vec::new(), script };
    let mut step = Step::new(ours[recipe.name.as_str()].clone(), &recipe.name, kind);
    let mut needs: Vec<Value> = Vec::new();
    for need in recipe.needs.iter().filter_map(|need| ours.get(need.as_str())).filter(|need| **need != step.id) {
        if !needs.contains(&Value::String(need.clone())) {
            needs.push(Value::String(need.clone()));
        }
    }
    step.set("needs", needs);
    step.marks = marks;
    step
}

/// A line with its variables filled in; none where that is not possible here.
fn expand(
    line: &str,
    recipe: &Recipe,
    variables: &BTreeMap<String, String>,
    is_make: bool,
    depth: usize,
) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    let again = |name: &str| {
        let value = variables.get(name.trim())?;
        expand(value, recipe, variables, is_make, depth + 1)
    };
    let (mut out, mut rest) = (String::new(), line);
    if !is_make {
        while let Some(at) = rest.find("{{") {
            let end = rest[at..].find("}}")?;
            out.push_str(&rest[..at]);
            out.push_str(&again(&rest[at + 2..at + end])?);
            rest = &rest[at + end + 2..];
        }
        return Some(out + rest);
    }
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let first = behind.chars().next()?;
        rest = match first {
            '$' => {
                out.push('$');
                &behind[1..]
            }
            '@' => {
                out.push_str(&recipe.name);
                &behind[1..]
            }
            '<' => {
                out.push_str(recipe.needs.first()?);
                &behind[1..]
            }
            '^' => {
                out.push_str(&recipe.needs.join(" "));
                &behind[1..]
            }
            '(' | '{' => {
                let end = behind.find(if first == '(' { ')' } else { '}' })?;
                match &behind[1..end] {
                    "MAKE" => out.push_str("make"),
                    name => out.push_str(&again(name)?),
                }
                &behind[end + 1..]
            }
            _ => return None,
        };
    }
    // A pattern stands for many files, which a plan cannot know.
    (!recipe.name.contains('%')).then(|| out + rest)
}

/// The recipes that nobody asked for.
fn left_out(draft: &mut Draft, recipes: &[Recipe], ours: &BTreeMap<&str, String>, first: &str) {
    for recipe in recipes.iter().filter(|recipe| !ours.contains_key(recipe.name.as_str())) {
        let what = format!("`{first}` does not need the recipe `{}`", recipe.name);
        draft.head(
            recipe.line,
            what,
            "it is not carried over",
            "import it from a file of its own, or write a step for it",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_or_the_line_is_given_up() {
        let recipe = Recipe { name: "out".into(), line: 1, needs: vec!["a.c".into(), "b.c".into()], lines: vec![] };
        let variables = [("CC", "cc -O2"), ("FLAGS", "$(CC) -g"), ("LOOP", "$(LOOP)")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let expand = |line: &str| expand(line, &recipe, &variables, true, 0);
        assert_eq!(expand("$(FLAGS) -o $@ $^ $< $$HOME").unwrap(), "cc -O2 -g -o out a.c b.c a.c $HOME");
        for line in ["$(shell date)", "$(LOOP)", "$*", "$"] {
            assert_eq!(expand(line), None, "{line}");
        }
    }
}
