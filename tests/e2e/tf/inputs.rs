//! The inputs of terraform: variables, settings of the backend, its environment.

use std::os::unix::fs::OpenOptionsExt;

use super::*;

const SIZE: &str = "variable \"size\" { default = \"d\" }\noutput \"size\" { value = var.size }\n";

#[test]
fn a_variable_wins_over_files_and_arguments_of_terraform() {
    let Some(stack) = Stack::new(SIZE) else { return };
    stack.env.write("infra/f.tfvars", "size = \"file\"\n");
    for (args, extra) in [("-var-file=f.tfvars", ""), ("-var=size=env", ""), ("", "-var=size=x")] {
        let mut command =
            stack.command(&["plan", "infra", "--out", "p", "--var", "size=flag ${x}"]);
        command.env("TF_CLI_ARGS_plan", args);
        command.args(if extra.is_empty() { vec![] } else { vec!["--", extra] });

        let run = finish(&mut command);

        run.expect_code(0);
        assert!(!run.stderr.contains("flag") && !run.stderr.contains("size=x"), "{}", run.stderr);
        let plan: Value =
            serde_json::from_str(&stack.run(&["show", "p", "--json"]).stdout).unwrap();
        assert_eq!(plan["output_changes"]["size"]["after"], "flag ${x}", "{args} {extra}");
    }
}

#[test]
fn a_variable_has_the_type_that_is_declared() {
    let config = r#"
        variable "hosts" { type = list(string) }
        variable "text" { type = string }
        output "all" { value = [var.hosts, var.text] }"#;
    let Some(stack) = Stack::new(config) else { return };

    let run = stack.run(&[
        "plan",
        "infra",
        "--out",
        "p",
        "--var",
        "hosts=[\"a\", \"b\"]",
        "--var",
        "text=[\"a\"]",
    ]);

    run.expect_code(0);
    let plan: Value = serde_json::from_str(&stack.run(&["show", "p", "--json"]).stdout).unwrap();
    assert_eq!(plan["output_changes"]["all"]["after"], json!([["a", "b"], "[\"a\"]"]));
}

#[test]
fn a_file_with_values_may_be_a_pipe() {
    let Some(stack) = Stack::new(SIZE) else { return };
    let mut command = stack.env.program("sh");
    let script = r#"echo 'size = "piped"' | "$TOOL" plan infra --out p --var-file /dev/stdin"#;
    command.args(["-c", script]).env("TOOL", binary("devops-tf"));

    finish(command.env("DEVOPS_TF_BIN", &stack.terraform)).expect_code(0);

    let plan: Value = serde_json::from_str(&stack.run(&["show", "p", "--json"]).stdout).unwrap();
    assert_eq!(plan["output_changes"]["size"]["after"], "piped");
}

