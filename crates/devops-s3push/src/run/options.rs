//! How every new object is stored, from the flags that `put` and `sync` have in common.

use devops_cli::{Failure, Session};
use devops_core::s3::{OverwritePolicy, PartSize, PutOptions, Resume, ResumePolicy};

use super::{attributes::attributes, journals::resumable};
use crate::cli::{Connection, ObjectFlags, UnfinishedFlags};

/// Reads the flags; says what does not go together before anything is sent.
pub(super) fn put_options(
    (flags, connection): (&ObjectFlags, &Connection),
    replace: OverwritePolicy,
    session: &Session,
) -> Result<PutOptions, Failure> {
    if connection.sse_c_key_file.is_some() && flags.attributes.sse.is_some() {
        return Err(Failure::usage("--sse and --sse-c-key-file do not go together"));
    }
    let checksum = flags.proof.checksum;
    Ok(PutOptions {
        replace,
        listed: None,
        checksum: checksum.0,
        require_proof: flags.proof.require_proof,
        part_size: flags.proof.part_size.map_or(PartSize::Auto, PartSize::Exactly),
        attributes: attributes(&flags.attributes, checksum, session)?,
        preserve: flags.attributes.preserve,
        spooled: false,
        resume: resume(&flags.unfinished, session)?,
    })
}

fn resume(flags: &UnfinishedFlags, session: &Session) -> Result<Option<Resume>, Failure> {
    if flags.restart && flags.no_resume {
        return Err(Failure::usage("--restart and --no-resume do not go together"));
    }
    if flags.no_resume {
        return Ok(None);
    }
    let earlier = if flags.restart { ResumePolicy::Discard } else { ResumePolicy::IfPresent };
    let resume = resumable(session, earlier);
    if resume.is_none() {
        session.warn("neither XDG_STATE_HOME nor HOME is set: an interrupted upload is aborted");
    }
    Ok(resume)
}
