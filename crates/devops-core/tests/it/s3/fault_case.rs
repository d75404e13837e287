//! One put while things go wrong, compared with what the store may hold afterwards.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{Cursor, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use devops_core::{
    kind::{HasKind, Kind},
    s3::{
        Algorithm, Composition, Journals, ObjectSummary, OverwritePolicy, PartRules, Proof,
        PutOptions, Resume, ResumePolicy, RetryConfig, S3Error, SharedRange, UploadItem,
        UploadStream, ensure_absent, put, put_composed, put_stream,
    },
};
use devops_fakes::s3::{Entry, Fault};
use time::macros::datetime;

use crate::s3::{
    put::in_small_parts,
    test_store::{LONG, PART, TestStore, bytes, in_one_line, time_enough, uri},
};

const KEY: &str = "a.bin";
const OTHER: &[u8] = b"precious";

/// Something that goes wrong, as the server's rules have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InjectedError {
    pub(crate) operation: &'static str,
    pub(crate) fault: &'static str,
    pub(crate) part: Option<u32>,
    pub(crate) after: usize,
    /// Nothing for always.
    pub(crate) times: Option<usize>,
}

impl InjectedError {
    pub(crate) fn once(operation: &'static str, fault: &'static str) -> Self {
        Self { operation, fault, part: None, after: 0, times: Some(1) }
    }

    pub(crate) fn always(operation: &'static str, fault: &'static str) -> Self {
        Self { times: None, ..Self::once(operation, fault) }
    }

    pub(crate) fn second(operation: &'static str, fault: &'static str) -> Self {
        Self { after: 1, ..Self::once(operation, fault) }
    }

    pub(crate) fn at(self, part: u32) -> Self {
        Self { part: Some(part), ..self }
    }

    fn is(&self, faults: &[&str]) -> bool {
        faults.contains(&self.fault)
    }

    /// Returns whether the same request may succeed when it is made again.
    pub(crate) fn is_transient(&self) -> bool {
        is_transient(self.fault)
    }

    fn is_about(&self, operation: &str) -> bool {
        self.operation == operation
    }
}

/// Returns whether a request that met this fault may succeed when it is made again.
pub(crate) fn is_transient(fault: &str) -> bool {
    fault.parse::<Fault>().unwrap().is_transient()
}

impl fmt::Display for InjectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, fault, part, after, times } = self;
        write!(f, "{operation}:{fault}:after={after}")?;
        if let Some(part) = part {
            write!(f, ":part={part}")?;
        }
        match times {
            Some(times) => write!(f, ":times={times}"),
            None => f.write_str(":always"),
        }
    }
}

/// In which way the object is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadKind {
    /// A file in one request.
    Single,
    /// A file in parts.
    Parts,
    /// A file in parts, mostly copied from another object.
    Composed,
    /// A stream that ends within its first part.
    ShortStream,
    /// A stream of several parts.
    Stream,
}

impl UploadKind {
    pub(crate) fn is_single(self) -> bool {
        matches!(self, Self::Single | Self::ShortStream)
    }

    fn is_stream(self) -> bool {
        matches!(self, Self::Stream | Self::ShortStream)
    }
}

/// What has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    Nothing,
    /// What someone else put there.
    Other,
    /// Exactly the source's bytes.
    UploadItem,
    /// What nobody put there.
    Strange,
}

/// How one put is made, and what goes wrong meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) replace: OverwritePolicy,
    pub(crate) checksum: Option<Algorithm>,
    pub(crate) journaled: bool,
    pub(crate) wrongs: Vec<InjectedError>,
}

impl Run {
    pub(crate) fn new(wrongs: &[InjectedError]) -> Self {
        Self {
            replace: OverwritePolicy::Refuse,
            checksum: Some(Algorithm::default()),
            journaled: false,
            wrongs: wrongs.to_vec(),
        }
    }

    pub(crate) fn journaled(self) -> Self {
        Self { journaled: true, ..self }
    }

    pub(crate) fn overwriting(self) -> Self {
        Self { replace: OverwritePolicy::Overwrite, ..self }
    }

    /// The same put when nothing goes wrong.
    fn again(&self) -> Self {
        Self { wrongs: Vec::new(), ..self.clone() }
    }

