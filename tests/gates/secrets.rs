//! secret-scan, which reads files itself.

use std::fs;

use crate::world::World;

/// Secrets are put together here, so that no scanner takes this file for a leak.
fn secrets() -> Vec<(&'static str, String)> {
    let letters = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0dF3hJ5";
    let upper = "Q7RT2YUPK4JH6FDS";
    vec![
        ("private key", format!("-----BEGIN RSA PRIVATE {}-----", "KEY")),
        ("private key", format!("-----BEGIN PRIVATE {}-----", "KEY")),
        ("private key", format!("-----BEGIN PGP PRIVATE {} BLOCK-----", "KEY")),
        ("AWS access key", format!("id = {}{upper}", "AKIA")),
        ("GitHub token", format!("{}_{letters}", "ghp")),
        ("GitHub token", format!("github_{}_{}", "pat", &letters[..22])),
        ("GitLab token", format!("{}-{}", "glpat", &letters[..20])),
        ("Slack token", format!("{}-{}", "xoxb", "123456789012-abcdef")),
        ("Slack token", format!("https://hooks.slack.{}/services/T0AB/B0CD/x", "com")),
        ("Anthropic key", format!("{}-ant-api03-{letters}", "sk")),
        ("OpenAI key", format!("{}-{letters}", "sk")),
        ("OpenAI key", format!("{}-proj-{letters}", "sk")),
        ("Google key", format!("{}{}", "AIza", &letters[..35])),
        ("Stripe key", format!("{}_live_{}", "sk", &letters[..20])),
        ("npm token", format!("{}_{letters}", "npm")),
        ("password in a URL", format!("postgres://admin:{}@db.example.com/x", "hunter22x")),
        ("a value like a secret", format!("api_key = \"{}\"", &letters[..24])),
        ("a value like a secret", format!("\"clientSecret\": \"{}\"", &letters[..24])),
        ("a value like a secret", format!("DB_PASSWORD='{}'", &letters[..24])),
    ]
}

#[test]
fn each_kind_of_secret_is_found_named_by_its_place_and_not_shown() {
    for (kind, secret) in secrets() {
        let world = World::new().file("a file.txt", &format!("first line\n{secret}\n"));
        let judged = world.judge("secret-scan");
        judged.is("fail", &format!("./a file.txt:2: {kind}"));
        judged.is("fail", "1 places look like secrets");
        assert!(!judged.said.contains(&secret), "{judged:#?}");
    }
}

#[test]
fn files_are_read_wherever_they_are_unless_git_ignores_them() {
    let (_, secret) = secrets().remove(4);
    World::new().file("deep/er/.env", &secret).fails("secret-scan", "./deep/er/.env:1: GitHub token");
    World::new().file("vendor/lib/a.js", &secret).fails("secret-scan", "./vendor/lib/a.js:1: GitHub token");
    World::new().file("-e", &secret).fails("secret-scan", "GitHub token");
    World::new().file("a=b", &secret).fails("secret-scan", "GitHub token");
    World::new().file("two\nlines", &secret).fails("secret-scan", "GitHub token");
    World::new().file("image.png", &format!("\u{1}\0\0{secret}\0")).fails("secret-scan", "./image.png:1: GitHub token");
    World::new().file("ignored/a", &secret).passes("secret-scan", "our own patterns over");
    World::without_git().file("a", &secret).fails("secret-scan", "./a:1: GitHub token");
}

/// The folder of a demonstration may be ignored by the repository around it; it is not empty for that.
#[test]
fn a_folder_that_git_ignores_as_a_whole_is_read() {
    let (_, secret) = secrets().remove(4);
    let inner = World::without_git().file("a", &secret);
    let outer = inner.root().parent().unwrap().to_owned();
    assert!(std::process::Command::new("git").args(["init", "-q"]).current_dir(&outer).status().unwrap().success());
    fs::write(outer.join(".gitignore"), "root\n").unwrap();
    inner.fails("secret-scan", "./a:1: GitHub token");
}

#[test]
fn what_is_no_secret_is_left_alone() {
    let text = "token = \"your-token-goes-here-please\"\npassword = \"aaaaaaaaaaaaaaaaaaaaaaaa1\"\nkey: sk-short\n\
        const api_key = process.env.API_KEY_FOR_PRODUCTION_9;\nurl = https://user:${PASSWORD}@host.example\n\
        the AKIA prefix\n-----BEGIN CERTIFICATE-----\n";
    World::new().file("a.txt", text).passes("secret-scan", "secret-scan: pass; ran: our own patterns over 3 files");
}

#[test]
fn a_line_or_a_path_may_be_allowed_and_that_is_said() {
    let (_, secret) = secrets().remove(4);
    World::new().file("a", &format!("{secret} # orch:allow-secret\n")).passes("secret-scan", "secret-scan: pass");
    let world = World::new().file("tests/keys/a", &secret).file(".secretsignore", "# for tests\ntests/keys/*\n");
    world.passes("secret-scan", "(1 places allowed by .secretsignore");
    world.file("tests/other", &secret).fails("secret-scan", "./tests/other:1: GitHub token");
}

/// gitleaks is no part of this repository's tools, so a script stands in for it.
#[test]
fn gitleaks_looks_as_well_where_it_is() {
    let world = World::new().file("a", "nothing");
    world.passes("secret-scan", "looked for and not found: gitleaks");
    let world = world.fake("gitleaks", "echo leaks found: 1; exit 1");
    world.fails("secret-scan", "`gitleaks detect --no-banner --redact` ended with exit code 1");
}
