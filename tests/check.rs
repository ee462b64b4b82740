//! `orch check` as people and programs use it: formats for other tools, and fixes that change nothing but the fault.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

use serde_json::json;
use support::Project;

const BRACES: &str = "\
name: a
steps:
  # A comment stays.
  - id: one
    run: date
    when: '{{ inputs.on }}'   # so does this
  - run: [date]
    when: \"{{ 'it''s' }}\"
inputs:
  on: { type: boolean, default: true }
";

fn faulty() -> Project {
    Project::new().file("workflows/a.yaml", BRACES)
}

#[test]
fn a_fix_is_shown_first_and_made_when_asked() {
    let project = faulty();
    let seen = project.run(&["check", "--diff", "--color", "never"]);
    assert_eq!(seen.code, Some(10));
    assert!(seen.stdout.contains("-    when: '{{ inputs.on }}'   # so does this"), "{}", seen.stdout);
    assert!(seen.stdout.contains("+    when: \"inputs.on\"   # so does this"), "{}", seen.stdout);
    assert!(seen.stdout.contains("`orch check --fix` would mend 2 faults"), "{}", seen.stdout);
    assert_eq!(project.read("workflows/a.yaml"), BRACES, "--diff writes nothing");

    let done = project.run(&["check", "--fix", "--color", "never"]);
    assert!(done.stdout.contains("mended 2 faults"), "{}", done.stdout);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    let text = project.read("workflows/a.yaml");
    let wanted = BRACES.replace("'{{ inputs.on }}'", "\"inputs.on\"").replace("\"{{ 'it''s' }}\"", "\"'it''s'\"");
    assert_eq!(text, wanted, "all else stays as it was");
    let again = project.run(&["check", "--fix", "--json"]).json(0);
    assert_eq!(again["changes"], json!([]));
}

#[test]
fn line_ends_and_the_byte_order_mark_stay() {
    let text = format!("\u{feff}{}", BRACES.replace('\n', "\r\n"));
    let project = Project::new().file("workflows/a.yaml", &text);
    assert_eq!(project.run(&["check", "--fix"]).code, Some(0));
    let mended = project.read("workflows/a.yaml");
    assert!(mended.starts_with("\u{feff}name: a\r\n"), "{mended:?}");
    assert!(mended.contains("when: \"inputs.on\"   # so does this\r\n"), "{mended:?}");
    assert_eq!(mended.matches('\n').count(), text.matches("\r\n").count());
}

#[test]
fn only_files_of_the_project_are_changed() {
    let project =
        Project::new().file("workflows/ok.yaml", "steps: [{ run: date }]\n").user_file("workflows/a.yaml", BRACES);
    let before = project.run(&["check", "--json"]).json(10);
    let done = project.run(&["check", "--fix", "--json"]).json(10);
    assert_eq!((&done["changes"], &done["diagnostics"]), (&json!([]), &before["diagnostics"]));
}

#[test]
fn sarif_says_where_and_how_to_mend() {
    let log = faulty().run(&["check", "--format", "sarif"]).json(10);
    assert_eq!(log["version"], "2.1.0");
    let result = &log["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("E0121"), &json!("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "workflows/a.yaml");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&json!(6), &json!(12)));
    assert!(result["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"].is_string());
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()]["id"], "E0121");
}

#[test]
fn annotations_have_the_path_from_the_root_of_the_repository() {
    let project = faulty();
    std::fs::create_dir_all(project.root().join("sub/workflows")).unwrap();
    project.write("sub/workflows/a.yaml", BRACES);
    std::fs::create_dir(project.root().join(".git")).unwrap();
    let here = project.run(&["check", "--format", "github"]);
    assert_eq!(here.code, Some(10));
    assert!(here.stdout.starts_with("::error file=workflows/a.yaml,line=6,col=12,"), "{}", here.stdout);
    let below = project.run(&["-C", "sub", "check", "--format", "github"]);
    assert!(below.stdout.starts_with("::error file=sub/workflows/a.yaml,line=6,"), "{}", below.stdout);
}
