//! Comparing figures with limits, for people, scripts and Nagios.
//!
//! Source of the plugin format: the Monitoring Plugins development guidelines.

use std::{fmt::Write, path::PathBuf, str::FromStr};

use serde::Serialize;

use super::sample::{HIGH, NORMAL};
use crate::kind::{HasKind, Kind};

/// The reason a text is not a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is not one or two percentages.
    #[error("`{0}` is not WARN or WARN,CRIT in percent, such as `80` or `80,90`")]
    NotPercent(String),
    /// The limits are in the wrong order.
    #[error("in `{0}` the critical limit is below the warning limit")]
    Order(String),
    /// A disk limit names no path.
    #[error("`{0}` is not PATH=WARN[,CRIT], such as `/=90`")]
    NoPath(String),
}

impl HasKind for LimitError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotPercent(_) | Self::Order(_) | Self::NoPath(_) => Kind::Usage,
        }
    }
}

/// Percentages that a figure should not pass: `80` or `80,90`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Above this is a warning.
    pub warn: f64,
    /// Above this is critical.
    pub critical: Option<f64>,
}

impl Limits {
    fn level(&self, percent: f64) -> CheckState {
        if self.critical.is_some_and(|limit| percent > limit) {
            CheckState::Critical
        } else if percent > self.warn {
            CheckState::Warning
        } else {
            CheckState::Ok
        }
    }
}

impl FromStr for Limits {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let number = |part: &str| {
            let trimmed = part.trim();
            let digits = trimmed.strip_suffix('%').unwrap_or(trimmed);
            let number: Option<f64> = digits.parse().ok();
            number
                .filter(|number| (0.0..=100.0).contains(number))
                .ok_or_else(|| LimitError::NotPercent(text.to_owned()))
        };
        let (warn, critical) = match text.split_once(',') {
            Some((warn, critical)) => (number(warn)?, Some(number(critical)?)),
            None => (number(text)?, None),
        };
        if critical.is_some_and(|critical| critical < warn) {
            return Err(LimitError::Order(text.to_owned()));
        }
        Ok(Self { warn, critical })
    }
}

/// A path and the limits of the file system that holds it: `/=90` or `/var=80,90`.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskLimits {
    /// The path.
    pub path: PathBuf,
    /// The limits.
    pub limits: Limits,
}

impl FromStr for DiskLimits {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        match text.rsplit_once('=') {
            Some((path, limits)) if path.starts_with('/') => {
                Ok(Self { path: path.into(), limits: limits.parse()? })
            }
            _ => Err(LimitError::NoPath(text.to_owned())),
        }
    }
}

/// How bad a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// At or below the limits.
    Ok,
    /// Above the first limit.
    Warning,
    /// Above the second limit.
    Critical,
}

impl CheckState {
    /// Returns the exit code of a Nagios plugin.
    pub fn nagios_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
        }
    }

    fn nagios_word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// What a figure is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Busy time of all processors.
    Cpu,
    /// Memory in use.
    Memory,
    /// Space in use of the file system that holds a path.
    Disk(PathBuf),
}

impl Subject {
    /// Returns the name in one line of text.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => "cpu".to_owned(),
            Self::Memory => "memory".to_owned(),
            Self::Disk(path) => {
                let text = path.to_string_lossy();
                format!("disk {}", text.replace(char::is_control, "?"))
            }
        }
    }
}

/// One figure and what it was compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// What was measured.
    pub subject: Subject,
    /// The figure, to a tenth.
    pub percent: f64,
    /// Its limits.
    pub limits: Limits,
}

impl Measure {
    /// Returns how bad the figure is; at a limit is still within it.
    pub fn level(&self) -> CheckState {
        self.limits.level(self.percent)
    }
}

/// Returns the worst level of all.
pub fn worst(measures: &[Measure]) -> CheckState {
    measures.iter().map(Measure::level).max().unwrap_or(CheckState::Ok)
}

/// Returns one line for people: what it means, then the figures.
pub fn describe(measures: &[Measure]) -> String {
    let mut line = verdict(measures).to_owned();
    for (index, measure) in measures.iter().enumerate() {
        line.push_str(if index == 0 { " " } else { ", " });
        let Measure { subject, percent, limits } = measure;
        let limit = match measure.level() {
            CheckState::Ok => format!("limit {}%", limits.warn),
            CheckState::Warning => format!("above {}%", limits.warn),
            CheckState::Critical => {
                format!("above {}%, critical", limits.critical.unwrap_or(limits.warn))
            }
        };
        write!(line, "{} {percent:.1}% ({limit})", subject.name()).expect("a string takes it");
    }
    line
}

