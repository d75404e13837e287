//! Flags and defaults.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use devops_cli::{SecondSignal, Tool};
use devops_core::{
    metrics::check::{DiskLimits, Limits},
    units::{format_duration, parse_duration},
};

mod trust;

pub(crate) const TOOL: Tool = Tool {
    name: "devops-monitor",
    table: "monitor",
    trust: trust::TRUST,
    subjects: &[],
    secret: &[],
    profile: None,
    synonyms: &[],
    second_signal: SecondSignal::EndsAtOnce,
    fails_with_1: None,
};

/// Faster than ten times a second a reading is mostly rounding: the kernel counts in 10 ms ticks.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_hours(1);

const AFTER_HELP: &str = "\
EXAMPLES:
  devops-monitor serve                           the page on http://127.0.0.1:5000/
  devops-monitor check                           is CPU or memory above 80 %?
  devops-monitor check --nagios --cpu 80,90 --disk /=90,95
  devops-monitor sample --count 3 --json         three readings, one JSON object a line
  devops-monitor health                          for container health checks

EXIT CODES:
  0   done; the figures are at or below their limits
  1   failed
  2   wrong usage
  5   no host under the root path, or no such path to check
  10  a figure is above its limit; the server is not healthy
  75  temporary: the server cannot be reached, a file system does not answer
  77  permission denied
  78  the configuration or the auth file is invalid
  With --nagios, check ends with 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (and 2 for wrong usage).";

/// Show the CPU, memory, disks and network of this host on a live page
#[derive(Debug, Parser)]
#[command(about, after_long_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the live page, its JSON and Prometheus metrics
    Serve(Serve),
    /// Compare CPU, memory and disks with limits, once
    Check(Check),
    /// Print one reading, or several
    Sample(Sample),
    /// Ask a running server whether it is healthy
    Health(Health),
}

/// Where the figures come from.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// Read the host whose root file system is here, such as `/host` in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root_path: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Listen on this address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000")]
    pub bind: String,

    /// Take a reading this often
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,

    /// Ask for a login: `NAME:HASH` lines as `htpasswd -B` writes them, or `token:VALUE`
    ///
    /// Only /healthz and /readyz then answer without one. Passwords travel as they are: beyond this machine
    /// put a proxy with TLS in front.
    #[arg(long, value_name = "FILE", conflicts_with = "allow_anonymous")]
    pub auth_file: Option<PathBuf>,

    /// Let everybody who reaches an address beyond loopback in
    #[arg(long)]
    pub allow_anonymous: bool,

    /// Also answer requests for this host name (localhost, IP addresses and this host's name always are)
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,

    /// Serve everything below this path, for a proxy that does not strip it
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = base_path)]
    pub base_path: String,

    #[command(flatten)]
    pub source: Source,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Limits of the busy share of all processors, in percent
    #[arg(long, value_name = "WARN[,CRIT]")]
    pub cpu: Option<Limits>,

    /// Limits of the memory that is not available, in percent
    #[arg(long, value_name = "WARN[,CRIT]")]
    pub memory: Option<Limits>,

    /// Limits of the file system that holds PATH, in percent as `df` counts
    ///
    /// Without any limit, CPU and memory are compared with 80; with one, only what has limits is looked at.
    #[arg(long, value_name = "PATH=WARN[,CRIT]")]
    pub disk: Vec<DiskLimits>,

    /// Print and exit as a Nagios plugin
    #[arg(long)]
    pub nagios: bool,

    #[command(flatten)]
    pub source: Source,
}

#[derive(Args, Debug)]
pub(crate) struct Sample {
    /// Print this many readings
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,

    /// Each reading covers this much time
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,

    #[command(flatten)]
    pub source: Source,
}

#[derive(Args, Debug)]
pub(crate) struct Health {
    /// What to ask
    #[arg(default_value = "http://127.0.0.1:5000/healthz")]
    pub url: String,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
        return Ok(interval);
    }
    let (shortest, longest) =
        (format_duration(SHORTEST_INTERVAL), format_duration(LONGEST_INTERVAL));
    Err(format!("an interval lies between {shortest} and {longest}"))
}

/// Returns the path without a slash at its end; nothing for the root.
fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if text.starts_with('/') && (path.is_empty() || segments.all(is_plain)) {
        return Ok(path.to_owned());
    }
    Err("a base path starts with `/` and holds letters, digits, `-`, `.`, `_` and `~`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1h"), Ok(Duration::from_hours(1)));
        assert!(interval("99ms").is_err());
        assert!(interval("2h").is_err());
        assert!(interval("0s").is_err());
    }

    #[test]
    fn base_paths_lose_their_last_slash_and_hold_nothing_odd() {
        assert_eq!(base_path("/").as_deref(), Ok(""));
        assert_eq!(base_path("/monitor/").as_deref(), Ok("/monitor"));
        assert_eq!(base_path("/a/b").as_deref(), Ok("/a/b"));
        for odd in ["", "monitor", "/a//b", "/a/../b", "/{x}", "/a b"] {
            assert!(base_path(odd).is_err(), "{odd}");
        }
    }
}
