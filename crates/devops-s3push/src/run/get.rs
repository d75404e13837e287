//! `get`: an object into a file, or all under a prefix into a folder.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Instant,
};

use devops_cli::{Failure, Outcome, Session, group_number, json::insert_path, quote};
use devops_core::{
    fs::{Destination, IfExists, OpenFolder, Resolved, parent, resolve},
    kind::Kind,
    s3::{
        DownloadItem, DownloadItems, Event, Existing, Filter, GetOptions, GetPreview, GetSummary,
        PartSize, S3Context, S3Error, S3Uri, find_download_items, for_each_concurrent,
        get as get_object, get_download_item, preview_download_item, preview_get, preview_stream,
    },
    units::{ByteSize, agree, count},
};
use serde_json::{Map, Value, json};

use super::{
    capability_cache::load_capabilities,
    connection::Connected,
    explain::{Hints, explain, explain_missing, explain_object, is_archived},
    get_to_stream::{OutputStream, STDOUT, check_stream, get_to_stream, shown},
    past,
    receipt::no_folder,
    reporter::{Reporter, fetched_json, insert, proof_of},
    totals::failed_json,
};
use crate::cli::GetArgs;

pub(crate) async fn get(mut args: Box<GetArgs>, session: &Session) -> Result<Outcome, Failure> {
    let at = past::time(&args, session)?;
    if let Some(id) = args.version_id.take() {
        args.source = args.source.clone().with_version(id);
    }
    let is_stdout = args.destination.as_os_str() == OsStr::new(STDOUT);
    let path = if is_stdout { PathBuf::from(STDOUT) } else { target(&args)? };
    let is_one = !is_stdout && !args.source.is_prefix();
    let place = if is_one { Some(resolve(&path)?) } else { None };
    let is_stream = is_stdout || matches!(place, Some(Resolved::Stream(_)));
    if is_stream {
        check_stream(&args, session)?;
    }
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    load_capabilities(&connected.store, &args.source.bucket, session);
    if let Some(at) = at.filter(|_| !args.source.is_prefix()) {
        args.source = past::version_at(&connected, &args.source, at).await?;
    }
    if is_stream && !args.dry_run {
        let file = match &place {
            Some(Resolved::Stream(sink)) => sink.open()?,
            _ => session.stdout_file()?,
        };
        return get_to_stream(
            &args.source,
            &connected,
            OutputStream { file, name: &path },
            session,
        )
        .await;
    }
    let filter = Filter::new(&args.include, &args.exclude)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let replace = if args.overwrite { IfExists::Replace } else { IfExists::Fail };
    let group = args.group.as_deref().map(group_number).transpose()?;
    let reporter = Reporter::new(session, "downloading", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let options = GetOptions {
        replace,
        mode: args.mode,
        preserve: args.preserve,
        group,
        part_size: PartSize::Auto,
    };
    let run = GetRun { context, options, session, reporter: &reporter };
    match place {
        _ if is_stream => run.foresee_stream(&args.source, &path).await,
        Some(Resolved::File(target)) if args.dry_run => run.foresee(&args.source, &target).await,
        Some(Resolved::File(target)) => run.one(&args.source, &target).await,
        _ => {
            let targets = match at {
                Some(at) => past::targets_at(context, &args.source, &filter, at).await?,
                None => {
                    find_download_items(context, &args.source, &filter).await.map_err(explain)?
                }
            };
            run.tree(&args, &path, targets).await
        }
    }
}

pub(super) struct GetRun<'a> {
    pub(super) context: S3Context<'a>,
    pub(super) options: GetOptions,
    pub(super) session: &'a Session,
    pub(super) reporter: &'a Reporter<'a>,
}

/// The counts of a get of the objects under a prefix.
#[derive(Default)]
pub(super) struct Fetched {
    n_new: usize,
    n_unchanged: usize,
    n_bytes: u64,
    failed: Vec<Value>,
    n_cold: usize,
    skipped: Vec<Value>,
    hints: Hints,
}

