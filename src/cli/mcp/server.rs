//! The loop of the MCP server: one message after the other, until the client goes away.
//!
//! Standard output belongs to the protocol: nothing else may be printed there.

use std::io::BufReader;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::{
    exit::Exit,
    failure::Failure,
    mcp::{
        calls::carry_out,
        input::{Heard, LINE_BYTES_MAX, listen},
        protocol::{Desk, Protocol, unreadable},
        tools::Tool,
    },
    session::Session,
};

/// Arguments of `orch mcp`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Agents start this program themselves, as a server over standard input and output. Examples of how to tell them:\n  \
    claude mcp add orch -- orch mcp\n  \
    codex mcp add orch -- orch mcp\n  \
    gemini mcp add orch orch mcp\n  \
    orch -C /path/to/project mcp\n\n\
    An agent that may decide can approve its own work: see docs/mcp.md before you give --allow-approve."
)]
pub struct McpArgs {
    /// Let the client answer the questions of runs as if it were you
    #[arg(long)]
    pub allow_approve: bool,
}

pub(in crate::cli) fn run(session: &mut Session, args: &McpArgs) -> Result<u8, Failure> {
    let (messages, cancelled) = listen(BufReader::new(std::io::stdin()));
    let may_decide = args.allow_approve;
    let offered = Tool::ALL.into_iter().filter(|tool| may_decide || !tool.decides());
    let (tools, instructions): (Vec<_>, _) = (offered.map(Tool::shown).collect(), instructions(may_decide));
    let mut protocol = Protocol::default();
    for heard in messages {
        let answer = match heard {
            Heard::Message(message) => {
                let mut call = |name: &str, arguments: &Map<String, Value>| {
                    Some(carry_out(session, Tool::named(name)?, arguments, may_decide))
                };
                let (tools, instructions, cancelled) = (&tools, &instructions, &cancelled);
                protocol.receive(&message, &mut Desk { tools, instructions, cancelled, call: &mut call })
            }
            Heard::Broken(why) => Some(unreadable(&format!("this is no JSON: {why}"))),
            Heard::TooLong => Some(unreadable(&format!("a message has at most {LINE_BYTES_MAX} bytes"))),
        };
        if let Some(answer) = answer {
            session.out.json_line(&answer)?;
        }
    }
    // A client ends a server by closing its input.
    Ok(Exit::Success.code())
}

/// What a client should know before it begins.
fn instructions(may_decide: bool) -> String {
    let decides = if may_decide {
        "The person who started this server lets you answer the questions of runs: show each to them first."
    } else {
        "Only a person answers the questions of a run: tell them the command that `status` names."
    };
    format!(
        "orch runs workflows of coding agents. Look at `list` and `plan`, start with `run`, follow with `status` until \
         its `status` is succeeded, failed, cancelled or waiting. {decides} A refusal says what to do; commands in it \
         are for a person, who alone can trust a definition or agree to the first use of a runtime."
    )
}
