//! Renders any template: in process where that is safe for certain, else in a child that may die of it.
//!
//! A template can need any amount of memory (one that doubles a string 40 times is short), and the engine cannot stop
//! it: a failed allocation aborts the process. So a text without a bound is rendered by `orch __render`, which limits
//! itself before it reads the request. Knows nothing of steps.
//!
//! Invariants: the calling process never renders what is not bounded; a child lives at most [`WALL_MS_MAX`] and dies
//! with its parent; at most [`CHILDREN_MAX`] live at once.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Condvar, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::{Signal, killpg},
    },
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::template::{Expression, Reference, RenderError, Template, TemplateError};

/// The hidden argument that makes `orch` render one request.
pub const ARGUMENT: &str = "__render";

/// Address space of a child, in bytes.
const MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Processor time of a child, in seconds.
const CPU_S_MAX: u64 = 2;
/// How long a child may live, in milliseconds.
const WALL_MS_MAX: u64 = 2_000;
/// How many children may render at once; each may take [`MEMORY_BYTES_MAX`].
const CHILDREN_MAX: usize = 2;
/// The longest request or response, in bytes. JSON writes a control character in six bytes.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Renders templates and evaluates expressions whatever they cost.
#[derive(Debug)]
pub struct Renderer {
    program: PathBuf,
    busy: Mutex<usize>,
    freed: Condvar,
}

#[derive(Serialize, Deserialize)]
struct Request {
    form: Form,
    text: String,
    values: Map<String, Value>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Text,
    Value,
    Expression,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Response {
    Done(Value),
    Failed(RenderError),
}

impl Default for Renderer {
    /// A renderer whose children are this very program.
    fn default() -> Self {
        // The link keeps working when the file of the running program is replaced by a newer one.
        Self::new("/proc/self/exe")
    }
}

impl Renderer {
    /// A renderer whose children are `program`, which must be an `orch`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), busy: Mutex::new(0), freed: Condvar::new() }
    }

    /// Fills in a template. Blocks for at most the time that a child may take, and while others render.
    ///
    /// # Errors
    /// See [`Template::render`]; also a child that needed too much.
    pub fn render(&self, template: &Template, values: &Map<String, Value>) -> Result<String, RenderError> {
        if template.fits_in_process(values)? {
            return template.render(values);
        }
        let read = reads(template.references(), values);
        match self.ask(&Request { form: Form::Text, text: template.text().to_owned(), values: read })? {
            Value::String(text) => Ok(text),
            other => Err(unavailable(format!("it answered {other}"))),
        }
    }

    /// Like [`Renderer::render`], but a text that is exactly one `{{ }}` gives its value with its type.
    ///
    /// # Errors
    /// See [`Renderer::render`].
    pub fn render_value(&self, template: &Template, values: &Map<String, Value>) -> Result<Value, RenderError> {
        if template.fits_in_process(values)? {
            return template.render_value(values);
        }
        let read = reads(template.references(), values);
        self.ask(&Request { form: Form::Value, text: template.text().to_owned(), values: read })
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// See [`Renderer::render`].
    pub fn evaluate(&self, expression: &Expression, values: &Map<String, Value>) -> Result<Value, RenderError> {
        if expression.fits_in_process(values)? {
            return expression.evaluate(values);
        }
        let read = reads(expression.references(), values);
        self.ask(&Request { form: Form::Expression, text: expression.text().to_owned(), values: read })
    }

    /// The value of a condition; anything but true or false is an error.
    ///
    /// # Errors
    /// See [`Renderer::render`].
    pub fn evaluate_bool(&self, expression: &Expression, values: &Map<String, Value>) -> Result<bool, RenderError> {
        RenderError::require_bool(&self.evaluate(expression, values)?)
    }

    fn ask(&self, request: &Request) -> Result<Value, RenderError> {
        let message = serde_json::to_vec(request).map_err(|error| unavailable(error.to_string()))?;
        let _turn = Turn::take(self);
        let mut child = Command::new(&self.program)
            .arg(ARGUMENT)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The message of a failed allocation would stand in the middle of a report.
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| unavailable(error.to_string()))?;
        let answer = converse(&mut child, message);
        // The child is not yet waited for, so its number is still its own.
        if let Ok(number) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(number), Signal::SIGKILL);
        }
        child.wait().map_err(|error| unavailable(error.to_string()))?;
        // A child that was killed or ran out of memory closes its output in the middle, or without a word.
        let answer = answer.ok_or(RenderError::OutOfResources)?;
        match serde_json::from_slice(&answer) {
            Ok(Response::Done(value)) => Ok(value),
            Ok(Response::Failed(error)) => Err(error),
            Err(_) => Err(RenderError::OutOfResources),
        }
    }
}

/// Writes the request and reads the answer; none when the time is over.
fn converse(child: &mut Child, message: Vec<u8>) -> Option<Vec<u8>> {
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let (sender, receiver) = mpsc::channel();
    // The thread ends when the child does, which is killed after this.
    thread::spawn(move || {
        // A child that died early is seen by its empty answer.
        let _ = input.write_all(&message);
        drop(input);
        let mut answer = Vec::new();
        let _ = output.take(MESSAGE_BYTES_MAX).read_to_end(&mut answer);
        let _ = sender.send(answer);
    });
    receiver.recv_timeout(Duration::from_millis(WALL_MS_MAX)).ok()
}

/// One of the places for children, given back when it is dropped.
struct Turn<'r>(&'r Renderer);

impl<'r> Turn<'r> {
    fn take(renderer: &'r Renderer) -> Self {
        let mut busy = renderer.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy >= CHILDREN_MAX {
            busy = renderer.freed.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        *busy += 1;
        Self(renderer)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

/// The values that a text reads; a child is told no others.
fn reads(references: &[Reference], values: &Map<String, Value>) -> Map<String, Value> {
    let mut read = Map::new();
    for root in references.iter().filter_map(|reference| reference.path.first()) {
        if let (false, Some(value)) = (read.contains_key(root), values.get(root)) {
            read.insert(root.clone(), value.clone());
        }
    }
    read
}

fn unavailable(cause: String) -> RenderError {
    RenderError::Unavailable { cause }
}

/// The whole life of a child: limits itself, reads one request, writes one answer.
#[must_use]
pub fn serve() -> ExitCode {
    let limits = [
        (Resource::RLIMIT_AS, MEMORY_BYTES_MAX),
        (Resource::RLIMIT_CPU, CPU_S_MAX),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
    ];
    let limited = limits.into_iter().try_for_each(|(resource, most)| setrlimit(resource, most, most));
    if limited.and_then(|()| prctl::set_pdeathsig(Signal::SIGKILL)).is_err() {
        return ExitCode::FAILURE;
    }
    let mut message = Vec::new();
    if io::stdin().take(MESSAGE_BYTES_MAX).read_to_end(&mut message).is_err() {
        return ExitCode::FAILURE;
    }
    let response = match serde_json::from_slice(&message) {
        Ok(request) => answer(&request).map_or_else(Response::Failed, Response::Done),
        Err(error) => Response::Failed(unavailable(error.to_string())),
    };
    drop(message);
    match serde_json::to_writer(io::stdout(), &response) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(request: &Request) -> Result<Value, RenderError> {
    let refused = |error: TemplateError| unavailable(error.to_string());
    match request.form {
        Form::Text => Template::parse(&request.text).map_err(refused)?.render(&request.values).map(Value::String),
        Form::Value => Template::parse(&request.text).map_err(refused)?.render_value(&request.values),
        Form::Expression => Expression::parse(&request.text).map_err(refused)?.evaluate(&request.values),
    }
}
