//! The text that Prometheus scrapes, in its own format 0.0.4 and in `OpenMetrics` 1.0.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::Write;

/// Which of the two text formats is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` text format 1.0.0.
    OpenMetrics,
}

impl Dialect {
    /// Returns the exact `Content-Type`; Prometheus 3 fails a scrape over a comma in it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Returns the dialect that an `Accept` header prefers; Prometheus text when in doubt.
    pub fn negotiate(accept: &str) -> Self {
        let mut open_metrics = 0.0_f32;
        let mut plain = 0.0_f32;
        for offer in accept.split(',') {
            let mut parts = offer.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, parse_quality);
            match media.as_str() {
                "application/openmetrics-text" => open_metrics = open_metrics.max(quality),
                "text/plain" | "text/*" | "*/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= plain {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

fn parse_quality(text: &str) -> f32 {
    text.parse::<f32>().ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0)
}

/// What a family of metrics measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; samples carry the suffix `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1, its labels tell; samples carry the suffix `_info`.
    Info,
}

impl MetricKind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge => "",
            Self::Info => "_info",
        }
    }
}

/// Writes one scrape, family after family.
#[derive(Debug)]
pub struct Exposition {
    dialect: Dialect,
    text: String,
}

/// One family of metrics: its header stands before the first sample, and without samples nowhere.
#[derive(Debug)]
pub struct Family<'a> {
    exposition: &'a mut Exposition,
    name: &'a str,
    kind: MetricKind,
    help: &'a str,
    has_header: bool,
}

impl Exposition {
    /// Starts an empty scrape.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new() }
    }

    /// Starts a family; `name` is without `_total` or `_info`, which the kind adds where it belongs.
    ///
    /// A family is written once and whole: neither format allows it to go on later.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: MetricKind, help: &'a str) -> Family<'a> {
        Family { exposition: self, name, kind, help, has_header: false }
    }

    /// Writes a gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, MetricKind::Gauge, help).sample(&[], value);
    }

    /// Writes a counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, MetricKind::Counter, help).sample(&[], value);
    }

    /// Returns the whole text.
    pub fn finish(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Family<'_> {
    /// Writes one sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        if !self.has_header {
            self.write_header();
            self.has_header = true;
        }
        let text = &mut self.exposition.text;
        text.push_str(self.name);
        text.push_str(self.kind.suffix());
        for (index, (label, content)) in labels.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            text.push_str(label);
            text.push_str("=\"");
            push_escaped(text, content);
            text.push('"');
        }
        if !labels.is_empty() {
            text.push('}');
        }
        text.push(' ');
        push_number(text, value);
        text.push('\n');
    }

    fn write_header(&mut self) {
        let dialect = self.exposition.dialect;
        let text = &mut self.exposition.text;
        // OpenMetrics names the family, Prometheus the sample.
        let suffix = match dialect {
            Dialect::Prometheus => self.kind.suffix(),
            Dialect::OpenMetrics => "",
        };
        let kind = match (self.kind, dialect) {
            (MetricKind::Counter, _) => "counter",
            (MetricKind::Info, Dialect::OpenMetrics) => "info",
            (MetricKind::Gauge, _) | (MetricKind::Info, Dialect::Prometheus) => "gauge",
        };
        text.push_str("# HELP ");
        text.push_str(self.name);
        text.push_str(suffix);
        text.push(' ');
        match dialect {
            Dialect::Prometheus => push_escaped_help(text, self.help),
            Dialect::OpenMetrics => push_escaped(text, self.help),
        }
        text.push_str("\n# TYPE ");
        text.push_str(self.name);
        text.push_str(suffix);
        text.push(' ');
        text.push_str(kind);
        text.push('\n');
    }
}

fn push_number(text: &mut String, value: f64) {
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        write!(text, "{value}").expect("a string takes every write");
    }
}

fn push_escaped(text: &mut String, content: &str) {
    for character in content.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

/// Escapes help of format 0.0.4, where a quotation mark stays as it is.
fn push_escaped_help(text: &mut String, content: &str) {
    for character in content.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// Returns the value of the first sample of a metric in a text, such as one written earlier.
pub fn value_in(text: &str, name: &str) -> Option<f64> {
    let line = text
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_all(dialect: Dialect) -> String {
        let mut exposition = Exposition::new(dialect);
        let mut cpu = exposition.family("x_cpu_seconds", MetricKind::Counter, "Seconds.");
        cpu.sample(&[("cpu", "0"), ("mode", "user")], 1.5);
        cpu.sample(&[("cpu", "1"), ("mode", "user")], 24_684_092_000.0);
        exposition.family("x_build", MetricKind::Info, "Build.").sample(&[("version", "1")], 1.0);
        exposition.gauge("x_load", "Say \"load\".", 0.25);
        exposition.family("x_absent", MetricKind::Gauge, "Never sampled.");
        exposition.finish()
    }

    #[test]
    fn prometheus_headers_carry_the_full_name() {
        assert_eq!(
            write_all(Dialect::Prometheus),
            "# HELP x_cpu_seconds_total Seconds.\n\
             # TYPE x_cpu_seconds_total counter\n\
             x_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1.5\n\
             x_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 24684092000\n\
             # HELP x_build_info Build.\n\
             # TYPE x_build_info gauge\n\
             x_build_info{version=\"1\"} 1\n\
             # HELP x_load Say \"load\".\n\
             # TYPE x_load gauge\n\
             x_load 0.25\n"
        );
    }

    #[test]
    fn openmetrics_headers_carry_the_family_and_the_text_ends_with_eof() {
        assert_eq!(
            write_all(Dialect::OpenMetrics),
            "# HELP x_cpu_seconds Seconds.\n\
             # TYPE x_cpu_seconds counter\n\
             x_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1.5\n\
             x_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 24684092000\n\
             # HELP x_build Build.\n\
             # TYPE x_build info\n\
             x_build_info{version=\"1\"} 1\n\
             # HELP x_load Say \\\"load\\\".\n\
             # TYPE x_load gauge\n\
             x_load 0.25\n\
             # EOF\n"
        );
    }

    #[test]
    fn escapes_what_a_label_may_not_hold() {
        let mut exposition = Exposition::new(Dialect::Prometheus);
        exposition.family("x", MetricKind::Gauge, "X.").sample(&[("path", "a\\b\"c\nd")], f64::NAN);

        assert!(exposition.finish().ends_with("x{path=\"a\\\\b\\\"c\\nd\"} NaN\n"));
    }

    #[test]
    fn prometheus_itself_gets_openmetrics_and_a_browser_plain_text() {
        let server = "application/openmetrics-text;version=1.0.0,\
                      application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let refusing = "application/openmetrics-text;q=0, text/plain";

        assert_eq!(Dialect::negotiate(server), Dialect::OpenMetrics);
        assert_eq!(Dialect::negotiate("text/html,*/*;q=0.8"), Dialect::Prometheus);
        assert_eq!(Dialect::negotiate(refusing), Dialect::Prometheus);
        assert_eq!(Dialect::negotiate(""), Dialect::Prometheus);
    }
}