#[test]
fn a_value_without_a_name_is_not_repeated() {
    let env = fake(&json!({}));
    env.write("c.toml", "[tf]\nvar = [\"pw hunter2\"]\n");
    for (args, variable) in [
        (&["--var", "pw hunter2"][..], None),
        (&["--json", "--var", "pw hunter2"], None),
        (&["--backend-config", "pw hunter2"], None),
        (&["--config", "c.toml"], None),
        (&[], Some("DEVOPS_TF_VAR")),
        (&[], Some("DEVOPS_TF_BACKEND_CONFIG")),
    ] {
        let mut command = fake_command(&env, &[&["plan", "infra"], args].concat());
        command.envs(variable.map(|name| (name, "pw:hunter2")));
        let run = finish(&mut command);
        assert!([2, 5].contains(&run.code), "{args:?} {variable:?}: {run:?}");
        assert!(!run.stderr.contains("hunter2"), "{args:?} {variable:?}: {}", run.stderr);
        assert!(run.stderr.contains("NAME=VALUE") || run.stderr.contains("--backend-config"));
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_pipe_with_values() {
    let env = fake(&json!({}));
    env.write("infra/.terraform/x", "");
    let fifo = env.path("values");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let running = Running::start(fake_command(&env, &["plan", "infra", "--var-file", "values"]));
    // Succeeds once the tool has opened the pipe.
    wait_until("the pipe is read", || {
        let mut open = fs::OpenOptions::new();
        let open = open.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        open.open(&fifo).map(std::mem::forget).is_ok()
    });

    running.signal(Signal::TERM);

    running.finish().expect_code(143);
}

#[test]
fn ephemeral_variables_of_a_file_reach_the_apply() {
    let config = "variable \"token\" { ephemeral = true }\nresource \"terraform_data\" \"a\" {}\n";
    let Some(stack) = Stack::new(config) else { return };
    stack.env.write("t.tfvars", "token = \"t\"\n");

    stack.run(&["run", "infra", "--auto-approve", "--var-file", "t.tfvars"]).expect_code(0);

    stack.rewrite(&[config, "resource \"terraform_data\" \"b\" {}\n"].concat());
    stack.run(&["plan", "infra", "--out", "p", "--var-file", "t.tfvars"]).expect_code(0);
    stack.run(&["apply", "p", "--var-file", "t.tfvars"]).expect_code(0);
    assert_eq!(stack.resources().len(), 2);
}

#[test]
fn a_setting_of_the_backend_may_be_an_object() {
    let Some(stack) = Stack::new("terraform {\n  backend \"s3\" {}\n}\n") else { return };
    let settings = [
        "bucket=b",
        "key=k",
        "region=us-east-1",
        "access_key=a",
        "secret_key=s",
        "max_retries=0",
        "skip_credentials_validation=true",
        "skip_requesting_account_id=true",
        "skip_metadata_api_check=true",
        "use_path_style=true",
        "endpoints={s3=\"http://127.0.0.1:9\"}",
    ];
    let mut command = stack.command(&["init", "infra"]);
    for setting in settings {
        command.args(["--backend-config", setting]);
    }

    let run = finish(&mut command);

    run.expect_code(1);
    let said = [run.stdout.as_str(), &run.stderr].concat();
    assert!(said.contains("127.0.0.1:9"), "{said}");
    assert!(!said.contains("Incorrect attribute value type"), "{said}");
}

#[test]
fn arguments_of_the_environment_do_not_reach_commands_behind_the_scenes() {
    let Some(stack) = Stack::new(ONE) else { return };
    let with = |args: &[&str]| {
        let mut command = stack.command(args);
        command.envs([("TF_CLI_ARGS", "-input=false"), ("TF_CLI_ARGS_show", "-nonsense")]);
        finish(command.env("TF_LOG", "trace"))
    };

    with(&["run", "infra", "--auto-approve"]).expect_code(0);
    let output = with(&["output", "infra", "--name", "size"]);

    output.expect_code(0);
    assert_eq!((output.stdout.as_str(), output.stderr.matches("[TRACE]").count()), ("small\n", 0));
}

#[test]
fn a_workspace_of_the_environment_must_exist_or_is_asked_for() {
    let Some(stack) = Stack::new(ONE) else { return };
    let run = |args: &[&str]| {
        finish(
            stack
                .command(&[&["run", "infra", "--auto-approve"], args].concat())
                .env("TF_WORKSPACE", "stagin"),
        )
    };

    run(&[]).expect_code(5);
    assert!(!stack.path("terraform.tfstate.d").exists(), "a typo made a workspace");
    run(&["--create-workspace"]).expect_code(0);

    assert!(stack.path("terraform.tfstate.d/stagin/terraform.tfstate").exists());
    run(&[]).expect_code(0);
}

#[test]
fn a_value_without_a_name_is_not_shown_by_terraform_either() {
    let Some(stack) = Stack::new(ONE) else { return };
    for args in [&["-var", "pw hunter2-secret"][..], &["-var=pw hunter2-secret"]] {
        let run = stack.run(&[&["plan", "infra", "--"], args].concat());
        run.expect_code(1);
        assert!(!(run.stdout + &run.stderr).contains("hunter2"));
    }
}

#[test]
fn with_detailed_exit_codes_every_failure_is_1() {
    let Some(stack) = Stack::new(ONE) else { return };
    for args in [
        &["plan", "infra", "--detailed-exitcode", "--var", "sise=1"][..],
        &["plan", "infra", "--detailed-exitcode", "--no-such-flag"],
        &["plan", "missing", "--detailed-exitcode"],
        &["plan", "infra", "--detailed-exitcode", "--max-changes", "0"],
        &["plan", "infra", "--detailed-exitcode", "--", "-out=x"],
    ] {
        stack.run(args).expect_code(1);
    }
    let mut by_environment = stack.command(&["--json", "plan", "infra", "--target"]);
    let run = finish(by_environment.env("DEVOPS_TF_DETAILED_EXITCODE", "true"));
    run.expect_code(1);
    let error: Value = serde_json::from_str(run.stderr.trim()).unwrap();
    assert_eq!((&error["kind"], &error["code"]), (&json!("usage"), &json!(1)));
    stack.run(&["plan", "infra", "--detailed-exitcode"]).expect_code(2);
    stack.env.write("tf.toml", "[tf.plan]\ndetailed_exitcode = true\n");
    stack.env.write("wrong.toml", "[tf]\ndetailed_exitcode = true\nbogus = 1\n");
    for (args, code) in [
        (&["plan", "infra", "--config", "tf.toml", "--bogus"][..], 1),
        (&["plan", "infra", "--config=tf.toml", "--max-changes", "x"], 1),
        (&["plan", "infra", "--config", "wrong.toml"], 1),
        (&["plan", "infra", "--config", "tf.toml", "--no-detailed-exitcode", "--bogus"], 2),
        (&["run", "infra", "--config", "tf.toml", "--bogus"], 2),
    ] {
        stack.run(args).expect_code(code);
    }
}

#[test]
fn values_among_arguments_for_terraform_are_not_printed() {
    let env = fake(&json!({}));

    let run = fake_run(&env, &["plan", "infra", "--", "-var", "pw=hunter2", "-var=b=hunter3"]);

    run.expect_code(0);
    assert!(run.stderr.contains(" -var pw=*** -var=b=***"), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter"), "{}", run.stderr);
}

#[test]
fn a_refused_plan_takes_an_older_one_of_its_name_away() {
    let env = fake(&json!({}));
    fake_run(&env, &["plan", "infra", "--out", "p"]).expect_code(0);

    fake_run(&env, &["plan", "infra", "--out", "p", "--max-changes", "0"]).expect_code(11);

    assert!(!env.path("p").exists() && !env.path("p.seal.json").exists());
}
