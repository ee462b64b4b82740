//! Templates made to hurt: each must end in an error, in time, with the calling process unharmed.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use orch::{
    execute::render::Renderer,
    template::{Expression, RenderError, Template},
};
use serde_json::{Map, Value, json};

/// The 2 s of a child, and what a busy machine takes to start one and to clean up after it.
const TIME_MAX: Duration = Duration::from_millis(3_500);
const MEMORY_KB_MAX: i64 = 256 * 1024;

/// How a bomb must end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// It does not parse.
    Refused,
    /// A limit of the engine or of ours ends it; the child, if there is one, survives.
    Limited,
    /// The child needs too much and dies.
    Killed,
}

fn doubling(turns: usize) -> String {
    format!(
        "{{% set ns = namespace(a='xxxxxxxxxxxxxxxx') %}}{{% for i in range({turns}) %}}\
         {{% set ns.a = ns.a ~ ns.a %}}{{% endfor %}}{{{{ ns.a | length }}}}"
    )
}

fn self_nested(turns: usize, last: &str) -> String {
    format!(
        "{{% set ns = namespace(a=[1], b=[1]) %}}{{% for i in range({turns}) %}}\
         {{% set ns.a = [ns.a, ns.a] %}}{{% set ns.b = [ns.b, ns.b] %}}{{% endfor %}}{last}"
    )
}

fn bombs() -> Vec<(&'static str, String, End)> {
    let list = format!("[{}1]", "1,".repeat(100_000));
    vec![
        ("doubling 26 turns", doubling(26), End::Killed),
        ("doubling 40 turns", doubling(40), End::Killed),
        (
            "doubling without a loop",
            format!("{{% set s = 'xxxxxxxx' %}}{}{{{{ s | length }}}}", "{% set s = s ~ s %}".repeat(40)),
            End::Killed,
        ),
        (
            "doubling by addition",
            format!("{{% set s = 'xxxxxxxx' %}}{}{{{{ s | length }}}}", "{% set s = s + s %}".repeat(40)),
            End::Killed,
        ),
        ("replace", "{{ ('a' * 100000) | replace('a', 'b' * 100000) | length }}".to_owned(), End::Killed),
        ("replace of a value", "{{ big | replace('a', 'b' * 100000) | length }}".to_owned(), End::Killed),
        ("join", "{{ range(100000) | join('x' * 100000) | length }}".to_owned(), End::Killed),
        (
            "nested loops",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}x{% endfor %}\
             {% endfor %}{% endfor %}"
                .to_owned(),
            End::Limited,
        ),
        ("huge range", "{% for a in range(1000000000) %}x{% endfor %}".to_owned(), End::Limited),
        ("one long loop", "{% for a in range(100000) %}x{% endfor %}".to_owned(), End::Limited),
        (
            "string repetition",
            "{{ ('x' * 99999999 ~ 'x' * 99999999 ~ 'x' * 99999999) | length }}".to_owned(),
            End::Killed,
        ),
        ("repetition by a value", "{{ ('x' * number) ~ ('x' * number) ~ ('x' * number) }}".to_owned(), End::Killed),
        ("deep brackets", format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)), End::Refused),
        ("deep lists", format!("{{{{ {}{} }}}}", "[".repeat(20_000), "]".repeat(20_000)), End::Refused),
        ("long chain of operators", format!("{{{{ 1{} }}}}", "+1".repeat(60_000)), End::Refused),
        ("long chain of not", format!("{{{{ {}true }}}}", "not ".repeat(60_000)), End::Refused),
        ("long chain of minus", format!("{{{{ {}1 }}}}", "-".repeat(60_000)), End::Refused),
        ("long chain of attributes", format!("{{{{ a{} }}}}", ".a".repeat(60_000)), End::Refused),
        ("long chain of filters", format!("{{{{ a{} }}}}", "|e".repeat(60_000).replace('e', "abs")), End::Refused),
        ("long chain of subscripts", format!("{{{{ a{} }}}}", "[0]".repeat(60_000)), End::Refused),
        (
            "deep brackets on the left",
            format!("{{{{ {}1{} }}}}", "(".repeat(30), ("+1".repeat(150) + ")").repeat(30)),
            End::Refused,
        ),
        ("many branches", format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(15_000)), End::Refused),
        ("deep blocks", "{% if a %}".repeat(10_000), End::Refused),
        ("deep set blocks", "{% set a %}".repeat(10_000), End::Refused),
        ("long text", "x".repeat(300_000), End::Refused),
        ("huge literal list, repeated", format!("{{{{ ({list} * 900) | sort | length }}}}"), End::Killed),
        ("recursive macro", "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}".to_owned(), End::Refused),
        ("recursive loop", "{% for x in list recursive %}{{ loop(list) }}{% endfor %}".to_owned(), End::Refused),
        ("indent", "{{ 'a\nb' | indent(1000000000) }}".to_owned(), End::Killed),
        ("indent of a value", "{{ lines | indent(number) }}".to_owned(), End::Killed),
        (
            "sort and unique on a big range",
            "{{ ((range(100000) | list) * 900) | sort | unique | length }}".to_owned(),
            End::Killed,
        ),
        ("tojson of a self-nesting list", self_nested(40, "{{ ns.a | tojson }}"), End::Limited),
        ("printing a self-nesting list", self_nested(40, "{{ ns.a }}"), End::Limited),
        ("comparing self-nesting lists", self_nested(60, "{{ ns.a == ns.b }}"), End::Killed),
        (
            "deep value",
            "{% set ns = namespace(a=1) %}{% for i in range(4000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}"
                .to_owned(),
            End::Limited,
        ),
        ("big output", "{% for i in range(5000) %}{{ big }}{% endfor %}".to_owned(), End::Limited),
        (
            "big captured output",
            "{% set s %}{% for i in range(9000) %}{{ big }}{% endfor %}{% endset %}{{ s }}".to_owned(),
            End::Killed,
        ),
        ("power", "{{ 10 ** 10 ** 10 }}".to_owned(), End::Limited),
        (
            "map with a filter that grows",
            "{{ list | map('indent', 400000000) | list | length }}".to_owned(),
            End::Killed,
        ),
    ]
}