    /// The same put with what went wrong indeed.
    fn met(&self, log: &[Entry]) -> Self {
        Self { wrongs: met(&self.wrongs, log), ..self.clone() }
    }

    fn about<'a>(&'a self, operation: &'a str) -> impl Iterator<Item = &'a InjectedError> {
        self.wrongs.iter().filter(move |wrong| wrong.is_about(operation))
    }
}

/// One key of a store, and a source for it.
pub(crate) struct FaultCase {
    scene: UploadKind,
    test_store: TestStore,
    size: u64,
    file: PathBuf,
    retry_config: RetryConfig,
    /// Whoever is so impatient may miss an answer on a busy machine.
    misses: bool,
    /// Uploads that a run had to leave and named, or whose beginning nobody heard of.
    n_named: usize,
    /// The errors of the runs that failed.
    failures: Vec<String>,
}

/// How a put ended, as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaseOutcome {
    /// With the right object.
    Stored,
    /// With a failure that tells the truth.
    ReportedFailure,
}

impl FaultCase {
    /// A key with nothing under it, for a source of `size` bytes, with patience for these.
    pub(crate) fn new(scene: UploadKind, size: u64, retry_config: RetryConfig) -> Self {
        let test_store = TestStore::with(retry_config);
        if scene == UploadKind::Composed {
            test_store.server.put("backups", "old.bin", &content(size)[..base_size(size)]);
        }
        let file = test_store.path("source");
        File::create(&file).unwrap().write_all(&content(size)).unwrap();
        let misses = retry_config.stall < Duration::from_secs(10);
        Self {
            scene,
            test_store,
            size,
            file,
            retry_config,
            misses,
            n_named: 0,
            failures: Vec::new(),
        }
    }

    /// Returns whether an answer was given up that came, or was about to.
    pub(crate) fn has_missed(&self) -> bool {
        self.test_store.has_missed(&self.failures)
    }

    /// Lets someone else put something there, or nobody.
    pub(crate) fn hold(self, held: KeyState) -> Self {
        match held {
            KeyState::Other => self.test_store.server.put("backups", KEY, OTHER),
            KeyState::UploadItem => self.test_store.server.put("backups", KEY, &content(self.size)),
            KeyState::Nothing | KeyState::Strange => {}
        }
        self
    }

    pub(crate) fn held(&self) -> KeyState {
        match self.test_store.server.object("backups", KEY) {
            None => KeyState::Nothing,
            Some(object) if object.bytes() == OTHER => KeyState::Other,
            Some(object) if object.bytes() == *content(self.size) => KeyState::UploadItem,
            Some(_) => KeyState::Strange,
        }
    }

