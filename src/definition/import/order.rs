//! Whether the steps of a draft can be put in an order at all. Knows nothing of the sources they came from.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::definition::import::draft::{Draft, Piece, Step};

/// Steps of a circle that are named at most.
const SHOWN_MAX: usize = 12;

/// The first circle of steps that wait for each other, as words; none where there is an order.
pub(super) fn circle(draft: &Draft) -> Option<String> {
    let top = draft.pieces.iter().filter_map(|piece| if let Piece::Step(step) = piece { Some(step) } else { None });
    in_list(&top.collect::<Vec<_>>())
}

fn in_list(steps: &[&Step]) -> Option<String> {
    let places: BTreeMap<&str, &Step> = steps.iter().map(|step| (step.id.as_str(), *step)).collect();
    let mut done: HashSet<&str> = HashSet::new();
    for start in steps {
        // The way from the start to here, each step with those of its needs that are still to be looked at.
        let mut way: Vec<(&Step, Vec<&Step>)> = Vec::new();
        if !done.contains(start.id.as_str()) {
            way.push((start, needs(start, &places)));
        }
        while let Some((step, open)) = way.last_mut() {
            let Some(need) = open.pop() else {
                done.insert(&step.id);
                way.pop();
                continue;
            };
            if let Some(from) = way.iter().position(|(step, _)| step.id == need.id) {
                return Some(words(&way[from..].iter().map(|(step, _)| *step).collect::<Vec<_>>()));
            }
            if !done.contains(need.id.as_str()) {
                way.push((need, needs(need, &places)));
            }
        }
    }
    steps.iter().find_map(|step| in_list(&step.children.iter().collect::<Vec<_>>()))
}

fn needs<'a>(step: &Step, places: &BTreeMap<&str, &'a Step>) -> Vec<&'a Step> {
    let needs = step.keys.iter().find(|(key, _)| *key == "needs").and_then(|(_, value)| value.as_array());
    needs.into_iter().flatten().filter_map(Value::as_str).filter_map(|id| places.get(id).copied()).collect()
}

fn words(circle: &[&Step]) -> String {
    let mut names: Vec<String> = circle.iter().take(SHOWN_MAX).map(|step| format!("`{}`", step.id)).collect();
    if circle.len() > SHOWN_MAX {
        names.push("…".to_owned());
    }
    names.extend(circle.first().map(|step| format!("`{}`", step.id)));
    names.join(" > ")
}
