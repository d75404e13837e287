use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::*;
use crate::fs::{create_folders, replace};

/// Longer than any answer takes, unless something hangs.
const TIMEOUT: Duration = Duration::from_mins(1);

fn refused(text: &str) -> String {
    Target::parse(text).unwrap_err().to_string()
}

fn one(text: &str, root: &std::path::Path) -> Check {
    let options = CheckOptions { timeout: TIMEOUT, root: root.to_owned() };
    check_all(&[Target::parse(text).unwrap()], &options, &Cancel::new()).unwrap().remove(0)
}

fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _read = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address.to_string()
}

/// A port that refuses connections: one end of a connection holds it, so nothing can listen there.
struct RefusingPort {
    _listener: TcpListener,
    connection: TcpStream,
}

impl RefusingPort {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Self { _listener: listener, connection }
    }

    fn address(&self) -> SocketAddr {
        self.connection.local_addr().unwrap()
    }
}

#[test]
fn reads_every_kind_of_target() {
    for (text, target) in [
        ("nginx", Target::Unit("nginx".into())),
        ("getty@tty1.service", Target::Unit("getty@tty1.service".into())),
        ("tcp://db:5432", Target::Tcp("db".into(), 5432)),
        ("tcp://[::1]:80", Target::Tcp("::1".into(), 80)),
        ("https://host/health", Target::Http("https://host/health".into())),
        ("proc:nginx", Target::Process("nginx".into())),
        ("file:/run/x y", Target::File("/run/x y".into())),
        ("file:///run/x", Target::File("/run/x".into())),
        ("HTTPS://host/Health", Target::Http("https://host/Health".into())),
        ("sshd@1-10.0.0.1:22.service", Target::Unit("sshd@1-10.0.0.1:22.service".into())),
    ] {
        assert_eq!(Target::parse(text).unwrap(), target, "{text}");
    }
}

#[test]
fn an_address_without_a_scheme_is_no_unit() {
    for text in ["localhost:5432", "127.0.0.1:80", "db:postgres", "dns:localhost", "tcp:db:80"] {
        let wanted = "is not the name of a systemd unit; other targets are tcp://HOST:PORT";
        assert!(refused(text).starts_with(&format!("'{text}' {wanted}")), "{text}");
    }
}

