//! Completion as shells do it, and what a terminal shows of help and errors.

use std::fs::File;

use devops_e2e::{Run, TestEnv, finish, outside};

use crate::cli::{TOOLS, commands_in};

/// Completes each line of stdin with the script in `$1`, and prints what is offered for it on one line.
const BASH: &str = r#"
    source "$1"
    while read -ra COMP_WORDS; do
        [ "${COMP_WORDS[-1]}" = "''" ] && COMP_WORDS[-1]=
        function=$(complete -p "${COMP_WORDS[0]}"); function=${function##*-F }; function=${function%% *}
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=${COMP_WORDS[*]} COMP_POINT=${#COMP_LINE}
        "$function" "${COMP_WORDS[0]}" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
        echo " ${COMPREPLY[*]} "
    done"#;

/// Returns the path of a command and of all below it.
fn commands(env: &TestEnv, path: &[String]) -> Vec<Vec<String>> {
    let args = path[1..].iter().map(String::as_str).chain(["--help"]);
    let help = env.run(&path[0], args).expect_code(0).stdout.clone();
    let below = commands_in(&help).into_iter();
    let below = below.flat_map(|name| commands(env, &[path, &[name]].concat()));
    [path.to_vec()].into_iter().chain(below).collect()
}

#[test]
fn bash_completes_the_flags_of_every_command() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let script = env.run(tool, ["completions", "bash"]).expect_code(0).stdout.clone();
        let script = env.write("completion.bash", script);
        let commands = commands(&env, &[tool.to_owned()]);
        let lines = commands.iter().map(|path| format!("{} --\n", path.join(" ")));
        let lines = env.write("lines", lines.collect::<String>());

        let mut bash = env.program("bash");
        bash.args(["--norc", "-c", BASH, "bash"]).arg(script);
        let run = finish(bash.stdin(File::open(lines).unwrap()));

        let offered: Vec<_> = run.expect_code(0).stdout.lines().collect();
        assert_eq!(offered.len(), commands.len(), "{}", run.stderr);
        for (path, offered) in commands.iter().zip(offered) {
            let help = env.run(tool, path[1..].iter().chain([&"--help".to_owned()])).stdout;
            let flags = help.lines().filter_map(|line| line.trim_start().split_once("--"));
            let flags = flags.filter(|(before, _)| before.is_empty() || before.ends_with(", "));
            let flags = flags.filter_map(|(_, flag)| flag.split([' ', '=', ',', '.', '[']).next());
            for flag in flags.filter(|flag| !flag.is_empty()) {
                let expected = format!(" --{flag} ");
                assert!(offered.contains(&expected), "{path:?} offers {offered}, not --{flag}");
            }
        }
    }
}

/// Types lines into a shell that has a terminal, with the tools on its path.
fn typed(env: &TestEnv, shell: &str, lines: &str) -> Run {
    let tool = env.tool(TOOLS[0]).get_program().to_str().unwrap().to_owned();
    let (tools, _) = tool.rsplit_once('/').unwrap();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let keys = env.write("keys", lines);
    let mut script = env.program("script");
    script.args(["-qec", shell, "/dev/null"]).env("PATH", path).env("TERM", "xterm");
    finish(script.stdin(File::open(keys).unwrap()))
}

#[test]
fn a_tab_completes_a_flag_in_bash_and_zsh() {
    let env = TestEnv::new();
    let zsh = "autoload -U compinit; compinit -u -D; source <(devops-basics completions zsh)";
    let bash = "source <(devops-basics completions bash)";
    for (name, shell, setup) in [("bash", "bash --norc -i", bash), ("zsh", "zsh -f -i", zsh)] {
        if outside::program(name).is_none() {
            continue;
        }
        // What is typed is shown too, so it is not what is looked for.
        let keys = format!("{setup}\ndevops-basics run --retr\t 0 -- echo 'wor''ked'\nexit\n");

        let run = typed(&env, shell, &keys);

        assert!(run.stdout.contains("worked"), "{name}: {}", run.stdout);
    }
}

