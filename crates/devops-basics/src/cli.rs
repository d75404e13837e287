//! The flags of every command.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use devops_cli::{SecondSignal, Tool};
use devops_core::{
    lessons::{day::DayKind, each::EachOutput},
    units::{parse_count, parse_timeout},
};

mod trust;

pub(crate) const TOOL: Tool = Tool {
    name: "devops-basics",
    table: "basics",
    trust: trust::TRUST,
    subjects: &[],
    secret: &["env"],
    profile: None,
    // The second one kills the commands that run, and a terminal without echo is put right.
    synonyms: &[],
    second_signal: SecondSignal::Counts,
    fails_with_1: None,
};

const HELP: &str = "\
EXAMPLES
  devops-basics calc 0.1 + 0.2
  devops-basics vars --require DB_HOST,DB_PORT:port
  answer=$(devops-basics ask 'Deploy? ' --choices yes,no --default no)
  devops-basics day --gate weekday --tz Europe/Berlin && ./deploy
  devops-basics each web-01 web-02 --parallel 2 -- ssh {} uptime
  devops-basics service nginx tcp://localhost:5432 https://example.org/health
  devops-basics run --timeout 30s --retries 3 -- ./flaky-test
  devops-basics calc 8 / 2 --notes      (what the lesson's own script prints)

EXIT CODES
  0   done; the answer is yes
  1   failed
  2   wrong input
  3   some items failed
  5   not found
  10  the answer is no
  75  could not be determined
  78  the config file is wrong
  run: the command's own code; 124 timed out, 125 not supervised, 126 not executable, \
  127 not found, 128+n ended by signal n";

/// Small everyday commands: ask, calculate, count, check services, run commands
#[derive(Debug, Parser)]
#[command(about, after_long_help = HELP, after_help = HELP, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Greet the world or somebody; with --json a card of this program and its user
    Hello(HelloArgs),
    /// List environment variables, or validate required ones
    Vars(VarsArgs),
    /// Ask a question and print the answer
    Ask(AskArgs),
    /// Show string concatenation and integer addition of A and B
    #[command(allow_negative_numbers = true)]
    Cast(CastArgs),
    /// Tell weekday from weekend, or open and close a gate by it
    Day(DayArgs),
    /// Calculate exactly: A OP B with + - * / (or add sub mul div x)
    Calc(CalcArgs),
    /// Keep a list in a file, one item a line
    Providers(ProvidersArgs),
    /// Count, one number a line
    #[command(allow_negative_numbers = true)]
    Range(RangeArgs),
    /// Run a command for each item, several at a time
    Each(EachArgs),
    /// Check whether services are up
    Service(ServiceArgs),
    /// Show what this host is
    Facts(FactsArgs),
    /// Explain an exit code, or exit with one
    Exit(ExitArgs),
    /// Run a command with a timeout, retries and a report
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HelloArgs {
    /// Whom to greet
    pub name: Option<OsString>,
    /// Print exactly what the lesson's script prints
    #[arg(long, conflicts_with = "name")]
    pub notes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VarsArgs {
    /// Variables to show; all of them by default
    pub names: Vec<String>,
    /// Variables that must be set, as NAME or NAME:TYPE, separated by commas; the types are
    /// string, int, bool, port, url, duration, size, path
    #[arg(long, value_name = "NAME[:TYPE]", value_delimiter = ',')]
    pub require: Vec<String>,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The question, shown on stderr with its choices and its default
    pub prompt: Option<String>,
    /// The answer when none is given
    #[arg(long, value_name = "ANSWER")]
    pub default: Option<String>,
    /// The answers that are accepted, separated by commas; the first letters of one will do, in upper or lower
    /// case, and the choice itself is printed
    #[arg(long, value_name = "ANSWER", value_delimiter = ',')]
    pub choices: Vec<String>,
    /// Do not show what is typed
    #[arg(long)]
    pub secret: bool,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CastArgs {
    /// The first number; asked for when missing
    pub a: Option<String>,
    /// The second number; asked for when missing
    pub b: Option<String>,
    /// Print exactly what the lesson's scripts print
    #[arg(long)]
    pub notes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum GateKind {
    Weekday,
    Weekend,
}

impl GateKind {
    pub(crate) fn kind(self) -> DayKind {
        match self {
            Self::Weekday => DayKind::Weekday,
            Self::Weekend => DayKind::Weekend,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DayArgs {
    /// A name (Saturday, sat) or a date (2026-11-22); today by default
    pub day: Option<String>,
    /// Exit with 10 unless it is such a day
    #[arg(long, value_name = "KIND")]
    pub gate: Option<GateKind>,
    /// The time zone that decides which day it is, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// The moment to look at instead of now, such as 2026-11-22T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CalcArgs {
    /// The first number, or the whole calculation in quotes
    #[arg(allow_hyphen_values = true, value_parser = operand)]
    pub a: Option<String>,
    /// + - * / or add sub mul div x
    #[arg(value_name = "OP", allow_hyphen_values = true, value_parser = operand)]
    pub operator: Option<String>,
    /// The second number
    #[arg(allow_hyphen_values = true, value_parser = operand)]
    pub b: Option<String>,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

/// A number may begin with a sign; what begins with two is a flag with a typo.
fn operand(text: &str) -> Result<String, &'static str> {
    if text.starts_with("--") { Err("there is no such flag") } else { Ok(text.to_owned()) }
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// The file that holds the list
    #[arg(long, value_name = "FILE", default_value = "providers.txt", global = true)]
    pub file: PathBuf,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
    #[command(subcommand)]
    pub command: Option<ProvidersCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Print the list
    List {
        /// Print one item a line
        #[arg(long)]
        lines: bool,
    },
    /// Print the item at an index; negative ones count from the end
    #[command(allow_negative_numbers = true)]
    Get { index: String },
    /// Add an item at the end
    Append { item: String },
    /// Add an item before the one at an index
    #[command(allow_negative_numbers = true)]
    Insert { index: String, item: String },
    /// Remove the first item with that text
    Remove { item: String },
    /// Remove the item at an index, the last one by default
    #[command(allow_negative_numbers = true)]
    Pop { index: Option<String> },
}

#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// STOP, START STOP or START STOP STEP; STOP itself is not printed
    #[arg(num_args = 0..=3, value_name = "NUMBER")]
    pub numbers: Vec<String>,
    /// How each number is written, such as 'web-{:02}'
    #[arg(long, default_value = "{}")]
    pub format: String,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// Each line as it is written, behind its item
    Tagged,
    /// The lines of an item together once its command has ended, below a line with the item
    Grouped,
    /// The bytes as they are written, and the table of results on stderr
    Raw,
}

impl OutputForm {
    pub(crate) fn of_each(self) -> EachOutput {
        match self {
            Self::Tagged => EachOutput::Tagged,
            Self::Grouped => EachOutput::Grouped,
            Self::Raw => EachOutput::Raw,
        }
    }
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct EachArgs {
    /// The items
    pub items: Vec<OsString>,
    /// Read items from a file, one a line; - is stdin
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Items of --from end with a NUL byte, as `find -print0` and `git ls-files -z` write them
    #[arg(short = '0', long)]
    pub null: bool,
    /// Start no further command once one has failed
    #[arg(long)]
    pub fail_fast: bool,
    /// How many commands run at the same time
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count)]
    pub parallel: NonZeroUsize,
    /// Print output and results in the order of the items, whichever command ends first
    #[arg(long)]
    pub keep_order: bool,
    /// Form of the output of the commands
    #[arg(long, value_name = "FORM", default_value = "tagged")]
    pub output: OutputForm,
    /// Stop a command that runs longer; a number without a unit is in seconds
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
    /// The command; {} stands for the item, which comes last otherwise. It reads nothing from stdin, and the
    /// terminal when its turn comes
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// A systemd unit, or tcp:, http:, https: with an address, or proc: and file: with a name
    #[arg(value_name = "TARGET")]
    pub targets: Vec<OsString>,
    /// How long one check may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FactsArgs {
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExitArgs {
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
    #[command(subcommand)]
    pub command: Option<ExitCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExitCommand {
    /// Say what an exit code means
    #[command(allow_negative_numbers = true)]
    Explain { code: String },
    /// Exit with this code
    #[command(allow_negative_numbers = true)]
    With { code: String },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Stop the command when it runs longer; a number without a unit is in seconds, 0 is no limit
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,
    /// Send SIGKILL if the command still runs this long after SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout)]
    pub kill_after: Duration,
    /// Try again so many times when it fails; each attempt reads the same stdin
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,
    /// Wait before the second attempt; doubles with each further one, up to a minute
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_timeout)]
    pub backoff: Duration,
    /// Write a JSON report with the output to a file
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// Run the command in this folder
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable of the command, as NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Print exactly what the lesson's script prints
    #[arg(long)]
    pub notes: bool,
    /// The command and its arguments; no shell reads them. It has our stdin, and the terminal when it reads it
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}
