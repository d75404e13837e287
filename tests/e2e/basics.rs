//! `devops-basics` as a user runs it.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use devops_e2e::{Run, Running, TestEnv, finish, outside, wait_until};
use rustix::{
    process::Signal,
    termios::{LocalModes, tcgetattr},
};
use serde_json::Value;

use crate::terminal::terminal;

const TOOL: &str = "devops-basics";

fn run(args: &[&str]) -> Run {
    TestEnv::new().run(TOOL, args)
}

fn run_with_input(args: &[&str], input: &str) -> Run {
    TestEnv::new().run_with_input(TOOL, args, input)
}

#[track_caller]
fn stdout_of(args: &[&str]) -> String {
    run(args).expect_code(0).stdout.clone()
}

#[track_caller]
fn json_of(args: &[&str]) -> Vec<Value> {
    let run = run(args);
    run.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn every_transcript_is_that_of_the_notes() {
    let lists = "The first cloud provider is: aws\n\
        There are 4 providers in the list.\n\
        After append: ['aws', 'azure', 'gcp', 'digitalocean', 'ibm_cloud']\n\
        After insert: ['aws', 'azure', 'heroku', 'gcp', 'digitalocean', 'ibm_cloud']\n";
    let loops = "--- Iterating through cloud providers ---\n\
        Processing provider: aws\nProcessing provider: azure\nProcessing provider: gcp\n\
        \n--- Counting from 1 to 5 ---\n\
        Count is: 1\nCount is: 2\nCount is: 3\nCount is: 4\nCount is: 5\n";
    let functions = "Checking status of nginx...\nChecking status of database...\n\
        Nginx status: OK\nDatabase status: OK\n";
    let weekend = "It's the weekend! Time to learn Python for DevOps!\n";
    let weekday = "It's a weekday. Time to practice what I have learned.\n";
    for (args, expected) in [
        (vec!["hello"], "Hello, world!\n"),
        (vec!["vars"], "app-server-01\n8080\n"),
        (vec!["cast", "8", "7"], "The sum is: 87\nThe sum is: 15\n"),
        (vec!["day", "SATURDAY"], weekend),
        (vec!["day", "Monday"], weekday),
        (vec!["day", "Blursday"], weekday),
        (vec!["calc", "8", "+", "7"], "The result is: 15\n"),
        (vec!["calc", "8", "-", "7"], "The result is: 1\n"),
        (vec!["calc", "8", "*", "7"], "The result is: 56\n"),
        (vec!["calc", "8", "/", "7"], "The result is: 1.1428571428571428\n"),
        (vec!["calc", "8", "/", "2"], "The result is: 4.0\n"),
        (vec!["calc", "8", "^", "2"], "Invalid operation entered.\n"),
        (vec!["providers"], lists),
        (vec!["range"], loops),
        (vec!["each"], loops),
        (vec!["service"], functions),
        (vec!["service", "nginx", "database"], functions),
    ] {
        let args: Vec<&str> = args.into_iter().chain(["--notes"]).collect();
        assert_eq!(stdout_of(&args), expected, "{args:?}");
    }
}

#[test]
fn transcripts_that_ask_read_one_line_for_each_question() {
    let ask = run_with_input(&["ask", "--notes"], "Ada Lovelace\n");
    let cast = run_with_input(&["cast", "--notes"], "8\n7\n");
    let calc = run_with_input(&["calc", "--notes"], "8\n2\n/\n");

    assert_eq!(ask.expect_code(0).stdout, "Hello,\nAda Lovelace\n");
    assert_eq!(ask.stderr, "Please enter your name: \n");
    assert_eq!(cast.expect_code(0).stdout, "The sum is: 87\nThe sum is: 15\n");
    assert_eq!(calc.expect_code(0).stdout, "The result is: 4.0\n");
}

#[test]
fn the_transcript_about_modules_has_the_folder_and_our_version() {
    let env = TestEnv::new();
    let folder = fs::canonicalize(env.path("")).unwrap();
    let expected = format!(
        "Current working directory: {}\ndevops-basics version: {}\n",
        folder.display(),
        env!("CARGO_PKG_VERSION")
    );

    for command in ["facts", "exit"] {
        assert_eq!(env.run(TOOL, [command, "--notes"]).expect_code(0).stdout, expected);
    }
}

#[test]
fn the_transcript_of_run_tells_success_failure_and_a_missing_command_apart() {
    let header = |command: &str| format!("--- Running command: '{command}' ---\n");
    let ok = run(&["run", "--notes", "--", "echo", "hi"]);
    let failing = run(&["run", "--notes", "--", "ls", "missing"]);
    let missing = run(&["run", "--notes", "--", "no-such-cmd", "-x"]);

    let success = "--- Command successful ---\nOutput:\n hi\n\n";
    assert_eq!(ok.expect_code(0).stdout, header("echo hi") + success);
    let failure = "--- Command failed with return code 2 ---\nError Output:\n ls: ";
    assert!(failing.expect_code(2).stdout.starts_with(&(header("ls missing") + failure)));
    let not_found = "--- Command not found: no-such-cmd ---\n";
    assert_eq!(missing.expect_code(127).stdout, header("no-such-cmd -x") + not_found);
}

/// What Python says to each line `A OP B`, one answer a line; `!` where it raises an error.
const REFERENCE: &str = "
import operator, sys
ways = {'+': operator.add, '-': operator.sub, '*': operator.mul, '/': operator.truediv}
for line in sys.stdin.read().split('\\n')[:-1]:
    a, way, b = line.split('|')
    try:
        print(ways[way](int(a), int(b)) if way in ways else a + b + ',' + str(int(a) + int(b)))
    except (ValueError, ArithmeticError):
        print('!')
";

#[test]
fn transcripts_of_numbers_agree_with_python() {
    let Some(python) = outside::program("python3") else { return };
    let env = TestEnv::new();
    let numbers = [
        "8",
        "7",
        "-7",
        "0",
        " +8 ",
        "8_000",
        "007",
        "-0",
        "9007199254740993",
        "18446744073709551616",
        "-123456789012345678901234567890",
        "100000",
        "8.0",
        "0x8",
        "1e3",
        "",
        "_1",
        "abc",
        "- 8",
    ];
    let mut cases = Vec::new();
    for a in numbers {
        for b in numbers {
            let way = ["+", "-", "*", "/", "cast"][cases.len() % 5];
            cases.push((a, way, b));
        }
    }
    let lines: Vec<String> = cases.iter().map(|(a, way, b)| format!("{a}|{way}|{b}\n")).collect();
    let input = env.write("cases", lines.concat());
    let mut reference = env.program(python);
    reference.args(["-c", REFERENCE]).stdin(File::open(input).unwrap());
    let reference = finish(&mut reference).expect_code(0).stdout.clone();

    let ours: Vec<String> = cases.iter().map(|case| answer(&env, case)).collect();

    let expected: Vec<&str> = reference.lines().collect();
    assert_eq!(expected.len(), cases.len());
    for ((case, ours), expected) in cases.iter().zip(&ours).zip(expected) {
        assert_eq!(ours, expected, "{case:?}");
    }
}

/// Returns our answer in the form of the reference.
fn answer(env: &TestEnv, &(a, way, b): &(&str, &str, &str)) -> String {
    let args = match way {
        "cast" => vec!["cast", "--notes", "--", a, b],
        _ => vec!["calc", "--notes", "--", a, way, b],
    };
    let run = env.run(TOOL, args);
    let text = run.stdout.replace("The result is: ", "").replace("The sum is: ", "");
    match run.code {
        0 => text.trim_end_matches('\n').replace('\n', ","),
        1 | 2 => "!".to_owned(),
        code => panic!("exit code {code}: {}", run.stderr),
    }
}

/// Command line, stdin, exit code, and how stderr begins.
const BAD_INPUT: [(&str, &str, i32, &str); 44] = [
    ("cast 8 abc", "", 2, "error: 'abc' is not a whole number\nhint: "),
    ("cast 8 8.5", "", 2, "error: '8.5' is not a whole number\nhint: "),
    ("calc abc + 1", "", 2, "error: 'abc' is not a number\nhint: "),
    ("calc nan + 1", "", 2, "error: 'nan' is not a number\nhint: "),
    ("calc --notes 8.5 + 1", "", 2, "error: '8.5' is not a whole number\nhint: "),
    ("range 5.5", "", 2, "error: '5.5' is not a whole number\nhint: "),
    ("providers get x", "", 2, "error: 'x' is not a whole number\nhint: "),
    ("exit explain x", "", 2, "error: 'x' is not a whole number\nhint: "),
    ("ask Name:", "", 2, "Name:\nerror: no input: stdin reached end of file\nhint: pass --default"),
    ("cast", "8\n", 2, "Enter the first number: \nEnter the second number: \nerror: no input: "),
    ("day --notes", "", 2, "What day of the week is it? \nerror: no input: "),
    ("ask Name:", "\n", 2, "Name:\nerror: the answer is empty\nhint: pass --default VALUE"),
    ("calc 8 / 0", "", 1, "error: division by zero\n"),
    ("calc 8 / 0.00", "", 1, "error: division by zero\n"),
    ("calc --notes 8 / 0", "", 1, "error: division by zero\n"),
    (
        "range 9223372036854775808",
        "",
        1,
        "error: '9223372036854775808' is out of range (max 9223372036854775807)\n",
    ),
    ("calc 1e9999999 + 1", "", 1, "error: number '1e9999999…' is out of range (max 4300 digits)\n"),
    ("range 5 0 0", "", 2, "error: '0' is not a step (it must not be zero)\n"),
    ("range 5 --format {x}", "", 2, "error: '{x}' is not a format such as 'web-{:02}'\n"),
    ("providers insert 100 x", "", 2, "error: index 100 out of range (length 4, allowed -4..=4)\n"),
    ("providers get 99", "", 2, "error: index 99 out of range (length 4, allowed -4..=3)\n"),
    ("providers get -5", "", 2, "error: index -5 out of range (length 4, allowed -4..=3)\n"),
    ("providers --file empty get 0", "", 1, "error: the list is empty\n"),
    ("providers --file empty pop", "", 1, "error: the list is empty\n"),
    ("providers remove oracle", "", 5, "error: 'oracle' is not in the list\n"),
    ("providers --file nothing list", "", 5, "error: failed to read `nothing`\n"),
    ("calc 8 ^ 2", "", 2, "error: unknown operator '^' (choose from +, -, *, /, add, sub, mul, "),
    (
        "day Satuday",
        "",
        2,
        "error: unknown day 'Satuday' (choose from monday, tuesday, wednesday, thursday, friday, \
         saturday, sunday)\nhint: did you mean 'saturday'?\n",
    ),
    ("day 2026-02-30", "", 2, "error: '2026-02-30' is not a date such as 2026-11-22\n"),
    ("day --tz Mars/Olympus", "", 2, "error: 'Mars/Olympus' is not a time zone such as "),
    (
        "day --at 9999-12-31T23:59:59Z --tz Pacific/Kiritimati",
        "",
        2,
        "error: '9999-12-31T23:59:59Z' is not a time in the years 0000 to 9999 of that time zone\n",
    ),
    (
        "calc --nots 8 / 2",
        "",
        2,
        "error: invalid value '--nots' for '[A]': there is no such flag\n",
    ),
    (
        "run --retries 1x -- true",
        "",
        2,
        "error: invalid value '1x' for '--retries <N>': it is not a whole number\n",
    ),
    (
        "each a --parallel 0 -- true",
        "",
        2,
        "error: invalid value '0' for '--parallel <N>': `0` is not a number from 1 on\n",
    ),
    ("calc -z + 1", "", 2, "error: '-z' is not a number\nhint: "),
    ("day --at noon", "", 2, "error: 'noon' is not a time such as 2026-11-22T08:00:00Z"),
    (
        "ask Color? --choices red,blue",
        "bleu\n",
        2,
        "Color? (red/blue) \nerror: 'bleu' is not a choice (",
    ),
    ("vars --require A:prot", "", 2, "error: unknown type 'prot' (choose from string, int, bool, "),
    ("vars NOT_SET", "", 5, "error: variable 'NOT_SET' is not set\n"),
    ("service ../x", "", 2, "error: '../x' is not the name of a service such as nginx\n"),
    ("service htps://x", "", 2, "error: unknown kind of target 'htps://' (choose from tcp://, "),
    ("exit with 256", "", 2, "error: '256' is not an exit code (0 to 255): it would wrap to 0\n"),
    ("run -- no-such-cmd", "", 127, "error: command `no-such-cmd` was not found\n"),
    ("run -- ./four", "", 126, "error: command `./four` cannot be executed\n"),
];

#[test]
fn bad_input_has_its_code_and_one_clear_message() {
    let env = TestEnv::new();
    env.write("providers.txt", "aws\nazure\ngcp\ndigitalocean\n");
    env.write("empty", "");
    env.write("four", "");
    for (line, input, code, stderr) in BAD_INPUT {
        let run = env.run_with_input(TOOL, line.split(' '), input);

        assert_eq!(run.code, code, "{line}: {}", run.stderr);
        assert!(run.stderr.starts_with(stderr), "{line}: {}", run.stderr);
    }
}

#[test]
fn bad_input_with_json_is_one_object_on_stderr() {
    let run = run(&["calc", "8", "^", "2", "--json"]);
    let error: Value = serde_json::from_str(&run.expect_code(2).stderr).unwrap();

    assert_eq!(error["type"], "error");
    assert_eq!(error["code"], 2);
    assert_eq!(error["kind"], "usage");
}

#[test]
fn arguments_that_are_missing_are_named_with_an_example() {
    for command in ["calc", "providers", "range", "each", "service", "exit", "run", "ask"] {
        let run = run(&[command]);

        assert!(run.expect_code(2).stderr.contains("missing\nhint: for example: "), "{command}");
    }
}

#[test]
fn a_full_disk_on_stdout_is_an_error() {
    let env = TestEnv::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut hello = env.tool(TOOL);

    let run = finish(hello.arg("hello").stdout(full).stderr(Stdio::piped()));

    assert!(run.expect_code(1).stderr.starts_with("error: cannot write to stdout: "));
}

#[test]
fn an_endless_range_ends_quietly_when_nobody_reads() {
    let env = TestEnv::new();
    let mut range = env.tool(TOOL);
    range.args(["range", "1000000000000000000"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = range.spawn().unwrap();
    let mut first = String::new();

    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();

    assert_eq!(first, "0\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn results_without_notes_are_plain_and_exact() {
    assert_eq!(stdout_of(&["hello", "Ada"]), "Hello, Ada!\n");
    assert_eq!(stdout_of(&["cast", "8", "7"]), "87\n15\n");
    assert_eq!(stdout_of(&["calc", "0.1", "+", "0.2"]), "0.3\n");
    assert_eq!(stdout_of(&["calc", "8", "-", "-7"]), "15\n");
    assert_eq!(stdout_of(&["calc", "-8", "x", "7"]), "-56\n");
    assert_eq!(stdout_of(&["calc", "8 * 7"]), "56\n");
    assert_eq!(stdout_of(&["calc", "9223372036854775807", "mul", "2"]), "18446744073709551614\n");
    assert_eq!(stdout_of(&["range", "5", "1"]), "");
    assert_eq!(stdout_of(&["range", "5", "0", "-2"]), "5\n3\n1\n");
    assert_eq!(stdout_of(&["range", "1", "3", "--format", "web-{:02}"]), "web-01\nweb-02\n");
    assert_eq!(stdout_of(&["exit", "explain", "-9"]).lines().count(), 1);
    assert!(stdout_of(&["exit", "explain", "137"]).starts_with("137 = 128+9: killed by SIGKILL ("));
    run(&["exit", "with", "42"]).expect_code(42);
}

#[test]
fn every_command_speaks_json() {
    for (args, kind) in [
        (vec!["hello"], "hello"),
        (vec!["vars", "--require", "HOME:path"], "variable"),
        (vec!["ask", "Name?", "--default", "x"], "answer"),
        (vec!["cast", "8", "7"], "cast"),
        (vec!["day", "sat"], "day"),
        (vec!["calc", "1", "/", "3"], "result"),
        (vec!["range", "1"], "item"),
        (vec!["service", "file:/"], "service"),
        (vec!["facts"], "facts"),
        (vec!["exit", "explain", "3"], "exit"),
        (vec!["run", "--", "true"], "run"),
    ] {
        let line: Vec<&str> = ["--json"].into_iter().chain(args).collect();
        let lines = json_of(&line);

        assert_eq!(lines.len(), 1, "{line:?}");
        assert_eq!(lines[0]["type"], kind, "{line:?}");
    }
}

#[test]
fn lists_and_items_speak_json() {
    let list = json_of(&["--json", "providers", "append", "aws"]);
    let each = json_of(&["--json", "each", "a", "--", "echo", "hi"]);

    let types: Vec<_> = each.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(list[0]["items"], serde_json::json!(["aws"]));
    assert_eq!(types, ["line", "item", "summary"]);
    assert_eq!(each[0]["text"], "hi a");
}

#[test]
fn numbers_with_a_sign_need_no_dashes_before_them() {
    for (line, answer) in [
        ("-.5 + 1", "0.5"),
        ("-.5 - -.25", "-0.25"),
        ("1 + -1_000", "-999"),
        ("-1e3 / -2", "500"),
        ("-1e+3 x 2", "-2000"),
        ("-.5 + 1 --color never", "0.5"),
        ("-- -8 - 7", "-15"),
    ] {
        let args: Vec<&str> = ["calc"].into_iter().chain(line.split(' ')).collect();
        assert_eq!(stdout_of(&args), format!("{answer}\n"), "{line}");
    }
    assert_eq!(stdout_of(&["calc", "-.5 + 1"]), "0.5\n");
    assert_eq!(json_of(&["calc", "-.5", "+", "1", "--json"])[0]["result"], "0.5");
    assert_eq!(json_of(&["calc", "--json", "-.5", "+", "1"])[0]["result"], "0.5");
}

#[test]
fn a_project_file_may_not_answer_a_question_or_name_what_is_replaced() {
    for (line, args) in [
        ("[basics.ask]\ndefault = 'yes'", &["ask", "Deploy? "][..]),
        ("[basics.run]\ncapture = 'x'", &["run", "--", "true"]),
        ("[basics.run]\ncwd = '/'", &["run", "--", "true"]),
        ("[basics.providers]\nfile = 'x'", &["providers", "append", "aws"]),
        ("[basics.each]\nfrom = 'devops.toml'", &["each", "a", "--", "true"]),
    ] {
        let env = TestEnv::new();
        env.write("devops.toml", line);

        let run = env.run(TOOL, args);

        assert!(run.expect_code(78).stderr.contains("devops.toml:2: "), "{line}: {}", run.stderr);
        assert!(!env.path("x").exists(), "{line}");
    }
}

#[test]
fn facts_hold_this_host() {
    let facts = &json_of(&["facts", "--json"])[0];
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();

    assert_eq!(facts["host"], host.trim());
    assert!(facts["n_cpus"].as_u64().unwrap() > 0);
    assert!(facts["memory"]["total_bytes"].as_u64().unwrap() > 0);
    assert!(facts["cwd"].as_str().unwrap().ends_with("/work"));
}

#[test]
fn a_broken_contract_of_variables_is_10_and_shows_no_secret() {
    let env = TestEnv::new();
    let mut vars = env.tool(TOOL);
    vars.args(["vars", "--require", "DB_HOST,DB_PORT:port,API_KEY,EMPTY,GONE"]);
    vars.envs([("DB_HOST", "db"), ("DB_PORT", "99999"), ("API_KEY", "hunter2"), ("EMPTY", "")]);

    let run = finish(&mut vars);

    assert_eq!(
        run.expect_code(10).stdout,
        "DB_HOST = db (string)\nDB_PORT is not a port (1 to 65535)\nAPI_KEY = *** (string)\n\
         EMPTY is empty\nGONE is not set\n"
    );
}

#[test]
fn a_choice_may_be_typed_by_its_first_letters() {
    let ask = |choices: &str, answer: &str| {
        let args = ["ask", "Which?", "--choices", choices, "--default", "Staging"];
        let run = run_with_input(&args, &format!("{answer}\n"));
        assert_eq!(
            run.stderr.lines().next(),
            Some(&*format!("Which? ({}) [staging] ", choices.replace(',', "/")))
        );
        (run.code, run.stdout.trim_end().to_owned())
    };

    for (answer, code, chosen) in [
        ("PROD", 0, "prod"),
        ("s", 0, "staging"),
        ("", 0, "staging"),
        ("p", 2, ""),
        ("production", 0, "production"),
        ("x", 2, ""),
    ] {
        assert_eq!(ask("prod,production,staging", answer), (code, chosen.to_owned()), "{answer}");
    }
}

#[test]
fn a_question_takes_one_line_and_leaves_the_rest_to_the_script() {
    let env = TestEnv::new();
    let tool = env.tool(TOOL).get_program().to_str().unwrap().to_owned();
    let script =
        format!("{tool} ask 'A: '\nthe answer\n{tool} ask 'B: '\nanother\necho still here\n");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(script.as_bytes()).unwrap();
    drop(writer);

    // Other shells read ahead themselves.
    let run = finish(env.program("bash").stdin(reader));

    assert_eq!(run.expect_code(0).stdout, "the answer\nanother\nstill here\n");
}

#[test]
fn a_line_that_is_no_answer_is_wrong_input() {
    let env = TestEnv::new();
    let endless = "head -c 400000000 /dev/zero | tr '\\0' x | ";
    for (input, message) in [("printf '\\377\\n' | ", "not UTF-8"), (endless, "longer than 1 MiB")]
    {
        let tool = env.tool(TOOL).get_program().to_str().unwrap().to_owned();
        let script = format!("ulimit -v 400000; {input}{tool} ask 'A: '");

        let run = finish(env.program("sh").args(["-c", &script]));

        assert!(run.expect_code(2).stderr.contains(message), "{}", run.stderr);
    }
}

#[test]
fn a_command_without_dashes_is_told_where_it_stands() {
    let run = run(&["run", "--timeout", "1", "echo", "hi"]);

    let said = "the command to run stands after `--`: `-- echo`";
    assert!(run.expect_code(2).stderr.contains(said), "{}", run.stderr);
}

#[test]
fn a_hint_fits_the_cause() {
    let env = TestEnv::new();
    let script = env.write("script", "echo hi\n");
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let hint = "hint: a script needs a first line such as `#!/bin/sh`; or run `sh ./script`\n";
    let run = env.run(TOOL, ["run", "--", "./script"]);
    assert!(run.expect_code(126).stderr.ends_with(hint), "{}", run.stderr);
    env.run(TOOL, ["providers", "append", "aws"]).expect_code(0);
    for (args, hint) in [
        (&["providers", "remove", "gcp"][..], "hint: `list` shows what is there\n"),
        (&["providers", "list", "--file", "none.txt"], "hint: `append` makes the file; "),
        (&["providers", "append", "aws", "--file", "no/list"], "hint: make its folder first; "),
    ] {
        let run = env.run(TOOL, args);

        assert!(run.expect_code(5).stderr.contains(hint), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn an_answer_goes_to_stdout_and_the_question_to_stderr() {
    let typed = run_with_input(&["ask", "Name? "], "Ada\n");
    let default = run_with_input(&["ask", "Name? ", "--default", "Bob"], "\n");
    let nobody = run(&["ask", "Name? ", "--default", "Bob"]);

    assert_eq!((typed.stdout.as_str(), typed.stderr.as_str()), ("Ada\n", "Name? \n"));
    assert_eq!(default.expect_code(0).stdout, "Bob\n");
    assert_eq!(nobody.expect_code(0).stdout, "Bob\n");
}

fn shows_what_is_typed(terminal: &File) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
}

fn ask_in_secret(env: &TestEnv, terminal: &File) -> Running {
    let mut ask = env.tool(TOOL);
    ask.args(["ask", "Password: ", "--secret"]).stdin(terminal.try_clone().unwrap());
    let running = Running::start(ask);
    wait_until("nothing is shown", || !shows_what_is_typed(terminal));
    running
}

#[test]
fn a_secret_is_not_shown_while_it_is_typed() {
    let env = TestEnv::new();
    let (mut person, terminal) = terminal();
    let running = ask_in_secret(&env, &terminal);

    person.write_all(b"hunter2\n").unwrap();
    let run = running.finish();

    assert_eq!(run.expect_code(0).stdout, "hunter2\n");
    assert!(shows_what_is_typed(&terminal));
}

#[test]
fn ctrl_c_at_a_secret_puts_the_terminal_right() {
    let env = TestEnv::new();
    let (_person, terminal) = terminal();
    let running = ask_in_secret(&env, &terminal);

    running.signal(Signal::INT);
    let run = running.finish();

    assert_eq!(run.expect_code(130).stdout, "");
    assert!(shows_what_is_typed(&terminal));
}

#[test]
fn a_person_is_asked_again_but_not_for_ever() {
    let env = TestEnv::new();
    let (mut person, terminal) = terminal();
    let mut ask = env.tool(TOOL);
    ask.args(["ask", "Sure? ", "--choices", "yes,no"]).stdin(terminal.try_clone().unwrap());

    person.write_all(b"yess\nY\n").unwrap();
    let second = finish(&mut ask);
    person.write_all(b"a\nb\nc\n").unwrap();
    let never = finish(ask.stdin(terminal));

    assert_eq!(second.expect_code(0).stdout, "yes\n");
    assert!(second.stderr.contains("Sure? (yes/no) 'yess' is not a choice"), "{}", second.stderr);
    assert!(second.stderr.contains("; did you mean 'yes'?\n"), "{}", second.stderr);
    assert_eq!(never.expect_code(2).stderr.matches("Sure? ").count(), 3);
}

#[test]
fn a_gate_is_open_or_closed() {
    let open = ["day", "--gate", "weekend", "--at", "2026-11-20T23:30:00Z", "--tz"];
    let in_zone = |zone| run(&[&open[..], &[zone]].concat());

    let berlin = in_zone("Europe/Berlin");
    let utc = in_zone("UTC");

    assert_eq!(berlin.expect_code(0).stdout, "open: Saturday 2026-11-21 is a weekend day\n");
    assert_eq!(utc.expect_code(10).stdout, "closed: Friday 2026-11-20 is a weekday\n");
    run(&["day", "2026-11-22", "--gate", "weekday"]).expect_code(10);
}

#[test]
fn a_list_is_kept_in_a_file() {
    let env = TestEnv::new();
    let edit = |args: &[&str]| {
        let args = ["providers"].iter().chain(args);
        env.run(TOOL, args).expect_code(0).stdout.clone()
    };

    edit(&["append", "aws"]);
    edit(&["append", "it's"]);
    assert_eq!(edit(&["insert", "-1", "gcp"]), "['aws', 'gcp', \"it's\"]\n");
    assert_eq!(edit(&["get", "-1"]), "it's\n");
    assert_eq!(edit(&["list", "--lines"]), "aws\ngcp\nit's\n");
    assert_eq!(edit(&["remove", "gcp"]), "['aws', \"it's\"]\n");
    edit(&["pop"]);
    assert_eq!(edit(&["pop"]), "[]\n");
    assert_eq!(edit(&["list"]), "[]\n");
    assert_eq!(fs::read(env.path("providers.txt")).unwrap(), b"");
}

#[test]
fn each_item_has_its_row_and_a_failed_one_makes_3() {
    let env = TestEnv::new();
    env.write("items", "0\n\n7\n");
    let script = ["--", "sh", "-c", "echo out; exit {}"];
    let args = ["each", "--from", "items", "--parallel", "2"].iter().chain(&script);

    let run = env.run(TOOL, args);

    let words: Vec<Vec<&str>> =
        run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(run.expect_code(3).stdout.contains("0: out\n"));
    assert_eq!(words[2], ["ITEM", "RESULT", "EXIT", "TIME"]);
    assert_eq!(words[3][..3], ["0", "ok", "0"]);
    assert_eq!(words[4][..3], ["7", "failed", "7"]);
    assert!(run.stderr.contains("1 of 2 items failed"));
}

#[test]
fn items_may_end_with_a_nul_and_a_failure_may_be_the_last() {
    let env = TestEnv::new();
    let by_null = |args: &[&str]| {
        let each =
            [&["each", "--from", "-", "-0"], args, &["--", "sh", "-c", "echo \"$0.\"; exit 7"]];
        env.run_with_input(TOOL, each.concat(), "a\nb\0 c\0")
    };

    let all = by_null(&[]);
    let one = by_null(&["--fail-fast"]);
    let missing = env.run(TOOL, ["each", "a", "b", "--", "no-such-cmd"]);

    for line in ["a\\nb: b.\n", " c:  c.\n"] {
        assert!(all.stdout.contains(line), "{}", all.stdout);
    }
    assert!(all.expect_code(1).stderr.contains("all 2 items failed\n"), "{}", all.stderr);
    assert!(one.expect_code(1).stderr.contains("error: 1 item failed; not started: 1\n"));
    assert_eq!(missing.expect_code(127).stderr, "error: command `no-such-cmd` was not found\n");
}

#[test]
fn output_of_many_commands_is_tagged_grouped_or_raw() {
    let each = |args: &[&str]| {
        let script = ["--", "sh", "-c", "echo {}1; echo {}2; exit {}"];
        run(&[&["each", "0", "7", "--keep-order", "--parallel", "2"], args, &script].concat())
    };
    let output = |run: &Run| {
        let end = run.stdout.find("ITEM").unwrap_or(run.stdout.len());
        run.stdout[..end].to_owned()
    };

    let forms = [
        ("tagged", "0: 01\n0: 02\n7: 71\n7: 72\n"),
        ("grouped", "==> 0 <==\n01\n02\n==> 7 <==\n71\n72\n"),
        ("raw", "01\n02\n71\n72\n"),
    ];
    for (form, expected) in forms {
        let run = each(&["--output", form]);
        assert_eq!(output(run.expect_code(3)), expected);
        let table = if form == "raw" { &run.stderr } else { &run.stdout };
        assert!(table.contains("ITEM  RESULT"), "{form}: {}{}", run.stdout, run.stderr);
    }
    let lines = each(&["--json", "--output", "raw"]).stdout;
    assert!(lines.contains(r#""text":"01""#) && lines.contains(r#""type":"summary""#), "{lines}");
}

#[test]
fn services_are_really_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let up = format!("tcp://{}", listener.local_addr().unwrap());

    let ask = |targets: &[&str]| run(&[&["service", "--timeout", "1m"], targets].concat());

    let all_up = ask(&[&up, "file:/"]);
    drop(listener);
    let some_down = ask(&[&up, "file:/", "no-such-unit"]);

    assert!(all_up.expect_code(0).stdout.starts_with(&format!("{up}: up (tcp, connected to ")));
    let lines: Vec<&str> = some_down.expect_code(10).stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("{up}: down (tcp, connection refused")));
    assert_eq!(lines[1], "file:/: up (file, a folder)");
}

#[test]
fn without_trusted_authorities_https_is_not_asked() {
    let env = TestEnv::new();
    let mut command = env.tool(TOOL);
    command.args(["service", "https://127.0.0.1:1/"]).env("SSL_CERT_FILE", "missing.pem");

    let run = finish(&mut command);

    let said = "error: this host has no CA certificates: cannot read `missing.pem`: No such file";
    assert!(run.expect_code(78).stderr.starts_with(said), "{}", run.stderr);
    assert!(run.stderr.contains("hint: install the package `ca-certificates`"), "{}", run.stderr);
}

#[test]
fn a_unit_without_systemd_could_not_be_determined() {
    if fs::exists("/run/systemd/system").unwrap() {
        outside::skip("this host was booted with systemd");
        return;
    }

    let run = run(&["service", "nginx"]);

    assert_eq!(
        run.expect_code(75).stdout,
        "nginx: unknown (systemd, this host was not booted with systemd)\n"
    );
}

#[test]
fn run_hands_on_both_streams_and_the_exit_code() {
    let script = "printf 'a\\0b'; echo err >&2; exit 42";
    let run = run(&["run", "--", "sh", "-c", script]);

    run.expect_code(42);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("a\0b", "err\n"));
}

#[test]
fn run_stops_what_takes_too_long() {
    let run = run(&["run", "--timeout", "100ms", "--", "sleep", "600"]);

    assert_eq!(run.expect_code(124).stderr, "error: command `sleep` took longer than 0.1s\n");
}

#[test]
fn run_hands_every_signal_to_the_group_and_ends_as_the_command_does() {
    let stops = "trap 'echo stopped; exit 3' TERM; echo up; while :; do sleep 0.01; done";
    for (signal, code) in
        [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)]
    {
        for (script, code, stdout) in
            [(stops, 3, "up\nstopped\n"), ("echo up; exec sleep 600", code, "up\n")]
        {
            let env = TestEnv::new();
            let retries = ["run", "--retries", "3", "--backoff", "1ms"];
            let mut running = env.start(TOOL, retries.iter().chain(&["--", "sh", "-c", script]));

            running.wait_for("up");
            running.signal(signal);
            let run = running.finish();

            assert_eq!(run.expect_code(code).stdout, stdout, "{signal:?}");
        }
    }
}

#[test]
fn every_attempt_reads_the_same_input() {
    let env = TestEnv::new();
    let script = "head -c 3 >>heads; cat >got; echo x >>tries; test $(wc -l <tries) -ge 3";
    let args = ["run", "--retries", "5", "--backoff", "1ms", "--", "sh", "-c", script];
    let input = "line\n".repeat(100_000);
    let mut file = File::open(env.write("input", &input)).unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let bytes = input.clone();
    let writing = std::thread::spawn(move || writer.write_all(bytes.as_bytes()));

    for (stdin, left) in [(Stdio::from(reader), 3), (Stdio::from(file), 8)] {
        finish(env.tool(TOOL).args(args).stdin(stdin)).expect_code(0);

        assert_eq!(fs::read_to_string(env.path("heads")).unwrap().len(), 9);
        assert_eq!(fs::read_to_string(env.path("got")).unwrap(), input[left..]);
        for name in ["heads", "tries"] {
            fs::remove_file(env.path(name)).unwrap();
        }
    }
    writing.join().unwrap().unwrap();
}

#[test]
fn run_kills_the_group_on_a_second_signal() {
    let env = TestEnv::new();
    let script = "trap 'echo deaf' TERM; echo up; while :; do sleep 0.01; done";
    let mut running = env.start(TOOL, ["run", "--", "sh", "-c", script]);

    running.wait_for("up");
    running.signal(Signal::TERM);
    running.wait_for("deaf");
    running.signal(Signal::TERM);

    running.finish().expect_code(143);
}

#[test]
fn run_reports_every_attempt() {
    let env = TestEnv::new();
    let script = "echo x | tee -a tries; test $(wc -l < tries) -ge 2";
    let options = ["--retries", "3", "--backoff", "1ms", "--capture", "report.json"];
    let command = ["--", "sh", "-c", script];

    let run = env.run(TOOL, ["run"].iter().chain(&options).chain(&command));

    let report = fs::read_to_string(env.path("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(run.expect_code(0).stdout, "x\nx\n");
    assert_eq!(report["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(report["attempts"][0]["exit"], 1);
    assert_eq!(report["exit"], 0);
    assert_eq!(report["stdout"], "x\n");
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_the_command_runs() {
    let env = TestEnv::new();
    fs::create_dir(env.path("folder")).unwrap();
    for (report, code) in [("missing/report.json", 5), ("folder", 2)] {
        let run = env.run(TOOL, ["run", "--capture", report, "--", "touch", "ran"]);

        run.expect_code(code);
        assert!(run.stderr.contains(report), "{}", run.stderr);
        assert!(!env.path("ran").exists(), "the command ran: {report}");
    }
}

#[test]
fn run_takes_a_folder_and_variables() {
    let args = ["run", "--cwd", "/", "--env", "A=b=c", "--", "sh", "-c", "echo $PWD $A"];

    assert_eq!(stdout_of(&args), "/ b=c\n");
}

#[test]
fn run_goes_on_when_nobody_reads() {
    let env = TestEnv::new();
    let script = "echo first; read line; echo second; touch done; exit 7";
    let mut command = env.tool(TOOL);
    command.args(["run", "--", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();

    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert!(env.path("done").exists());
}

#[test]
fn flags_come_from_the_environment_and_files_too() {
    let env = TestEnv::new();
    env.write("config.toml", "[basics.range]\nformat = 'n{}'\n");
    let mut from_file = env.tool(TOOL);
    let mut from_environment = env.tool(TOOL);

    let file = finish(from_file.args(["--config", "config.toml", "range", "1"]));
    let environment = finish(from_environment.args(["hello"]).env("DEVOPS_BASICS_NOTES", "yes"));

    assert_eq!(file.expect_code(0).stdout, "n0\n");
    assert_eq!(environment.expect_code(0).stdout, "Hello, world!\n");
}
