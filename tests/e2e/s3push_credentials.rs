//! Credentials that end while `devops-s3push` is at work.

use std::{fs, process::Command};

use devops_e2e::finish;
use devops_fakes::s3::{ACCESS_KEY, Entry, SECRET_KEY};

use crate::s3push::{MIB, S3TestEnv, bytes};

/// A profile whose credentials come from a program that counts how often it is asked.
struct Program {
    setting: S3TestEnv,
}

impl Program {
    /// Gives the session `first` when it is asked for the first time, and `then` later.
    fn new(first: &str, then: &str) -> Self {
        let setting = S3TestEnv::new();
        let program = Self { setting };
        program.give(first, then);
        program
    }

    fn give(&self, first: &str, then: &str) {
        let env = &self.setting.env;
        let calls = env.write("calls", "");
        let calls = calls.display();
        let script = env.write(
            "give.sh",
            format!(
                "echo asked >> {calls}\n\
                 token={then}\n\
                 test $(wc -l < {calls}) -eq 1 && token={first}\n\
                 echo '{{\"Version\": 1, \"AccessKeyId\": \"{ACCESS_KEY}\", \
                 \"SecretAccessKey\": \"{SECRET_KEY}\", \"SessionToken\": \"'$token'\", \
                 \"Expiration\": \"2099-01-01T00:00:00Z\"}}'\n"
            ),
        );
        let script = script.display();
        env.write("config", format!("[profile work]\ncredential_process = sh {script}\n"));
    }

    fn n_asked(&self) -> usize {
        fs::read_to_string(self.setting.env.path("calls")).unwrap().lines().count()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.setting.env.tool("devops-s3push");
        command
            .env("AWS_CONFIG_FILE", self.setting.env.path("config"))
            .env("AWS_PROFILE", "work")
            .env("DEVOPS_S3PUSH_ENDPOINT_URL", self.setting.server.endpoint())
            .args(args);
        command
    }

    /// Returns how many parts the store took.
    fn n_taken(&self) -> usize {
        let is_taken =
            |entry: &&Entry| entry.operation == "UploadPart" && entry.status == Some(200);
        self.setting.server.log().iter().filter(is_taken).count()
    }
}

#[test]
fn credentials_that_end_in_the_middle_of_a_put_are_renewed_and_only_what_failed_is_sent_again() {
    let program = Program::new("one", "two");
    program.setting.server.faults(&["*:expired-token=one:after=5:always"]);
    program.setting.file("a.bin", 40 * MIB);

    let run = finish(&mut program.command(&["put", "a.bin", "s3://backups", "--concurrency", "2"]));

    run.expect_code(0);
    assert!(run.stdout.contains("proof full"), "{}", run.stdout);
    assert!(program.setting.object("a.bin") == bytes(40 * MIB));
    assert_eq!((program.n_taken(), program.n_asked()), (5, 2));
}

#[test]
fn an_answer_without_a_body_still_tells_that_the_credentials_have_ended() {
    let program = Program::new("one", "two");
    program.setting.server.faults(&["*:expired-token=one:always"]);
    program.setting.env.write("a.txt", "x");

    let run = finish(&mut program.command(&["put", "a.txt", "s3://backups"]));

    run.expect_code(0);
    assert_eq!(program.setting.object("a.txt"), b"x");
    assert_eq!(program.n_asked(), 2);
}

#[test]
fn a_chain_without_newer_credentials_ends_the_put_and_a_login_lets_it_go_on() {
    let program = Program::new("one", "one");
    program.setting.server.faults(&["*:expired-token=one:after=5:always"]);
    program.setting.file("a.bin", 40 * MIB);

    let run = finish(&mut program.command(&["put", "a.bin", "s3://backups", "--concurrency", "1"]));

    run.expect_code(77);
    assert!(
        run.stderr.contains("log in again, then go on with the same command"),
        "{}",
        run.stderr
    );
    let n_taken = program.n_taken();
    assert!(n_taken > 0, "nothing was sent before the end");

    program.give("two", "two");
    finish(&mut program.command(&["resume"])).expect_code(0);

    assert!(program.setting.object("a.bin") == bytes(40 * MIB));
    assert_eq!(program.n_taken(), 5);
}

