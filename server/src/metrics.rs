//! What the server tells a monitor: OpenMetrics, as Prometheus reads it.
//!
//! What happened in this process (requests) is counted as it happens. How things stand (backups, runs) is taken from
//! where it is kept at the moment somebody asks, so that it is true after a restart, and of every replica alike.
//! Labels hold names that people gave to sources, never URLs.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The media type of [`Metrics::text`] (OpenMetrics 1.0.0).
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts of this process.
#[derive(Debug)]
pub struct Metrics {
    counted: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// What each source has.
    pub sources: Vec<SourceStanding>,
    /// Backups, and their bytes, in each state.
    pub backups: Vec<(&'static str, u64, u64)>,
    /// Runs at work, by what they do.
    pub running: Vec<(&'static str, u64)>,
}

/// What a source has.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStanding {
    /// The name that people gave it.
    pub name: String,
    /// The newest verified backup: seconds since 1970 and bytes; `None` if there is none.
    pub last_verified: Option<(i64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counts that start at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut counted = Registry::with_prefix("coffer");
        let requests = Family::default();
        counted.register(
            "http_requests",
            "Requests that were answered",
            requests.clone(),
        );
        // From a millisecond to a minute; longer answers are archives on their way.
        let seconds = Family::<RouteLabels, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 4.0, 9))
        });
        counted.register_with_unit(
            "http_request_duration",
            "Time until an answer began",
            Unit::Seconds,
            seconds.clone(),
        );
        Self {
            counted,
            requests,
            seconds,
        }
    }

    /// Counts an answer. `route` is the route's pattern, not the address, so that there is one line for each.
    pub fn answered(&self, method: &str, route: &str, status: u16, after: Duration) {
        let of_route = RouteLabels {
            method: method.to_owned(),
            route: route.to_owned(),
        };
        self.seconds
            .get_or_create(&of_route)
            .observe(after.as_secs_f64());
        let RouteLabels { method, route } = of_route;
        self.requests
            .get_or_create(&RequestLabels {
                method,
                route,
                status,
            })
            .inc();
    }

    /// All of it, in the text form of OpenMetrics.
    ///
    /// # Errors
    /// Those of writing to a `String`: none.
    pub fn text(&self, standing: &Standing) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.counted)?;
        encode_registry(&mut text, &of(standing))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

fn of(standing: &Standing) -> Registry {
    let mut registry = Registry::with_prefix("coffer");
    let build = Family::<BuildLabels, Gauge>::default();
    build
        .get_or_create(&BuildLabels {
            version: env!("CARGO_PKG_VERSION"),
        })
        .set(1);
    registry.register("build_info", "The version that runs", build);

    let taken = Family::<SourceLabels, Gauge>::default();
    let bytes = Family::<SourceLabels, Gauge>::default();
    for source in &standing.sources {
        let labels = SourceLabels {
            source: source.name.clone(),
        };
        // A source without a verified backup has the time 0, so that a rule on its age fires without a rule of its own.
        let (at, size) = source.last_verified.unwrap_or_default();
        taken.get_or_create(&labels).set(at);
        bytes.get_or_create(&labels).set(whole(size));
    }
    registry.register_with_unit(
        "last_verified_backup_timestamp",
        "When the newest verified backup of a source was taken; 0 if there is none",
        Unit::Seconds,
        taken,
    );
    registry.register_with_unit(
        "last_verified_backup_size",
        "Size of the newest verified backup of a source",
        Unit::Bytes,
        bytes,
    );

    let count = Family::<StateLabels, Gauge>::default();
    let size = Family::<StateLabels, Gauge>::default();
    for &(state, backups, stored) in &standing.backups {
        let labels = StateLabels { state };
        count.get_or_create(&labels).set(whole(backups));
        size.get_or_create(&labels).set(whole(stored));
    }
    registry.register("backups", "Backups that are kept, by state", count);
    registry.register_with_unit(
        "backups_size",
        "Size of the backups that are kept, by state",
        Unit::Bytes,
        size,
    );

    let running = Family::<KindLabels, Gauge>::default();
    for &(kind, runs) in &standing.running {
        running.get_or_create(&KindLabels { kind }).set(whole(runs));
    }
    registry.register("runs_running", "Runs at work", running);
    registry
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A route that no pattern names: all of them share one line, since anybody can ask for any address.
pub const OTHER_ROUTE: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_standing_are_one_text() {
        let metrics = Metrics::new();
        for _ in 0..3 {
            metrics.answered("GET", "/api/sources/{id}", 200, Duration::from_millis(3));
        }
        metrics.answered("POST", "/api/plans", 409, Duration::from_secs(2));
        let standing = Standing {
            sources: vec![
                SourceStanding {
                    name: "help \"desk\"\n".into(),
                    last_verified: Some((1_795_233_906, 4096)),
                },
                SourceStanding {
                    name: "new".into(),
                    last_verified: None,
                },
            ],
            backups: vec![("verified", 2, 8192), ("damaged", 0, 0)],
            running: vec![("backup", 1)],
        };
        let text = metrics.text(&standing).unwrap();
        for line in [
            r#"coffer_http_requests_total{method="GET",route="/api/sources/{id}",status="200"} 3"#,
            r#"coffer_http_requests_total{method="POST",route="/api/plans",status="409"} 1"#,
            r#"coffer_http_request_duration_seconds_count{method="POST",route="/api/plans"} 1"#,
            r#"coffer_last_verified_backup_timestamp_seconds{source="help \"desk\"\n"} 1795233906"#,
            r#"coffer_last_verified_backup_timestamp_seconds{source="new"} 0"#,
            r#"coffer_last_verified_backup_size_bytes{source="new"} 0"#,
            r#"coffer_backups{state="verified"} 2"#,
            r#"coffer_backups_size_bytes{state="verified"} 8192"#,
            r#"coffer_runs_running{kind="backup"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(text.matches("# EOF").count(), 1);
    }
}
