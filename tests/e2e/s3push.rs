//! `devops-s3push` as a user runs it.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use devops_e2e::{Refusing, Run, Running, TestEnv, finish};
use devops_fakes::s3::{ACCESS_KEY, Entry, SECRET_KEY, Server};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const LONG: Duration = Duration::from_mins(2);

/// An environment with a server, credentials and an endpoint.
pub(crate) struct S3TestEnv {
    pub(crate) env: TestEnv,
    pub(crate) server: Server,
}

impl S3TestEnv {
    pub(crate) fn new() -> Self {
        Self { env: TestEnv::new(), server: Server::with_bucket() }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.tool("devops-s3push");
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("DEVOPS_S3PUSH_ENDPOINT_URL", self.server.endpoint())
            .args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finish(&mut self.command(args))
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// Writes a file with bytes that do not repeat.
    pub(crate) fn file(&self, name: &str, size: usize) -> PathBuf {
        self.env.write(name, bytes(size))
    }

    pub(crate) fn object(&self, key: &str) -> Vec<u8> {
        self.server.object("backups", key).expect("the object exists").bytes()
    }
}

/// Returns bytes that do not repeat.
pub(crate) fn bytes(size: usize) -> Vec<u8> {
    let mut state = size as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = vec![0; size.next_multiple_of(8)];
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

#[test]
fn a_file_is_put_under_its_name_with_the_words_of_the_contract() {
    let setting = S3TestEnv::new();
    setting.env.write("note.txt", "123456789");

    let run = setting.run(&["put", "note.txt", "s3://backups"]);

    run.expect_code(0);
    assert_eq!(
        run.stdout,
        "Upload Successful! s3://backups/note.txt (9 B, crc64nvme rosUhgp5mIg=, proof full)\n"
    );
    assert_eq!(run.stderr, "Uploading note.txt to bucket 'backups' as 'note.txt'...\n");
    assert_eq!(setting.object("note.txt"), b"123456789");
}

#[test]
fn a_large_file_goes_in_parallel_parts_and_is_confirmed_as_a_whole() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["UploadPart:hold:times=2"]);
    setting.file("large.bin", 200 * MIB);

    let put = setting.start(&["put", "large.bin", "s3://backups/large.bin"]);
    let overlap = |log: &[Entry]| log.iter().any(|entry| entry.alongside > 1);
    assert!(setting.server.wait_for(overlap, LONG), "nothing ran in parallel");
    setting.server.release();
    let run = put.finish();

    run.expect_code(0);
    assert!(run.stdout.contains("(200.0 MiB, crc64nvme "), "{}", run.stdout);
    assert!(run.stdout.contains("proof full"), "{}", run.stdout);
    assert_eq!(setting.server.object("backups", "large.bin").map(|object| object.parts), Some(40));
    assert!(setting.object("large.bin") == bytes(200 * MIB));
}

#[test]
fn a_connection_that_is_pulled_twice_still_ends_in_the_right_object() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["UploadPart:drop-before:part=2", "UploadPart:drop-after:part=4"]);
    setting.file("a.bin", 40 * MIB);

    let run = setting.run(&["put", "a.bin", "s3://backups", "--json"]);

    run.expect_code(0);
    let events = json_lines(&run.stdout);
    let of_type = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    assert_eq!((of_type("started"), of_type("retry"), of_type("part")), (1, 2, 5));
    let object = events.iter().find(|event| event["type"] == "object").expect("an object");
    assert_eq!((&object["proof"], &object["attempts"]), (&"full".into(), &7.into()));
    assert_eq!((&object["bytes_sent"], &object["bytes_copied"]), (&(40 * MIB).into(), &0.into()));
    assert_eq!(events.last().expect("a summary")["type"], "summary");
    assert_eq!(run.stderr, "");
    assert!(setting.object("a.bin") == bytes(40 * MIB));
}

