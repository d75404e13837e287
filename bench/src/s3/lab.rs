//! Where the benchmark works: the folder, the programs, the server, what is put.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Options,
    bucket::BUCKET,
    programs::{PROGRAMS, SCRIPT},
    server::{ACCESS_KEY, SECRET_KEY, Server},
};
use crate::{machine, place::Place, programs::Installed, report::write, shell::root, tree::Shape};

const FILE_SIZE: usize = 16 << 10;
const FILES_PER_FOLDER: usize = 100;

pub(super) struct Lab {
    pub(super) place: Place,
    pub(super) installed: Installed,
    pub(super) server: Server,
    pub(super) n_rounds: usize,
    /// The bytes of the one object.
    pub(super) size: u64,
    pub(super) n_files: usize,
    pub(super) tree: Shape,
    tools: PathBuf,
}

impl Lab {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let work = options.output.work.clone().unwrap_or_else(|| root().join("target/bench"));
        let place = Place::new(work)?;
        let tools = options.tools.clone().context("the programs have a folder")?;
        let server = if options.etags_only {
            Server::of_etags(&place)?
        } else {
            Server::new(tools.join("fake-s3").display().to_string(), &place)?
        };
        let server = if options.tls { server.with_tls(&place)? } else { server };
        write(&place.path(SCRIPT.0), SCRIPT.1).context(SCRIPT.0)?;
        let lab = Self {
            installed: Installed::find(&place, PROGRAMS, &options.without),
            server,
            place,
            n_rounds: options.n_rounds,
            size: options.size,
            n_files: options.n_files,
            tree: options.shape(),
            tools,
        };
        lab.forget()?;
        Ok(lab)
    }

    pub(super) fn print(&self) {
        println!("\nWork: {}", self.place.path("").display());
        println!("Server: $ {}", self.server.shown());
        for (name, value) in self.env() {
            println!("  {name}={}", value.display());
        }
        self.installed.print();
        println!("Load: {}", machine::load().unwrap_or_default());
    }

    pub(super) fn facts(&self) -> Value {
        json!({
            "size": self.size,
            "files": self.n_files,
            "tree": self.tree.n_bytes,
            "rounds": self.n_rounds,
            "endpoint": self.server.endpoint(),
            "server": self.server.shown(),
            "processor": machine::processor(),
            "kernel": machine::kernel(),
            "load_at_end": machine::load(),
            "versions": self.installed.versions(),
        })
    }

    pub(super) fn tool(&self, name: &str) -> PathBuf {
        self.tools.join(name)
    }

    /// Returns the words of a command of ours on the server.
    pub(super) fn ours(&self, verb: &str, what: &Path, key: &str) -> Vec<OsString> {
        let uri = format!("s3://{BUCKET}/{key}");
        let mut words = vec![self.tool("devops-s3push").into_os_string()];
        words.extend([verb.into(), what.into(), uri.into(), "--json".into()]);
        words.extend(["--endpoint-url".into(), self.server.endpoint().into()]);
        words
    }

    /// Returns what every client is told by its environment: the key, and for rclone the store.
    pub(super) fn env(&self) -> Vec<(&'static str, OsString)> {
        let endpoint = self.server.endpoint();
        let certificate = self.server.certificate().map(|path| path.as_os_str().to_owned());
        // The programs in Go know the other name.
        let trusted =
            ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].into_iter().zip(certificate.into_iter().cycle());
        let pairs = [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("RCLONE_CONFIG_STORE_TYPE", "s3"),
            ("RCLONE_CONFIG_STORE_PROVIDER", "Other"),
            ("RCLONE_CONFIG_STORE_ENV_AUTH", "true"),
            ("RCLONE_CONFIG_STORE_REGION", "us-east-1"),
            ("RCLONE_CONFIG_STORE_ENDPOINT", &endpoint),
            ("RCLONE_CONFIG_STORE_LIST_VERSION", "2"),
            ("RCLONE_CONFIG_STORE_NO_CHECK_BUCKET", "true"),
        ];
        pairs.map(|(name, value)| (name, value.into())).into_iter().chain(trusted).collect()
    }

    /// Starts the server anew: nobody pays for what another one left in it.
    pub(super) fn fresh(&self) -> Result<()> {
        self.server.restart(&self.place)
    }

    /// Removes what unfinished uploads left on this side.
    pub(super) fn forget(&self) -> Result<()> {
        self.place.remove("home/.local")
    }

    /// Runs a command of ours that must succeed.
    pub(super) fn must(&self, words: &[OsString]) -> Result<()> {
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
        self.place.prepare(&words, &self.env())
    }

    /// Fetches what was put and compares every byte: a fast put that is not right is worth nothing.
    pub(super) fn verify(&self, what: &Path, key: &str) -> Result<()> {
        let mut words = self.ours("verify", what, key);
        words.push("--deep".into());
        self.must(&words).context("what was put is not what is there")
    }

    /// Returns the file of the one object, made once; nothing in it can be compressed.
    pub(super) fn object(&self) -> Result<PathBuf> {
        let name = format!("object-{}-{}", self.tree.seed, self.size);
        self.made(&name, |path| {
            let mut file = File::create(path)?;
            let mut rng = Rng::with_seed(self.tree.seed);
            let (mut stretch, mut left) = (vec![0; 1 << 20], self.size);
            while left > 0 {
                let n = stretch.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                rng.fill(&mut stretch[..n]);
                file.write_all(&stretch[..n])?;
                left -= n as u64;
            }
            Ok(())
        })
    }

    /// Returns the folder of small files, made once.
    pub(super) fn files(&self) -> Result<PathBuf> {
        let name = format!("files-{}-{}", self.tree.seed, self.n_files);
        self.made(&name, |path| {
            let mut rng = Rng::with_seed(self.tree.seed);
            let mut bytes = vec![0; FILE_SIZE];
            for n in 0..self.n_files {
                let folder = path.join(format!("folder-{:03}", n / FILES_PER_FOLDER));
                fs::create_dir_all(&folder)?;
                rng.fill(&mut bytes);
                File::create(folder.join(format!("file-{n:05}")))?.write_all(&bytes)?;
            }
            Ok(())
        })
    }

    /// Makes something in the place unless an earlier benchmark has.
    fn made(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let (path, whole) = (self.place.path(name), self.place.path(format!("{name}.made")));
        if !whole.exists() {
            self.place.remove(name)?;
            make(&path).with_context(|| path.display().to_string())?;
            write(&whole, "")?;
        }
        Ok(path)
    }
}
