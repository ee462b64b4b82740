//! What the command lines of all agent programs have in common. Knows no program.
//!
//! A value of a definition is always the second half of `--flag=value`, so that it can never become a flag itself.

use std::{collections::BTreeMap, ffi::OsString};

use crate::{
    base::{Evidence, Failure, FailureClass, Usage},
    runtime::{order::Order, program::ProgramSettings},
};

/// The longest prompt that every program takes on its standard input, in bytes. Above it they fail in their own ways,
/// some with exit code 0.
pub(super) const PROMPT_BYTES_MAX: usize = 1_000_000;
/// The longest single argument that is handed over, in bytes; Linux takes 128 KiB.
pub(super) const ARGUMENT_BYTES_MAX: usize = 100_000;
/// The longest value that names something: a model, a tool, a server.
const NAME_BYTES_MAX: usize = 1_000;

/// The failure of an order that cannot be carried out.
pub(super) fn impossible(reason: impl Into<String>) -> Box<Failure> {
    Box::new(Failure {
        class: FailureClass::Permanent,
        reason: reason.into(),
        evidence: Evidence::default(),
        session: None,
        usage: Usage::default(),
    })
}

/// A prompt as standard input.
pub(super) fn stdin(prompt: String) -> Result<Vec<u8>, Box<Failure>> {
    if prompt.len() > PROMPT_BYTES_MAX {
        let size = prompt.len();
        return Err(impossible(format!(
            "the prompt is {size} bytes long, and agent programs take {PROMPT_BYTES_MAX}: write the long part to a \
             file of the workspace and name its path in the prompt"
        )));
    }
    Ok(prompt.into_bytes())
}

/// `--name=value`, for a value that names something.
pub(super) fn flag(name: &str, value: &str) -> Result<OsString, Box<Failure>> {
    Ok(format!("--{name}={}", named(name, value)?).into())
}

/// A value that names something: one line, not too long.
pub(super) fn named<'a>(what: &str, value: &'a str) -> Result<&'a str, Box<Failure>> {
    if value.trim().is_empty() || value.len() > NAME_BYTES_MAX || value.chars().any(char::is_control) {
        let shown: String = value.chars().take(60).collect();
        return Err(impossible(format!("`{what}` cannot be {shown:?}: it is empty, too long or not one line")));
    }
    Ok(value)
}

/// The session to go on with. Its id came from outside, and some programs take it as a bare word.
pub(super) fn session(order: &Order) -> Result<Option<&str>, Box<Failure>> {
    let Some(session) = order.session.as_deref() else { return Ok(None) };
    let is_id = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if session.starts_with('-') || session.is_empty() || session.len() > 200 || !session.chars().all(is_id) {
        return Err(impossible(format!("{session:?} is no id of a session")));
    }
    Ok(Some(session))
}

/// The name of a server, which becomes a part of keys and of names of tools.
pub(super) fn server_name(name: &str) -> Result<&str, Box<Failure>> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(is_plain) {
        let help = "use up to 64 letters, digits, `-` and `_`";
        return Err(impossible(format!("an MCP server cannot be named {name:?}: {help}")));
    }
    Ok(name)
}

/// The environment that all programs get: that of the settings, and the word that nobody watches.
pub(super) fn environment(settings: &ProgramSettings) -> BTreeMap<OsString, OsString> {
    let mut env = settings.env.clone();
    for (name, value) in [("CI", "1"), ("NO_COLOR", "1")] {
        env.insert(name.into(), value.into());
    }
    env
}

/// What the tests of all programs call.
#[cfg(test)]
pub(super) mod samples {
    use std::sync::Arc;

    use super::*;
    use crate::runtime::{Adapter, Call, Invocation, OrderAgent, Scene};

    pub fn order() -> Order {
        Order {
            workflow: "w".into(),
            step: "s".into(),
            attempt: 1,
            turn: 1,
            agent: OrderAgent { name: "developer".into(), instructions: "You write code.".into() },
            task: "--yolo".into(),
            requirements: String::new(),
            constraints: vec![],
            context: String::new(),
            context_files: vec![],
            expected_output: None,
            feedback: None,
            session: None,
            forks: false,
            session_usage: Usage::default(),
            model: None,
            tools: None,
            files: vec![],
            answer_files: false,
            access: crate::runtime::Access::Edit,
            permissions: crate::definition::Permissions::default(),
            mcp_servers: vec![],
            attached: vec![],
            inputs: serde_json::Map::new(),
        }
    }

    /// What is called in the folder `/attempt`, with the fresh session `5e551011`.
    pub fn invocation(
        make: impl Fn(ProgramSettings) -> Arc<dyn Adapter>,
        order: &Order,
    ) -> Result<Invocation, Box<Failure>> {
        let settings = ProgramSettings { program: "program".into(), ..ProgramSettings::default() };
        let scene = Scene { folder: "/attempt".into(), session: "5e551011".into(), ..Scene::default() };
        make(settings).call(order, &scene).map(|call| match call {
            Call::Program(invocation) => invocation,
            Call::Recorded(_) | Call::Service(_) => panic!("a program is called"),
        })
    }

    pub fn argv(make: impl Fn(ProgramSettings) -> Arc<dyn Adapter>, order: &Order) -> Vec<String> {
        let call = invocation(make, order).unwrap();
        call.argv.into_iter().map(|word| word.into_string().unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{McpServer, PROGRAMS, program::launch::samples};

    #[test]
    fn only_plain_names_become_values() {
        assert_eq!(flag("model", "--yolo").unwrap(), "--model=--yolo");
        for value in ["", "  ", "a\nb", "a\0b", &"x".repeat(2_000)] {
            assert!(flag("model", value).unwrap_err().reason.contains("`model` cannot be"), "{value:?}");
        }
        for name in ["", "-x", "a.b", "a=b", "a b", "é"] {
            assert!(server_name(name).is_err(), "{name}");
        }
        assert_eq!(server_name("my-server_1").unwrap(), "my-server_1");
    }

    #[test]
    fn a_prompt_that_is_too_long_names_the_remedy() {
        assert_eq!(stdin("x".repeat(PROMPT_BYTES_MAX)).unwrap().len(), PROMPT_BYTES_MAX);
        let reason = stdin("x".repeat(PROMPT_BYTES_MAX + 1)).unwrap_err().reason;
        assert!(reason.contains("1000001 bytes") && reason.contains("name its path"), "{reason}");
    }

    /// Whatever a definition says, no word of it stands at the beginning of an argument of any program.
    #[test]
    fn nothing_of_a_definition_becomes_a_flag() {
        let evil = "--dangerously-evil";
        let hostile = Order {
            model: Some(evil.into()),
            tools: Some(vec![evil.into(), "Bash(--dangerously-evil)".into()]),
            mcp_servers: vec![McpServer {
                name: "s".into(),
                command: vec![evil.into(), evil.into()],
                env: BTreeMap::new(),
            }],
            ..samples::order()
        };
        for program in PROGRAMS {
            let Ok(call) = samples::invocation(program.make, &hostile) else { continue };
            for word in &call.argv {
                assert!(!word.to_string_lossy().starts_with(evil), "{}: {word:?}", program.name);
                assert!(!word.to_string_lossy().contains("yolo"), "{}: the prompt is an argument", program.name);
            }
            for session in ["--last", "-x", "a b", "", "../x"] {
                let order = Order { session: Some(session.into()), ..samples::order() };
                assert!(samples::invocation(program.make, &order).is_err(), "{}: {session:?}", program.name);
            }
        }
    }
}
