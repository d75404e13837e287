//! `devops-backup rehearse`, and what `run` says of one.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    path::Path,
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    archive::{self, Archive, RehearsalRequest, Rehearsed},
    units::{ByteSize, agree, count},
};
use serde_json::{Value, json};

use super::{
    failure::failure,
    host::rehearsal_folder,
    keys::keys,
    output::{left_out_json, object},
    stream::take_streams,
};
use crate::cli::RehearseArgs;

pub(super) fn rehearse(args: &RehearseArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut keys = keys(&args.keys, session)?;
    take_streams(&mut keys, [args.archive.as_path()], session)?;
    let folder = rehearsal_folder();
    let request = RehearsalRequest {
        archive: Archive { path: &args.archive, keys: &keys },
        share: args.sample,
        seed: args.seed.unwrap_or_else(|| RandomState::new().hash_one(&args.archive)),
        folder: &folder,
        source: None,
    };
    let total = fs::metadata(&args.archive).ok().map(|metadata| metadata.len());
    let progress = session.progress("rehearsing", total);
    let mut on_bytes = |n_bytes| progress.set(n_bytes);
    let rehearsed = archive::rehearse(&request, session.cancel(), &mut on_bytes);
    let rehearsed = rehearsed.map_err(failure)?;
    progress.finish();
    if session.json() {
        session.emit(&json(&args.archive, &rehearsed))?;
    } else {
        for difference in &rehearsed.differences {
            session.line(format!("`{}`: {}", quote(&difference.path), difference.reason))?;
        }
        session.line(summary(&args.archive, &rehearsed))?;
    }
    Ok(if rehearsed.differences.is_empty() { Outcome::Done } else { Outcome::No })
}

/// Says in a line what was found.
pub(super) fn summary(archive: &Path, rehearsed: &Rehearsed) -> String {
    let Rehearsed { seed, n_sampled, n_of, n_bytes, differences, .. } = rehearsed;
    let found = match differences.len() {
        0 => "all as they should be".to_owned(),
        n => format!("{n} {}", agree(n, "differs", "differ")),
    };
    let (archive, size, of) = (quote(archive), ByteSize(*n_bytes), count(*n_of, "entry"));
    let kinds = rehearsed.n_of_kind.iter().map(|(kind, n)| count(*n, kind));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let compared = rehearsed.compared.join(", ");
    format!(
        "{archive}: restored {n_sampled} of {of} ({kinds}), {size}, and compared {compared}: {found} (seed {seed})"
    )
}

fn json(archive: &Path, rehearsed: &Rehearsed) -> Value {
    let mut object = object("rehearsed", "archive", archive);
    let status = if rehearsed.differences.is_empty() { "same" } else { "different" };
    object.insert("status".to_owned(), status.into());
    object.insert("seed".to_owned(), rehearsed.seed.into());
    object.insert("entries".to_owned(), rehearsed.n_sampled.into());
    object.insert("of".to_owned(), rehearsed.n_of.into());
    object.insert("kinds".to_owned(), json!(rehearsed.n_of_kind));
    object.insert("compared".to_owned(), json!(rehearsed.compared));
    object.insert("bytes".to_owned(), rehearsed.n_bytes.into());
    object.insert("differences".to_owned(), left_out_json(&rehearsed.differences));
    Value::Object(object)
}
