//! Properties of the whole room, over generated texts and values.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::template::{Expression, RenderError, Template, allowed, engine};

/// Pieces that make up templates, right and wrong ones.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{-",
    "-%}",
    "{% raw %}",
    "{% endraw %}",
    "if ",
    "elif ",
    "else ",
    "endif ",
    "for ",
    " in ",
    "endfor ",
    "set ",
    "endset ",
    "with ",
    "endwith ",
    "filter ",
    "not ",
    " and ",
    " or ",
    " is ",
    "defined",
    "x",
    "y.z",
    "list",
    ".a",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "|",
    "|length",
    "|join(',')",
    "|map(",
    "attribute='a'",
    "|default(",
    "|indent(",
    "|replace('a',",
    "|tojson",
    "|sort",
    "=",
    "==",
    "<",
    "~",
    "+",
    "-",
    "*",
    "**",
    "/",
    "//",
    "%",
    "1",
    "0",
    "-1",
    "99999999999999999999",
    "1e300",
    "'a'",
    "\"\\n\"",
    "'",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "ü",
    "\u{0}",
    "namespace(",
    "range(",
    "loop.index",
    "null",
    "true",
    "{{ x }}",
    "{% for i in list %}",
    "{% if x %}",
    "{% endif %}",
    "{% endfor %}",
    "{% set q = ",
    "include",
    "macro m()",
];

fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(PIECES);
    prop_oneof![9 => fixed.prop_map(str::to_owned), 1 => "(?s).{0,4}"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(piece(), 0..8).prop_map(|pieces| format!("{{{{ {} }}}}", pieces.concat())),
        prop::collection::vec(piece(), 0..8)
            .prop_map(|pieces| format!("{{% for i in list %}}{{{{ {} }}}}{{% endfor %}}", pieces.concat())),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has finite numbers only", |number| number.is_finite()).prop_map(Value::from),
        "(?s).{0,12}".prop_map(Value::from),
        "\\{[{%#].{0,8}[}%#]\\}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("(?s).{0,6}", inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in text()) {
        let values = object(&json!({ "x": "a\nb", "y": { "z": [1, 2.5] }, "list": [{ "a": 1 }, "b", null] }));
        if let Ok(template) = Template::parse(&text) {
            for reference in template.references() {
                let written = text.get(reference.span.start..reference.span.end);
                prop_assert!(written.is_some_and(|written| written.contains(reference.path[0].as_str())));
            }
            if template.fits_in_process(&values).unwrap() {
                let _ = template.render(&values);
                let _ = template.render_value(&values);
            }
        }
        match Expression::parse(&text) {
            Ok(expression) if expression.fits_in_process(&values).unwrap() => {
                let _ = expression.evaluate_bool(&values);
            }
            Ok(_) => {}
            Err(error) => prop_assert!(text.get(error.span.start..error.span.end).is_some()),
        }
    }

    #[test]
    fn values_come_back_exactly(value in json_value()) {
        let values = object(&json!({ "v": value }));
        let back = Expression::parse("v").unwrap().evaluate(&values).unwrap();
        prop_assert_eq!(back.to_string(), value.to_string());
        let in_list = Template::parse("{{ [v] }}").unwrap().render_value(&values).unwrap();
        prop_assert_eq!(&in_list[0], &value);
        // As text it is verbatim if it is a string, and JSON if not.
        let text = Template::parse("<{{ v }}>").unwrap().render(&values).unwrap();
        let expected = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        prop_assert_eq!(text, format!("<{expected}>"));
    }
}

#[test]
fn every_allowed_name_is_known_to_the_engine_and_no_other() {
    let environment = engine::environment();
    let shown = format!("{environment:?}");
    for name in allowed::FILTERS.iter().chain(allowed::TESTS).chain(allowed::FUNCTIONS) {
        assert!(shown.contains(&format!("\"{name}\"")), "{name}");
    }
    let text = format!("{{{{ {} }}}}", "x | escape");
    assert!(environment.render_str(&text, minijinja::Value::from(())).is_err());
}