/// Returns the sentence that sums the figures up.
pub fn verdict(measures: &[Measure]) -> &'static str {
    let above = |measure: &&Measure| measure.level() > CheckState::Ok;
    match measures.iter().filter(above).map(|measure| &measure.subject).collect::<Vec<_>>() {
        subjects if subjects.is_empty() => NORMAL,
        subjects if subjects.iter().all(|subject| matches!(subject, Subject::Disk(_))) => {
            "High disk utilization detected!"
        }
        _ => HIGH,
    }
}

/// Returns the line of a Nagios plugin, with performance data.
pub fn describe_for_nagios(measures: &[Measure]) -> String {
    let figures: Vec<String> = measures
        .iter()
        .map(|measure| format!("{} {:.1}%", measure.subject.name(), measure.percent))
        .collect();
    let data: Vec<String> = measures.iter().map(performance_data).collect();
    format!(
        "MONITOR {} - {} | {}",
        worst(measures).nagios_word(),
        // What follows the first bar is performance data.
        figures.join(", ").replace('|', "?"),
        data.join(" ")
    )
}

fn performance_data(measure: &Measure) -> String {
    let name = measure.subject.name().replace(['=', '|'], "_");
    let label =
        if name.contains([' ', '\'']) { format!("'{}'", name.replace('\'', "''")) } else { name };
    let Limits { warn, critical } = measure.limits;
    let critical = critical.map(|limit| limit.to_string()).unwrap_or_default();
    format!("{label}={:.1}%;{warn};{critical};0;100", measure.percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(subject: Subject, percent: f64, limits: &str) -> Measure {
        Measure { subject, percent, limits: limits.parse().unwrap() }
    }

    #[test]
    fn at_a_limit_is_within_it() {
        let level = |percent| measure(Subject::Cpu, percent, "80,90").level();

        assert_eq!(level(80.0), CheckState::Ok);
        assert_eq!(level(80.1), CheckState::Warning);
        assert_eq!(level(90.0), CheckState::Warning);
        assert_eq!(level(90.1), CheckState::Critical);
    }

    #[test]
    fn reads_limits() {
        assert_eq!("80".parse(), Ok(Limits { warn: 80.0, critical: None }));
        assert_eq!("80%, 92.5%".parse(), Ok(Limits { warn: 80.0, critical: Some(92.5) }));
        assert_eq!(
            "/mnt/a=b=90".parse::<DiskLimits>().unwrap().path,
            std::path::Path::new("/mnt/a=b")
        );
    }

    #[test]
    fn refuses_what_is_not_a_limit() {
        for text in ["", "many", "101", "-1", "NaN", "80,", "80,90,95"] {
            assert_eq!(text.parse::<Limits>(), Err(LimitError::NotPercent(text.to_owned())));
        }
        assert_eq!("90,80".parse::<Limits>(), Err(LimitError::Order("90,80".to_owned())));
        assert_eq!("90".parse::<DiskLimits>(), Err(LimitError::NoPath("90".to_owned())));
        assert_eq!("var=90".parse::<DiskLimits>(), Err(LimitError::NoPath("var=90".to_owned())));
    }

    #[test]
    fn one_line_says_it_all() {
        let fine = [measure(Subject::Cpu, 12.3, "80"), measure(Subject::Memory, 41.0, "80,90")];
        let high = [measure(Subject::Cpu, 12.3, "80"), measure(Subject::Memory, 80.1, "80,90")];
        let disk = [measure(Subject::Disk("/".into()), 95.0, "80,90")];

        assert_eq!(
            describe(&fine),
            "System status is normal. cpu 12.3% (limit 80%), memory 41.0% (limit 80%)"
        );
        assert_eq!(
            describe(&high),
            "High CPU or Memory utilization detected! cpu 12.3% (limit 80%), memory 80.1% (above 80%)"
        );
        assert_eq!(
            describe(&disk),
            "High disk utilization detected! disk / 95.0% (above 90%, critical)"
        );
    }

    #[test]
    fn nagios_gets_a_word_and_performance_data() {
        let measures = [
            measure(Subject::Cpu, 12.3, "80,90"),
            measure(Subject::Disk("/it's=here".into()), 85.0, "80"),
        ];

        assert_eq!(worst(&measures).nagios_code(), 1);
        assert_eq!(
            describe_for_nagios(&measures),
            "MONITOR WARNING - cpu 12.3%, disk /it's=here 85.0% | \
             cpu=12.3%;80;90;0;100 'disk /it''s_here'=85.0%;80;;0;100"
        );
    }
}
