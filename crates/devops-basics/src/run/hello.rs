//! `hello`

use std::{ffi::OsStr, path::Path};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{clock::Clock, lessons::hello};
use serde_json::json;

use crate::{
    cli::{HelloArgs, TOOL},
    run::output::rfc3339,
};

pub(super) fn run(args: &HelloArgs, session: &Session) -> Result<Outcome, Failure> {
    let name = args.name.as_deref().map(|name: &OsStr| quote(Path::new(name)));
    let greeting = hello::greeting(name.as_deref());
    if args.notes || !session.json() {
        session.line(greeting)?;
        return Ok(Outcome::Done);
    }
    let now = session.clock().now();
    session.emit(&json!({
        "type": "hello",
        "greeting": greeting,
        "tool": TOOL.name,
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "uid": rustix::process::getuid().as_raw(),
        "gid": rustix::process::getgid().as_raw(),
        "stdout_is_terminal": session.stdout_is_terminal(),
        "time": rfc3339(now),
    }))?;
    Ok(Outcome::Done)
}
