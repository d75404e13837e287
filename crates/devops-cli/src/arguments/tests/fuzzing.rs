//! Random command lines, environments and config files, from a seed that makes every run the same.
//!
//! Each of them gives a value, a usage error or an error of a file: never a panic, never a bug.
//! `cargo xtask fuzz cli` runs it for minutes.

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::Write,
    os::unix::ffi::OsStringExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use clap::value_parser;
use devops_fakes::random::Random;

use super::*;
use crate::trust::kinds::{Decision, Stricter};

const CASES: u64 = 10_000;
/// A case that takes so long hangs: nothing here waits for anything.
const LONGEST: Duration = Duration::from_secs(20);

const TRUST: &[Decision] = &[
    ("allow", Trust::Inside(Inside::Includes)),
    ("deny", Trust::Tighten(Stricter::Union)),
    ("exclude", Trust::Inside(Inside::Excludes)),
    ("from", Trust::Inside(Inside::ExcludeFiles)),
    ("level", Trust::Project),
    ("limit", Trust::Tighten(Stricter::AtMost(Some(10)))),
    ("proof", Trust::Tighten(Stricter::First(&["full", "size"]))),
    ("program", Trust::Program),
    ("settings", Trust::Inside(Inside::PathOnly)),
    ("strict", Trust::Tighten(Stricter::On)),
    ("values", Trust::Inside(Inside::Path)),
    ("profile.source", Trust::Inside(Inside::Path)),
];

const TOOL: Tool = Tool {
    name: "devops-try",
    table: "backup",
    trust: TRUST,
    subjects: &[("work", &["subject"]), ("work.deep", &["subject"])],
    secret: &["deny"],
    profile: Some(keys),
    synonyms: &[],
    second_signal: SecondSignal::EndsAtOnce,
    fails_with_1: None,
};

/// The long flags of all commands, and some that no command has.
const FLAGS: [&str; 17] = [
    "allow",
    "deny",
    "exclude",
    "from",
    "level",
    "limit",
    "proof",
    "program",
    "settings",
    "strict",
    "values",
    "json",
    "color",
    "config",
    "trust-project",
    "no-strict",
    "nothing",
];
const WORDS: [&str; 22] = [
    "",
    "-",
    "--",
    ".",
    "..",
    "/",
    "a",
    "=",
    "a=b",
    "work",
    "deep",
    "config",
    "show",
    "true",
    "7",
    "-1",
    "18446744073709551616",
    "s3://b/k",
    "*/..",
    "~",
    "\u{202e}",
    "completions",
];

/// Returns a word, or a few bytes of any kind.
fn value(random: &mut Random) -> OsString {
    match random.below(8) {
        0 => OsString::from_vec((0..random.below(6)).map(|_| random.byte()).collect()),
        _ => random.pick(&WORDS).into(),
    }
}

/// One flag of each kind, with a command below another.
fn command() -> Command {
    let flags = || {
        let list = |long: &'static str| {
            Arg::new(long)
                .long(long)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
        };
        [
            list("allow"),
            list("deny"),
            list("exclude"),
            list("from"),
            list("settings"),
            list("values"),
            Arg::new("level").long("level").value_parser(value_parser!(u8)).default_value("6"),
            Arg::new("limit").long("limit").value_parser(value_parser!(u64)),
            Arg::new("program").long("program").required(true),
            Arg::new("proof").long("proof").value_parser(["full", "size"]),
            Arg::new("strict").long("strict").action(ArgAction::SetTrue),
        ]
    };
    let subject = || Arg::new("subject").value_parser(value_parser!(OsString)).num_args(0..);
    let deep = Command::new("deep").args(flags()).arg(subject());
    let work = Command::new("work").args(flags()).arg(subject()).subcommand(deep);
    Command::new("devops-try").subcommand_required(true).subcommand(work)
}

fn keys() -> Command {
    let source = Arg::new("source").long("source").action(ArgAction::Append);
    let strict = Arg::new("strict").long("strict").action(ArgAction::SetTrue);
    Command::new("profile").args([source, strict])
}

/// Returns a value that fits a flag, most of the time.
fn fitting(random: &mut Random, long: &str) -> OsString {
    match (long, random.below(6)) {
        (_, 0) => value(random),
        ("level" | "limit", _) => random.below(200).to_string().into(),
        ("proof", n) => if n % 2 == 0 { "full" } else { "size" }.into(),
        ("color", _) => "never".into(),
        _ => random.pick(&["a", "src/*.rs", "../a", "a=b", "/etc"]).into(),
    }
}