#[test]
fn hostile_names_never_reach_a_program() {
    let long = "a".repeat(256);
    for text in ["", "../x", "a/b", "-h", "--help", "a b", "a;b", "$(x)", "a\n", ".", "ä", &long] {
        assert!(Target::parse(text).is_err(), "{text:?}");
    }
    for text in ["tcp://", "tcp://db", "tcp://db:0", "tcp://db:99999", "tcp://::1:80", "tcp://:80"]
    {
        assert_eq!(refused(text), format!("'{text}' is not an address such as tcp://host:5432"));
    }
    for text in ["http://", "https:///x", "http://-h/", "proc:", "proc:a/b", "file:"] {
        assert!(Target::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_unknown_kind_of_target_names_the_known_ones() {
    let error = Target::parse("htps://x").unwrap_err();

    assert_eq!(error.meant(), Some("https://"));
    assert!(error.to_string().starts_with("unknown kind of target 'htps://' (choose from tcp://"));
}

#[test]
fn a_port_is_up_when_it_takes_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = std::path::Path::new("/");
    let up = one(&format!("tcp://{}", listener.local_addr().unwrap()), root);
    let port = RefusingPort::new();
    let down = one(&format!("tcp://{}", port.address()), root);

    assert_eq!(up.status, Status::Up);
    assert_eq!(down.status, Status::Down);
    assert!(down.detail.starts_with("connection refused (127.0.0.1:"));
}

#[test]
fn a_name_that_is_not_resolved_is_unknown_not_down() {
    // A part of a name has 63 characters at most: the resolver asks nobody.
    let host = "a".repeat(64) + ".invalid";
    for target in [format!("tcp://{host}:80"), format!("http://{host}/x")] {
        let check = one(&target, std::path::Path::new("/"));

        assert_eq!(check.status, Status::Unknown, "{target}");
        assert!(check.detail.contains("was not resolved"), "{}", check.detail);
    }
}

#[test]
fn an_http_address_is_up_below_400() {
    let root = std::path::Path::new("/");
    let get = |answer| one(&format!("http://{}/x", answering(answer)), root);
    let up = get("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    let broken = get("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let port = RefusingPort::new();
    let refused = one(&format!("http://{}/", port.address()), root);

    assert_eq!((up.status, up.detail.as_str()), (Status::Up, "status 204"));
    assert_eq!((broken.status, broken.detail.as_str()), (Status::Down, "status 503"));
    assert_eq!((refused.status, refused.detail.as_str()), (Status::Down, "connection refused"));
}

#[test]
fn https_needs_a_partner_that_speaks_it() {
    let plain = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

    let target = Target::parse(&format!("https://{plain}/")).unwrap();
    let options = CheckOptions { timeout: TIMEOUT, root: "/".into() };
    let checks = check_all(&[target], &options, &Cancel::new());

    // A host that trusts no authority cannot ask.
    match roots::check() {
        Ok(()) => assert_eq!(checks.unwrap()[0].status, Status::Down),
        Err(error) => assert_eq!(checks, Err(error.into())),
    }
}

#[test]
fn passwords_are_not_shown() {
    let target = Target::Http("http://u:secret@host/a@b".into());

    assert_eq!(target.shown(), "http://***@host/a@b");
}

#[test]
fn processes_are_found_by_name_unless_they_are_zombies() {
    let dir = tempfile::tempdir().unwrap();
    let process = |pid: u32, comm: &str, cmdline: &str, state: char| {
        let folder = dir.path().join("proc").join(pid.to_string());
        create_folders(&folder).unwrap();
        for (name, text) in [
            ("comm", format!("{comm}\n")),
            ("cmdline", cmdline.to_owned()),
            ("stat", format!("{pid} ({comm}) {state} 1")),
        ] {
            replace(&folder.join(name), text.as_bytes(), 0o644).unwrap();
        }
    };
    process(7, "nginx", "nginx: master", 'S');
    process(8, "nginx", "nginx: worker", 'S');
    process(9, "dead", "", 'Z');
    process(10, "very-long-progr", "/usr/bin/very-long-program\0-x", 'R');

    let detail = |name: &str| one(&format!("proc:{name}"), dir.path()).detail;

    assert_eq!(detail("nginx"), "2 processes, first pid 7");
    assert_eq!(detail("very-long-program"), "pid 10");
    assert_eq!(detail("very-long-progrom"), "no such process");
    assert_eq!(detail("dead"), "no such process");
}

#[test]
fn files_are_up_when_they_exist() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    replace(&path, b"12", 0o644).unwrap();

    let up = one(&format!("file:{}", path.display()), dir.path());
    let down = one(&format!("file:{}/b", dir.path().display()), dir.path());

    assert_eq!((up.status, up.detail.as_str()), (Status::Up, "2 bytes"));
    assert_eq!(down.status, Status::Down);
}

#[test]
fn without_systemd_a_unit_is_unknown_not_down() {
    let dir = tempfile::tempdir().unwrap();

    let check = one("nginx", dir.path());

    assert_eq!(check.status, Status::Unknown);
    assert_eq!(check.detail, "this host was not booted with systemd");
}

#[test]
fn reads_the_states_of_units() {
    for (text, status, detail) in [
        (
            "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=812\n",
            Status::Up,
            "active/running, pid 812",
        ),
        (
            "LoadState=loaded\nActiveState=active\nSubState=exited\nMainPID=0",
            Status::Up,
            "active/exited",
        ),
        ("LoadState=loaded\nActiveState=failed\nSubState=failed", Status::Down, "failed/failed"),
        (
            "LoadState=not-found\nActiveState=inactive\nSubState=dead",
            Status::NotFound,
            "no such unit",
        ),
        ("", Status::Unknown, "systemctl gave no state"),
    ] {
        let Seen(seen, said) = unit::parse(text);
        assert_eq!((seen, said.as_str()), (status, detail), "{text}");
    }
}

#[test]
fn the_transcript_finds_everything_in_order() {
    let names = ["nginx".to_owned(), "database".to_owned()];

    assert_eq!(
        transcript(&names),
        [
            "Checking status of nginx...",
            "Checking status of database...",
            "Nginx status: OK",
            "Database status: OK"
        ]
    );
}
