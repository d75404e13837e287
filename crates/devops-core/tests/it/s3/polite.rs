//! A store that answers politely, but not what it was asked: each header and parameter of each request is ignored in
//! turn, and each field of each answer left out, repeated or contradicted. What is claimed then is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Cursor, Write},
    path::PathBuf,
    time::Duration,
};

use devops_core::{
    fs::{Destination, IfExists},
    s3::{
        Attributes, CopyOptions, DeleteOutcome, DeleteTarget, Depth, Encryption, GetOptions, Left,
        ListedObject, Method, ObjectLock, ObjectSummary, OverwritePolicy, PartSize, Proof,
        PutOptions, RemoveOptions, RequestError, RequestErrorKind, RetentionMode, RetryConfig,
        S3Error, Tags, UploadItem, UploadStream, Verification, copy_object, delete, ensure_absent,
        get, get_stream, list, move_object, plan_undelete, put, put_stream, undelete, verify,
    },
    units::ByteSize,
};
use time::macros::datetime;

use crate::s3::{
    fault_case::{CaseOutcome, content},
    fault_matrix::{Case, check},
    put::in_small_parts,
    test_store::{LONG, PART, TestStore, bytes, time_enough, uri},
};

const KEY: &str = "in/a.bin";
const COPY: &str = "in/copy.bin";
/// The MD5 in base64 of the key that [`TestStore::with_customer_key`] has.
const KEY_MD5: &str = "y4HAEFCYWuvAXWFTtA1Qpg==";

/// One way to use a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// A file that is to be protected, in one request, to a key that is free.
    Put,
    /// The same in place of another object.
    PutOver,
    /// A file in parts.
    PutParts,
    /// A stream.
    PutStream,
    /// A file that is encrypted with a key of the customer.
    PutWithKey,
    /// The same in parts.
    PutPartsWithKey,
    /// A file where another one must stay.
    PutBeside,
    /// An object in one range.
    Get,
    /// An object in several ranges, which is replaced after the first.
    GetRanges,
    /// The same as a stream.
    GetStream,
    /// A comparison with a file that has other bytes.
    Verify,
    /// Several keys of many.
    Delete,
    /// One version of a key.
    DeleteVersion,
    /// What is below a prefix.
    List,
    /// A copy inside the store.
    Copy,
    /// The same in parts.
    CopyParts,
    /// A copy to where another object must stay.
    CopyBeside,
    /// A copy whose source is deleted.
    Move,
    /// The removal of a delete marker.
    Undelete,
}

pub(crate) const SCENES: [Scene; 19] = [
    Scene::Put,
    Scene::PutOver,
    Scene::PutParts,
    Scene::PutStream,
    Scene::PutWithKey,
    Scene::PutPartsWithKey,
    Scene::PutBeside,
    Scene::Get,
    Scene::GetRanges,
    Scene::GetStream,
    Scene::Verify,
    Scene::Delete,
    Scene::DeleteVersion,
    Scene::List,
    Scene::Copy,
    Scene::CopyParts,
    Scene::CopyBeside,
    Scene::Move,
    Scene::Undelete,
];

/// What is claimed of a store.
enum Claim {
    Stored(ObjectSummary),
    /// These bytes are those of the object.
    Fetched(Vec<u8>),
    Compared(Verification),
    /// These keys have no object any more.
    Deleted(BTreeSet<String>),
    /// These keys are all below the prefix.
    Listed(BTreeSet<String>),
    /// There are two objects now.
    Copied,
    /// The object has another key now.
    Moved,
    /// The object is there again.
    Undeleted,
}

impl Scene {
    /// Returns a rig that soon tries no more, and waits so long for an answer.
    fn test_store(self, stall: Duration) -> TestStore {
        let retry_config = RetryConfig { stall, ..hurried() };
        match self {
            Self::PutWithKey | Self::PutPartsWithKey => {
                TestStore::with_customer_key_and(retry_config)
            }
            _ => TestStore::with(retry_config),
        }
    }

    fn size(self) -> u64 {
        match self {
            Self::PutParts
            | Self::PutPartsWithKey
            | Self::GetRanges
            | Self::GetStream
            | Self::CopyParts => PART + 1,
            _ => 100,
        }
    }

