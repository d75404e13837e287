//! A terraform that does what a file in its folder says.
//!
//! `fake-terraform.json` maps a subcommand to a shell script, which replaces this process and gets the
//! subcommand's arguments; `$PLAN` is the plan file. Other subcommands behave well. Every call is added to
//! `fake-terraform.log`.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use serde_json::{Value, json};

const SCRIPTS: &str = "fake-terraform.json";
const LOG: &str = "fake-terraform.log";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let command = args.first().map_or("", String::as_str);
    match log(&args).and_then(|()| act(command, &args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _said = writeln!(io::stderr(), "fake-terraform: {error}");
            ExitCode::FAILURE
        }
    }
}

fn log(args: &[String]) -> io::Result<()> {
    let mut log = OpenOptions::new().create(true).append(true).open(LOG)?;
    writeln!(log, "{}", args.join(" "))
}

fn act(command: &str, args: &[String]) -> io::Result<()> {
    let plan = plan_file(args);
    if let Some(script) = script(command) {
        return Err(become_script(&script, args, &plan));
    }
    let mut stdout = io::stdout().lock();
    match command {
        "init" => fs::create_dir_all(".terraform"),
        "version" => writeln!(stdout, "{}", json!({"terraform_version": "1.11.4"})),
        "workspace" => writeln!(stdout, "* default\n  staging"),
        "plan" => {
            File::create(&plan)?.write_all(b"a plan")?;
            writeln!(stdout, "Plan: 1 to add, 0 to change, 0 to destroy.")
        }
        "show" => writeln!(stdout, "{}", one_creation()),
        "output" => writeln!(stdout, "{{}}"),
        "apply" => writeln!(stdout, "Apply complete! {}", fs::read_to_string(plan)?),
        _ => Err(io::Error::other("no such subcommand")),
    }
}

/// Returns the plan file of `plan -out=PLAN`, or the last argument.
fn plan_file(args: &[String]) -> String {
    let out = args.iter().find_map(|arg| arg.strip_prefix("-out="));
    out.or(args.last().map(String::as_str)).unwrap_or_default().to_owned()
}

fn script(command: &str) -> Option<String> {
    let scripts = fs::read_to_string(SCRIPTS).ok()?;
    let scripts: Value = serde_json::from_str(&scripts).ok()?;
    scripts.get(command)?.as_str().map(str::to_owned)
}

#[allow(clippy::disallowed_methods, reason = "a fake does not need supervision")]
fn become_script(script: &str, args: &[String], plan: &str) -> io::Error {
    Command::new("sh").args(["-c", script, "terraform"]).args(args).env("PLAN", plan).exec()
}

fn one_creation() -> Value {
    json!({
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "applyable": true,
        "resource_changes": [
            {"address": "fake_thing.a", "change": {"actions": ["create"]}},
        ],
    })
}
