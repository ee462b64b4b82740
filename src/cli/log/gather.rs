//! Makes a line of an event and of the spans around it, and hands it to those who write it.

use std::{
    fmt,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::Context, registry::LookupSpan};

use crate::{
    cli::log::{
        file::LogFile,
        line::{Line, category},
    },
    config::LogLevel,
    service::{Redactor, now},
};

/// Where lines go.
#[derive(Debug)]
pub(super) enum To {
    Stderr { is_json: bool, colours: bool },
    File(Box<LogFile>),
}

/// One place where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    pub level: LogLevel,
    pub to: To,
    /// Whether it gets what happens in runs; a terminal that shows a run shows that already.
    pub story: bool,
}

/// Gathers what is told.
pub(super) struct Gather {
    sinks: Mutex<Vec<Sink>>,
    most: LevelFilter,
    redactor: Redactor,
}

impl Gather {
    pub fn new(sinks: Vec<Sink>, redactor: Redactor) -> Self {
        let most = sinks.iter().map(|sink| filter(sink.level)).max().unwrap_or(LevelFilter::OFF);
        Self { sinks: Mutex::new(sinks), most, redactor }
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// What a span says of itself.
#[derive(Debug, Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, Value::from(value));
    }
}

impl Said {
    fn take(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Gather {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut said = Said::default();
        attributes.record(&mut said);
        span.extensions_mut().insert(said);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(said) = span.extensions_mut().get_mut::<Said>() {
            values.record(said);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut all = Said::default();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(said) = span.extensions().get::<Said>() {
                all.fields.extend(said.fields.clone());
            }
        }
        event.record(&mut all);
        let mut line = Line {
            at: now(),
            level: *metadata.level(),
            category: category(metadata.target(), metadata.module_path()),
            target: metadata.module_path().unwrap_or_else(|| metadata.target()).to_owned(),
            message: all.message,
            fields: all.fields,
        };
        line.clean(&self.redactor);
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in sinks.iter_mut().filter(|sink| wants(sink, metadata)) {
            write(&mut sink.to, &line);
        }
    }
}

/// Whether a line is for that place. What happens in runs is said under words of its own.
fn wants(sink: &Sink, metadata: &Metadata<'_>) -> bool {
    let is_story = matches!(metadata.target(), "task" | "worker") && *metadata.level() > Level::ERROR;
    *metadata.level() <= filter(sink.level) && (sink.story || !is_story)
}

/// Nobody listening, or a full disk, is no fault of what is being done.
fn write(to: &mut To, line: &Line) {
    match to {
        To::Stderr { is_json, colours } => {
            let text = if *is_json { line.json() } else { line.pretty(*colours) };
            std::io::stderr().lock().write_all(text.as_bytes()).ok();
        }
        To::File(file) => file.write(line.json().as_bytes(), line.at),
    }
}
