//! A small OTLP collector that keeps every span that it is sent, in the order in which they came.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span as Wire,
};
use prost::Message as _;

/// A span as it came.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub start: u64,
    pub end: u64,
    /// 0 unset, 1 good, 2 a fault.
    pub status: i32,
    pub links: Vec<String>,
    pub attributes: BTreeMap<String, String>,
}

impl Span {
    pub fn attempt(&self) -> Option<&str> {
        self.attributes.get("orch.attempt").map(String::as_str)
    }
}

/// The collector; it goes on until the test ends.
pub struct Collector {
    pub address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    pub services: Arc<Mutex<Vec<String>>>,
    /// What it answers.
    pub status: Arc<Mutex<StatusCode>>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn read(span: Wire) -> Span {
    let pair = |one: opentelemetry_proto::tonic::common::v1::KeyValue| {
        (one.key, words(one.value.and_then(|value| value.value)))
    };
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        status: span.status.map_or(0, |status| status.code),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        attributes: span.attributes.into_iter().map(pair).collect(),
    }
}

impl Collector {
    pub fn start() -> Self {
        let (spans, services) = (Arc::<Mutex<Vec<Span>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let status = Arc::new(Mutex::new(StatusCode::OK));
        let (kept, named, answer) = (Arc::clone(&spans), Arc::clone(&services), Arc::clone(&status));
        let take = move |body: Bytes| async move {
            let status = *answer.lock().unwrap();
            if status != StatusCode::OK {
                return (status, Vec::new());
            }
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            for group in request.resource_spans {
                for pair in group.resource.unwrap().attributes {
                    if pair.key == "service.name" {
                        named.lock().unwrap().push(words(pair.value.and_then(|value| value.value)));
                    }
                }
                for scope in group.scope_spans {
                    kept.lock().unwrap().extend(scope.spans.into_iter().map(read));
                }
            }
            (StatusCode::OK, Vec::new())
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, Router::new().route("/v1/traces", post(take))).await.unwrap();
            });
        });
        Self { address: receiver.recv().unwrap(), spans, services, status }
    }

    /// All that came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}
