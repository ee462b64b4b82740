//! Pages: the program's own views, filled with values that are only ever text.
//!
//! Invariant: whatever stands in a value comes out as text of the page, never as a part of it.

use minijinja::Environment;
use serde_json::Value;

/// The views of a server, by name.
#[derive(Debug)]
pub struct Views(Environment<'static>);

impl Views {
    /// Reads the views. A name ends with `.html`, by which everything in it is escaped.
    ///
    /// # Errors
    /// The first view that is none, in words.
    pub fn new(views: &[(&'static str, &'static str)]) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Lenient);
        for (name, text) in views {
            environment.add_template(name, text).map_err(|error| format!("{name}: {error:#}"))?;
        }
        Ok(Self(environment))
    }

    /// Fills a view.
    ///
    /// # Errors
    /// When there is no such view, or it cannot be filled.
    pub fn render(&self, name: &str, values: &Value) -> Result<String, String> {
        let view = self.0.get_template(name).map_err(|error| error.to_string())?;
        view.render(minijinja::value::Serde(without_nulls(values.clone()))).map_err(|error| format!("{error:#}"))
    }
}

/// What is nothing is not there: it must not be drawn as a word.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_text_wherever_it_stands() {
        let views =
            Views::new(&[("a.html", "<p title=\"{{ x }}\">{{ x }}</p>{% for y in z %}{{ y }}{% endfor %}")]).unwrap();
        let hostile = "\"><script>alert('1')</script>{{ x }}";
        let page = views.render("a.html", &json!({ "x": hostile, "z": [hostile] })).unwrap();
        let empty = views.render("a.html", &json!({ "x": null, "z": [] })).unwrap();
        assert_eq!(empty, "<p title=\"\"></p>");
        assert!(
            !page.contains("<script>") && !page.contains("'1'") && page.matches("&lt;script").count() == 3,
            "{page}"
        );
    }
}