#[test]
fn an_existing_key_is_refused_kept_or_replaced() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"precious");
    setting.env.write("a.txt", "other");
    let put = ["put", "a.txt", "s3://backups"];

    let refused = setting.run(&put);
    let as_json = setting.run(&[&put[..], &["--json"]].concat());
    let kept = setting.object("a.txt");
    let replaced = setting.run(&[&put[..], &["--overwrite"]].concat());
    let unchanged = setting.run(&put);

    refused.expect_code(1);
    assert!(
        refused.stderr.contains("error: `s3://backups/a.txt` exists already"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("hint: pass --overwrite"), "{}", refused.stderr);
    as_json.expect_code(1);
    assert_eq!(json_lines(&as_json.stderr)[0]["kind"], "exists");
    assert_eq!(kept, b"precious");
    replaced.expect_code(0);
    unchanged.expect_code(0);
    assert!(
        unchanged.stdout.starts_with("Unchanged: s3://backups/a.txt (5 B, "),
        "{}",
        unchanged.stdout
    );
    assert_eq!(setting.object("a.txt"), b"other");
}

#[test]
fn an_object_is_encrypted_tagged_and_locked_as_asked() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    let flags = "--sse aws:kms --sse-kms-key-id key-7 --tag team=ops --tag tier=1 \
                 --lock-mode compliance --lock-until 2999-03-01T12:00:00+02:00 --legal-hold";
    let put =
        [&["put", "a.txt", "s3://backups"][..], &flags.split_whitespace().collect::<Vec<_>>()];

    let stored = setting.run(&put.concat());
    let unchanged = setting.run(&put.concat());

    stored.expect_code(0);
    let log = setting.server.log();
    let request = log.iter().find(|entry| entry.operation == "PutObject").unwrap();
    for (header, value) in [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key-7"),
        ("x-amz-tagging", "team=ops&tier=1"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-object-lock-retain-until-date", "2999-03-01T10:00:00Z"),
        ("x-amz-object-lock-legal-hold", "ON"),
    ] {
        assert_eq!(request.header(header), Some(value), "{header}");
    }
    unchanged.expect_code(0);
    assert!(unchanged.stderr.contains("and keeps the metadata, tags, encryption and locks"));
}

#[test]
fn attributes_that_do_not_go_together_are_refused_before_anything_is_sent() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");

    for (flags, said) in [
        ("--sse-kms-key-id k", "--sse-kms-key-id goes with"),
        ("--sse AES256 --sse-kms-key-id k", "--sse-kms-key-id goes with"),
        ("--sse rot13", "none of AES256, aws:kms, aws:kms:dsse"),
        ("--lock-mode governance", "--lock-mode and --lock-until go together"),
        ("--lock-until 90d", "--lock-mode and --lock-until go together"),
        ("--lock-mode governance --lock-until 2020-01-01", "not in the future"),
        ("--lock-mode for-ever --lock-until 90d", "neither governance nor compliance"),
        ("--lock-mode governance --lock-until soon", "neither a duration such as 90d"),
        ("--legal-hold --checksum none", "a locked object needs a checksum"),
        ("--tag a=1 --tag a=2", "the tag `a` is given twice"),
        ("--tag =1", "is not KEY=VALUE"),
    ] {
        let flags = flags.split_whitespace().collect::<Vec<_>>();
        let run = setting.run(&[&["put", "a.txt", "s3://backups"][..], &flags].concat());

        run.expect_code(2);
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    assert_eq!(setting.server.log().len(), 0);
}