impl GetRun<'_> {
    async fn one(&self, uri: &S3Uri, target: &Destination) -> Result<Outcome, Failure> {
        self.session.status(format!("Downloading {uri} to {}...", quote(target.path())));
        let summary = get_object(self.context, uri, target, self.options).await;
        match summary {
            Ok(summary) => self.show(&summary)?,
            Err(error) => return Err(self.explain_one(error, uri).await),
        }
        Ok(Outcome::Done)
    }

    async fn foresee(&self, uri: &S3Uri, target: &Destination) -> Result<Outcome, Failure> {
        let preview = preview_get(self.context, uri, target, self.options).await;
        match preview {
            Ok(preview) => self.show_plan((uri, target.path()), preview)?,
            Err(error) => return Err(self.explain_one(error, uri).await),
        }
        Ok(Outcome::Done)
    }

    async fn explain_one(&self, error: S3Error, uri: &S3Uri) -> Failure {
        match error {
            S3Error::Request(_) => explain_missing(self.context, error, uri).await,
            error => explain_file(error, uri),
        }
    }

    async fn foresee_stream(&self, uri: &S3Uri, name: &Path) -> Result<Outcome, Failure> {
        let preview = preview_stream(self.context, uri).await;
        self.show_plan((uri, name), preview.map_err(|error| explain_object(error, uri))?)?;
        Ok(Outcome::Done)
    }

    async fn tree(
        &self,
        args: &GetArgs,
        folder: &Path,
        targets: DownloadItems,
    ) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        if targets.n_listed == 0 {
            return Err(Failure::new(Kind::NotFound, format!("no object under `{}`", args.source)));
        }
        let mut fetched = Fetched::default();
        fetched.skip_all(&targets, self.session);
        let ended = if args.dry_run {
            for marked in &targets.folders {
                self.session.status(format!("would make {}", quote(&folder.join(marked))));
            }
            self.foresee_all(folder, &targets.files, &mut fetched).await
        } else {
            let ended = self.get_all(folder, &targets, &mut fetched).await;
            self.emit(&fetched, begun);
            ended
        };
        ended.map_err(explain)?;
        if fetched.n_cold > 0 {
            let (n, prefix) = (fetched.n_cold, &args.source);
            self.session
                .status(format!("{n} archived: let `devops-s3push thaw {prefix}` bring them back"));
        }
        fetched.outcome()
    }

    pub(super) async fn get_all(
        &self,
        folder: &Path,
        targets: &DownloadItems,
        fetched: &mut Fetched,
    ) -> Result<(), S3Error> {
        let folder = OpenFolder::create(folder)?;
        for marked in &targets.folders {
            folder.make_folder(marked)?;
        }
        let work =
            async |target| get_download_item(self.context, &folder, target, self.options).await;
        for_each_concurrent(self.context, &targets.files, work, |target, result| match result {
            Ok(summary) => {
                // A failure of stdout is remembered by the session and decides nothing here.
                let _printed = self.show(&summary);
                let n = if summary.is_unchanged { 0 } else { summary.size };
                fetched.n_bytes += n;
                fetched.n_unchanged += usize::from(summary.is_unchanged);
                fetched.n_new += usize::from(!summary.is_unchanged);
            }
            Err(error) => fetched.fail(&target.object.uri, error, self.session),
        })
        .await
    }

    pub(super) async fn foresee_all(
        &self,
        folder: &Path,
        files: &[DownloadItem],
        fetched: &mut Fetched,
    ) -> Result<(), S3Error> {
        // One that is missing has no file that could be replaced.
        let there = OpenFolder::open(folder).ok();
        let there = there.as_ref();
        let work =
            async |target| preview_download_item(self.context, there, target, self.options).await;
        for_each_concurrent(self.context, files, work, |target, result| match result {
            Ok(preview) => {
                let path = folder.join(&target.relative);
                let _printed = self.show_plan((&target.object.uri, &path), preview);
                fetched.n_new += 1;
            }
            Err(error) => fetched.fail(&target.object.uri, error, self.session),
        })
        .await
    }

    fn emit(&self, fetched: &Fetched, begun: Instant) {
        self.reporter.emit("summary", |object| insert(object, fetched.fields(begun)));
    }

    fn show(&self, summary: &GetSummary) -> Result<(), Failure> {
        self.reporter.emit("object", |object| {
            insert_path(object, "path", &summary.path);
            insert(object, fetched_json(summary));
        });
        if self.session.json() {
            return Ok(());
        }
        let (uri, path, told) = (&summary.uri, quote(&summary.path), proof_of(summary));
        self.session.line(if summary.is_unchanged {
            format!("Unchanged: {path} is {uri} {told}")
        } else {
            format!("Downloaded {uri} to {path} {told}")
        })
    }

    fn show_plan(&self, (uri, path): (&S3Uri, &Path), plan: GetPreview) -> Result<(), Failure> {
        let (shown, size) = (shown(path), ByteSize(plan.size));
        let (action, line) = match plan.file {
            Existing::Nothing => ("get", format!("would get {uri} to {shown} ({size})")),
            Existing::Other => ("replace", format!("would replace {shown} with {uri} ({size})")),
            Existing::Same(_) => ("leave", format!("would leave {shown} ({size}, unchanged)")),
        };
        self.reporter.emit("planned", |object| {
            insert_path(object, "path", path);
            let (bucket, key) = (&uri.bucket, &uri.key);
            let fields = json!({"bucket": bucket, "key": key, "size": plan.size, "action": action});
            insert(object, fields);
        });
        if self.session.json() { Ok(()) } else { self.session.line(line) }
    }
}