    /// Puts the source while these things go wrong; says what is not as it has to be.
    pub(crate) fn run(&mut self, run: &Run) -> Result<CaseOutcome, String> {
        let before = self.held();
        let n_requests = self.test_store.server.log().len();
        let rules: Vec<String> = run.wrongs.iter().map(InjectedError::to_string).collect();
        self.test_store.server.faults(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        let result = self.put(run);
        self.failures.extend(result.as_ref().err().map(in_one_line));
        self.test_store.server.clear_faults();
        if !self.test_store.server.wait_until_idle(LONG) {
            return Err("a request never ended".to_owned());
        }
        let met = run.met(&self.test_store.server.log()[n_requests..]);
        self.check(&met, before, &result).map_err(|wrong| {
            let story = match &result {
                Ok(summary) => format!("stored, proof {}", summary.proof),
                Err(error) => format!("{} ({error})", error.kind().name()),
            };
            format!("{wrong}, after {before:?}: {story}")
        })?;
        Ok(if result.is_ok() { CaseOutcome::Stored } else { CaseOutcome::ReportedFailure })
    }

    /// Puts the source once more as another process, without anything going wrong.
    pub(crate) fn settle(&mut self, run: &Run) -> Result<(), String> {
        let run = run.again();
        let before = self.held();
        self.retry_config = time_enough();
        self.test_store.connect_again(self.retry_config);
        let result = self.put(&run);
        self.check(&run, before, &result)
            .map_err(|wrong| format!("at the end: {wrong}: {result:?}"))?;
        let refused = run.replace == OverwritePolicy::Refuse
            && (before == KeyState::Other
                || before == KeyState::UploadItem && self.scene.is_stream());
        let may_refuse = before == KeyState::UploadItem && is_composite(&run, self.scene);
        match (result, refused) {
            (Err(error), false) if may_refuse && error.kind() == Kind::Exists => Ok(()),
            (Ok(_), false) => Ok(()),
            (Err(error), true) if error.kind() == Kind::Exists => Ok(()),
            (Ok(_), true) => Err("what was there should have been refused at the end".to_owned()),
            (Err(error), _) => Err(format!("at the end: {error}")),
        }
    }

    fn put(&self, run: &Run) -> Result<ObjectSummary, S3Error> {
        let options = self.options(run);
        let source = UploadItem::new(self.file.clone(), uri(KEY), self.size);
        self.test_store.run(async |context| match self.scene {
            UploadKind::Single | UploadKind::Parts => put(context, &source, &options).await,
            UploadKind::Composed => {
                let compose = async || self.composition();
                put_composed(context, &source, &options, &|_| true, &|| Box::pin(compose())).await
            }
            UploadKind::ShortStream | UploadKind::Stream => {
                ensure_absent(context, &uri(KEY), &options).await?;
                let stream = UploadStream::new(Cursor::new(content(self.size).to_vec()));
                let mut put = put_stream(context, stream, &[uri(KEY)], &options).await?;
                put.remove(0)
            }
        })
    }

    fn options(&self, run: &Run) -> PutOptions {
        // Long after any file was written, so that its times tell.
        let now = datetime!(2100-01-01 0:00 UTC);
        let journals = Journals::new(self.test_store.path("journals"));
        let resume = Resume { journals, earlier: ResumePolicy::IfPresent, now };
        PutOptions {
            replace: run.replace,
            checksum: run.checksum,
            resume: run.journaled.then_some(resume),
            ..in_small_parts()
        }
    }

    fn composition(&self) -> Option<Composition> {
        let etag = self.test_store.server.object("backups", "old.bin")?.etag;
        let shared = [SharedRange { at: 0, from: 0, size: PART }];
        let rules = PartRules { part_size: PART, max_parts: 10_000 };
        Composition::plan(uri("old.bin"), etag, self.size, &shared, rules)
    }

    fn n_journals(&self) -> usize {
        fs::read_dir(self.test_store.path("journals")).map_or(0, Iterator::count)
    }

    fn check(
        &mut self,
        run: &Run,
        before: KeyState,
        result: &Result<ObjectSummary, S3Error>,
    ) -> Result<(), String> {
        let after = self.held();
        match result {
            Ok(summary) => self.check_claim(run, before, summary)?,
            Err(error) => self.check_failure(run, before, error)?,
        }
        // An upload that the store says is gone is looked for no more.
        let asked = run.about("ListParts").chain(run.about("AbortMultipartUpload"));
        self.n_named += asked.filter(|wrong| wrong.is(&["no-upload"])).count();
        let known = self.n_journals();
        let lost = self.n_lost_beginnings();
        let allowed = self.n_named + known + lost;
        let pending = self.test_store.server.pending_uploads("backups");
        if pending > allowed {
            return Err(format!("{pending} uploads are pending, {allowed} may; holds {after:?}"));
        }
        Ok(())
    }

    fn check_claim(
        &mut self,
        run: &Run,
        before: KeyState,
        summary: &ObjectSummary,
    ) -> Result<(), String> {
        let after = self.held();
        if after != KeyState::UploadItem || summary.size != self.size {
            return Err(format!("a claim, but the store holds {after:?}"));
        }
        if before == KeyState::Other && run.replace == OverwritePolicy::Refuse && !is_unguarded(run)
        {
            return Err("a claim, but what was there is gone".to_owned());
        }
        let best = best_proof(run);
        if summary.proof > best {
            return Err(format!("proof {}, but no better than {best} can be", summary.proof));
        }
        // What was not needed in the end, and could not be removed, is for `uploads` to find.
        self.n_named += run.about("AbortMultipartUpload").count();
        let could_abort = run.about("AbortMultipartUpload").next().is_none();
        if run.journaled && self.n_journals() > 0 && could_abort {
            return Err("a claim, but the journal is still there".to_owned());
        }
        Ok(())
    }

    fn check_failure(
        &mut self,
        run: &Run,
        before: KeyState,
        error: &S3Error,
    ) -> Result<(), String> {
        let after = self.held();
        let kind = error.kind();
        let is_unproven = matches!(error, S3Error::ProofTooWeak { .. }) && may_lack_proof(run);
        let is_open = matches!(kind, Kind::Uncertain | Kind::Mismatch)
            || is_unproven
            || denies_what_is_there(run);
        if after != before && !(is_open && after == KeyState::UploadItem) {
            return Err(format!("a failure, but the store holds {after:?}"));
        }
        let has_time = self.retry_config.before_first_response > Duration::from_secs(10);
        if has_time && must_succeed(run, self.scene, before) {
            return Err("nothing that went wrong is worth a failure".to_owned());
        }
        if !is_unproven && !kinds(run, self.scene, before).contains(&kind) {
            return Err("the kind of failure does not fit".to_owned());
        }
        match error {
            S3Error::Resumable { .. } if self.n_journals() == 0 => {
                return Err("it was said to be kept, but no journal is there".to_owned());
            }
            S3Error::AbortFailed { .. } => self.n_named += 1,
            S3Error::Uncertain { .. } if !run.journaled => self.n_named += 1,
            _ => {}
        }
        Ok(())
    }

    /// Returns how many uploads were begun whose names nobody but the store knows.
    fn n_lost_beginnings(&self) -> usize {
        let is_lost = |entry: &&Entry| {
            entry.operation == "CreateMultipartUpload"
                && (entry.status != Some(200) || !entry.faults.is_empty())
        };
        let log = self.test_store.server.log();
        let lost = log.iter().filter(is_lost).count();
        let missed = if self.misses { self.test_store.n_retries() } else { 0 };
        lost + missed
    }
}

/// Returns the bytes of a source; they are the same for all that have the size.
pub(crate) fn content(size: u64) -> Arc<Vec<u8>> {
    static MADE: Mutex<BTreeMap<u64, Arc<Vec<u8>>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    Arc::clone(made.entry(size).or_insert_with(|| Arc::new(bytes(size))))
}

fn base_size(size: u64) -> usize {
    usize::try_from(size.min(PART + 1)).unwrap()
}

/// Returns what went wrong indeed, as these requests show it; who waits for what stalls is so impatient
/// that others stall too on a busy machine.
pub(crate) fn met(wrongs: &[InjectedError], log: &[Entry]) -> Vec<InjectedError> {
    let was_met = |wrong: &InjectedError| {
        let mut entries = log.iter().filter(|entry| wrong.is_about(&entry.operation));
        entries.any(|entry| {
            let is_there = wrong.part.is_none_or(|part| entry.part == Some(part));
            is_there && entry.faults.iter().any(|fault| fault == wrong.fault)
        })
    };
    wrongs.iter().copied().filter(|wrong| wrong.is(&IMPATIENT) || was_met(wrong)).collect()
}

/// Returns whether a request that meets this fault ends only by giving up.
pub(crate) fn is_impatient_of(fault: &str) -> bool {
    IMPATIENT.contains(&fault)
}

pub(crate) fn uses_short_timeouts(wrongs: &[InjectedError]) -> bool {
    wrongs.iter().any(|wrong| wrong.is(&IMPATIENT))
}

/// The times to wait for answers that never come; the longer ones are for a machine that is so busy that
/// others are late.
pub(crate) const STALLS: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(2), Duration::from_secs(10)];

