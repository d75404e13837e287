//! `cast`

use devops_cli::{Failure, Outcome, Session};
use devops_core::lessons::cast;
use serde_json::json;

use super::{input::given_or_asked, refusal::refused};
use crate::cli::CastArgs;

pub(super) fn run(args: CastArgs, session: &Session) -> Result<Outcome, Failure> {
    let a = given_or_asked(args.a, session, "Enter the first number: ", "A and B")?;
    let b = given_or_asked(args.b, session, "Enter the second number: ", "A and B")?;
    let joined = cast::joined(&a, &b);
    if session.json() && !args.notes {
        let sum = cast::sum(&a, &b).map_err(refused)?.to_string();
        session.emit(&json!({"type": "cast", "joined": joined, "sum": sum}))?;
        return Ok(Outcome::Done);
    }
    let shown = |text: String| if args.notes { cast::transcript_line(&text) } else { text };
    // Joining needs no numbers: its line stands even if the next one fails.
    session.line(shown(joined))?;
    let sum = cast::sum(&a, &b).map_err(refused)?;
    session.line(shown(sum.to_string()))?;
    Ok(Outcome::Done)
}
