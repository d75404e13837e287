//! `day`

use devops_cli::{Failure, Outcome, Session};
use devops_core::{
    clock::Clock,
    lessons::day::{self, Day},
};
use serde_json::json;

use super::{input::given_or_asked, refusal::refused};
use crate::cli::{DayArgs, GateKind};

pub(super) fn run(args: DayArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        let prompt = "What day of the week is it? ";
        let typed = given_or_asked(args.day, session, prompt, "DAY")?;
        session.line(day::transcript(&typed))?;
        return Ok(Outcome::Done);
    }
    let day = find(&args, session)?;
    let open = args.gate.map(|gate: GateKind| gate.kind() == day.kind());
    show(day, open, session)?;
    Ok(if open == Some(false) { Outcome::No } else { Outcome::Done })
}

fn find(args: &DayArgs, session: &Session) -> Result<Day, Failure> {
    let zone = args.tz.as_deref();
    match (&args.day, &args.at) {
        (Some(_), Some(_)) => Err(Failure::usage("DAY and --at exclude each other")),
        (Some(day), None) => Day::parse(day).map_err(refused),
        (None, Some(at)) => {
            let instant = day::parse_instant(at).map_err(refused)?;
            Day::at(instant, zone).map_err(refused)
        }
        (None, None) => Day::at(session.clock().now(), zone).map_err(refused),
    }
}

fn show(day: Day, open: Option<bool>, session: &Session) -> Result<(), Failure> {
    let date = day.date.map(|date| date.to_string());
    if session.json() {
        return session.emit(&json!({
            "type": "day",
            "weekday": day.weekday.to_string(),
            "date": date,
            "kind": day.kind().name(),
            "open": open,
        }));
    }
    let gate = match open {
        Some(true) => "open: ",
        Some(false) => "closed: ",
        None => "",
    };
    let date = date.map(|date| format!(" {date}")).unwrap_or_default();
    session.line(format!("{gate}{}{date} {}", day.weekday, words(day)))
}

fn words(day: Day) -> &'static str {
    match day.kind() {
        day::DayKind::Weekday => "is a weekday",
        day::DayKind::Weekend => "is a weekend day",
    }
}