fn line(random: &mut Random) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec!["devops-try".into()];
    if random.below(8) > 0 {
        line.extend(["work".into(), "--program=x".into()]);
    }
    if random.below(4) == 0 {
        line.extend(["deep".into(), "--program=x".into()]);
    }
    for _ in 0..random.below(5) {
        // The names behind the twelfth are rarely right.
        let n_names = if random.below(6) == 0 { FLAGS.len() } else { 12 };
        let long = *random.pick(&FLAGS[..n_names]);
        match random.below(6) {
            0 => line.push(value(random)),
            _ if matches!(long, "strict" | "json") => line.push(format!("--{long}").into()),
            1 => line.push(format!("--{long}").into()),
            2 => line.push("subject".into()),
            _ => line.push(
                [OsString::from(format!("--{long}=")), fitting(random, long)].into_iter().collect(),
            ),
        }
    }
    line
}

/// Returns a config file: tables and keys that exist for the most part, now and then with a byte of any kind.
fn file(random: &mut Random) -> Vec<u8> {
    let tables = ["[backup.work]", "[backup.work.deep]", "[backup.profile.a]", "[tf]"];
    let mut text = String::new();
    for table in tables.iter().filter(|_| random.below(2) == 0).collect::<Vec<_>>() {
        let keys: &[&str] = match *table {
            "[backup.profile.a]" => &["source", "strict"],
            _ => &FLAGS[..if random.below(9) == 0 { FLAGS.len() } else { 11 }],
        };
        text.extend([format!("{table}\n")]);
        for key in keys.iter().filter(|_| random.below(4) == 0).collect::<Vec<_>>() {
            let fitting = fitting(random, key).to_string_lossy().into_owned();
            let value = match random.below(12) {
                0 => "[1979-05-27]".to_owned(),
                1 => format!("[{fitting:?}, {:?}]", value(random).to_string_lossy()),
                _ if *key == "strict" => (random.below(2) == 0).to_string(),
                _ => format!("{fitting:?}"),
            };
            text.extend([format!("{} = {value}\n", key.replace('-', "_"))]);
        }
    }
    let mut bytes = text.into_bytes();
    if random.below(8) == 0 && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = random.byte();
    }
    bytes
}

fn write(path: &Path, bytes: &[u8]) {
    // Nothing here has to survive a crash, and a sync would take longer than all the rest.
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// Parses one random command line and returns the kind of its result; panics if it is an internal error.
fn check(seed: u64, folder: &Path, command: &Command) -> &'static str {
    let random = &mut Random::new(seed);
    let (named, project) = (folder.join("config.toml"), folder.join("devops.toml"));
    write(&named, &file(random));
    write(&project, &file(random));
    let environment: Vec<(String, OsString)> = (0..random.below(3))
        .map(|_| (layers::variable(&TOOL, FLAGS[random.below(FLAGS.len())]), value(random)))
        .collect();
    let lookup = |name: &str| {
        let found = environment.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    // As a project file it is read whatever the line says.
    let found = Config::of_project(&TOOL, command, &project);
    // Showing all settings takes as long as all the rest.
    if let Some(config) = found.as_ref().ok().filter(|_| seed.is_multiple_of(4)) {
        let settings = show::settings(&TOOL, command, config, &lookup);
        expect_no_bug(seed, settings.err());
    }
    expect_no_bug(seed, found.err());
    let mut line = line(random);
    line.insert(1, format!("--config={}", named.display()).into());
    match resolve(&TOOL, self::command, &line, &lookup) {
        Err(Refusal::Failure(failure)) => {
            expect_no_bug(seed, Some(failure));
            "failure"
        }
        Ok(Resolved::Matches(_, found)) => {
            for profile in &found.profiles {
                let places = profile.layers.iter().map(|layer| profile.place(&layer.long));
                assert!(places.into_iter().all(|(_, line)| line > 0));
            }
            "matches"
        }
        Ok(Resolved::Printed) => "printed",
        Err(Refusal::Clap(_)) => "usage",
    }
}

fn expect_no_bug(seed: u64, failure: Option<Failure>) {
    if let Some(failure) = failure {
        assert_ne!(failure.kind, Kind::Bug, "DEVOPS_FUZZ_SEED={seed}: {failure:?}");
    }
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn random_lines_environments_and_files_are_never_a_bug() {
    let dir = tempfile::tempdir().unwrap();
    let command = decorate::decorate(command(), &TOOL, Reach::All);
    let first = variable("DEVOPS_FUZZ_SEED").unwrap_or(0);
    let until = variable("DEVOPS_FUZZ_SECONDS")
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut answers = BTreeMap::new();
    let mut seed = first;
    while until.map_or(seed - first < CASES, |until| Instant::now() < until) {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(seed, dir.path(), &command)));
        let Ok(answer) = outcome else { panic!("DEVOPS_FUZZ_SEED={seed} fails") };
        *answers.entry(answer).or_insert(0) += 1;
        assert!(begun.elapsed() < LONGEST, "DEVOPS_FUZZ_SEED={seed} takes too long");
        seed += 1;
    }
    // Lines that are all refused alike would show nothing.
    for answer in ["failure", "matches", "usage"] {
        assert!(answers.get(answer).is_some_and(|n| *n > 100), "{answers:?}");
    }
}
