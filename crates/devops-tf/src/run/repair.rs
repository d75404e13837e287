//! The commands that repair: `recover` and `unlock`.

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    kind::Kind,
    terraform::{Stack, StateLock},
};
use serde_json::json;

use super::tf_session::{open, state_folder};
use crate::cli::{RecoverArgs, UnlockArgs};

pub(super) fn recover(args: &RecoverArgs, session: &Session) -> Result<Outcome, Failure> {
    let folder = state_folder().ok_or_else(|| {
        Failure::new(
            Kind::Configuration,
            "neither XDG_STATE_HOME nor HOME says where the file of the state is kept",
        )
    })?;
    let mut tf = open(&args.at, session)?;
    tf.prepare()?;
    let recovered = tf.with(|stack, watch| stack.recover(&folder, watch))?;
    let (serial, copy) = (recovered.serial, quote(&recovered.copy));
    if session.json() {
        session.emit(&json!({"type": "recovered", "serial": serial, "copy": copy}))?;
    } else {
        session.line(format_args!(
            "Saved the state with serial {serial}; its file is kept as `{copy}`."
        ))?;
    }
    tf.relay.finish()?;
    Ok(Outcome::Done)
}

pub(super) fn unlock(args: &UnlockArgs, session: &Session) -> Result<Outcome, Failure> {
    if !session.stdin_is_terminal() {
        return Err(Failure::usage(
            "cannot ask for approval to break the lock: stdin is not a terminal",
        )
        .hint(
            "a job that finds a lock must not break it: `terraform force-unlock` does what you ask",
        ));
    }
    let mut tf = open(&args.at, session)?;
    tf.prepare()?;
    let held = tf.with(Stack::state_lock)?;
    let Some(held) = held else {
        session.line("The state is not locked.")?;
        return Ok(Outcome::Done);
    };
    let id = chosen(args.id.as_deref(), &held)?;
    session.line(format_args!("The state is locked{}.", held.sentence()))?;
    if let Some(created) = held.created {
        session.line(format_args!("It was taken at {created}."))?;
    }
    let answer = session.ask("Do you want to break this lock? (yes/no): ")?;
    session.cancel().check()?;
    if !answer.is_some_and(|answer| answer.trim().eq_ignore_ascii_case("yes")) {
        return Err(Failure::new(Kind::Declined, "the lock was not broken"));
    }
    tf.with(|stack, watch| stack.unlock(&id, watch))?;
    session.line(format_args!("Broke the lock {id}."))?;
    Ok(Outcome::Done)
}

/// Returns the lock to break; another one than the one that is held is a mistake.
fn chosen(wanted: Option<&str>, held: &StateLock) -> Result<String, Failure> {
    match (wanted, &held.id) {
        (Some(wanted), Some(held)) if wanted != held => Err(Failure::new(
            Kind::Denied,
            format!("the state is locked by {held}, and not by {wanted}"),
        )),
        (Some(id), _) => Ok(id.to_owned()),
        (None, Some(id)) => Ok(id.clone()),
        (None, None) => Err(Failure::usage("terraform does not say which lock it is")
            .hint("name its ID: `devops-tf unlock DIR ID`")),
    }
}
