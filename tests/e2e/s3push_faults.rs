//! `devops-s3push` when what it is given, or the way to the store, is bad.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use devops_e2e::{Refusing, Run, Running, finish, outside::program, wait_until, without_root};
use devops_fakes::s3::Entry;
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat, open},
    process::Signal,
};

use crate::{
    s3push::{LONG, MIB, S3TestEnv, bytes},
    s3push_base::Home,
};

const PUT: [&str; 3] = ["put", "a.txt", "s3://backups"];

/// Checks that a run failed with this code and said this, once.
#[track_caller]
fn check_refused(run: &Run, code: i32, said: &str) {
    run.expect_code(code);
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn who_is_not_let_in_reads_one_message() {
    let wrong = |setting: &S3TestEnv, name: &str| finish(setting.command(&PUT).env(name, "wrong"));
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    check_refused(&wrong(&setting, "AWS_SECRET_ACCESS_KEY"), 77, "SignatureDoesNotMatch");
    check_refused(&wrong(&setting, "AWS_ACCESS_KEY_ID"), 77, "does not know this access key");
    check_refused(&setting.run(&["put", "a.txt", "s3://nowhere"]), 5, "NoSuchBucket");
    for (fault, said) in [
        ("expired-token", "ExpiredToken"),
        ("skewed", "the store's clock says"),
        ("denied", "AccessDenied"),
    ] {
        setting.server.clear_faults();
        setting.server.faults(&[&format!("*:{fault}:always")]);
        check_refused(&setting.run(&PUT), 77, said);
    }
    assert_eq!(setting.server.keys("backups"), [""; 0]);

    setting.server.clear_faults();
    setting.server.faults(&["HeadObject:denied:always", "GetObject:denied:always"]);
    let blind = setting.run(&PUT);

    blind.expect_code(0);
    assert!(!blind.stderr.contains("error: "), "{}", blind.stderr);
    assert_eq!(setting.object("a.txt"), b"x");
}

#[test]
fn a_store_that_cannot_be_reached_is_one_message() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    let closed = Refusing::new();
    let put = |endpoint: &str| {
        let flags = ["--endpoint-url", endpoint, "--retry-time", "300ms"];
        setting.run(&[&PUT[..], &flags].concat())
    };

    check_refused(&put(&closed.endpoint()), 75, "Connection refused");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    let Some(openssl) = program("openssl") else { return };
    let (_server, endpoint) = tls_server(&setting, &openssl);

    let flags = ["--endpoint-url", &endpoint, "--retry-time", "1m"];
    let run = setting.run(&[&PUT[..], &flags].concat());

    check_refused(&run, 78, "certificate is not accepted");
    assert!(run.stderr.contains("--ca-bundle"), "{}", run.stderr);
    let mut without = setting.command(&[&PUT[..], &flags].concat());
    let without = finish(without.env("SSL_CERT_FILE", "missing.pem"));
    check_refused(&without, 78, "this host has no CA certificates: cannot read `missing.pem`: ");
    assert!(without.stderr.contains("--ca-bundle"), "{}", without.stderr);
}

#[test]
fn a_certificate_that_is_itself_in_the_bundle_is_trusted_for_its_name_alone() {
    let setting = S3TestEnv::new();
    let Some(openssl) = program("openssl") else { return };
    // It says of itself that it is one of an authority, as `req -x509` makes them.
    let (_server, endpoint) = tls_server(&setting, &openssl);
    fs::copy(setting.env.path("cert.pem"), setting.env.path("own.pem")).unwrap();
    let (_other, other) = tls_server(&setting, &openssl);
    setting
        .env
        .write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let list = |endpoint: &str, bundle: &str| {
        let flags = ["--endpoint-url", endpoint, "--ca-bundle", bundle, "--retry-time", "0s"];
        setting.run(&[&["list", "s3://backups/"][..], &flags].concat())
    };

    // What the server says in the end is not an S3 response, but it was heard.
    let own = list(&endpoint, "own.pem");
    assert!(
        own.stderr.contains("HTTP 200 with a body that is not an S3 response"),
        "{}",
        own.stderr
    );
    check_refused(&list(&other, "own.pem"), 78, "none of those that are trusted");
    let by_name = endpoint.replace("127.0.0.1", "localhost");
    check_refused(&list(&by_name, "own.pem"), 78, "not valid for name `localhost`");
    check_refused(&list(&endpoint, "broken.pem"), 78, "`broken.pem` cannot be read");
}