fn values() -> Map<String, Value> {
    let values = json!({
        "big": "a".repeat(50_000),
        "list": ["a\nb", "a\nb"],
        "lines": "a\nb\nc\n".repeat(1_000),
        "number": 99_999_999,
        "a": false,
    });
    values.as_object().cloned().unwrap_or_default()
}

fn resident_kb() -> i64 {
    getrusage(UsageWho::RUSAGE_SELF).unwrap().max_rss()
}

#[test]
fn every_bomb_ends_in_an_error_in_time_and_memory() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_orch"));
    let values = values();
    let mut slowest = Duration::ZERO;
    for (name, text, end) in bombs() {
        let started = Instant::now();
        let found = match Template::parse(&text) {
            Err(_) => End::Refused,
            Ok(template) => match renderer.render(&template, &values) {
                Ok(text) => panic!("{name}: rendered {} bytes", text.len()),
                Err(RenderError::OutOfResources) => End::Killed,
                Err(RenderError::Limit { .. } | RenderError::Failed { .. }) => End::Limited,
                Err(other) => panic!("{name}: {other}"),
            },
        };
        let took = started.elapsed();
        println!("{took:>12.1?}  {found:?}  {name}");
        assert_eq!(found, end, "{name}");
        assert!(took < TIME_MAX, "{name} took {took:?}");
        slowest = slowest.max(took);
    }
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("slowest {slowest:?}, largest child {} MB, this process {} MB", children / 1024, resident_kb() / 1024);
    assert!(children <= MEMORY_KB_MAX, "a child took {children} KB");
    assert!(resident_kb() <= MEMORY_KB_MAX, "the calling process took {} KB", resident_kb());
    // The calling process still works.
    let template = Template::parse("{{ list | length }}").unwrap();
    assert_eq!(renderer.render(&template, &values).unwrap(), "2");
}

#[test]
fn a_text_without_a_bound_that_needs_little_renders_in_a_child() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_orch"));
    let text = "{% set ns = namespace(n=0) %}{% for x in list %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}";
    let template = Template::parse(text).unwrap();
    assert!(!template.is_bounded());
    assert_eq!(renderer.render(&template, &values()).unwrap(), "2");
    let expression = Expression::parse("range(number - 99999996) | list").unwrap();
    assert!(!expression.is_bounded());
    assert_eq!(renderer.evaluate(&expression, &values()).unwrap(), json!([0, 1, 2]));
    let condition = Expression::parse("list | sum(start='') == 'a'").unwrap();
    assert_eq!(renderer.evaluate_bool(&condition, &values()), Ok(false));
    let template = Template::parse("{{ [1.0, true, null] * (number - 99999998) }}").unwrap();
    assert_eq!(renderer.render_value(&template, &values()).unwrap(), json!([1.0, true, null]));
}

#[test]
fn a_child_reports_errors_as_the_process_itself_does() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_orch"));
    let template = Template::parse("{% set x = 1 %}{{ list.nothing.more }}").unwrap();
    let error = renderer.render(&template, &values()).unwrap_err();
    assert_eq!(error, template.render(&values()).unwrap_err());
    assert_eq!(error.to_string(), "`list.nothing` is not defined");
}

#[test]
fn a_renderer_that_is_no_orch_is_an_error() {
    let template = Template::parse("{% set x = 1 %}{{ x }}").unwrap();
    let missing = Renderer::new("/nonexistent/orch").render(&template, &Map::new());
    assert!(matches!(missing, Err(RenderError::Unavailable { .. })), "{missing:?}");
    let silent = Renderer::new("/bin/true").render(&template, &Map::new());
    assert_eq!(silent, Err(RenderError::OutOfResources));
}

#[test]
fn many_renderings_at_once_all_answer() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_orch"));
    let template = Template::parse("{% set x = a ~ 1 %}{{ x }}").unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (renderer, template) = (&renderer, &template);
                scope.spawn(move || {
                    let values = json!({ "a": number }).as_object().cloned().unwrap();
                    assert_eq!(renderer.render(template, &values).unwrap(), format!("{number}1"));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn what_a_rendering_costs() {
    let renderer = Renderer::new(env!("CARGO_BIN_EXE_orch"));
    let values = values();
    let inside = Template::parse("Fix {% for x in list %}- {{ x }}\n{% endfor %} in {{ lines }}").unwrap();
    assert!(inside.fits_in_process(&values).unwrap());
    let outside =
        Template::parse("{% set n = 1 %}Fix {% for x in list %}- {{ x }}\n{% endfor %} in {{ lines }}").unwrap();
    assert!(!outside.is_bounded());
    for (name, template, times) in [("in process", inside, 200), ("in a child", outside, 20)] {
        let mut took: Vec<_> = (0..times)
            .map(|_| {
                let started = Instant::now();
                renderer.render(&template, &values).unwrap();
                started.elapsed()
            })
            .collect();
        took.sort();
        println!("{name}: median {:?}, slowest {:?}", took[times / 2], took[times - 1]);
    }
}
