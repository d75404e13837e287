//! Log lines on stderr, as text or as JSON.

use std::{fmt, io};

use devops_core::terminal;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, LevelFilter, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{DefaultFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    json,
    settings::{LogFormat, Settings},
    stderr,
};

/// Starts logging; a bad `DEVOPS_LOG` falls back to the level of the flags, since logs must never stop the work.
pub(crate) fn start(settings: &Settings) {
    // `-q` keeps warnings: what was left out must be named whatever was asked for.
    let level = match settings.verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let filter = std::env::var("DEVOPS_LOG")
        .ok()
        .filter(|directives| !directives.is_empty())
        .and_then(|directives| directives.parse().ok())
        .unwrap_or_else(|| targets(level));
    let layer = tracing_subscriber::fmt::layer().with_writer(SuspendProgress).with_ansi(false);
    let layer = match settings.log_format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text if settings.json => layer.event_format(Object).boxed(),
        LogFormat::Text => layer.event_format(Plain).fmt_fields(DefaultFields::new()).boxed(),
    };
    // Fails only when a subscriber is set already, as in tests.
    let _started = tracing_subscriber::registry()
        .with(layer.with_filter(filter.and(escape_control())))
        .try_init();
}

/// The most verbose level of libraries, even if more was asked for: one level further they log
/// secrets. People paste the verbose log into bug reports.
///
/// At `TRACE` aws-sigv4 logs the request it signs, with the key of `--sse-c-key-file` and the session token;
/// aws-smithy-runtime requests and answers with their headers; aws-runtime each variable and each line of a
/// profile that it reads; aws-smithy-http, hyper and h2 the bytes and headers that go over the network.
const MOST_OF_LIBRARIES: LevelFilter = LevelFilter::DEBUG;

/// Libraries that say too much earlier.
const QUIETER: [(&str, LevelFilter); 1] = [
    // At `DEBUG`, the command line of a credential process, which may hold a password.
    ("aws_config", LevelFilter::INFO),
];

/// The most verbose levels that can be asked for.
fn escape_control() -> Targets {
    let ours = [("devops", LevelFilter::TRACE)];
    Targets::new().with_default(MOST_OF_LIBRARIES).with_targets(ours).with_targets(QUIETER)
}

/// Libraries are only heard with `-vvv`: what matters of theirs is said in our own errors.
fn targets(level: Level) -> Targets {
    match level {
        Level::TRACE => Targets::new().with_default(Level::TRACE),
        _ => Targets::new().with_default(Level::ERROR).with_target("devops", level),
    }
}

/// `warning: message field=value`, without time and module.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        // Whatever stands in a message, it begins no line that looks like another of ours.
        let fields = terminal::lines(&fields).replace('\n', "\n  ");
        writeln!(writer, "{} {fields}", stderr::label(label(event)))
    }
}

/// `{"type":"warning","message":…}`, as errors are with `--json`.
struct Object;

impl<S, N> FormatEvent<S, N> for Object
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        // A log line of a library that fails is not the error that ends the run.
        let kind = match label(event) {
            "error" => "warning",
            label => label,
        };
        fields.0.insert("type".to_owned(), kind.into());
        writeln!(writer, "{}", json::line(&fields.0).unwrap_or_default())
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

fn label(event: &Event<'_>) -> &'static str {
    match *event.metadata().level() {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Writes to stderr without tearing a progress bar.
struct SuspendProgress;

impl io::Write for SuspendProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stderr::suspend_progress(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for SuspendProgress {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_library_is_heard_where_it_shows_headers_or_commands() {
        let heard = escape_control();

        for target in ["aws_sigv4::http_request::sign", "aws_smithy_runtime::client", "hyper", "h2"]
        {
            assert!(heard.would_enable(target, &Level::DEBUG), "{target}");
            assert!(!heard.would_enable(target, &Level::TRACE), "{target}");
        }
        assert!(!heard.would_enable("aws_config::credential_process", &Level::DEBUG));
        assert!(heard.would_enable("devops_s3push::run", &Level::TRACE));
    }
}
