//! The server that all put into: a process of its own, so that what it uses is no client's.

use super::bucket::BUCKET;
use std::{
    cell::RefCell,
    fs,
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{requests::Request, tls::Tls};
use crate::place::Place;

/// Opens nothing but this server.
pub(super) const ACCESS_KEY: &str = "bench-access-key";
pub(super) const SECRET_KEY: &str = "bench-secret-key";

/// The folder, in the place, in which s3s-fs keeps its objects.
const DATA: &str = "s3s-fs";
/// A server that is not there after this long will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server; dropping it ends it.
pub(super) struct Server {
    words: Vec<String>,
    port: u16,
    /// The log of all requests; only our own server writes one.
    log: Option<PathBuf>,
    tls: Option<Tls>,
    running: RefCell<Vec<Running>>,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Server {
    /// Chooses a port, which stays the same, so that commands can be repeated.
    pub(super) fn new(program: String, place: &Place) -> Result<Self> {
        let port = free_port()?;
        let log = place.path("requests.jsonl");
        let number = port.to_string();
        let options = [
            ("--bucket", BUCKET),
            ("--port", &number),
            ("--access-key", ACCESS_KEY),
            ("--secret-key", SECRET_KEY),
            ("--log", log.to_str().context("the place has a UTF-8 name")?),
        ];
        let options = options.iter().flat_map(|(name, value)| [*name, *value]).map(str::to_owned);
        let words = std::iter::once(program).chain(options).collect();
        Ok(Self { words, port, log: Some(log), tls: None, running: RefCell::default() })
    }

    /// Chooses `s3s-fs`, which keeps objects as files and knows no checksums but MD5 in `ETag`s.
    pub(super) fn of_etags(place: &Place) -> Result<Self> {
        let port = free_port()?;
        let (number, data) = (port.to_string(), place.path(DATA).display().to_string());
        let words =
            ["s3s-fs", "--host", "127.0.0.1", "--port", &number, "--access-key", ACCESS_KEY]
                .into_iter()
                .chain(["--secret-key", SECRET_KEY, &data]);
        let words = words.map(str::to_owned).collect();
        Ok(Self { words, port, log: None, tls: None, running: RefCell::default() })
    }

    /// Lets clients reach it over TLS alone.
    pub(super) fn with_tls(self, place: &Place) -> Result<Self> {
        let tls = Some(Tls::new(place, free_port()?, self.port)?);
        Ok(Self { tls, ..self })
    }

    pub(super) fn endpoint(&self) -> String {
        match &self.tls {
            Some(tls) => format!("https://127.0.0.1:{}", tls.port),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// Returns the certificate that clients have to trust, if there is one.
    pub(super) fn certificate(&self) -> Option<&PathBuf> {
        self.tls.as_ref().map(|tls| &tls.certificate)
    }

    /// Returns whether the server tells what it was sent.
    pub(super) fn has_log(&self) -> bool {
        self.log.is_some()
    }

    pub(super) fn shown(&self) -> String {
        self.words.join(" ")
    }

    /// Starts it anew: without objects, and without a log.
    pub(super) fn restart(&self, place: &Place) -> Result<()> {
        self.stop();
        match self.log.as_ref().map(fs::remove_file) {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("the log")?;
            }
            Some(_) => {}
            None => place.empty(&format!("{DATA}/{BUCKET}"))?,
        }
        self.start(place, &self.words, self.port)?;
        match &self.tls {
            Some(tls) => self.start(place, &tls.words, tls.port),
            None => Ok(()),
        }
    }

    fn start(&self, place: &Place, words: &[String], port: u16) -> Result<()> {
        let shown = || format!("`{}` does not listen", words.join(" "));
        let mut command = place.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(shown)?;
        self.running.borrow_mut().push(Running(child));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(Instant::now() < deadline, shown());
            place.prepare(&["sleep", "0.01"], &[])?;
        }
        Ok(())
    }

    /// Ends it, and frees what it holds.
    pub(super) fn stop(&self) {
        self.running.take();
    }

    /// Returns all requests since it was started, in the order they were over.
    pub(super) fn requests(&self) -> Result<Vec<Request>> {
        let log = self.log.as_ref().context("this server tells of no request")?;
        let text = fs::read_to_string(log).context("the server has no log")?;
        text.lines().map(|line| serde_json::from_str(line).context("the log")).collect()
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
