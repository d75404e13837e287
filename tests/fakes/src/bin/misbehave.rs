//! A child that behaves badly, in one way at a time.
//!
//! `flood N`: N bytes on each stream at once. `bytes`: what is no text. `line N`: one line of N bytes without
//! an end. `grandchild SECONDS`: leaves a process behind that holds both streams. `deaf SECONDS`: ignores
//! every signal that can be ignored. `exit N`: ends with that code. `swap SECONDS N A B [A B]…`:
//! exchanges the files, folders or links A and B over and over, so long and at least N times, and prints how
//! many times it did.

use std::{
    env,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = args.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let done = match args.first().map(String::as_str) {
        Some("flood") => flood(number),
        Some("bytes") => io::stdout().write_all(b"nul\0 high\xff\xfe cr\r\nno end"),
        Some("line") => io::stdout().write_all(&vec![b'x'; number]),
        Some("grandchild") => shell(&format!("sleep {number} & echo $!")),
        Some("deaf") => shell(&format!("trap '' HUP INT TERM; echo deaf; exec sleep {number}")),
        Some("swap") => swap(number, args.get(2..).unwrap_or_default()),
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

/// Exchanges the two of each pair until the time is over and it was done often enough; what is missing is
/// left for the next round.
fn swap(seconds: usize, arguments: &[String]) -> io::Result<()> {
    let (least, paths) = arguments.split_first().ok_or_else(|| io::Error::other("how often?"))?;
    let least = least.parse().map_err(io::Error::other)?;
    let end = Instant::now() + Duration::from_secs(seconds as u64);
    let mut n_swaps = 0_u64;
    while Instant::now() < end || n_swaps < least {
        for pair in paths.chunks_exact(2) {
            let swapped = renameat_with(CWD, &pair[0], CWD, &pair[1], RenameFlags::EXCHANGE);
            n_swaps += u64::from(swapped.is_ok());
        }
    }
    writeln!(io::stdout(), "{n_swaps}")
}