#[test]
fn what_is_wrong_is_said_with_the_code_of_the_contract() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    let put = ["put", "a.txt", "s3://backups"];
    let with = |name: &str, value: &str| finish(setting.command(&put).env(name, value));
    let nobody = TestEnv::new();
    nobody.write("a.txt", "x");
    let anonymous =
        finish(nobody.tool("devops-s3push").env("AWS_EC2_METADATA_DISABLED", "true").args(put));
    let closed = Refusing::new();
    let nowhere = ["--endpoint-url", &closed.endpoint(), "--retry-time", "0s"];
    let unreachable = setting.run(&[&put[..], &nowhere].concat());

    let table = [
        (with("AWS_SECRET_ACCESS_KEY", "wrong"), 77, "SignatureDoesNotMatch"),
        (with("AWS_ACCESS_KEY_ID", "unknown"), 77, "does not know this access key"),
        (anonymous, 77, "no credentials were found"),
        (setting.run(&["put", "a.txt", "s3://nowhere"]), 5, "NoSuchBucket"),
        (unreachable, 75, "Connection refused"),
        (setting.run(&["put", "missing.txt", "s3://backups"]), 5, "missing.txt"),
        (setting.run(&["put", "a.txt", "backups"]), 2, "s3://"),
        (
            setting.run(&["put", "a.txt", "s3://backups", "--part-size", "1MiB"]),
            2,
            "between 5.0 MiB and 5.0 GiB",
        ),
        (setting.run(&["put", "-", "s3://backups/"]), 2, "give a key"),
        (setting.run(&["get", "s3://backups/nothing", "x"]), 5, "no object"),
        (
            setting.run(&["put", "a.txt", "s3://backups", "--ca-bundle", "a.txt"]),
            78,
            "no certificate",
        ),
        (
            setting.run(&["put", "a.txt", "s3://backups", "--endpoint-url", "nonsense"]),
            78,
            "not an address",
        ),
    ];

    for (run, code, said) in table {
        run.expect_code(code);
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert_eq!(setting.server.keys("backups"), [""; 0]);
}

#[test]
fn an_expired_session_and_a_wrong_clock_are_said_so() {
    for (fault, said) in [("expired-token", "log in again"), ("skewed", "the store's clock says")] {
        let setting = S3TestEnv::new();
        setting.server.faults(&[&format!("*:{fault}:always")]);
        setting.env.write("a.txt", "x");

        let run = setting.run(&["put", "a.txt", "s3://backups"]);

        run.expect_code(77);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

#[test]
fn a_bucket_in_another_region_is_found() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["*:region=eu-central-1:always"]);
    setting.env.write("a.txt", "x");

    setting.run(&["put", "a.txt", "s3://backups"]).expect_code(0);

    assert_eq!(setting.object("a.txt"), b"x");
}

#[test]
fn a_server_that_stands_still_ends_the_put_in_time() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["*:stall:always"]);
    setting.env.write("a.txt", "x");

    let run = setting.run(&[
        "put",
        "a.txt",
        "s3://backups",
        "--stall-time",
        "300ms",
        "--retry-time",
        "1s",
    ]);

    run.expect_code(75);
    assert!(run.stderr.contains("no answer in time"), "{}", run.stderr);
}

fn tree(setting: &S3TestEnv) {
    for name in ["tree/a.txt", "tree/sub/b.txt", "tree/sub/c.log", "tree/skip/d.txt"] {
        setting.env.write(name, name);
    }
}

#[test]
fn a_folder_is_put_under_a_prefix_with_filters() {
    let setting = S3TestEnv::new();
    tree(&setting);

    let run =
        setting.run(&["put", "tree", "s3://backups/t/", "--exclude", "*.log", "--exclude", "skip"]);

    run.expect_code(0);
    assert_eq!(setting.server.keys("backups"), ["t/a.txt", "t/sub/b.txt"]);
    assert_eq!(run.stdout.matches("Upload Successful!").count(), 2);
}

#[test]
fn a_glob_is_put_relative_to_its_beginning() {
    let setting = S3TestEnv::new();
    tree(&setting);

    setting.run(&["put", "tree/**/*.txt", "s3://backups", "--include", "b.*"]).expect_code(0);

    assert_eq!(setting.server.keys("backups"), ["sub/b.txt"]);
}

