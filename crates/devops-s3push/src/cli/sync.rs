//! The flags of `sync`.

use std::ffi::OsString;

use clap::Args;

use super::{
    put::ObjectFlags,
    store::{Connection, Transfer},
};

#[derive(Args)]
pub(crate) struct SyncArgs {
    /// What is mirrored: a folder, or a bucket or a prefix in it that ends with /
    #[arg(value_name = "DIR|S3_URI")]
    pub(crate) source: OsString,
    /// What becomes like it: a bucket or a prefix in it that ends with /, or a folder
    ///
    /// The prefix is listed to its end before anything is changed. A file without an object is put, one
    /// whose size differs replaces it. Of the same size, the content decides: by the entity tag in the
    /// listing where that is an MD5, else by the checksum the store has of the object; times say nothing.
    /// Where the store has neither, the file is put again. It is the same the other way round: what is
    /// missing or has other content is fetched; flags that say how objects are stored are refused then, and
    /// ignored where they come from the environment or a config file.
    #[arg(value_name = "S3_URI|DIR")]
    pub(crate) destination: OsString,
    #[command(flatten)]
    pub(crate) delete: DeleteFlags,
    /// Leave alone what matches, files and objects
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Look only at what matches, files and objects
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Put what symbolic links in the folder point to, instead of skipping them (exit 3)
    ///
    /// DIR itself may be a link, and is followed.
    #[arg(long)]
    pub(crate) follow_symlinks: bool,
    /// Show what would be put and deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) object: ObjectFlags,
    #[command(flatten)]
    pub(crate) transfer: Transfer,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What becomes of what is on one side only.
#[derive(Args)]
pub(crate) struct DeleteFlags {
    /// Delete the objects that have no file, or the files that have no object, after everything else
    ///
    /// Nothing is deleted when something in the folder could not be read, or some file was not stored; nor
    /// (exit 11) when no object has a file, as when the folder is not mounted, or when the listing does not
    /// have all that is stored, as where a store folds names. Objects at the path of something that is skipped stay, and so do those that stand for folders.
    /// In a folder only files are deleted: links, named pipes, sockets, devices and names that are not UTF-8 stay and are named (exit 3), empty folders stay.
    /// In a bucket with versions the old version stays behind a delete marker.
    #[arg(long)]
    pub(crate) delete: bool,
    /// Change nothing if more objects than this would be deleted (exit 11)
    ///
    /// Without it the limit is ten or half of the objects, whichever is more.
    #[arg(long, value_name = "N")]
    pub(crate) max_delete: Option<u64>,
}
