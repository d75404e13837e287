//! `calc`

use devops_cli::{Failure, Outcome, Session};
use devops_core::lessons::calc;
use serde_json::json;

use super::{
    input::{given_or_asked, missing},
    refusal::refused,
};
use crate::cli::CalcArgs;

pub(super) fn run(args: CalcArgs, session: &Session) -> Result<Outcome, Failure> {
    let notes = args.notes;
    let [a, operator, b] = in_parts(args);
    if notes {
        // Asked in the order of the notes.
        let a = given_or_asked(a, session, "Enter the first number: ", "A OP B")?;
        let b = given_or_asked(b, session, "Enter the second number: ", "A OP B")?;
        let prompt = "Enter the operation (+, -, *, /): ";
        let operator = given_or_asked(operator, session, prompt, "A OP B")?;
        session.line(calc::transcript(&a, &b, &operator).map_err(refused)?)?;
        return Ok(Outcome::Done);
    }
    let (Some(a), Some(operator), Some(b)) = (a, operator, b) else {
        return Err(missing("A OP B", "devops-basics calc 8 + 7"));
    };
    let answer = calc::calculate(&a, &operator, &b).map_err(refused)?;
    if session.json() {
        let (result, exact) = (answer.text, answer.exact);
        session.emit(&json!({"type": "result", "result": result, "exact": exact}))?;
    } else {
        session.line(answer.text)?;
    }
    Ok(Outcome::Done)
}

/// Splits a calculation that came as one text, as `'8 * 7'` does.
fn in_parts(args: CalcArgs) -> [Option<String>; 3] {
    let CalcArgs { a, operator, b, .. } = args;
    if let (Some(whole), None, None) = (&a, &operator, &b)
        && let Some(parts) = calc::parts(whole)
    {
        return parts.map(|part| Some(part.to_owned()));
    }
    [a, operator, b]
}