#[test]
fn what_is_left_out_of_a_folder_is_named_and_makes_the_result_partial() {
    let setting = S3TestEnv::new();
    tree(&setting);
    std::os::unix::fs::symlink("a.txt", setting.env.path("tree/link")).expect("a link");
    setting.server.put("backups", "a.txt", b"other");

    let partial = setting.run(&["put", "tree", "s3://backups", "--json"]);
    let followed = setting.run(&["put", "tree", "s3://backups/f/", "--follow-symlinks"]);

    partial.expect_code(3);
    let events = json_lines(&partial.stdout);
    let summary = events.last().expect("a summary");
    assert_eq!((&summary["stored"], &summary["failed"][0]["kind"]), (&3.into(), &"exists".into()));
    assert_eq!(summary["skipped"][0]["reason"], "a symbolic link");
    followed.expect_code(0);
    assert_eq!(setting.object("f/link"), b"tree/a.txt");
}

#[test]
fn a_folder_of_which_nothing_is_stored_is_a_failure() {
    let setting = S3TestEnv::new();
    setting.env.write("tree/a.txt", "mine");
    setting.server.put("backups", "a.txt", b"other");

    let run = setting.run(&["put", "tree", "s3://backups"]);

    run.expect_code(1);
    assert!(run.stderr.contains("none of 1 file was stored"), "{}", run.stderr);
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let setting = S3TestEnv::new();
    tree(&setting);
    setting.server.put("backups", "a.txt", b"tree/a.txt");

    let run = setting.run(&["put", "tree", "s3://backups", "--dry-run"]);

    run.expect_code(0);
    assert!(
        run.stdout.contains("would leave s3://backups/a.txt (10 B, unchanged)"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("would put tree/sub/b.txt to s3://backups/sub/b.txt"),
        "{}",
        run.stdout
    );
    assert_eq!(setting.server.keys("backups"), ["a.txt"]);
}

fn pipe(setting: &S3TestEnv, input: &Path, args: &[&str]) -> Run {
    finish(setting.command(args).stdin(fs::File::open(input).expect("the input exists")))
}

#[test]
fn the_standard_input_is_put_and_its_length_is_checked() {
    let setting = S3TestEnv::new();
    let input = setting.file("input", 20 * MIB);
    let size = (20 * MIB).to_string();

    let plain = pipe(&setting, &input, &["put", "-", "s3://backups/plain"]);
    let exact = pipe(&setting, &input, &["put", "-", "s3://backups/exact", "--expect-size", &size]);
    let short =
        pipe(&setting, &input, &["put", "-", "s3://backups/short", "--expect-size", "99999999"]);

    plain.expect_code(0);
    exact.expect_code(0);
    short.expect_code(1);
    assert!(short.stderr.contains("`-` has 20971520 bytes, expected 99999999"), "{}", short.stderr);
    assert_eq!(setting.server.keys("backups"), ["exact", "plain"]);
    assert!(setting.object("plain") == bytes(20 * MIB));
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_named_pipe_is_no_source() {
    let setting = S3TestEnv::new();
    let pipe = setting.env.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();

    for command in ["put", "verify"] {
        let run = setting.run(&[command, "pipe", "s3://backups/pipe"]);

        run.expect_code(2);
        assert!(run.stderr.contains("pipe"), "{}", run.stderr);
    }
}

#[test]
fn one_signal_ends_a_put_whose_input_hangs() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let setting = S3TestEnv::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = setting.command(&["put", "-", "s3://backups/stream"]);
        command.stdin(reader);
        let mut put = Running::start(command);
        put.wait_for("Uploading - to bucket");

        put.signal(signal);

        put.finish().expect_code(code);
        drop(writer);
        assert!(setting.server.object("backups", "stream").is_none());
    }
}

