//! The same as `sandbox.rs`, where `orch` may make no namespaces of its own and the system's bubblewrap makes them. Says
//! loudly where that is not installed.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod support;

#[path = "sandbox/world.rs"]
mod world;

/// What `orch` must leave out.
const WITHOUT: &str = "namespaces";
/// What `orch doctor` says where this way works.
const WORKS: &str = "bubblewrap works";

include!("sandbox/cases.rs");

/// A kernel that refuses namespaces of users to `orch` refuses nothing to bubblewrap, where that has rights of its own.
#[test]
fn where_namespaces_are_refused_bubblewrap_makes_them() {
    let project = project();
    if !can_confine(&project) {
        return;
    }
    let orch = project.command(&["doctor"]);
    let line = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", line]).arg(orch.get_program()).args(orch.get_args()).env_clear();
    command.current_dir(project.root());
    command.envs(orch.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("ORCH_SANDBOX_WITHOUT", "");
    let Ok(done) = command.output() else {
        eprintln!("SKIPPED: no `unshare`");
        return;
    };
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    if said.contains("unshare:") || said.contains("sh: ") {
        eprintln!("SKIPPED: `unshare` may not: {said}");
        return;
    }
    assert!(said.contains("own namespaces: ") && said.contains("bubblewrap works"), "{said}");
}
