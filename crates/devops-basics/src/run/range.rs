//! `range`

use devops_cli::{Failure, Outcome, Session};
use devops_core::lessons::range::{self, Format, Range};
use serde_json::json;

use super::{input::missing, output::print_lines, refusal::refused};
use crate::cli::RangeArgs;

/// How much is written at once.
const CHUNK: usize = 32 << 10;

pub(super) fn run(args: &RangeArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        return print_lines(session, range::transcript());
    }
    let Some((first, rest)) = args.numbers.split_first() else {
        return Err(missing("STOP", "devops-basics range 1 6"));
    };
    let step = rest.get(1).map_or("1", String::as_str);
    let range = Range::parse(first, rest.first().map(String::as_str), step).map_err(refused)?;
    let format = Format::parse(&args.format).map_err(refused)?;
    print(range, &format, session)?;
    Ok(Outcome::Done)
}

/// Prints in chunks, so that neither memory nor the time between two signals grows with the range.
fn print(range: Range, format: &Format, session: &Session) -> Result<(), Failure> {
    let mut chunk = String::with_capacity(CHUNK + 1024);
    for value in range {
        if session.json() {
            let mut text = String::new();
            format.write(value, &mut text);
            let object = json!({"type": "item", "value": value, "text": text});
            chunk.push_str(&object.to_string());
        } else {
            format.write(value, &mut chunk);
        }
        chunk.push('\n');
        if chunk.len() >= CHUNK {
            session.write(chunk.as_bytes())?;
            chunk.clear();
            session.cancel().check()?;
            if session.stdout_closed() {
                return Ok(());
            }
        }
    }
    session.write(chunk.as_bytes())
}