#[test]
fn a_profile_that_is_named_counts_more_than_keys_in_the_environment() {
    let setting = S3TestEnv::new();
    let config = setting.env.write(
        "config",
        format!(
            "[profile right]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n\
             [profile wrong]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = other\n"
        ),
    );
    let list = |profile: &str, secret: &str| {
        let mut command = setting.command(&["list", "s3://backups/", "--profile", profile]);
        command.env("AWS_CONFIG_FILE", &config).env("AWS_SECRET_ACCESS_KEY", secret);
        finish(&mut command)
    };

    list("right", "of somebody else").expect_code(0);
    list("wrong", SECRET_KEY).expect_code(77);
    let unknown = list("nobody", SECRET_KEY);

    unknown.expect_code(77);
    assert!(unknown.stderr.contains("nobody"), "{}", unknown.stderr);
}

#[test]
fn what_is_wrong_with_the_credentials_is_named_with_what_to_do() {
    let setting = S3TestEnv::new();
    let path = |name: &str| setting.env.path(name).display().to_string();
    let config = setting.env.write(
        "config",
        format!(
            "[profile corp]\nsso_session = c\nsso_account_id = 1\nsso_role_name = r\n\
             [sso-session c]\nsso_region = eu-west-1\nsso_start_url = https://corp.example/start\n\
             [profile child]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = corp\n\
             [profile old]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n\
             [profile web]\nrole_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = {}\n\
             [profile broken]\ncredential_process = sh -c 'echo no smart card >&2; exit 1'\n\
             [profile empty]\nregion = eu-west-1\n\
             [profile loop]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = loop2\n\
             [profile loop2]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = loop\n\
             [profile orphan]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = gone\n\
             [profile new]\nlogin_session = arn:aws:iam::1:user/x\n",
            path("no-token")
        ),
    );
    let list = |profile: &str, variables: &[(&str, &str)]| {
        let mut command = setting.command(&["list", "s3://backups/"]);
        command.env("AWS_CONFIG_FILE", &config).env_remove("AWS_ACCESS_KEY_ID");
        command.env_remove("AWS_SECRET_ACCESS_KEY").envs(variables.iter().copied());
        if !profile.is_empty() {
            command.args(["--profile", profile]);
        }
        finish(&mut command)
    };
    let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token");
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x");

    for (profile, variables, code, said, hint) in [
        ("", &[][..], 77, "no credentials were found", "set AWS_ACCESS_KEY_ID"),
        ("corp", &[], 77, "not logged in", "`aws sso login --profile corp`"),
        ("child", &[], 77, "not logged in", "`aws sso login --profile corp`"),
        ("old", &[], 77, "not logged in", "`aws sso login --profile old`"),
        ("", &[("AWS_PROFILE", "prodution")], 77, "no profile `prodution`", "AWS_PROFILE"),
        ("prodution", &[], 77, "no profile `prodution`", "--profile"),
        ("empty", &[], 77, "no credentials are in the profile `empty`", "set AWS_ACCESS_KEY_ID"),
        ("", &[token, role], 77, "`/nowhere/token`", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("web", &[], 77, "no-token` cannot be read", "is mounted"),
        ("broken", &[], 77, "profile `broken`", "run that command by hand"),
        ("broken", &[], 77, "no smart card", "run that command by hand"),
        ("loop", &[], 78, "loop", "correct ~/.aws/config"),
        ("orphan", &[], 78, "`source_profile` of `orphan` is `gone`", "correct ~/.aws/config"),
        ("new", &[], 78, "`login_session`", "export-credentials"),
    ] {
        let run = list(profile, variables);

        run.expect_code(code);
        assert!(run.stderr.contains(said), "{profile}: {said}: {}", run.stderr);
        assert!(run.stderr.contains(hint), "{profile}: {hint}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    }
    assert_eq!(setting.server.log().len(), 0);
}