    fn prepare(self, test_store: &TestStore) {
        let server = &test_store.server;
        match self {
            Self::Put
            | Self::PutOver
            | Self::PutParts
            | Self::PutStream
            | Self::DeleteVersion
            | Self::Undelete => server.keep_versions("backups"),
            _ => {}
        }
        for key in ["in/b.bin", "out.bin"] {
            server.put("backups", key, b"precious");
        }
        match self {
            Self::PutOver | Self::PutBeside => server.put("backups", KEY, b"before"),
            Self::DeleteVersion => {
                server.put("backups", KEY, b"first");
                server.put("backups", KEY, b"second");
            }
            Self::Put
            | Self::PutParts
            | Self::PutStream
            | Self::PutWithKey
            | Self::PutPartsWithKey => {}
            _ => server.put("backups", KEY, &content(self.size())),
        }
        if self == Self::Undelete {
            delete_all(test_store, &[uri(KEY).into()]).unwrap();
        }
    }

    fn attributes(self) -> Attributes {
        if matches!(self, Self::PutWithKey | Self::PutPartsWithKey | Self::PutBeside) {
            return Attributes::default();
        }
        Attributes {
            metadata: BTreeMap::new(),
            content_type: None,
            storage_class: Some("STANDARD_IA".to_owned()),
            encryption: Some(Encryption { method: Method::Kms, key_id: Some("k-1".to_owned()) }),
            tags: Tags::new([("team".to_owned(), "ops".to_owned())]).unwrap(),
            lock: Some(ObjectLock {
                mode: RetentionMode::Governance,
                until: datetime!(2100-01-01 0:00 UTC),
                is_from_now: false,
            }),
            legal_hold: true,
        }
    }

    fn act(self, test_store: &TestStore) -> Result<Claim, S3Error> {
        match self {
            Self::Put
            | Self::PutOver
            | Self::PutParts
            | Self::PutWithKey
            | Self::PutPartsWithKey
            | Self::PutBeside => self.put(test_store).map(Claim::Stored),
            Self::PutStream => self.put_stream(test_store).map(Claim::Stored),
            Self::Get | Self::GetRanges => get_file(test_store),
            Self::GetStream => {
                let path = test_store.path("stream");
                let sink = Box::new(fs::File::create(&path).unwrap());
                test_store.run(async |context| {
                    get_stream(context, &uri(KEY), sink, path.clone()).await
                })?;
                Ok(Claim::Fetched(fs::read(&path).unwrap()))
            }
            Self::Verify => {
                let mut other = content(self.size()).to_vec();
                other[7] ^= 1;
                let path = write(test_store, "other", &other);
                let found = test_store
                    .run(async |context| verify(context, &path, &uri(KEY), Depth::Whole).await)?;
                Ok(Claim::Compared(found))
            }
            Self::Delete => {
                let targets = [KEY, "in/b.bin"].map(|key| DeleteTarget::from(uri(key)));
                delete_all(test_store, &targets)
            }
            Self::DeleteVersion => {
                let versions = test_store.server.versions("backups");
                let mut of_key = versions.into_iter().filter(|(key, ..)| key == KEY);
                let version_id = of_key.nth(1).map(|(_, id, _)| id.into());
                delete_all(test_store, &[DeleteTarget { uri: uri(KEY), version_id }])
            }
            Self::List => {
                let mut keys = BTreeSet::new();
                test_store.run(async |context| {
                    let mut take = |object: ListedObject| {
                        keys.insert(object.uri.key);
                        true
                    };
                    list(context, &uri("in/"), &mut take).await
                })?;
                Ok(Claim::Listed(keys))
            }
            Self::Copy | Self::CopyParts => copy(test_store, COPY).map(|()| Claim::Copied),
            Self::CopyBeside => copy(test_store, "in/b.bin").map(|()| Claim::Copied),
            Self::Move => {
                let options = CopyOptions::default();
                test_store.run(async |context| {
                    move_object(context, &uri(KEY), &uri(COPY), options).await
                })?;
                Ok(Claim::Moved)
            }
            Self::Undelete => bring_back(test_store).map(|()| Claim::Undeleted),
        }
    }

