//! `list`: objects below a prefix, and their versions.

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    s3::{
        Event, LevelEntry, ListedObject, ListedVersion, S3Context, S3Uri, StoreText,
        list as list_objects, list_level, list_versions,
    },
    units::{ByteSize, count},
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::{explain, explain_versions, unversioned},
    reporter::Reporter,
    timestamp::rfc3339,
};
use crate::cli::ListArgs;

pub(crate) async fn list(args: ListArgs, session: &Session) -> Result<Outcome, Failure> {
    let connected = Connected::new(&args.connection, None, session).await?;
    let reporter = Reporter::new(session, "listing", None);
    let events = |event: Event| reporter.show(event);
    let context = S3Context {
        store: &connected.store,
        cancel_token: &connected.cancel_token,
        events: &events,
    };
    let mut listing = Listing { session, counts: Counts::default(), printed: Ok(()) };
    match &args.delimiter {
        _ if args.versions => {
            let bucket = &args.prefix.bucket;
            let versions = match list_versions(context, &args.prefix).await {
                Ok(versions) => versions,
                Err(error) => return Err(explain_versions(context, error, bucket).await),
            };
            versions.iter().all(|version| listing.version(version));
            if let Some(hint) = unversioned(context, bucket).await {
                session.status(hint);
            }
        }
        Some(delimiter) => {
            let each = &mut |entry| match entry {
                LevelEntry::Object(object) => listing.object(&object),
                LevelEntry::Prefix(uri) => listing.prefix(&uri),
            };
            list_level(context, &args.prefix, delimiter, each).await.map_err(explain)?;
        }
        None => {
            let each = &mut |object| listing.object(&object);
            list_objects(context, &args.prefix, each).await.map_err(explain)?;
        }
    }
    listing.end(&args)
}

/// Shows what is listed, and counts it.
struct Listing<'a> {
    session: &'a Session,
    counts: Counts,
    printed: Result<(), Failure>,
}

#[derive(Default)]
struct Counts {
    objects: u64,
    prefixes: u64,
    versions: u64,
    delete_markers: u64,
    bytes: u64,
}

impl Listing<'_> {
    /// Shows an object; returns whether more is wanted.
    fn object(&mut self, object: &ListedObject) -> bool {
        self.counts.objects += 1;
        self.counts.bytes += object.size;
        let modified = object.modified.map(rfc3339).unwrap_or_default();
        self.printed = if self.session.json() {
            self.session.emit(&json!({
                "type": "object", "bucket": object.uri.bucket, "key": object.uri.key,
                "size": object.size, "modified": modified, "etag": object.etag,
                "storage_class": object.storage_class,
            }))
        } else {
            let size = ByteSize(object.size).to_string();
            self.line((&modified, &size), &quote(object.uri.key.as_ref()))
        };
        self.goes_on()
    }

    fn prefix(&mut self, uri: &S3Uri) -> bool {
        self.counts.prefixes += 1;
        self.printed = if self.session.json() {
            let fields = json!({"type": "prefix", "bucket": uri.bucket, "prefix": uri.key});
            self.session.emit(&fields)
        } else {
            self.line(("", "PRE"), &quote(uri.key.as_ref()))
        };
        self.goes_on()
    }

    fn version(&mut self, version: &ListedVersion) -> bool {
        let ListedVersion { target, is_latest, is_marker, size, .. } = version;
        let counted =
            if *is_marker { &mut self.counts.delete_markers } else { &mut self.counts.versions };
        *counted += 1;
        self.counts.bytes += size;
        let modified = version.modified.map(rfc3339).unwrap_or_default();
        let id = target.version_id.as_ref().map_or("null", StoreText::as_sent);
        self.printed = if self.session.json() {
            self.session.emit(&json!({
                "type": "version", "bucket": target.uri.bucket, "key": target.uri.key,
                "version_id": id, "latest": is_latest, "delete_marker": is_marker, "size": size,
                "modified": modified, "etag": version.etag, "storage_class": version.storage_class,
            }))
        } else {
            let size = if *is_marker { "DELETED".to_owned() } else { ByteSize(*size).to_string() };
            let (id, key) = (quote(id.as_ref()), quote(target.uri.key.as_ref()));
            let latest = if *is_latest { "  (latest)" } else { "" };
            self.line((&modified, &size), &format!("{id}  {key}{latest}"))
        };
        self.goes_on()
    }

    fn line(&self, (modified, size): (&str, &str), rest: &str) -> Result<(), Failure> {
        self.session.write(format!("{modified:<20}  {size:>10}  {rest}\n").as_bytes())
    }

    fn goes_on(&self) -> bool {
        self.printed.is_ok() && !self.session.stdout_closed()
    }

    fn end(self, args: &ListArgs) -> Result<Outcome, Failure> {
        self.printed?;
        let Counts { objects, prefixes, versions, delete_markers, bytes } = self.counts;
        if objects + prefixes + versions + delete_markers == 0 {
            self.session.status(format!("there is no object under `{}`", args.prefix));
        }
        if !args.summarize {
            return Ok(Outcome::Done);
        }
        if self.session.json() {
            self.session.emit(&json!({
                "type": "summary", "objects": objects, "prefixes": prefixes, "versions": versions,
                "delete_markers": delete_markers, "bytes": bytes,
            }))?;
            return Ok(Outcome::Done);
        }
        let size = ByteSize(bytes);
        self.session.line(match &args.delimiter {
            _ if args.versions => {
                let markers = count(delete_markers, "delete marker");
                format!("total: {}, {markers}, {size}", count(versions, "version"))
            }
            Some(_) => {
                let (prefixes, objects) = (count(prefixes, "prefix"), count(objects, "object"));
                format!("total: {prefixes}, {objects}, {size}")
            }
            None => format!("total: {}, {size}", count(objects, "object")),
        })?;
        Ok(Outcome::Done)
    }
}