#[test]
fn fish_completes_commands_and_flags() {
    let Some(fish) = outside::program("fish") else { return };
    let env = TestEnv::new();
    for (tool, line, expected) in [
        ("devops-backup", "devops-backup create --exclude-f", "--exclude-from"),
        ("devops-basics", "devops-basics ru", "run"),
        ("devops-s3push", "devops-s3push uploads ab", "abort"),
        ("devops-tf", "devops-tf plan --max-ch", "--max-changes"),
        ("devops-monitor", "devops-monitor serve --bi", "--bind"),
    ] {
        let script = env.run(tool, ["completions", "fish"]).expect_code(0).stdout.clone();
        let script = env.write("completion.fish", script);
        let mut command = env.program(&fish);
        command.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]);

        let run = finish(command.arg(script).arg(line));

        assert!(run.expect_code(0).stdout.starts_with(expected), "{line}: {}", run.stdout);
    }
}

/// Returns what a script of a shell shows on a terminal.
fn shown(env: &TestEnv, columns: usize, script: &str) -> String {
    let script = format!("stty rows 24 cols {columns}; {script}");
    let mut session = env.program("script");
    session.args(["-qec", &script, "/dev/null"]).env("TERM", "xterm");
    finish(&mut session).stdout.replace("\r\n", "\n")
}

#[test]
fn color_is_where_it_is_wanted_and_nowhere_else() {
    let env = TestEnv::new();
    for tool in TOOLS {
        let tool = env.tool(tool).get_program().to_str().unwrap().to_owned();
        // A help, a usage error of clap's, and an error of ours.
        for rest in ["--help", "--no-such-flag", "config show --config missing"] {
            let is_colored = |front: &str, color: &str| {
                shown(&env, 80, &format!("{front} {tool} {color} {rest} 2>&1")).contains("\x1b[")
            };
            let table = format!("DEVOPS_{}_COLOR", tool.rsplit_once('-').unwrap().1.to_uppercase());
            for (front, color, expected) in [
                ("", "", true),
                ("", "--color never", false),
                (&format!("{table}=never"), "", false),
                (&format!("{table}=never"), "--color=always", true),
                ("NO_COLOR=1", "", false),
                ("NO_COLOR=1", "--color always", true),
                ("TERM=dumb", "", false),
            ] {
                assert_eq!(is_colored(front, color), expected, "{front} {tool} {color} {rest}");
            }
            let piped = |color: &str| {
                let args = color.split_whitespace().chain(rest.split(' '));
                let run = finish(env.program(&tool).args(args));
                (run.stdout + &run.stderr).contains("\x1b[")
            };
            assert!(piped("--color always") && !piped(""), "{tool} {rest}");
        }
    }
}

/// Returns lines of prose that end long before the edge of the screen, though the next one goes on with them.
fn ragged(help: &str) -> Vec<(String, String)> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = help.lines().collect();
    let follows = |window: &&[&str]| {
        let [full, short, next] = **window else { return false };
        let is_prose = |text: &str| text.trim_start().starts_with(char::is_lowercase);
        let same = [full, short, next].iter().all(|line| indent(line) == indent(full));
        let ends = short.ends_with(['.', ':', ',']);
        let is_filled = full.chars().count() > 60 && short.chars().count() < 40;
        // Columns and examples are no prose.
        let is_table = full.trim_start().contains("  ")
            || [full, short, next].iter().any(|line| line.trim_start().starts_with("devops-"));
        same && is_filled && is_prose(short) && is_prose(next) && !ends && !is_table
    };
    let found = lines.windows(3).filter(follows);
    found.map(|window| (window[0].to_owned(), window[1].to_owned())).collect()
}

#[test]
fn the_help_of_every_command_fills_its_lines() {
    let env = TestEnv::new();
    for tool in TOOLS {
        for path in commands(&env, &[tool.to_owned()]) {
            let program = env.tool(tool).get_program().to_str().unwrap().to_owned();
            let command = [&[program], &path[1..]].concat().join(" ");
            let help = shown(&env, 80, &format!("{command} --color never --help"));

            assert!(help.lines().all(|line| line.chars().count() <= 80), "{path:?}\n{help}");
            assert_eq!(ragged(&help), [], "{path:?}");
        }
    }
}
