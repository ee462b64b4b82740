//! The loop of the language server: requests are answered in their order; faults are told anew after each pause.
//!
//! Standard output belongs to the protocol: nothing else may be printed there.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use clap::Args;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeActionOptions, CodeActionParams, CodeActionProviderCapability, CompletionOptions, CompletionParams,
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, GotoDefinitionParams,
    GotoDefinitionResponse, HoverContents, HoverParams, HoverProviderCapability, InitializeParams, Location,
    MarkupContent, MarkupKind, OneOf, PublishDiagnosticsParams, ServerCapabilities, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        lsp::convert::{action, completion, diagnostic, offset, path_of, range, uri_of},
        session::Session,
    },
    service::{Refusal, editor::Desk},
};

/// Arguments of `orch lsp`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Editors start this program themselves. Examples of how to tell them:\n  \
    Neovim   vim.lsp.start({ name = \"orch\", cmd = { \"orch\", \"lsp\" }, root_dir = vim.fs.root(0, \"workflows\") })\n  \
    Helix    [language-server.orch] command = \"orch\", args = [\"lsp\"] in languages.toml")]
pub struct LspArgs {
    /// Standard input and output are used in any case; editors may give this flag
    #[arg(long)]
    pub stdio: bool,
}

pub(in crate::cli) fn run(session: &mut Session, _args: &LspArgs) -> Result<u8, Failure> {
    let (connection, threads) = Connection::stdio();
    let (id, params) = connection.initialize_start().map_err(|error| broken(&error))?;
    if let Some(root) = root_of(&params) {
        session.global.folder = Some(root);
    }
    let project = session.project()?;
    let about = json!({
        "capabilities": capabilities(),
        "serverInfo": { "name": "orch", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, about).map_err(|error| broken(&error))?;
    let mut server = Server { desk: Desk::new(project), told: BTreeSet::new(), connection };
    let ended_well = server.serve()?;
    drop(server);
    threads.join().map_err(|error| broken(&error))?;
    // The protocol: an exit without a shutdown before it is a failure.
    Ok(if ended_well { Exit::Success.code() } else { Exit::Failed.code() })
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    let help = "an editor starts `orch lsp` and speaks the language server protocol with it";
    Failure::Refused(Refusal::new(1, "E0518", format!("the editor's side of the protocol is broken: {error}"), help))
}

/// The folder that the editor has open.
fn root_of(params: &Value) -> Option<PathBuf> {
    let params: InitializeParams = serde_json::from_value(params.clone()).ok()?;
    let folder = params.workspace_folders.and_then(|folders| folders.into_iter().next()).map(|folder| folder.uri);
    #[allow(deprecated, reason = "older editors send nothing else")]
    folder.or(params.root_uri).as_ref().and_then(path_of)
}

fn capabilities() -> ServerCapabilities {
    let triggers = [":", " ", ".", "{", "[", "-"];
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(triggers.map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![lsp_types::CodeActionKind::QUICKFIX]),
            ..CodeActionOptions::default()
        })),
        ..ServerCapabilities::default()
    }
}

struct Server {
    connection: Connection,
    desk: Desk,
    /// Files whose faults the editor shows.
    told: BTreeSet<PathBuf>,
}

/// What a message leads to.
enum Next {
    Go,
    /// Faults may have changed.
    Look,
    End {
        well: bool,
    },
}

impl Server {
    /// Serves until the editor ends it; says whether it did so as the protocol wants it.
    fn serve(&mut self) -> Result<bool, Failure> {
        self.tell()?;
        let mut look = false;
        loop {
            // Faults are looked for when nothing is waiting, so that fast typing is not slowed down.
            let message = match self.connection.receiver.try_recv() {
                Ok(message) => message,
                Err(_) => {
                    if std::mem::take(&mut look) {
                        self.tell()?;
                    }
                    match self.connection.receiver.recv() {
                        Ok(message) => message,
                        Err(_) => return Ok(false),
                    }
                }
            };
            let next = match message {
                Message::Request(request) => self.request(request)?,
                Message::Notification(notification) => self.notification(notification),
                Message::Response(_) => Next::Go,
            };
            match next {
                Next::Go => {}
                Next::Look => look = true,
                Next::End { well } => return Ok(well),
            }
        }
    }

    fn request(&mut self, request: Request) -> Result<Next, Failure> {
        if self.connection.handle_shutdown(&request).map_err(|error| broken(&error))? {
            return Ok(Next::End { well: true });
        }
        let id = request.id.clone();
        let answer = match request.method.as_str() {
            "textDocument/completion" => answer(request.params, |params| self.complete(&params)),
            "textDocument/hover" => answer(request.params, |params| self.hover(&params)),
            "textDocument/definition" => answer(request.params, |params| self.definition(&params)),
            "textDocument/codeAction" => answer(request.params, |params| self.actions(&params)),
            method => Err((ErrorCode::MethodNotFound, format!("orch does not know {method}"))),
        };
        let response = match answer {
            Ok(value) => Response::new_ok(id, value),
            Err((code, message)) => Response::new_err(id, code as i32, message),
        };
        self.send(Message::Response(response))?;
        Ok(Next::Go)
    }