/// Starts a server with a certificate that nobody knows.
fn tls_server(setting: &S3TestEnv, openssl: &Path) -> (Running, String) {
    let mut make = setting.env.program(openssl);
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    make.args(["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]);
    make.args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]);
    finish(&mut make).expect_code(0);
    let mut serve = setting.env.program(openssl);
    serve.args(["s_server", "-accept", "127.0.0.1:0", "-key", "key.pem", "-cert", "cert.pem"]);
    serve.arg("-www");
    // It ends with its input.
    serve.stdin(Stdio::piped());
    let mut server = Running::start(serve);
    let line = server.wait_for("ACCEPT ");
    let (_, port) = line.rsplit_once(':').expect("the address has a port");
    (server, format!("https://127.0.0.1:{port}"))
}

#[test]
fn a_source_that_is_no_file_or_needs_too_many_parts_is_refused() {
    let setting = S3TestEnv::new();
    mknodat(CWD, setting.env.path("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    File::create(setting.env.path("vast")).unwrap().set_len(50_000 * MIB as u64 + 1).unwrap();
    let parts = ["--part-size", "5MiB"];

    let pipe = setting.run(&["put", "pipe", "s3://backups/pipe"]);
    let device = setting.run(&["put", "/dev/zero", "s3://backups/zero"]);
    let vast = setting.run(&[&["put", "vast", "s3://backups"][..], &parts].concat());

    check_refused(&pipe, 2, "pipe");
    check_refused(&device, 2, "/dev/zero");
    check_refused(&vast, 2, "more than 10000");
    assert_eq!(setting.server.log().len(), 0);
}

#[test]
fn a_source_that_is_cut_off_while_it_is_read_is_not_stored() {
    let setting = S3TestEnv::new();
    let file = setting.file("a.bin", 40 * MIB);
    setting.server.faults(&["UploadPart:hold:part=1", "UploadPart:drop-before:part=1"]);
    let put = setting.start(&["put", "a.bin", "s3://backups", "--concurrency", "1"]);
    let is_first = |log: &[Entry]| log.iter().any(|entry| entry.part == Some(1));
    assert!(setting.server.wait_for(is_first, LONG));

    File::options().write(true).open(file).unwrap().set_len(9 * MIB as u64).unwrap();
    setting.server.release();

    let run = put.finish();
    check_refused(&run, 1, "changed while it was read");
    assert_eq!(setting.server.keys("backups"), [""; 0]);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_home_that_cannot_be_written_to_is_one_warning() {
    let setting = S3TestEnv::new();
    let file = setting.file("a.bin", 9 * MIB);
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(setting.env.home(), fs::Permissions::from_mode(0o555)).unwrap();

    let mut put = setting.command(&["put", "a.bin", "s3://backups"]);
    let run = finish(without_root(&mut put));

    run.expect_code(0);
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{}", run.stderr);
    assert!(setting.object("a.bin") == bytes(9 * MIB));
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn sizes_around_a_part_and_keys_with_any_character_come_back_as_they_were() {
    let setting = S3TestEnv::new();
    for (size, n_parts) in [(0, 0), (5 * MIB, 0), (5 * MIB + 1, 2)] {
        let (name, key) = (format!("{size}.bin"), format!("s3://backups/{size}.bin"));
        setting.file(&name, size);
        let put = ["put", &name, &key, "--part-size", "5MiB", "--require-proof", "full"];

        setting.run(&put).expect_code(0);
        setting.run(&["verify", &name, &key, "--deep"]).expect_code(0);

        assert!(setting.object(&name) == bytes(size));
        assert_eq!(setting.server.object("backups", &name).unwrap().parts, n_parts, "{size}");
    }
    let ascii: String = (' '..='~').collect();
    let keys = [&ascii, "ünï/日本/😀", "a//b", "../a", "%2F%00", "+ +", "a?b#c&d=e", "."];
    for key in keys {
        let setting = S3TestEnv::new();
        setting.env.write("a.txt", key);
        let uri = format!("s3://backups/{key}");

        setting.run(&["put", "a.txt", &uri]).expect_code(0);
        setting.run(&["get", &uri, "back.txt"]).expect_code(0);

        assert_eq!(setting.server.keys("backups"), [key]);
        assert_eq!(fs::read(setting.env.path("back.txt")).unwrap(), key.as_bytes());
    }
}

/// Interrupts a run as soon as the server is asked for `operation`, which never answers.
#[track_caller]
fn check_interrupted(setting: &S3TestEnv, args: &[&str], (operation, fault): (&str, &str)) {
    setting.server.faults(&[&format!("{operation}:{fault}:always")]);
    let before = setting.server.count(operation);
    // Nothing but the signal may end it before the harness does.
    let run = setting.start(&[args, &["--stall-time", "1h", "--retry-time", "1h"]].concat());
    // After some attempts the pause before the next one is long.
    let enough = before + if fault == "slow-down" { 4 } else { 1 };
    let is_asked =
        |log: &[Entry]| log.iter().filter(|entry| entry.operation == operation).count() >= enough;
    assert!(setting.server.wait_for(is_asked, LONG), "{args:?}: {operation} was not asked for");

    run.signal(Signal::INT);

    let run = run.finish();
    setting.server.clear_faults();
    assert_eq!(run.code, 130, "{args:?} at {operation}:{fault}: {}", run.stderr);
    assert_eq!(run.stdout, "", "{args:?} at {operation}:{fault}");
}

#[test]
fn a_signal_ends_whatever_waits_for_the_store() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "there", &bytes(9 * MIB));
    setting.file("a.txt", 9);
    setting.file("there", 9 * MIB);
    setting.file("new", 9 * MIB);
    let get = ["get", "s3://backups/there", "back"];
    let deep = ["verify", "there", "s3://backups/there", "--deep"];
    let new = ["put", "new", "s3://backups"];

    for (args, at) in [
        (&PUT[..], ("PutObject", "stall")),
        (&PUT, ("HeadObject", "slow-down")),
        (&get, ("HeadObject", "stall")),
        (&get, ("GetObject", "stall")),
        (&get, ("GetObject", "stall-body")),
        (&deep, ("GetObject", "stall")),
        (&["verify", "there", "s3://backups/there"], ("HeadObject", "stall")),
        (&["list", "s3://backups"], ("ListObjectsV2", "stall")),
        (&["uploads", "list", "s3://backups"], ("ListMultipartUploads", "stall")),
        (&["presign", "s3://backups/there"], ("HeadObject", "stall")),
        // The first leaves what the second takes up.
        (&new, ("UploadPart", "stall")),
        (&new, ("ListParts", "stall")),
        (&["resume"], ("ListParts", "stall")),
        (&["resume", "--drop"], ("AbortMultipartUpload", "stall")),
        (&["put", "new", "s3://backups", "--restart"], ("AbortMultipartUpload", "stall")),
    ] {
        check_interrupted(&setting, args, at);
    }

    assert!(!setting.env.path("back").exists());
    setting.run(&new).expect_code(0);
    setting.run(&PUT).expect_code(0);
    assert_eq!(setting.server.pending_uploads("backups"), 0);
}

#[test]
fn a_signal_ends_the_making_of_an_archive_out_of_the_one_before() {
    let home = Home::new();
    let second = (home.archive(1), home.archive(2)).1;
    home.put("backups/home-2026-11-01.tar.gz", "s3://backups", &[]).expect_code(0);
    let put = ["put", second.to_str().unwrap(), "s3://backups"];

    for operation in ["ListObjectsV2", "GetObject", "UploadPartCopy"] {
        check_interrupted(&home.setting, &put, (operation, "stall"));
    }

    home.setting.run(&put).expect_code(0);
    home.check("home-2026-11-02.tar.gz", &second);
}

fn without_keys(setting: &S3TestEnv) -> Command {
    let mut command = setting.command(&PUT);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command
}

#[test]
fn a_signal_ends_the_wait_for_credentials() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    let pipe = setting.env.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let process = format!("[default]\ncredential_process = cat {}\n", pipe.display());
    let config = setting.env.write("aws-config", process);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());

    let mut command = without_keys(&setting);
    command.env("AWS_CONFIG_FILE", config);
    let from_process = Running::start(command);
    // It can be opened as soon as the process reads, which ends when it is closed.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK;
    let mut writer = None;
    wait_until("the process reads", || {
        writer = open(&pipe, flags, Mode::empty()).ok();
        writer.is_some()
    });
    from_process.signal(Signal::INT);
    from_process.finish().expect_code(130);
    drop(writer);

    let mut command = without_keys(&setting);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint);
    let from_endpoint = Running::start(command);
    let mut connection = None;
    listener.set_nonblocking(true).unwrap();
    wait_until("the endpoint is asked", || {
        connection = listener.accept().ok();
        connection.is_some()
    });
    from_endpoint.signal(Signal::INT);
    from_endpoint.finish().expect_code(130);
    drop(connection);
    assert_eq!(setting.server.log().len(), 0);
}

#[test]
fn a_folder_without_files_is_no_success() {
    let setting = S3TestEnv::new();
    fs::create_dir(setting.env.path("empty")).expect("a folder");

    for args in [["put", "empty", "s3://backups/e/"], ["verify", "empty", "s3://backups/e/"]] {
        let run = setting.run(&args);

        run.expect_code(5);
        assert!(run.stderr.contains("no file to"), "{}", run.stderr);
    }
}
