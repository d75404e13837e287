//! A child that behaves badly, in one way at a time.
//!
//! `flood N`: N bytes on each stream at once. `bytes`: what is no text. `line N`: one line of N bytes without
//! an end. `grandchild SECONDS`: leaves a process behind that holds both streams. `deaf SECONDS`: ignores
//! every signal that can be ignored. `exit N`: ends with that code.

use std::{
    env,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    thread,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = args.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let done = match args.first().map(String::as_str) {
        Some("flood") => flood(number),
        Some("bytes") => io::stdout().write_all(b"nul\0 high\xff\xfe cr\r\nno end"),
        Some("line") => io::stdout().write_all(&vec![b'x'; number]),
        Some("grandchild") => shell(&format!("sleep {number} & echo $!")),
        Some("deaf") => shell(&format!("trap '' HUP INT TERM; echo deaf; exec sleep {number}")),
        Some("exit") => return ExitCode::from(u8::try_from(number).unwrap_or(u8::MAX)),
        _ => Err(io::Error::other("say how to misbehave")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn flood(bytes: usize) -> io::Result<()> {
    let text: Vec<u8> = b"flood\n".iter().copied().cycle().take(bytes).collect();
    let copy = text.clone();
    let other = thread::spawn(move || io::stderr().write_all(&copy));
    io::stdout().write_all(&text)?;
    other.join().map_err(|_| io::Error::other("the other stream failed"))?
}

#[allow(clippy::disallowed_methods, reason = "a fake does not need supervision")]
fn shell(script: &str) -> io::Result<()> {
    Err(Command::new("sh").args(["-c", script]).exec())
}