    fn notification(&mut self, notification: Notification) -> Next {
        match notification.method.as_str() {
            "textDocument/didOpen" => {
                if let Some(params) = read::<DidOpenTextDocumentParams>(notification.params) {
                    self.set(&params.text_document.uri, Some(params.text_document.text));
                }
                Next::Look
            }
            "textDocument/didChange" => {
                if let Some(mut params) = read::<DidChangeTextDocumentParams>(notification.params)
                    && let Some(change) = params.content_changes.pop()
                {
                    self.set(&params.text_document.uri, Some(change.text));
                }
                Next::Look
            }
            "textDocument/didClose" => {
                if let Some(params) = read::<DidCloseTextDocumentParams>(notification.params) {
                    self.set(&params.text_document.uri, None);
                }
                Next::Look
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => Next::Look,
            "exit" => Next::End { well: false },
            _ => Next::Go,
        }
    }

    fn set(&mut self, uri: &Uri, text: Option<String>) {
        if let Some(path) = path_of(uri) {
            self.desk.set(&path, text.map(Arc::from));
        }
    }

    /// Tells the faults of every file that has some, and that those which had some have none.
    fn tell(&mut self) -> Result<(), Failure> {
        let mut messages = Vec::new();
        let mut now = BTreeSet::new();
        for (path, faults) in self.desk.refresh()? {
            // Files inside the binary are no files.
            let Some(uri) = uri_of(path).filter(|_| path.is_file()) else { continue };
            let diagnostics = faults.iter().map(|fault| diagnostic(fault, &uri)).collect();
            messages.push(PublishDiagnosticsParams::new(uri, diagnostics, None));
            now.insert(path.clone());
        }
        for path in self.told.difference(&now) {
            messages.extend(uri_of(path).map(|uri| PublishDiagnosticsParams::new(uri, Vec::new(), None)));
        }
        self.told = now;
        for message in messages {
            let method = "textDocument/publishDiagnostics".to_owned();
            self.send(Message::Notification(Notification::new(method, message)))?;
        }
        Ok(())
    }

    fn send(&self, message: Message) -> Result<(), Failure> {
        self.connection.sender.send(message).map_err(|error| broken(&error))
    }

    /// The file, its text and the byte of a place.
    fn place(&self, params: &TextDocumentPositionParams) -> Option<(PathBuf, Arc<str>, usize)> {
        let path = path_of(&params.text_document.uri)?;
        let text = self.desk.text(&path)?;
        let at = offset(&text, params.position);
        Some((path, text, at))
    }

    fn complete(&self, params: &CompletionParams) -> Option<Value> {
        let (path, text, at) = self.place(&params.text_document_position)?;
        let (word, all) = self.desk.complete(&path, at)?;
        let items: Vec<_> = all.into_iter().map(|one| completion(one, &text, word)).collect();
        value(items)
    }

    fn hover(&self, params: &HoverParams) -> Option<Value> {
        let (path, text, at) = self.place(&params.text_document_position_params)?;
        let hover = self.desk.hover(&path, at)?;
        let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: hover.text });
        value(lsp_types::Hover { contents, range: Some(range(&text, hover.span)) })
    }

    fn definition(&self, params: &GotoDefinitionParams) -> Option<Value> {
        let (path, _, at) = self.place(&params.text_document_position_params)?;
        let target = self.desk.definition(&path, at)?;
        let text = self.desk.text(&target.path)?;
        let location = Location::new(uri_of(&target.path)?, range(&text, target.span));
        value(GotoDefinitionResponse::Scalar(location))
    }

    fn actions(&self, params: &CodeActionParams) -> Option<Value> {
        let uri = &params.text_document.uri;
        let path = path_of(uri)?;
        let text = self.desk.text(&path)?;
        let span = crate::base::Span::new(offset(&text, params.range.start)..offset(&text, params.range.end));
        let actions: Vec<_> = self.desk.actions(&path, span).into_iter().map(|one| action(one, uri, &text)).collect();
        value(actions)
    }
}

fn read<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

fn value(answer: impl Serialize) -> Option<Value> {
    serde_json::to_value(answer).ok()
}

/// Reads the parameters and answers; nothing to say is an answer too.
fn answer<T: DeserializeOwned>(
    params: Value,
    what: impl FnOnce(T) -> Option<Value>,
) -> Result<Value, (ErrorCode, String)> {
    let params = serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))?;
    Ok(what(params).unwrap_or(Value::Null))
}
