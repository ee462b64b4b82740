//! Sends spans to a collector: OTLP over HTTP. The only module that names OpenTelemetry's crates.

use std::{
    borrow::Cow,
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};

use crate::{
    base::Timestamp,
    config::Telemetry,
    driver::Trace,
    service::traces::spans::{Said, Span},
};

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    exporter: SpanExporter,
    scope: InstrumentationScope,
}

impl Collector {
    /// A way to a collector. Nothing is sent yet.
    pub fn new(telemetry: &Telemetry) -> Result<Self, String> {
        // Somebody else may have set one, and any will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        // A redirect is never followed, so that the keys in headers go nowhere else.
        let mut client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(telemetry.timeout);
        if !telemetry.endpoint.starts_with("https://") {
            // To read whom the machine trusts takes longer than all else, and here nobody needs to be trusted.
            client = client.tls_certs_only([]);
        }
        let built = SpanExporter::builder()
            .with_http()
            .with_http_client(client.build().map_err(|error| error.to_string())?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(telemetry.endpoint.clone())
            .with_timeout(telemetry.timeout)
            .with_headers(telemetry.headers.iter().cloned().collect::<HashMap<_, _>>())
            .build();
        let mut exporter = built.map_err(|error| error.to_string())?;
        let pair = |(name, value): &(String, String)| KeyValue::new(name.clone(), value.clone());
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("telemetry.sdk.name", "opentelemetry"),
                KeyValue::new("telemetry.sdk.language", "rust"),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .with_attributes(telemetry.resource.iter().map(pair).collect::<Vec<_>>())
            .with_service_name(telemetry.service.clone())
            .build();
        exporter.set_resource(&resource);
        let scope = InstrumentationScope::builder("orch").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { exporter, scope })
    }

    /// Sends spans; all of them are taken, or none.
    pub async fn send(&self, trace: &Trace, spans: &[Span]) -> Result<(), String> {
        let batch = spans.iter().map(|span| self.data(trace, span)).collect();
        self.exporter.export(batch).await.map_err(|error| error.to_string())
    }

    fn data(&self, trace: &Trace, span: &Span) -> SpanData {
        let context = |id: u64| {
            let ids = (TraceId::from(trace.id), SpanId::from(id));
            SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, false, TraceState::default())
        };
        let mut links = SpanLinks::default();
        links.links = span.links.iter().map(|id| Link::with_context(context(*id))).collect();
        let value = |said: &Said| match said {
            Said::Text(text) => Value::from(text.clone()),
            Said::Count(count) => Value::I64(i64::try_from(*count).unwrap_or(i64::MAX)),
            Said::Money(amount) => Value::F64(*amount),
        };
        let is_remote = trace.parent.is_some_and(|parent| Some(parent.span) == span.parent);
        SpanData {
            span_context: context(span.id),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: is_remote,
            span_kind: if span.is_call { SpanKind::Client } else { SpanKind::Internal },
            name: Cow::Owned(span.name.clone()),
            start_time: time(span.start),
            end_time: time(span.end),
            attributes: span.attributes.iter().map(|(name, said)| KeyValue::new(*name, value(said))).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: match &span.fault {
                Some(why) => Status::error(why.clone()),
                None if span.is_good => Status::Ok,
                None => Status::Unset,
            },
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.0)
}