    fn put(self, test_store: &TestStore) -> Result<ObjectSummary, S3Error> {
        let path = write(test_store, "source", &content(self.size()));
        let replace = if self == Self::PutOver {
            OverwritePolicy::Overwrite
        } else {
            OverwritePolicy::Refuse
        };
        let options = PutOptions { replace, attributes: self.attributes(), ..in_small_parts() };
        let source = UploadItem::new(path, uri(KEY), self.size());
        test_store.run(async |context| put(context, &source, &options).await)
    }

    fn put_stream(self, test_store: &TestStore) -> Result<ObjectSummary, S3Error> {
        let options = PutOptions { attributes: self.attributes(), ..in_small_parts() };
        test_store.run(async |context| {
            ensure_absent(context, &uri(KEY), &options).await?;
            let stream = UploadStream::new(Cursor::new(content(self.size()).to_vec()));
            put_stream(context, stream, &[uri(KEY)], &options).await?.remove(0)
        })
    }

    /// Says what is not true of a claim.
    fn judge(self, test_store: &TestStore, claim: Claim) -> Result<(), String> {
        let object = test_store.server.object("backups", KEY);
        match claim {
            Claim::Stored(summary) => {
                let object = object.ok_or("there is nothing")?;
                if object.bytes() != *content(self.size()) {
                    return Err("other bytes are there".to_owned());
                }
                if self == Self::PutBeside {
                    return Err("what was there is gone".to_owned());
                }
                self.judge_protection(&object, &summary)
            }
            Claim::Fetched(bytes) if bytes == *content(self.size()) => Ok(()),
            Claim::Fetched(_) => Err("other bytes came".to_owned()),
            Claim::Compared(Verification::Same { .. }) => Err("it is not the same".to_owned()),
            Claim::Compared(_) => Ok(()),
            Claim::Deleted(keys) => {
                let versions = test_store.server.versions("backups");
                let is_there = |key: &&String| match self {
                    // Of the two versions the second stays.
                    Self::DeleteVersion => object.as_ref().is_none_or(|it| it.bytes() != b"second"),
                    _ => test_store.server.object("backups", key).is_some(),
                };
                if let Some(key) = keys.iter().find(is_there) {
                    return Err(format!("`{key}` is not as claimed: {versions:?}"));
                }
                Ok(())
            }
            Claim::Listed(keys) => {
                let there = ["in/a.bin", "in/b.bin"].map(str::to_owned);
                if keys == BTreeSet::from(there) { Ok(()) } else { Err(format!("{keys:?}")) }
            }
            Claim::Copied if self == Self::CopyBeside => Err("what was there is gone".to_owned()),
            Claim::Copied if self.is_at(test_store, KEY) && self.is_at(test_store, COPY) => Ok(()),
            Claim::Moved if object.is_none() && self.is_at(test_store, COPY) => Ok(()),
            Claim::Undeleted if self.is_at(test_store, KEY) => Ok(()),
            Claim::Copied | Claim::Moved | Claim::Undeleted => {
                Err(format!("{:?}", test_store.server.keys("backups")))
            }
        }
    }

    fn is_at(self, test_store: &TestStore, key: &str) -> bool {
        let object = test_store.server.object("backups", key);
        object.is_some_and(|object| object.bytes() == *content(self.size()))
    }

    /// Says what was lost, whether anything is claimed or not.
    fn check_rest(self, test_store: &TestStore) -> Result<(), String> {
        let there = |key| test_store.server.object("backups", key).map(|object| object.bytes());
        let is_named = matches!(self, Self::Delete);
        for key in ["in/b.bin", "out.bin"] {
            if there(key).as_deref() != Some(b"precious") && !(is_named && key == "in/b.bin") {
                return Err(format!("`{key}` was not named and is gone"));
            }
        }
        let moves = matches!(self, Self::Copy | Self::CopyParts | Self::CopyBeside | Self::Move);
        if moves
            && !self.is_at(test_store, KEY)
            && !(self == Self::Move && self.is_at(test_store, COPY))
        {
            return Err("the object is nowhere any more".to_owned());
        }
        Ok(())
    }

