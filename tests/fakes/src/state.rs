//! A server that stores states for terraform's `http` backend, with locks and with faults.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// A server on a port of this host; it runs as long as the process.
#[derive(Clone)]
pub struct StateServer {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    states: HashMap<String, Vec<u8>>,
    locks: HashMap<String, Vec<u8>>,
    faults: Faults,
    requests: Vec<String>,
}

/// The faults of the server from now on.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Each answer comes this much later.
    pub delay: Duration,
    /// Every request is answered with 401.
    pub unauthorized: bool,
    /// Saving a state is answered with 500.
    pub fail_save: bool,
    /// An unlock is done, and its answer is 500.
    pub lose_unlock: bool,
}

impl StateServer {
    /// Starts a server.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let server = Self { port, shared: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.answer(&stream));
            }
        });
        Ok(server)
    }

    /// Returns the block that makes terraform use the state called `name`.
    pub fn backend(&self, name: &str) -> String {
        let address = format!("http://127.0.0.1:{}/{name}", self.port);
        format!(
            "terraform {{\n  backend \"http\" {{\n    address = \"{address}\"\n    lock_address = \"{address}\"\n    \
             unlock_address = \"{address}\"\n    lock_method = \"LOCK\"\n    unlock_method = \"UNLOCK\"\n    \
             retry_max = 0\n  }}\n}}\n"
        )
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared().faults = faults;
    }

    /// Returns a state.
    pub fn state(&self, name: &str) -> Option<Vec<u8>> {
        self.shared().states.get(&format!("/{name}")).cloned()
    }

    /// Stores a state.
    pub fn put(&self, name: &str, state: &[u8]) {
        self.shared().states.insert(format!("/{name}"), state.to_vec());
    }

    /// Removes a state.
    pub fn remove(&self, name: &str) {
        self.shared().states.remove(&format!("/{name}"));
    }

    /// Returns who holds the lock of a state.
    pub fn lock(&self, name: &str) -> Option<Vec<u8>> {
        self.shared().locks.get(&format!("/{name}")).cloned()
    }

    /// Locks a state as another one would.
    pub fn hold(&self, name: &str, info: &str) {
        self.shared().locks.insert(format!("/{name}"), info.as_bytes().to_vec());
    }

    /// Returns the methods of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared().requests.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request; a client that goes away gets none.
    #[allow(clippy::disallowed_methods, reason = "a fake is cancelled with its process")]
    fn answer(&self, stream: &TcpStream) {
        let Ok((method, path, body)) = request(stream) else { return };
        let delay = self.shared().faults.delay;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let (code, body) = self.shared().handle(&method, &path, body);
        let head = format!(
            "HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        let _sent = stream.write_all(&[head.as_bytes(), &body].concat());
    }
}

impl Shared {
    fn handle(&mut self, method: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        self.requests.push(method.to_owned());
        let (path, _query) = path.split_once('?').unwrap_or((path, ""));
        if self.faults.unauthorized {
            return (401, Vec::new());
        }
        match method {
            "GET" => self.states.get(path).map_or((404, Vec::new()), |state| (200, state.clone())),
            "POST" if self.faults.fail_save => (500, Vec::new()),
            "POST" => {
                self.states.insert(path.to_owned(), body);
                (200, Vec::new())
            }
            "LOCK" => {
                if let Some(holder) = self.locks.get(path) {
                    return (423, holder.clone());
                }
                self.locks.insert(path.to_owned(), body);
                (200, Vec::new())
            }
            "UNLOCK" => {
                self.locks.remove(path);
                (if self.faults.lose_unlock { 500 } else { 200 }, Vec::new())
            }
            _ => (405, Vec::new()),
        }
    }
}

/// Reads method, path and body of a request.
fn request(stream: &TcpStream) -> io::Result<(String, String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((method, path, body))
}
