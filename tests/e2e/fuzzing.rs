//! Random command lines, environments and config files against the tools themselves.
//!
//! A variable gives every line a color that does not exist, so that it is resolved to its end and then
//! refused: nothing is ever done. Only what needs no color, such as help, ends otherwise.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    time::{Duration, Instant},
};

use devops_e2e::{Running, TestEnv};
use devops_fakes::random::Random;

/// The cases of each tool; `DEVOPS_FUZZ_SECONDS` runs more.
const CASES: u64 = 300;
const WORDS: [&str; 20] = [
    "",
    "-",
    "--",
    ".",
    "..",
    "/",
    "a",
    "a=b",
    "s3://b/k",
    "7",
    "-1",
    "99999999999999999999",
    "1h",
    "1KiB",
    "true",
    "*",
    "help",
    "--help",
    "--version",
    "~",
];

/// Returns a word, or a few bytes of any kind but NUL.
fn value(random: &mut Random) -> OsString {
    match random.below(8) {
        0 => {
            let bytes = (0..random.below(6)).map(|_| random.byte());
            OsString::from_vec(bytes.filter(|byte| *byte != 0).collect())
        }
        _ => random.pick(&WORDS).into(),
    }
}

/// The words that a tool understands: its commands, and the keys of each.
struct Vocabulary {
    tool: &'static str,
    table: &'static str,
    settings: Vec<(String, String)>,
}

impl Vocabulary {
    fn of(tool: &'static str, table: &'static str) -> Self {
        let env = TestEnv::new();
        let shown = env.run(tool, ["config", "show"]).expect_code(0).stdout.clone();
        let keys = shown.lines().filter_map(|line| line.split(" = ").next());
        let keys = keys.map(|key| key.trim_end_matches([' ', '=']));
        let split = |key: &str| match key.rsplit_once('.') {
            Some((command, key)) => (command.to_owned(), key.to_owned()),
            None => (String::new(), key.to_owned()),
        };
        // The line must not take the color back that keeps it from being carried out.
        let settings = keys.map(split).filter(|(_, key)| key != "color").collect::<Vec<_>>();
        assert!(settings.len() > 10, "{tool}: {settings:?}");
        Self { tool, table, settings }
    }

    fn line(&self, random: &mut Random) -> Vec<OsString> {
        let (command, _) = random.pick(&self.settings).clone();
        let mut line: Vec<OsString> = match random.below(6) {
            0 => vec!["config".into(), "show".into(), "--origin".into()],
            _ => command.split('.').filter(|word| !word.is_empty()).map(Into::into).collect(),
        };
        for _ in 0..random.below(7) {
            let (_, key) = random.pick(&self.settings).clone();
            let flag = format!("--{}", key.replace('_', "-"));
            match random.below(4) {
                0 => line.push(value(random)),
                1 => line.push(flag.into()),
                2 => line.extend([flag.into(), value(random)]),
                _ => line.push([OsString::from(flag + "="), value(random)].into_iter().collect()),
            }
        }
        line
    }

    fn file(&self, random: &mut Random) -> Vec<u8> {
        let mut text = String::new();
        for _ in 0..random.below(5) {
            let (command, key) = random.pick(&self.settings).clone();
            let table = [self.table, &command].join(".");
            let value = match random.below(4) {
                0 => "true".to_owned(),
                1 => random.below(99).to_string(),
                2 => format!("[{:?}]", value(random).to_string_lossy()),
                _ => format!("{:?}", value(random).to_string_lossy()),
            };
            let table = table.trim_end_matches('.');
            text.extend([format!("[{table}]\n{key} = {value}\n")]);
        }
        let mut bytes = text.into_bytes();
        if random.below(4) == 0 && !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.byte();
        }
        bytes
    }

    fn check(&self, seed: u64) {
        let random = &mut Random::new(seed);
        let env = TestEnv::new();
        env.write("devops.toml", self.file(random));
        env.write("../home/.config/devops/config.toml", self.file(random));
        let line = self.line(random);
        let mut command = env.tool(self.tool);
        command.args(&line).env("PATH", "").env("AWS_EC2_METADATA_DISABLED", "true");
        for _ in 0..random.below(3) {
            let (_, key) = random.pick(&self.settings).clone();
            command.env(self.variable(&key), value(random));
        }
        command.env(self.variable("color"), "none of them");
        let begun = Instant::now();

        let run = Running::start(command).finish();

        let what = format!("DEVOPS_FUZZ_SEED={seed}: {} {line:?}\n{}", self.tool, run.stderr);
        assert!([0, 2, 78].contains(&run.code), "{}: {what}", run.code);
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        let left = fs::read_dir(env.path("")).unwrap().count();
        assert_eq!(left, 1, "{what}");
    }

    fn variable(&self, key: &str) -> String {
        format!("DEVOPS_{}_{key}", self.table).to_uppercase()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn fuzz(tool: &'static str, table: &'static str) {
    let vocabulary = Vocabulary::of(tool, table);
    let first = number("DEVOPS_FUZZ_SEED").unwrap_or(0);
    let until =
        number("DEVOPS_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut seed = first;
    while until.map_or(seed - first < CASES, |until| Instant::now() < until) {
        vocabulary.check(seed);
        seed += 1;
    }
}

#[test]
fn random_lines_of_backup_are_refused_or_answered() {
    fuzz("devops-backup", "backup");
}

#[test]
fn random_lines_of_basics_are_refused_or_answered() {
    fuzz("devops-basics", "basics");
}

#[test]
fn random_lines_of_monitor_are_refused_or_answered() {
    fuzz("devops-monitor", "monitor");
}

#[test]
fn random_lines_of_s3push_are_refused_or_answered() {
    fuzz("devops-s3push", "s3push");
}

#[test]
fn random_lines_of_tf_are_refused_or_answered() {
    fuzz("devops-tf", "tf");
}