impl Fetched {
    /// Names the objects that become no files.
    pub(super) fn skip_all(&mut self, targets: &DownloadItems, session: &Session) {
        for (uri, reason) in &targets.skipped {
            session.warn(format!("skipped `{uri}`: {reason}"));
            self.skipped.push(json!({"bucket": uri.bucket, "key": uri.key, "reason": reason}));
        }
    }

    /// Names a file that stays though it was to go.
    pub(super) fn keep(&mut self, path: &Path, reason: &str, session: &Session) {
        session.warn(format!("kept `{}`: {reason}", quote(path)));
        let mut object = Map::new();
        insert_path(&mut object, "path", path);
        insert(&mut object, json!({"reason": reason}));
        self.skipped.push(object.into());
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Returns the fields of a summary.
    pub(super) fn fields(&self, begun: Instant) -> Value {
        json!({
            "fetched": self.n_new, "unchanged": self.n_unchanged, "failed": self.failed,
            "skipped": self.skipped, "bytes_fetched": self.n_bytes,
            "seconds": begun.elapsed().as_secs_f64(),
        })
    }

    fn fail(&mut self, uri: &S3Uri, error: S3Error, session: &Session) {
        let is_archived = is_archived(&error);
        let mut failure = explain_file(error, uri);
        self.n_cold += usize::from(is_archived);
        self.failed.push(failed_json(uri, &failure));
        if is_archived {
            // What brings all of them back is said at the end.
            failure.hint = None;
        }
        let message = self.hints.message(&failure);
        session.warn(format!("`{uri}` was not fetched: {message}"));
    }

    /// Returns how the whole ended: none of many is a failure, some of many are a part.
    pub(super) fn outcome(&self) -> Result<Outcome, Failure> {
        let skipped = self.failed.len() + self.skipped.len();
        let n_here = self.n_new + self.n_unchanged;
        let objects = count(n_here + skipped, "object");
        match (n_here, skipped) {
            (_, 0) => Ok(Outcome::Done),
            (0, _) if !self.failed.is_empty() => {
                Err(Failure::new(Kind::Failed, format!("none of {objects} was fetched")))
            }
            _ => {
                let were = agree(skipped, "was", "were");
                Ok(Outcome::Partial(format!("{skipped} of {objects} {were} not fetched")))
            }
        }
    }
}

fn explain_file(error: S3Error, uri: &S3Uri) -> Failure {
    let hint = match &error {
        S3Error::Path(error)
            if matches!(error.action, "create" | "replace") && error.path.is_dir() =>
        {
            Some("a folder has that name: move it away, or get into another folder")
        }
        S3Error::Path(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
            Some("pass --overwrite to replace it")
        }
        _ => None,
    };
    let failure = explain_object(error, uri);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Returns the folder, or the file: in a folder it gets the last part of the key as its name.
fn target(args: &GetArgs) -> Result<PathBuf, Failure> {
    let destination = &args.destination;
    if args.source.is_prefix() {
        return Ok(destination.clone());
    }
    if !args.include.is_empty() || !args.exclude.is_empty() {
        return Err(Failure::usage("--include and --exclude are for a prefix that ends with `/`"));
    }
    let means_folder = destination.is_dir() || destination.as_os_str().as_bytes().ends_with(b"/");
    let path = match args.source.key.rsplit('/').next() {
        Some(name @ (".." | ".")) if means_folder => {
            return Err(Failure::usage(format!("`{name}` is no name for a file")));
        }
        Some(name) if means_folder => destination.join(name),
        _ => destination.clone(),
    };
    let folder = parent(&path);
    if folder.is_dir() {
        return Ok(path);
    }
    if means_folder && !args.dry_run {
        OpenFolder::create(folder)?;
        return Ok(path);
    }
    Err(no_folder(folder).hint("end DEST with a slash to have it made, or name another"))
}