#[test]
fn an_object_comes_back_and_is_verified() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", 20 * MIB);
    setting.run(&["put", "a.bin", "s3://backups/x/a.bin"]).expect_code(0);
    fs::create_dir(setting.env.path("out")).expect("a folder");

    let got = setting.run(&["get", "s3://backups/x/a.bin", "out"]);
    let again = setting.run(&["get", "s3://backups/x/a.bin", "out"]);
    let same = setting.run(&["verify", "out/a.bin", "s3://backups/x/a.bin"]);
    let deep = setting.run(&["verify", "out/a.bin", "s3://backups/x/a.bin", "--deep"]);
    setting.file("b.bin", 20 * MIB - 1);
    let different = setting.run(&["verify", "b.bin", "s3://backups/x/a.bin"]);

    got.expect_code(0);
    assert!(
        got.stdout.starts_with("Downloaded s3://backups/x/a.bin to out/a.bin (20.0 MiB, "),
        "{}",
        got.stdout
    );
    again.expect_code(0);
    assert!(again.stdout.starts_with("Unchanged: out/a.bin is s3://"), "{}", again.stdout);
    assert!(fs::read(setting.env.path("out/a.bin")).expect("the file came") == bytes(20 * MIB));
    for run in [same, deep] {
        run.expect_code(0);
        assert_eq!(run.stdout, "OK: s3://backups/x/a.bin is out/a.bin (20.0 MiB, proof full)\n");
    }
    different.expect_code(10);
    assert!(different.stdout.starts_with("DIFFERENT: "), "{}", different.stdout);
}

#[test]
fn verify_does_not_call_ok_what_only_has_the_right_size() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", 1000);
    setting.env.write("b.bin", "b".repeat(1000));
    setting.run(&["put", "a.bin", "s3://backups/a.bin"]).expect_code(0);
    setting.server.faults(&["*:no-checksum:always"]);

    let same = setting.run(&["verify", "a.bin", "s3://backups/a.bin"]);
    let other = setting.run(&["verify", "b.bin", "s3://backups/a.bin"]);
    let json = setting.run(&["verify", "b.bin", "s3://backups/a.bin", "--json"]);

    same.expect_code(0);
    assert!(same.stdout.ends_with("proof etag)\n"), "{}", same.stdout);
    other.expect_code(10);
    assert!(other.stdout.starts_with("DIFFERENT: s3://backups/a.bin"), "{}", other.stdout);
    json.expect_code(10);
    assert!(json.stdout.contains(r#""result":"different""#), "{}", json.stdout);
}

#[test]
fn verify_says_in_which_parts_an_object_differs() {
    let setting = S3TestEnv::new();
    let mut content = bytes(20 * MIB);
    setting.file("a.bin", 20 * MIB);
    setting.run(&["put", "a.bin", "s3://backups/a.bin"]).expect_code(0);
    content[9 << 20] ^= 1;
    setting.env.write("a.bin", &content);

    let told = setting.run(&["verify", "a.bin", "s3://backups/a.bin", "--parts"]);
    let json = setting.run(&["verify", "a.bin", "s3://backups/a.bin", "--parts", "--json"]);

    told.expect_code(10);
    assert_eq!(
        told.stdout,
        "DIFFERENT: s3://backups/a.bin is not a.bin: the contents differ in bytes 8388608-16777215\n"
    );
    json.expect_code(10);
    assert!(
        json.stdout.contains(r#""differing":[{"offset":8388608,"size":8388608}]"#),
        "{}",
        json.stdout
    );
}

/// Sends a request as somebody who has nothing but an address; returns the whole answer.
fn ask(method: &str, url: &str, body: &[u8]) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn an_address_gives_one_permission_to_whoever_has_it() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a b+ü.txt", b"precious");
    let get = ["presign", "s3://backups/a b+ü.txt"];

    let read = setting.run(&get);
    let write = setting.run(&["presign", "s3://backups/new", "--put", "--expires", "7d"]);
    let as_json = setting.run(&[&get[..], &["--json"]].concat());

    read.expect_code(0);
    let url = read.stdout.trim();
    assert!(url.contains("X-Amz-Expires=3600"), "{url}");
    let answer = ask("GET", url, b"");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("precious"), "{answer}");
    assert!(ask("PUT", url, b"x").starts_with("HTTP/1.1 403"));
    assert!(ask("GET", &url.replace("a%20b", "a%20c"), b"").starts_with("HTTP/1.1 403"));
    write.expect_code(0);
    assert!(ask("PUT", write.stdout.trim(), b"sent").starts_with("HTTP/1.1 200"));
    assert_eq!(setting.object("new"), b"sent");
    as_json.expect_code(0);
    assert_eq!(json_lines(&as_json.stdout)[0]["method"], "GET");
    for (args, code) in [
        (&["presign", "s3://backups/nothing"][..], 5),
        (&["presign", "s3://nowhere/new", "--put"], 5),
        (&["presign", "s3://backups/new", "--expires", "8d"], 2),
        (&["presign", "s3://backups/"], 2),
        (&["presign", "s3://backups/new", "--no-sign-request"], 2),
    ] {
        let run = setting.run(args);
        run.expect_code(code);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn an_address_is_for_the_region_of_the_bucket_and_what_may_be_read() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"x");
    let presign = ["presign", "s3://backups/a.txt"];
    setting.server.faults(&["HeadObject:region=eu-central-1:times=1"]);

    let moved = setting.run(&presign);
    setting.server.faults(&["*:denied:always"]);
    let denied = setting.run(&presign);
    let blind = setting.run(&[&presign[..], &["--put"]].concat());

    moved.expect_code(0);
    assert!(moved.stdout.contains("%2Feu-central-1%2Fs3%2F"), "{}", moved.stdout);
    denied.expect_code(77);
    assert_eq!(denied.stdout, "");
    // Who may put need not be allowed to look.
    blind.expect_code(0);
}

