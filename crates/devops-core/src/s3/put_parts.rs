//! A put in parts, which an earlier run may have begun.

use std::{cell::Cell, time::Duration};

use super::{
    earlier::Earlier,
    error::S3Error,
    event::Event,
    failure::{CallFailure, Trouble},
    file_upload::FileUpload,
    layout::Layout,
    link::Link,
    proof::Sent,
    response::Upload,
    resume::{Resumption, TakenUp},
    settle::Settled,
    source::OpenFile,
    task::Task,
};

/// Puts a file in parts; begins anew, once, when somebody removes the upload meanwhile.
pub(crate) async fn put_parts(
    task: &Task<'_>,
    file: &OpenFile,
    layout: &Layout,
    resumption: &mut Resumption,
) -> Result<(Sent, Settled), S3Error> {
    let moved = Cell::new(0);
    let events = |event: Event| {
        if let Event::Moved(bytes) = event {
            moved.update(|moved| moved + bytes);
        }
        (task.link.events)(event);
    };
    let reporting = Task { link: Link { events: &events, ..task.link }, ..task.clone() };
    let mut result = put_parts_once(&reporting, file, layout, resumption).await;
    let Some(failure) = removal(&mut result) else { return result };
    (task.link.events)(Event::Moved(-moved.get()));
    (task.link.events)(Event::Retry {
        operation: failure.operation,
        attempt: 1,
        pause: Duration::ZERO,
        reason: format!("{failure}; the upload was removed, and another one begins"),
    });
    if let Err(S3Error::Uncertain { upload_id, .. }) = result {
        // A completion without a clear end leaves its upload; this one is not needed any more.
        let _gone = task.link.abort(&Upload { uri: task.uri.clone(), id: upload_id }).await;
    }
    let mut result = put_parts_once(task, file, layout, resumption).await;
    if let Some(failure) = removal(&mut result) {
        let said = failure.message.as_sent().trim_end_matches('.');
        let message = format!("{said}; the one before was removed under way, too");
        failure.message = message.into();
    }
    result
}

async fn put_parts_once(
    task: &Task<'_>,
    file: &OpenFile,
    layout: &Layout,
    resumption: &mut Resumption,
) -> Result<(Sent, Settled), S3Error> {
    let (upload, earlier) = match resumption.take_up(task, layout).await? {
        TakenUp::Upload(upload, earlier) => (upload, earlier),
        TakenUp::Nothing => (resumption.begin(task, layout).await?, Earlier::default()),
    };
    let journal = resumption.journal();
    let work = FileUpload { upload: upload.clone(), file, earlier, journal };
    let result = task.bring_all(&work, layout).await;
    if resumption.keeps(&result) {
        return result;
    }
    resumption.forget();
    task.end_upload(upload, result).await
}

/// Returns the failure that says that somebody removed an upload that was under way, if one does.
///
/// A completion that is answered so was not carried out either, unless the answer to an earlier attempt
/// was lost.
fn removal(result: &mut Result<(Sent, Settled), S3Error>) -> Option<&mut CallFailure> {
    let failure = match result {
        Err(S3Error::Call(failure)) => failure,
        Err(S3Error::Uncertain { source, .. }) if !source.is_after_lost_answer => source,
        _ => return None,
    };
    (failure.trouble == Trouble::NoUpload).then_some(&mut **failure)
}
