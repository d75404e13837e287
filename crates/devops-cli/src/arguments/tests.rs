mod fuzzing;

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use devops_core::fs;

use super::*;
use crate::{
    tool::SecondSignal,
    trust::kinds::{Inside, Trust},
};

const TOOL: Tool = Tool {
    name: "devops-try",
    table: "backup",
    trust: &[
        ("level", Trust::Project),
        ("exclude", Trust::Inside(Inside::Excludes)),
        ("dry-run", Trust::User),
        ("program", Trust::Program),
        ("to", Trust::User),
    ],
    subjects: &[("create", &["source"])],
    secret: &[],
    profile: None,
    synonyms: &[],
    second_signal: SecondSignal::EndsAtOnce,
    fails_with_1: None,
};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
enum Sub {
    Create {
        source: String,
        #[arg(long, default_value_t = 6)]
        level: u8,
        #[arg(long)]
        exclude: Vec<String>,
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        program: Option<String>,
    },
    Restore {
        #[arg(long, required = true)]
        to: String,
    },
}

fn parse_with(config: &str, arguments: &[&str]) -> Result<(Sub, Settings), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::replace(&file, config.as_bytes(), 0o600).unwrap();
    let flag = format!("--config={}", file.display());
    let line = ["devops-try", flag.as_str()].into_iter().chain(arguments.iter().copied());
    let line: Vec<OsString> = line.map(OsString::from).collect();
    match resolve(&TOOL, Cli::command, &line, &|_| None) {
        Ok(Resolved::Matches(mut matches, _)) => {
            let settings = settings(&matches);
            Ok((Cli::from_arg_matches_mut(&mut matches).unwrap().command, settings))
        }
        Ok(Resolved::Printed) => Err("printed".to_owned()),
        Err(Refusal::Clap(error)) => Err(error.to_string()),
        Err(Refusal::Failure(failure)) => {
            let hint = failure.hint.clone().unwrap_or_default();
            let text = format!("{:?} {} ({hint})", failure.kind, failure.chain().join(": "));
            Err(text.replace(dir.path().to_str().unwrap(), "DIR"))
        }
    }
}

fn create(config: &str, arguments: &[&str]) -> (u8, Vec<String>, bool) {
    match parse_with(config, arguments).unwrap().0 {
        Sub::Create { level, exclude, dry_run, .. } => (level, exclude, dry_run),
        other @ Sub::Restore { .. } => panic!("{other:?}"),
    }
}

#[test]
fn the_decorated_command_is_sound() {
    decorate::decorate(Cli::command(), &TOOL, Reach::All).debug_assert();
}

#[test]
fn a_command_looks_the_same_whatever_else_is_decorated() {
    let help = |reach: Reach<'_>, name: &str| {
        let mut command = decorate::decorate(Cli::command(), &TOOL, reach);
        let all = command.render_long_help().to_string();
        command.build();
        let sub = command.find_subcommand_mut(name).expect("the command exists");
        (all, sub.render_long_help().to_string())
    };
    let words = ["devops-try", "create", "x"].map(OsString::from);

    assert_eq!(help(Reach::Words(&words), "create"), help(Reach::All, "create"));
    let (bare, whole) = (help(Reach::Words(&words), "restore"), help(Reach::All, "restore"));
    assert_eq!(bare.0, whole.0);
    assert_ne!(bare.1, whole.1, "only commands on the line are decorated");
}

#[test]
fn an_error_suggests_the_opposite_of_a_flag_in_the_wrong_place() {
    let refused = parse_with("", &["--no-dry-rum", "create"]).unwrap_err();

    assert!(refused.contains("'create --no-dry-run' exists"), "{refused}");
}

#[test]
fn a_flag_beats_the_table_of_its_command_which_beats_the_table_of_the_tool() {
    let config = "[backup]\nlevel = 2\nexclude = [\"*.o\", \"*.a\"]\n[backup.create]\nlevel = 3\n";

    assert_eq!(create(config, &["create", "x", "--level", "4"]).0, 4);
    assert_eq!(create(config, &["create", "x"]), (3, vec!["*.o".into(), "*.a".into()], false));
    assert_eq!(create("", &["create", "x"]), (6, vec![], false));
}