#[test]
fn an_address_says_when_the_credentials_end_before_it() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"x");
    let credentials = serde_json::json!({
        "Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY,
        "Expiration": "2999-01-01T00:00:00Z",
    });
    let in_an_hour = |hours: i64| {
        let end = time::OffsetDateTime::now_utc() + time::Duration::hours(hours);
        end.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
    };
    let run = |expiration: &str| {
        let mut credentials = credentials.clone();
        credentials["Expiration"] = expiration.into();
        setting.env.write("credentials.json", credentials.to_string());
        let file = setting.env.path("credentials.json");
        let process = format!("[default]\ncredential_process = cat {}\n", file.display());
        let config = setting.env.write("aws-config", process);
        let mut command =
            setting.command(&["presign", "s3://backups/a.txt", "--expires", "2h", "--json"]);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        finish(command.env("AWS_CONFIG_FILE", config))
    };
    let soon = in_an_hour(1);

    let short = run(&soon);
    let long = run(&in_an_hour(9));

    short.expect_code(0);
    assert!(short.stderr.contains(&format!("the address ends with the credentials, at {soon}")));
    assert_eq!(json_lines(&short.stdout)[0]["expires"], soon);
    long.expect_code(0);
    assert_eq!(long.stderr, "");
}

#[test]
fn a_project_file_locks_nothing_and_turns_no_address_into_one_to_write_to() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"x");
    fs::create_dir(setting.env.path(".git")).unwrap();
    let run = |project: &str, args: &[&str]| {
        setting.env.write("devops.toml", project);
        setting.run(args)
    };

    for (table, line) in [
        ("presign", "put = true"),
        ("presign", "expires = \"7d\""),
        ("put", "lock_mode = \"compliance\""),
        ("put", "lock_until = \"99y\""),
        ("put", "legal_hold = true"),
        ("put", "sse_kms_key_id = \"theirs\""),
        // Tags can decide who reads an object, and when it is deleted.
        ("put", "tag = [\"team=ops\"]"),
    ] {
        let refused =
            run(&format!("[s3push.{table}]\n{line}\n"), &["presign", "s3://backups/a.txt"]);

        refused.expect_code(78);
        assert!(refused.stderr.contains("devops.toml:2: a project file may not set"), "{line}");
    }
    let allowed = "[s3push.put]\nconcurrency = 2\n";
    setting.env.write("b.txt", "x");
    run(allowed, &["put", "b.txt", "s3://backups"]).expect_code(0);
    assert_eq!(setting.object("b.txt"), b"x");
}