/// Tries something with more and more patience, as long as it fails and an answer was missed that came.
pub(crate) fn with_enough_patience<T>(
    wrongs: &[InjectedError],
    attempt: impl Fn(RetryConfig) -> (Result<T, String>, bool),
) -> Result<T, String> {
    let [stalls @ .., last] = STALLS;
    for stall in stalls {
        let (result, has_missed) = attempt(retry_config(wrongs, stall));
        if result.is_ok() || !has_missed {
            return result;
        }
    }
    attempt(retry_config(wrongs, last)).0
}

/// Returns how long to wait: as long as it takes, where what goes wrong ends well by itself.
fn retry_config(wrongs: &[InjectedError], stall: Duration) -> RetryConfig {
    let goes_on =
        wrongs.iter().any(|wrong| wrong.times.is_none() && !passes(wrong, UploadKind::Parts));
    let before_first_response =
        if goes_on { Duration::from_millis(150) } else { Duration::from_secs(30) };
    let stall = if uses_short_timeouts(wrongs) { stall } else { Duration::from_secs(30) };
    RetryConfig { before_first_response, stall, ..RetryConfig::default() }
}

/// What ends only by giving up.
const IMPATIENT: [&str; 2] = ["stall", "stall-body"];

/// After these a write was carried out, or may have been, and nobody heard of it.
const LOST_ANSWERS: [&str; 9] = [
    "error-in-200",
    "drop-before",
    "drop-after",
    "error-after",
    "stall",
    "stall-body",
    "truncate",
    "internal-error",
    "other-root",
];