#[test]
fn every_boolean_has_an_opposite_that_beats_the_file() {
    let config = "[backup]\ndry_run = true\n";

    assert!(create(config, &["create", "x"]).2);
    assert!(!create(config, &["create", "x", "--no-dry-run"]).2);
    assert!(create("", &["create", "x", "--no-dry-run", "--dry-run"]).2);
}

#[test]
fn a_required_flag_may_come_from_a_file() {
    let restored = parse_with("[backup.restore]\nto = \"/x\"\n", &["restore"]).unwrap().0;

    assert_eq!(restored, Sub::Restore { to: "/x".into() });
    assert!(parse_with("", &["restore"]).unwrap_err().contains("--to <TO>"));
}

#[test]
fn shared_flags_work_on_both_sides_of_the_command() {
    assert!(parse_with("", &["--json", "create", "x"]).unwrap().1.json);
    assert!(parse_with("", &["create", "x", "--json"]).unwrap().1.json);
    assert!(!parse_with("", &["--json", "create", "x", "--no-json"]).unwrap().1.json);
    assert!(parse_with("[backup]\njson = true\n", &["create", "x"]).unwrap().1.json);
}

#[test]
fn an_unknown_key_is_named_with_file_line_and_suggestion() {
    let refused = parse_with("[backup]\nlevel = 3\nexclud = 1\n", &["create", "x"]).unwrap_err();

    assert_eq!(
        refused,
        "Configuration DIR/config.toml:3: unknown key `exclud` (did you mean `exclude`?)"
    );
}

#[test]
fn a_value_of_the_wrong_type_says_where_it_comes_from() {
    let refused = parse_with("[backup]\nlevel = \"high\"\n", &["create", "x"]).unwrap_err();

    assert!(refused.starts_with("Configuration invalid value 'high' for '--level <LEVEL>'"));
    assert!(refused.ends_with("(the value comes from DIR/config.toml:2)"), "{refused}");
}

#[test]
fn a_config_file_that_does_not_exist_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = format!("--config={}", dir.path().join("missing.toml").display());
    let line = ["devops-try", &missing, "create", "x"].map(OsString::from);
    let Err(Refusal::Failure(failure)) = resolve(&TOOL, Cli::command, &line, &|_| None) else {
        panic!("accepted")
    };

    assert_eq!(failure.kind, Kind::Configuration);
}

#[test]
fn a_named_file_may_set_what_a_project_file_may_not() {
    let (command, _) = parse_with("[backup]\nprogram = \"x\"\n", &["create", "x"]).unwrap();

    assert!(matches!(command, Sub::Create { program: Some(_), .. }));
}

#[test]
fn a_list_where_one_value_belongs_is_an_error_of_the_file() {
    for line in ["color = []", "quiet = [true, false]", "level = [1, 2]", "dry_run = 7"] {
        let refused = parse_with(&format!("[backup]\n{line}\n"), &["create", "x"]).unwrap_err();

        assert!(refused.starts_with("Configuration DIR/config.toml:2: "), "{line}: {refused}");
    }
}

/// Returns the flags of a command for which it was not decided what a project file may do.
fn undecided(command: Command) -> Vec<String> {
    let command = decorate::decorate(command, &TOOL, Reach::All);
    let settings = show::settings(&TOOL, &command, &Config::default(), &|_| None).unwrap();
    let open = settings.into_iter().filter(|setting| setting.trust == "undecided");
    open.map(|setting| setting.layer.long).collect()
}

#[test]
fn a_flag_that_was_not_decided_is_found_and_closed_to_project_files() {
    let added = Arg::new("sly").long("sly").action(ArgAction::Set);
    let with_one_more = Cli::command().mut_subcommand("restore", |restore| restore.arg(added));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("devops.toml");
    fs::replace(&file, b"[backup.restore]\nsly = 1\n", 0o600).unwrap();

    assert_eq!(undecided(Cli::command()), [""; 0]);
    assert_eq!(undecided(with_one_more.clone()), ["sly"]);
    let command = decorate::decorate(with_one_more, &TOOL, Reach::All);
    let refused = Config::of_project(&TOOL, &command, &file).unwrap_err();
    assert!(refused.chain()[0].ends_with("devops.toml:2: a project file may not set `sly`"));
}
