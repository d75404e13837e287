//! The server that all put into: a process of its own, so that what it uses is nobody's.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader, ErrorKind},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::requests::Request;
use crate::place::Place;

/// Opens nothing but this server.
pub(super) const ACCESS_KEY: &str = "bench-access-key";
pub(super) const SECRET_KEY: &str = "bench-secret-key";
pub(super) const BUCKET: &str = "bench";

/// The server; dropping it ends it.
pub(super) struct Server {
    words: Vec<String>,
    port: u16,
    log: PathBuf,
    running: RefCell<Option<Running>>,
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
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
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
        Ok(Self { words, port, log, running: RefCell::default() })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn shown(&self) -> String {
        self.words.join(" ")
    }

    /// Starts it anew: without objects, and without a log.
    pub(super) fn restart(&self, place: &Place) -> Result<()> {
        self.stop();
        match fs::remove_file(&self.log) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("the log")?,
            _ => {}
        }
        let mut command = place.command(&self.words);
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| self.shown())?;
        let stdout = child.stdout.take().expect("stdout is piped");
        self.running.replace(Some(Running(child)));
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.contains(&self.endpoint()), "`{}` does not listen", self.shown());
        Ok(())
    }

    /// Ends it, and frees what it holds.
    pub(super) fn stop(&self) {
        self.running.take();
    }

    /// Returns all requests since it was started, in the order they were over.
    pub(super) fn requests(&self) -> Result<Vec<Request>> {
        let text = fs::read_to_string(&self.log).context("the server has no log")?;
        text.lines().map(|line| serde_json::from_str(line).context("the log")).collect()
    }
}