/// These hide what a client finds out about an object by.
const HIDING: [&str; 5] =
    ["no-metadata", "no-checksum", "short-checksums", "wrong-etag", "wrong-checksum"];

const WRITES: [&str; 2] = ["PutObject", "CompleteMultipartUpload"];

/// A store that neither looks at conditions nor lets us look protects nothing.
fn is_unguarded(run: &Run) -> bool {
    let ignores = run.wrongs.iter().any(|wrong| wrong.is(&["ignore-condition"]));
    let looks_empty = |wrong: &InjectedError| {
        wrong.is(&["denied", "expired-token", "skewed", "no-bucket", "no-upload"])
    };
    ignores && run.about("HeadObject").any(looks_empty)
}

/// S3 promises that what was written is seen at once; where a store breaks that, an answer that was lost
/// cannot be found out about.
fn denies_what_is_there(run: &Run) -> bool {
    let is_lost = run.about("PutObject").any(|wrong| wrong.is(&LOST_ANSWERS));
    is_lost && run.about("HeadObject").any(|wrong| wrong.is(&["no-bucket", "no-upload"]))
}

/// Without a checksum only a look at the object proves anything, if only its size.
fn may_lack_proof(run: &Run) -> bool {
    run.checksum.is_none() && run.about("HeadObject").next().is_some()
}

fn best_proof(run: &Run) -> Proof {
    let never_tells = |operation| {
        let mut always = run.about(operation).filter(|wrong| wrong.times.is_none());
        always.any(|wrong| wrong.after == 0 && wrong.is(&["no-checksum", "short-checksums"]))
    };
    let is_refused = run.about("HeadObject").any(|wrong| wrong.is(&["denied"]));
    let writes_tell_nothing = WRITES.iter().any(|write| never_tells(write));
    if run.checksum.is_none() && run.replace == OverwritePolicy::Overwrite {
        return Proof::Etag;
    }
    if run.checksum == Some(Algorithm::Sha256) && run.replace == OverwritePolicy::Overwrite {
        // Of an object in one part, SHA-256 proves the whole.
        return Proof::Full;
    }
    if writes_tell_nothing && (never_tells("HeadObject") || is_refused) {
        return Proof::Parts;
    }
    Proof::Full
}

/// The SHA-256 of an object in parts is made of those of the parts, which say nothing of the whole: that
/// it is the same as a file is then not known.
fn is_composite(run: &Run, scene: UploadKind) -> bool {
    run.checksum == Some(Algorithm::Sha256) && !scene.is_single()
}

/// Returns whether the put has to end well in spite of all.
fn must_succeed(run: &Run, scene: UploadKind, before: KeyState) -> bool {
    let cannot_compare = scene.is_stream() || hides(run) || is_composite(run, scene);
    if run.replace == OverwritePolicy::Refuse
        && (before == KeyState::Other || before == KeyState::UploadItem && cannot_compare)
    {
        return false;
    }
    let is_open = run.wrongs.iter().any(|wrong| wrong.is(&LOST_ANSWERS) && is_write(wrong));
    let all_pass = run.wrongs.iter().all(|wrong| passes(wrong, scene));
    all_pass && !(is_open && hides(run)) && !conflicts_too_often(run)
}

fn is_write(wrong: &InjectedError) -> bool {
    WRITES.contains(&wrong.operation)
}

fn hides(run: &Run) -> bool {
    run.wrongs.iter().any(|wrong| wrong.is(&HIDING))
}