    fn judge_protection(
        self,
        object: &devops_fakes::s3::StoredObject,
        summary: &ObjectSummary,
    ) -> Result<(), String> {
        let lacks = |name: &str| summary.lacks.iter().any(|lack| lack.feature.name() == name);
        let wanted = self.attributes();
        let with_key = matches!(self, Self::PutWithKey | Self::PutPartsWithKey);
        let encryption = match wanted.encryption {
            Some(_) => [Some("aws:kms"), Some("k-1"), None],
            None => [None, None, with_key.then_some(KEY_MD5)],
        };
        let locked = object.lock().map(|(mode, _)| mode.as_str());
        let truths = [
            (object.encryption() == encryption, "encryption"),
            (locked == wanted.lock.map(|_| "GOVERNANCE"), "lock"),
            (object.has_legal_hold() == wanted.legal_hold, "legal hold"),
            (object.storage_class() == wanted.storage_class.as_deref(), "storage class"),
            (object.tagging() == (!wanted.is_empty()).then_some("team=ops"), "tags"),
        ];
        let untrue = truths.iter().filter(|(is_true, name)| !is_true && !lacks(name));
        let untrue: Vec<_> = untrue.map(|(_, name)| *name).collect();
        if untrue.is_empty() { Ok(()) } else { Err(format!("without {untrue:?}: {object:?}")) }
    }
}

/// A rig's patience for what could pass and never does.
fn hurried() -> RetryConfig {
    RetryConfig { before_first_response: Duration::from_millis(500), ..time_enough() }
}

fn copy(test_store: &TestStore, to: &str) -> Result<(), S3Error> {
    let options = CopyOptions { part_size: ByteSize(PART), ..CopyOptions::default() };
    test_store
        .run(async |context| copy_object(context, &uri(KEY), &uri(to), options).await)
        .map(drop)
}

/// Removes the markers above the object, and returns whether it is said to be there again.
fn bring_back(test_store: &TestStore) -> Result<(), S3Error> {
    let nothing =
        || RequestError::local("ListObjectVersions", RequestErrorKind::NoObject, "no version");
    test_store.run(async |context| {
        let (named, options) = ([uri(KEY)], RemoveOptions::default());
        let Ok(plan) = plan_undelete(context, &named, &options).await else {
            return Err(nothing().into());
        };
        let mut ended = Err(nothing());
        undelete(context, &plan.hidden, &mut |_, result| ended = result).await?;
        Ok(ended?)
    })
}