#[test]
fn what_fits_in_process_is_fast_at_its_limit() {
    // Each is tried with inputs of growing size up to the last that is judged to fit.
    let texts = [
        "{% for a in x %}{{ a | upper | lower | length }}{% endfor %}",
        "{% for a in x %}{% if a in x %}y{% endif %}{% endfor %}",
        "{{ x | sort | unique | list | length }}",
        "{{ x | join('--------') | upper | length }}",
        "{{ x | string | replace('a', 'bbbbbbbb') | length }}",
        "{{ (x ~ x ~ x) | length }}",
        "{{ x | map(attribute='a', default='--------') | join | length }}",
        "{{ (x * 30) | length }}",
        "{{ x | string | indent(40, true, true) | list | length }}",
        "{{ x | items | list | length }}",
        "{% for a in x %}{{ x }}{% endfor %}",
        "{% for a in x if a == x %}{{ a }}{% endfor %}",
    ];
    for text in texts {
        let template = Template::parse(text).unwrap();
        assert!(template.is_bounded(), "{text}");
        for shape in 0..3 {
            let mut tried = 0;
            for power in 0..20 {
                let size = 1_usize << power;
                let value = match shape {
                    0 => json!("a".repeat(size)),
                    1 => json!(vec!["a"; size]),
                    _ => json!("\n".repeat(size)),
                };
                let values = object(&json!({ "x": value }));
                if !template.fits_in_process(&values).unwrap() {
                    break;
                }
                let started = Instant::now();
                let _ = template.render(&values);
                let took = started.elapsed();
                // Far beyond what it takes even on a busy machine: this is about hanging, not about speed.
                assert!(took < Duration::from_secs(30), "{text} with {size} took {took:?}");
                tried += 1;
            }
            assert!(tried > 0, "{text} is never rendered in process");
        }
    }
}

#[test]
fn what_accumulates_is_never_bounded() {
    for text in [
        "{% set a = 1 %}",
        "{% set a %}x{% endset %}",
        "{% with a = x ~ x %}{{ a }}{% endwith %}",
        "{% filter upper %}x{% endfilter %}",
        "{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}",
        "{{ x | join(y) }}",
        "{{ x | replace('a', y) }}",
        "{{ x | indent(y) }}",
        "{{ x | tojson(y) }}",
        "{{ x * y }}",
        "{{ range(y) | list }}",
        "{{ namespace() }}",
        "{{ x | map('indent', 9) }}",
        "{{ x | sum }}",
        "{{ x | map(attribute='a', default=x) | join }}",
    ] {
        assert!(!Template::parse(text).unwrap().is_bounded(), "{text}");
    }
    let large = Template::parse("{{ 'x' * 99999999 }}").unwrap();
    assert_eq!(large.fits_in_process(&Map::new()), Ok(false));
}

#[test]
fn the_usual_texts_are_rendered_in_process() {
    let issues: Vec<_> =
        (0..50).map(|number| json!({ "severity": "high", "text": format!("issue {number}") })).collect();
    let values = object(&json!({ "review": { "issues": issues }, "inputs": { "idea": "x".repeat(2_000) } }));
    for text in [
        "Analyse {{ inputs.idea }} and {{ review }}",
        "{% for issue in review.issues %}- {{ issue.text }} ({{ issue.severity | upper }})\n{% endfor %}",
        "{{ review.issues | length == 0 }}",
        "{{ review.issues | selectattr('severity', 'equalto', 'high') | list | length }}",
        "{{ review.issues | map(attribute='severity') | unique | list | join(', ') }}",
        "{{ review.result is defined and review.result.score >= 0.8 }}",
        "{{ (review.issues | length) * 100 }}",
    ] {
        assert_eq!(Template::parse(text).unwrap().fits_in_process(&values), Ok(true), "{text}");
    }
}

#[test]
fn fuel_ends_what_takes_too_long() {
    let values = object(&json!({ "x": vec![0; 20_000] }));
    let template = Template::parse("{% for a in x %}{{ a }}{{ a }}{% endfor %}").unwrap();
    let found = template.render(&values);
    assert!(matches!(found, Err(RenderError::Limit { .. })), "{found:?}");
}
