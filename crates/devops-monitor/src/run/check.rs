//! `check`: two readings, one line, an exit code.

use std::time::Duration;

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    kind::Kind,
    metrics::{
        DiskProbe, HIGH_PERCENT, Host, Sample,
        check::{
            CheckState, Limits, Measure, Subject, describe, describe_for_nagios, verdict, worst,
        },
        mounts, sample,
    },
};
use serde::Serialize;

use super::host::sources;
use crate::cli::Check;

/// The time a file system has to tell its space: a disk that sleeps has to wake up.
const DISK_TIMEOUT: Duration = Duration::from_secs(10);
/// Long enough that a tick of the kernel's clock is one percent of a processor.
const BETWEEN_READINGS: Duration = Duration::from_secs(1);

/// The limits of the seed, for a check without any.
const DEFAULT_LIMITS: Limits = Limits { warn: HIGH_PERCENT, critical: None };

#[derive(Serialize)]
struct Report {
    #[serde(rename = "type")]
    kind: &'static str,
    level: CheckState,
    message: &'static str,
    measures: Vec<ReportedMeasure>,
}

#[derive(Serialize)]
struct ReportedMeasure {
    name: String,
    percent: f64,
    warn: f64,
    critical: Option<f64>,
    level: CheckState,
}

pub(super) fn run(args: &Check, session: &Session) -> Result<Outcome, Failure> {
    match measure(args, session) {
        Ok(measures) => report(args, session, &measures),
        // A plugin has one line and one code for everything it cannot find out.
        Err(failure) if args.nagios && failure.kind != Kind::Interrupted => {
            let message = failure.chain().join(": ").replace(['|', '\n'], " ");
            session.line(format!("MONITOR UNKNOWN - {message}"))?;
            Ok(Outcome::Code(3))
        }
        Err(failure) => Err(failure),
    }
}

fn report(args: &Check, session: &Session, measures: &[Measure]) -> Result<Outcome, Failure> {
    let level = worst(measures);
    if session.json() {
        session.emit(&to_report(measures))?;
    } else if args.nagios {
        session.line(describe_for_nagios(measures))?;
    } else {
        session.line(describe(measures))?;
    }
    Ok(match level {
        level if args.nagios => Outcome::Code(level.nagios_code()),
        CheckState::Ok => Outcome::Done,
        CheckState::Warning | CheckState::Critical => Outcome::No,
    })
}

fn to_report(measures: &[Measure]) -> Report {
    let measures_reported = measures
        .iter()
        .map(|measure| ReportedMeasure {
            name: measure.subject.name(),
            percent: measure.percent,
            warn: measure.limits.warn,
            critical: measure.limits.critical,
            level: measure.level(),
        })
        .collect();
    Report {
        kind: "check",
        level: worst(measures),
        message: verdict(measures),
        measures: measures_reported,
    }
}

fn measure(args: &Check, session: &Session) -> Result<Vec<Measure>, Failure> {
    let (cpu, memory) = match (args.cpu, args.memory) {
        (None, None) if args.disk.is_empty() => (Some(DEFAULT_LIMITS), Some(DEFAULT_LIMITS)),
        asked => asked,
    };
    let mut measures = Vec::new();
    if cpu.is_some() || memory.is_some() {
        let sample = read(args, session, cpu.is_some())?;
        let figures = [
            (Subject::Cpu, cpu, sample.cpu.percent),
            (Subject::Memory, memory, sample.memory.percent),
        ];
        for (subject, limits, percent) in figures {
            let Some(limits) = limits else { continue };
            let percent = percent.ok_or_else(|| unknown(&subject, &sample))?;
            measures.push(Measure { subject, percent, limits });
        }
    }
    let mut probe = DiskProbe::new(DISK_TIMEOUT);
    for disk in &args.disk {
        session.cancel().check()?;
        let space = probe.space(&mounts::under(&args.source.root_path, &disk.path))?;
        let subject = Subject::Disk(disk.path.clone());
        let percent = space.percent().ok_or_else(|| {
            Failure::new(Kind::Failed, format!("`{}` has no size", subject.name()))
        })?;
        measures.push(Measure { subject, percent, limits: disk.limits });
    }
    Ok(measures)
}

fn read(args: &Check, session: &Session, with_cpu: bool) -> Result<Sample, Failure> {
    let sources = sources(&args.source.root_path)?;
    let clock = session.clock();
    let before = sources.read(&clock);
    if with_cpu {
        session.cancel().wait(BETWEEN_READINGS)?;
    }
    Ok(sample(Some(&before), &sources.read(&clock), &Host::default(), Vec::new()))
}

fn unknown(subject: &Subject, sample: &Sample) -> Failure {
    let name = subject.name();
    let problem = sample.errors.iter().find(|problem| problem.source == name);
    let reason = problem.map_or("its counters say nothing", |problem| &problem.message);
    Failure::new(Kind::Failed, format!("the {name} utilization is not known: {reason}"))
}