/// Makes a file, and returns where it is.
fn write(test_store: &TestStore, name: &str, bytes: &[u8]) -> PathBuf {
    let path = test_store.path(name);
    fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

fn get_file(test_store: &TestStore) -> Result<Claim, S3Error> {
    let part_size = PartSize::Exactly(ByteSize(PART));
    let options =
        GetOptions { replace: IfExists::Fail, mode: None, group: None, preserve: false, part_size };
    let path: PathBuf = test_store.path("back.bin");
    test_store
        .run(async |context| get(context, &uri(KEY), &Destination::open(&path)?, options).await)?;
    Ok(Claim::Fetched(fs::read(&path).unwrap()))
}

fn delete_all(test_store: &TestStore, targets: &[DeleteTarget]) -> Result<Claim, S3Error> {
    let mut deleted = BTreeSet::new();
    test_store.run(async |context| {
        let mut each = |target: &DeleteTarget, outcome| {
            if matches!(outcome, DeleteOutcome::Deleted | DeleteOutcome::Hidden { .. }) {
                deleted.insert(target.uri.key.clone());
            }
        };
        delete(context, targets, &mut each).await
    })?;
    Ok(Claim::Deleted(deleted))
}

/// What belongs to the transport, or to the signature, which the server needs.
const NOT_ASKED: [&str; 12] = [
    "accept",
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "content-length",
    "expect",
    "host",
    "user-agent",
    "x-amz-date",
    "x-amz-user-agent",
    "x-id",
];
const NOT_TOLD: [&str; 5] =
    ["content-length", "transfer-encoding", "date", "x-amz-request-id", "connection"];

/// One scene with what the store does in its own way, and what else goes wrong.
pub(crate) struct Slipped {
    pub(crate) scene: Scene,
    pub(crate) rules: Vec<String>,
    /// The timeout for an answer.
    pub(crate) stall: Duration,
}

impl Slipped {
    /// Returns the rule of all that may slip, as one run shows it in which nothing does, and the operations of that.
    pub(crate) fn all(scene: Scene) -> (BTreeSet<String>, BTreeSet<String>) {
        let test_store = scene.test_store(time_enough().stall);
        scene.prepare(&test_store);
        test_store.server.note_answers();
        let n_before = test_store.server.log().len();
        // What must stay is refused, and a file of other bytes is not the same.
        let _ended = scene.act(&test_store).map(drop);
        let (mut rules, mut operations) = (BTreeSet::new(), BTreeSet::new());
        for entry in test_store.server.log().into_iter().skip(n_before) {
            operations.insert(entry.operation.clone());
            let operation = &entry.operation;
            let asked = entry.asked.iter().filter(|name| !NOT_ASKED.contains(&name.as_str()));
            rules.extend(asked.map(|name| format!("{operation}:ignore={name}:always")));
            let told = entry.told.iter().filter(|name| !NOT_TOLD.contains(&name.as_str()));
            let slips = ["leave-out", "repeat", "contradict"];
            rules.extend(
                told.flat_map(|name| slips.map(|slip| format!("{operation}:{slip}={name}:always"))),
            );
        }
        // That an object is missing in a listing nobody can tell.
        rules.remove("ListObjectsV2:leave-out=Contents:always");
        (rules, operations)
    }

    /// Returns whether the store tells neither checksum nor `ETag` of an object.
    fn tells_size_alone(&self) -> bool {
        let has = |fault: &str| self.rules.iter().any(|rule| rule.contains(fault));
        has("HeadObject:leave-out=etag")
            && (has("HeadObject:no-checksum") || has("HeadObject:short-checksums"))
    }
}

impl Case for Slipped {
    fn name(&self) -> String {
        format!("{:?}, {}", self.scene, self.rules.join(" "))
    }

    fn judge(&self) -> Result<CaseOutcome, String> {
        let test_store = self.scene.test_store(self.stall);
        self.scene.prepare(&test_store);
        test_store.server.faults(&self.rules.iter().map(String::as_str).collect::<Vec<_>>());
        if matches!(self.scene, Scene::GetRanges | Scene::GetStream) {
            test_store.on_event(|test_store, event| {
                if matches!(event, devops_core::s3::Event::Started { .. }) {
                    test_store.server.put("backups", KEY, &bytes(PART + 1)[1..]);
                }
            });
        }
        let result = self.scene.act(&test_store);
        test_store.server.clear_faults();
        if !test_store.server.wait_until_idle(LONG) {
            return Err("a request never ended".to_owned());
        }
        self.scene.check_rest(&test_store)?;
        match result {
            // No more is claimed than what can be compared.
            Ok(Claim::Compared(Verification::Same { proof: Proof::Size, .. }))
                if self.tells_size_alone() =>
            {
                Ok(CaseOutcome::Stored)
            }
            Ok(claim) => self.scene.judge(&test_store, claim).map(|()| CaseOutcome::Stored),
            Err(S3Error::Unprotected { left: Left::Removed, .. })
                if test_store.server.object("backups", KEY).is_some() =>
            {
                Err("it was said to be removed, and is there".to_owned())
            }
            Err(_) => Ok(CaseOutcome::ReportedFailure),
        }
    }

    fn waits(&self) -> bool {
        self.scene.size() > PART
    }
}

#[test]
fn what_is_claimed_is_true_whatever_a_store_ignores_or_leaves_out() {
    let slips = |scene| {
        let stall = time_enough().stall;
        let rules = Slipped::all(scene).0.into_iter();
        rules.map(move |rule| Slipped { scene, rules: vec![rule], stall })
    };
    check(SCENES.into_iter().flat_map(slips).collect());
}