#[test]
fn objects_and_unfinished_uploads_are_listed_and_aborted() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a.txt", b"abc");
    setting.server.faults(&["UploadPart:denied:always", "AbortMultipartUpload:denied:times=1"]);
    setting.file("b.bin", 20 * MIB);
    let left = setting.run(&["put", "b.bin", "s3://backups", "--no-resume"]);

    let objects = setting.run(&["list", "s3://backups", "--json"]);
    let uploads = setting.run(&["uploads", "list", "s3://backups"]);
    let young = setting.run(&["uploads", "abort", "s3://backups"]);
    let planned =
        setting.run(&["uploads", "abort", "s3://backups", "--older-than", "0s", "--dry-run"]);
    let (_, hint) = left.stderr.split_once("`devops-s3push ").expect("the hint names a command");
    let hint: Vec<_> = hint.split_once('`').unwrap().0.split(' ').collect();
    let mut other = hint.clone();
    *other.last_mut().unwrap() = "0s";
    let at = other.iter().position(|word| *word == "--upload-id").unwrap();
    other[at + 1] = "another";
    setting.run(&other).expect_code(0);
    let pending = setting.server.pending_uploads("backups");
    let aborted = setting.run(&hint);

    left.expect_code(77);
    assert!(left.stderr.contains("could not be aborted"), "{}", left.stderr);
    objects.expect_code(0);
    let objects = json_lines(&objects.stdout);
    assert_eq!(
        (&objects[0]["key"], &objects[0]["size"], objects.len()),
        (&"a.txt".into(), &3.into(), 1)
    );
    assert!(uploads.stdout.contains("b.bin"), "{}", uploads.stdout);
    assert_eq!((young.code, young.stdout.as_str()), (0, ""));
    assert!(planned.stdout.starts_with("would abort "), "{}", planned.stdout);
    assert_eq!(pending, 1);
    assert!(aborted.stdout.starts_with("aborted "), "{}", aborted.stdout);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_store_that_answers_another_checksum_is_not_believed() {
    let setting = S3TestEnv::new();
    setting.server.faults(&["PutObject:wrong-checksum"]);
    setting.env.write("a.txt", "x");

    let run = setting.run(&["put", "a.txt", "s3://backups"]);

    run.expect_code(10);
    assert_eq!(run.stdout, "");
}

#[test]
fn a_receipt_says_what_was_stored() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "123456789");

    setting.run(&["put", "a.txt", "s3://backups", "--receipt", "receipt.json"]).expect_code(0);

    let receipt = fs::read_to_string(setting.env.path("receipt.json")).expect("a receipt");
    let receipt: Value = serde_json::from_str(&receipt).expect("JSON");
    assert_eq!(receipt["objects"][0]["checksum"], "rosUhgp5mIg=");
    assert_eq!(receipt["objects"][0]["proof"], "full");
}

#[test]
fn the_fake_server_also_runs_as_a_program() {
    let env = TestEnv::new();
    env.write("a.txt", "x");
    let mut server = env.start("fake-s3", ["--bucket", "demo", "--dir", "objects"]);
    let line = server.wait_for("listening on ");
    let endpoint = line.trim_start_matches("listening on ");

    let run = finish(
        env.tool("devops-s3push")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .args(["put", "a.txt", "s3://demo/x/", "--endpoint-url", endpoint]),
    );

    run.expect_code(0);
    assert_eq!(fs::read(env.path("objects/demo/x/a.txt")).expect("the object is a file"), b"x");
}