fn conflicts_too_often(run: &Run) -> bool {
    run.wrongs.iter().any(|wrong| wrong.is(&["conflict"]) && wrong.times.is_none_or(|n| n > 2))
}

/// Returns whether this ends well by itself.
fn passes(wrong: &InjectedError, scene: UploadKind) -> bool {
    let is_of_reads = ["HeadObject", "ListParts", "GetObject"].contains(&wrong.operation);
    match wrong.fault {
        // The answer to HEAD has no body that could say what is wrong.
        "bad-digest" => wrong.times == Some(1) && !wrong.is_about("HeadObject"),
        // Another one would be left behind.
        "other-root" if wrong.is_about("CreateMultipartUpload") => false,
        "renamed-root" | "strict-parts" | "short-checksums" => true,
        _ if wrong.is_transient() => wrong.times == Some(1),
        // What cannot be removed is told of at once, whatever could be tried then.
        "conflict" if wrong.is_about("AbortMultipartUpload") => false,
        "conflict" => wrong.times == Some(1) && !is_of_reads && scene != UploadKind::Stream,
        "refuse-checksums" | "refuse-conditions" => scene != UploadKind::Stream,
        "wrong-etag" => !["UploadPart", "UploadPartCopy", "ListParts"].contains(&wrong.operation),
        "no-checksum" | "no-metadata" | "ignore-condition" | "delay=5" | "region=eu-west-1" => true,
        _ => false,
    }
}

/// Returns which kinds of failure fit what went wrong.
fn kinds(run: &Run, scene: UploadKind, before: KeyState) -> Vec<Kind> {
    let mut kinds: Vec<Kind> =
        run.wrongs.iter().flat_map(|wrong| kinds_of(wrong, scene).iter().copied()).collect();
    let is_open = run.wrongs.iter().any(|wrong| wrong.is(&LOST_ANSWERS) && is_write(wrong));
    // Nor does an answer that proves nothing tell what was stored, if the store does not say more.
    let is_unproven = run.checksum.is_none() || hides(run);
    // What was stored, and is said not to be there.
    let is_denied = run.about("HeadObject").any(|wrong| wrong.is(&["no-bucket", "no-upload"]));
    if is_open || is_denied || is_unproven && run.about("HeadObject").next().is_some() {
        kinds.push(Kind::Uncertain);
    }
    if scene.is_stream() && run.about("HeadObject").any(|wrong| wrong.is(&["denied"])) {
        // The condition is then all there is.
        let refused = run.about("PutObject").any(|wrong| wrong.is(&["refuse-conditions"]));
        kinds.extend(refused.then_some(Kind::Failed));
    }
    if run.about("AbortMultipartUpload").next().is_some() {
        // The upload that could not be removed was one that a refusal ended.
        let refused = ["refuse-checksums", "refuse-conditions"];
        kinds.extend(run.wrongs.iter().any(|wrong| wrong.is(&refused)).then_some(Kind::Failed));
    }
    let is_taken = before == KeyState::Other || before == KeyState::UploadItem;
    if run.replace == OverwritePolicy::Refuse && is_taken {
        kinds.push(Kind::Exists);
    }
    kinds
}

fn kinds_of(wrong: &InjectedError, scene: UploadKind) -> &'static [Kind] {
    let is_about_head = wrong.is_about("HeadObject");
    match wrong.fault {
        // A completion that says so may mean that an earlier one was carried out.
        "no-upload" if wrong.is_about("CompleteMultipartUpload") => &[Kind::Uncertain],
        "no-bucket" | "no-upload" => &[Kind::NotFound],
        // A HEAD that fails has no code.
        "expired-token" | "bad-digest" | "conflict" | "invalid-part" | "not-implemented"
            if is_about_head =>
        {
            &[Kind::Failed]
        }
        "expired-token" | "skewed" | "denied" => &[Kind::Permission],
        "bad-digest" | "wrong-checksum" => &[Kind::Mismatch],
        "conflict" => &[Kind::Temporary],
        "invalid-part" | "not-implemented" | "wrong-etag" => &[Kind::Failed],
        "refuse-checksums" | "refuse-conditions" if scene == UploadKind::Stream => &[Kind::Failed],
        _ if wrong.is_transient() => &[Kind::Temporary],
        _ => &[],
    }
}
