//! Where traces go: the standard variables of OpenTelemetry.
//!
//! A value that cannot be read is said and left out, as its specification wants; a run never fails for it.

use std::time::Duration;

use crate::config::environment::Environment;

/// How long one request to a collector may take where nobody says.
const TIMEOUT_MS: u64 = 10_000;

/// Where traces go, and what is said of this process with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The address that takes spans: OTLP over HTTP.
    pub endpoint: String,
    /// Headers of each request; they may hold keys.
    pub headers: Vec<(String, String)>,
    /// How long a request may take.
    pub timeout: Duration,
    /// The name of this service.
    pub service: String,
    /// What else is known of it.
    pub resource: Vec<(String, String)>,
    /// The share of traces that are kept, from 0 to 1.
    pub ratio: f64,
    /// Whether somebody else's trace that this is a part of decides that first.
    pub follows_parent: bool,
    /// What could not be read.
    pub faults: Vec<String>,
}

impl Telemetry {
    /// What the variables say; nothing where they name no collector.
    #[must_use]
    pub fn of(environment: &Environment) -> Option<Self> {
        let text = |name: &str| {
            let value = environment.variable(name)?.to_str()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let traces = |name: &str| {
            text(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| text(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is_off = text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || text("OTEL_TRACES_EXPORTER").is_some_and(|value| value != "otlp");
        if is_off {
            return None;
        }
        let whole = || Some(format!("{}/v1/traces", text("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')));
        let endpoint = text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(whole)?;
        let mut faults = Vec::new();
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            faults.push("the address of the collector does not begin with http:// or https://".to_owned());
        }
        if traces("PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
            faults.push("OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent as http/protobuf".to_owned());
        }
        let mut timeout_ms = TIMEOUT_MS;
        if let Some(text) = traces("TIMEOUT") {
            match text.parse::<u64>() {
                Ok(given) => timeout_ms = given.clamp(1, 600_000),
                Err(_) => faults.push("OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds".to_owned()),
            }
        }
        let mut resource = pairs(&text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        let named = resource.iter().position(|(name, _)| name == "service.name").map(|place| resource.remove(place).1);
        let (ratio, follows_parent) =
            sampler(text("OTEL_TRACES_SAMPLER"), text("OTEL_TRACES_SAMPLER_ARG"), &mut faults);
        Some(Self {
            endpoint,
            headers: pairs(&traces("HEADERS").unwrap_or_default()),
            timeout: Duration::from_millis(timeout_ms),
            service: text("OTEL_SERVICE_NAME").or(named).unwrap_or_else(|| "orch".to_owned()),
            resource,
            ratio,
            follows_parent,
            faults,
        })
    }

    /// Whether a trace is kept, by its id alone, so that everybody who has a part of it decides the same.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no last bit")]
    pub fn keeps(&self, trace: u128, parent: Option<bool>) -> bool {
        match parent {
            Some(sampled) if self.follows_parent => sampled,
            _ => {
                self.ratio >= 1.0
                    || ((trace & u128::from(u64::MAX >> 1)) as f64) < self.ratio * ((u64::MAX >> 1) as f64 + 1.0)
            }
        }
    }
}

/// The trace that this process is a part of, as whoever started it says.
#[must_use]
pub fn trace_parent(environment: &Environment) -> Option<String> {
    environment.variable("TRACEPARENT").and_then(|value| value.to_str()).map(str::to_owned)
}

fn sampler(name: Option<String>, argument: Option<String>, faults: &mut Vec<String>) -> (f64, bool) {
    let mut share = || match argument.as_deref().map(str::parse::<f64>) {
        None => 1.0,
        Some(Ok(share)) if (0.0..=1.0).contains(&share) => share,
        Some(_) => {
            faults.push("OTEL_TRACES_SAMPLER_ARG is no share from 0 to 1".to_owned());
            1.0
        }
    };
    match name.as_deref() {
        Some("always_on") => (1.0, false),
        Some("always_off") => (0.0, false),
        Some("traceidratio") => (share(), false),
        Some("parentbased_always_off") => (0.0, true),
        Some("parentbased_traceidratio") => (share(), true),
        Some("parentbased_always_on") | None => (1.0, true),
        Some(_) => {
            faults.push("OTEL_TRACES_SAMPLER: this sampler is not known".to_owned());
            (1.0, true)
        }
    }
}

/// `name=value` with commas between; a value may be written with `%20`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), unescaped(value.trim())));
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let pair = more.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped = pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Telemetry> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Telemetry::of(&Environment::of(variables, "/".into(), 1))
    }

    const END: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");

    #[test]
    fn nothing_is_sent_unless_somebody_names_a_collector() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None);
        assert_eq!(of(&[END, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(of(&[END, ("OTEL_TRACES_EXPORTER", "none")]), None);
        let told = of(&[END]).unwrap();
        assert_eq!((told.endpoint.as_str(), told.service.as_str()), ("http://c:4318/v1/traces", "orch"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/in");
        assert_eq!(of(&[END, own]).unwrap().endpoint, "https://t/in");
    }

    #[test]
    fn headers_names_and_times_are_read_as_the_specification_says() {
        let told = of(&[
            END,
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b%, other = 1,=3,x"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,team=a"),
        ])
        .unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(told.headers, [pair("x-key", "a b%"), pair("other", "1")]);
        assert_eq!((told.timeout, told.service.as_str()), (Duration::from_millis(250), "shop"));
        assert_eq!((told.resource, told.faults), (vec![pair("team", "a")], vec![]));
        let odd = of(&[END, ("OTEL_EXPORTER_OTLP_TIMEOUT", "x"), ("OTEL_TRACES_SAMPLER", "y")]).unwrap();
        assert_eq!((odd.faults.len(), odd.timeout, odd.ratio), (2, Duration::from_secs(10), 1.0));
    }

    #[test]
    fn a_share_of_traces_is_kept_and_a_parent_decides_where_it_may() {
        let half = of(&[END, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]).unwrap();
        let kept = (0..1_000_u128).filter(|number| half.keeps(number << 53, Some(false))).count();
        assert!((450..550).contains(&kept), "{kept}");
        let standard = of(&[END]).unwrap();
        assert!(standard.keeps(u128::MAX, None) && standard.keeps(5, Some(true)) && !standard.keeps(5, Some(false)));
        let off = of(&[END, ("OTEL_TRACES_SAMPLER", "always_off")]).unwrap();
        assert!(!off.keeps(0, Some(true)) && !off.keeps(7, None));
    }
}
