//! `doctor`: what a store can do.

use std::cell::Cell;

use devops_cli::{Failure, Outcome, ResultExt, Session};
use devops_core::{
    clock::Clock,
    kind::Kind,
    s3::{
        Capabilities, Diagnosis, DoctorOptions, Event, Finding, Proof, S3Context, Severity,
        diagnose,
    },
};
use serde_json::json;

use super::{capability_cache, connection::Connected, reporter::Reporter};
use crate::cli::DoctorArgs;

pub(crate) async fn doctor(args: DoctorArgs, session: &Session) -> Result<Outcome, Failure> {
    let prefix = &args.prefix;
    if !prefix.is_prefix() {
        return Err(Failure::usage(format!(
            "give a bucket or a prefix that ends with /, not `{prefix}`"
        )));
    }
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "asking", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let options = DoctorOptions { prefix, write: !args.no_write, now: session.clock().now() };
    let counts = Counts::default();
    let tell = |finding| {
        counts.count(&finding);
        show(session, &finding);
    };
    let diagnosis = Box::pin(diagnose(context, options, &tell)).await?;
    if diagnosis.capabilities != Capabilities::default() {
        let kept = capability_cache::keep(
            &connected.store,
            &prefix.bucket,
            diagnosis.capabilities,
            session,
        );
        match kept {
            Ok(true) => {}
            Ok(false) => {
                session.warn("neither XDG_CACHE_HOME nor HOME says where to remember this");
            }
            Err(error) => session.warn(format!("later puts will not know this: {error}")),
        }
    }
    counts.sum_up(session, diagnosis)?;
    match diagnosis.failed {
        None => Ok(Outcome::Done),
        Some(Kind::Mismatch) => Ok(Outcome::No),
        Some(kind) => Err(Failure::new(kind, format!("puts to `{prefix}` do not work")))
            .hint("the lines that begin with `fail` say why"),
    }
}

/// The number of findings that are how good.
#[derive(Default)]
struct Counts {
    ok: Cell<usize>,
    warn: Cell<usize>,
    fail: Cell<usize>,
}

impl Counts {
    fn count(&self, finding: &Finding) {
        let counter = match finding.severity {
            Severity::Ok => &self.ok,
            Severity::Warn => &self.warn,
            Severity::Fail => &self.fail,
        };
        counter.set(counter.get() + 1);
    }

    fn sum_up(&self, session: &Session, diagnosis: Diagnosis) -> Result<(), Failure> {
        let (ok, warn, fail) = (self.ok.get(), self.warn.get(), self.fail.get());
        let proof = diagnosis.proof.map(Proof::name);
        if session.json() {
            return session.emit(&json!({
                "type": "summary", "ok": ok, "warn": warn, "fail": fail, "proof": proof,
                "known": capabilities(diagnosis.capabilities),
            }));
        }
        let sum = match (diagnosis.failed, proof) {
            (Some(_), _) => "Puts do not work".to_owned(),
            (None, Some(proof)) => format!("Puts reach proof {proof}"),
            (None, None) => "Puts were not tried".to_owned(),
        };
        session.line(format!("{sum} ({ok} ok, {warn} warn, {fail} fail)"))
    }
}

fn capabilities(capabilities: Capabilities) -> serde_json::Value {
    json!({
        "checksums": capabilities.checksums,
        "conditions": capabilities.conditions.map(|conditions| format!("{conditions:?}").to_lowercase()),
        "copies": capabilities.copies,
        "etag_is_md5": capabilities.etag_is_md5,
        "compares_checksums": capabilities.compares_checksums,
    })
}

/// Shows one finding; a stdout that fails is found out at the end.
fn show(session: &Session, finding: &Finding) {
    let Finding { check, severity, message, advice } = finding;
    if session.json() {
        let severity = severity.name();
        let _printed = session.emit(&json!({
            "type": "check", "check": check, "level": severity, "message": message, "advice": advice,
        }));
        return;
    }
    let _printed = session.line(format!("{:<4}  {check}: {message}", severity.name()));
    if let Some(advice) = advice {
        let _printed = session.line(format!("      {advice}"));
    }
}
