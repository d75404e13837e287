//! `providers`

use std::{io::ErrorKind, path::Path};

use devops_cli::{Failure, Outcome, ResultExt, Session};
use devops_core::lessons::{
    LessonError, number,
    providers::{self, Edit},
};
use serde_json::json;

use super::{input::missing, output::print_lines, refusal::refused};
use crate::cli::{ProvidersArgs, ProvidersCommand};

pub(super) fn run(args: &ProvidersArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        return print_lines(session, providers::transcript());
    }
    let Some(command) = &args.command else {
        return Err(missing("a command", "devops-basics providers list"));
    };
    let edit = match command {
        ProvidersCommand::List { lines } => return list(args, *lines, session),
        ProvidersCommand::Get { index } => return get(args, whole(index)?, session),
        ProvidersCommand::Append { item } => Edit::Append(item.clone()),
        ProvidersCommand::Insert { index, item } => Edit::Insert(whole(index)?, item.clone()),
        ProvidersCommand::Remove { item } => Edit::Remove(item.clone()),
        ProvidersCommand::Pop { index } => Edit::Pop(index.as_deref().map_or(Ok(-1), whole)?),
    };
    let items = providers::edit(&args.file, &edit, session.cancel());
    show(&hinted(items, &args.file)?, session)?;
    Ok(Outcome::Done)
}

fn list(args: &ProvidersArgs, lines: bool, session: &Session) -> Result<Outcome, Failure> {
    let items = load(args, session)?;
    if lines && !session.json() {
        return print_lines(session, items);
    }
    show(&items, session)?;
    Ok(Outcome::Done)
}

fn get(args: &ProvidersArgs, index: i64, session: &Session) -> Result<Outcome, Failure> {
    let items = load(args, session)?;
    let item = providers::get(&items, index).map_err(refused)?;
    if session.json() {
        session.emit(&json!({"type": "item", "index": index, "item": item}))?;
    } else {
        session.line(item)?;
    }
    Ok(Outcome::Done)
}

fn load(args: &ProvidersArgs, session: &Session) -> Result<Vec<String>, Failure> {
    hinted(providers::load(&args.file, session.cancel()), &args.file)
}

fn hinted<T>(result: Result<T, LessonError>, file: &Path) -> Result<T, Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let hint = match &result {
        Err(LessonError::NotListed(_)) => "`list` shows what is there",
        Err(LessonError::Path(error)) if error.source.kind() == ErrorKind::NotFound => {
            if folder.is_none_or(Path::exists) {
                "`append` makes the file; --file names another one"
            } else {
                "make its folder first; --file names another one"
            }
        }
        _ => return result.map_err(refused),
    };
    result.map_err(refused).hint(hint)
}

fn show(items: &[String], session: &Session) -> Result<(), Failure> {
    if session.json() {
        return session.emit(&json!({"type": "list", "items": items}));
    }
    session.line(providers::show(items))
}

fn whole(text: &str) -> Result<i64, Failure> {
    number::whole64(text).map_err(refused)
}
