//! The README's examples are what the tools really print.
//!
//! In a `console` block a line `$ COMMAND` is run and the lines below it are compared with both streams;
//! a line `...` stands for any lines, digits match digits, and a checksum any checksum.

use std::{fs::create_dir_all, path::Path, process::Command};

use devops_e2e::{
    Running, TestEnv,
    binaries::{binary, workspace},
    finish, outside,
};

/// One command of the README with the output it shows.
struct Example {
    command: String,
    expected: Vec<String>,
}

#[test]
fn every_example_of_the_readme_prints_what_it_says() {
    let env = TestEnv::new();
    if outside::program("terraform").is_none() {
        return;
    }
    // The server ends when it is dropped.
    let (_server, endpoint) = prepare(&env);
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let examples = examples(&readme);

    assert!(examples.len() >= 5, "one example a tool: {}", examples.len());
    for example in examples {
        let run = finish(&mut shell(&env, &example.command, &endpoint));
        let printed: Vec<&str> = run.stdout.lines().collect();
        assert!(
            matches(&example.expected, &printed),
            "$ {}\n--- the README says\n{}\n--- the tool says\n{}",
            example.command,
            example.expected.join("\n"),
            run.stdout
        );
    }
}

/// Makes what the examples work on: a folder, a stack, a bucket.
fn prepare(env: &TestEnv) -> (Running, String) {
    for (name, size) in [("photos/2026/sea.jpg", 300_000), ("photos/2026/wood.jpg", 200_000)] {
        env.write(name, vec![7; size]);
    }
    create_dir_all(env.path("backups")).unwrap();
    let profile =
        "[backup.profile.photos]\nsource = \"photos\"\ndest = \"vault\"\nkeep_daily = 7\n";
    env.write("devops.toml", profile);
    env.write("stack/main.tf", include_bytes!("../../xtask/demo/main.tf"));
    let mut server = env.start(
        "fake-s3",
        ["--bucket", "offsite", "--access-key", "example", "--secret-key", "example-secret"],
    );
    let line = server.wait_for("http://");
    let endpoint = line.rsplit(' ').next().unwrap().to_owned();
    (server, endpoint)
}

fn shell(env: &TestEnv, command: &str, endpoint: &str) -> Command {
    let tools = binary("devops-backup");
    let tools = tools.parent().and_then(Path::to_str).unwrap().to_owned();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let mut shell = env.program("sh");
    shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).env("PATH", path);
    shell.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-east-1");
    shell.env("AWS_ACCESS_KEY_ID", "example").env("AWS_SECRET_ACCESS_KEY", "example-secret");
    shell
}

fn examples(readme: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.strip_prefix("```") {
            Some(language) => inside = language == "console",
            None if !inside => {}
            None => match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => {
                    examples.push(Example { command: command.to_owned(), expected: Vec::new() });
                }
                (None, Some(example)) => example.expected.push(line.to_owned()),
                (None, None) => panic!("output without a command: {line}"),
            },
        }
    }
    examples
}

fn matches(expected: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return printed.is_empty() };
    if first == "..." {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    let same = |line: &&str| normal(line) == normal(first);
    printed.first().is_some_and(same) && matches(rest, &printed[1..])
}

/// Replaces what differs from run to run: runs of digits, checksums, durations, spaces that align.
fn normal(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let is_checksum = word.trim_end_matches(',').ends_with('=') && word.len() >= 12;
        if is_checksum { "CHECKSUM".to_owned() } else { duration(digits(word)) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A duration below ten seconds has another form with every unit.
fn duration(word: String) -> String {
    let is_short = matches!(word.as_str(), "0s" | "0.0s" | "0ms");
    if is_short { "0s".to_owned() } else { word }
}

fn digits(word: &str) -> String {
    let mut normal = String::new();
    for character in word.chars() {
        match character {
            '0'..='9' if normal.ends_with('0') => {}
            '0'..='9' => normal.push('0'),
            other => normal.push(other),
        }
    }
    normal
}
