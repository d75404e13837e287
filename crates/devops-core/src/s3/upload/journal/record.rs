//! The lines of a journal.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write},
};

use serde::{Deserialize, Serialize};

use super::{Job, VERSION};
use crate::{
    cancel::hold_step,
    s3::{
        object::{
            checksum_strategy::ChecksumStrategy, proof::UploadedObject, response::Upload,
            text::StoreText,
        },
        plan::{parts::Part, server_side_copy::Composition},
    },
};

/// A multipart upload that was begun for a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) upload_id: StoreText,
    /// The mark by which it knows its own object.
    #[serde(rename = "mark")]
    pub(crate) upload_token: String,
    #[serde(rename = "protection")]
    pub(crate) checksum_strategy: ChecksumStrategy,
    /// The parts of a server-side copy, if there are any.
    pub(crate) composition: Option<Composition>,
}

/// A part that the store has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) number: u32,
    pub(crate) etag: String,
    /// Our checksum in base64, unless the object goes without.
    pub(crate) sum: Option<String>,
    pub(crate) confirmed: bool,
    /// Our MD5 in hexadecimal, where it was computed.
    pub(crate) md5: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    Job(Box<Job>),
    Upload(UploadRecord),
    Part(PartRecord),
}

/// The state of an upload, as its journal records it.
#[derive(Clone, Debug)]
pub(crate) struct JournalState {
    pub(crate) job: Job,
    pub(crate) begun: UploadRecord,
    pub(crate) taken: HashMap<u32, PartRecord>,
    /// How many bytes of the file count.
    pub(super) length: usize,
}

impl JournalState {
    /// Returns the job in the first line of a journal.
    pub(super) fn job(bytes: &[u8]) -> Option<Job> {
        let first = bytes.split_inclusive(|&byte| byte == b'\n').next()?;
        match parse_line(first)? {
            Record::Job(job) if job.version == VERSION => Some(*job),
            _ => None,
        }
    }

    /// Reads a journal up to the first line that is not whole; nothing if no upload was begun.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let job = Self::job(bytes)?;
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let mut length = lines.next()?.len();
        let (mut begun, mut taken) = (None, HashMap::new());
        for line in lines {
            match parse_line(line) {
                Some(Record::Upload(upload)) => {
                    begun = Some(upload);
                    taken.clear();
                }
                Some(Record::Part(part)) => drop(taken.insert(part.number, part)),
                Some(Record::Job(_)) | None => break,
            }
            length += line.len();
        }
        Some(Self { job, begun: begun?, taken, length })
    }

    /// Returns what was sent, if all of it was.
    pub(crate) fn sent(&self, size: u64) -> Option<UploadedObject> {
        let parts = match &self.begun.composition {
            Some(composition) => composition.parts().map(|(part, _)| part).collect(),
            None => self.job.parts(),
        };
        let stored =
            |part: &Part| self.taken.get(&part.number)?.stored(*part, self.begun.checksum_strategy);
        let sent = UploadedObject::of_parts(parts.iter().map(stored).collect::<Option<_>>()?);
        (sent.size == size).then_some(sent)
    }

    /// Returns the upload as the store knows it.
    pub(crate) fn upload(&self) -> Upload {
        Upload { uri: self.job.uri.clone(), id: self.begun.upload_id.clone() }
    }
}

/// Returns how many bytes of a journal there are before the first line that is not whole.
pub(super) fn whole(bytes: &[u8]) -> usize {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines.map_while(|line| parse_line(line).map(|_| line.len())).sum()
}

fn parse_line(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line.strip_suffix(b"\n")?).ok()
}

/// Adds a line.
pub(crate) fn append(
    mut file: &File,
    line: &impl Serialize,
    sync: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let _step = hold_step();
    file.write_all(&text)?;
    sync(file)
}
