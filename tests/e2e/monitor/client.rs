//! An HTTP client of a few lines: one request a connection, raw enough to send what a browser would not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Nothing here takes this long unless it hangs, be it the hashes of a full queue on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Sends requests to one server.
pub(super) struct Client {
    authority: String,
    base_path: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// All header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// Reads the whole answer to a request that was not `HEAD`.
    pub(super) fn read(mut reader: BufReader<TcpStream>) -> Self {
        let (status, headers) = read_head(&mut reader);
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map(|(_, length)| length.parse().expect("a length is a number"));
        let body = read_body(reader, length);
        Self { status, headers, body }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// Returns a client for `http://HOST:PORT/PATH/`.
    pub(super) fn new(url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("an http address");
        let (authority, path) = rest.split_once('/').expect("an address with a path");
        let base_path = format!("/{path}").trim_end_matches('/').to_owned();
        Self { authority: authority.to_owned(), base_path }
    }

    pub(super) fn is_reachable(&self) -> bool {
        TcpStream::connect(&self.authority).is_ok()
    }

    pub(super) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers, "")
    }

    pub(super) fn head(&self, path: &str) -> Answer {
        self.request("HEAD", path, &[], "")
    }

    /// Sends one request and reads the whole answer; a `Host` among the headers replaces the right one.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut reader = self.send(method, path, headers, body);
        if method != "HEAD" {
            return Answer::read(reader);
        }
        let (status, headers) = read_head(&mut reader);
        let body = read_body(reader, None);
        Answer { status, headers, body }
    }

    /// Opens the event stream, with its head read.
    pub(super) fn events(&self) -> Events {
        let mut reader = self.send("GET", "/events", &[], "");
        let (status, headers) = read_head(&mut reader);
        assert_eq!(status, 200, "{headers:?}");
        Events { reader, headers }
    }

    /// Sends one request and leaves its answer to be read.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.authority).expect("the server listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a socket has timeouts");
        let mut text = format!("{method} {}{path} HTTP/1.1\r\n", self.base_path);
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text += &["Host: ", &self.authority, "\r\n"].concat();
        }
        for (name, value) in headers {
            text += &[name, ": ", value, "\r\n"].concat();
        }
        text += &["Content-Length: ", &body.len().to_string(), "\r\n"].concat();
        text += &["Connection: close\r\n\r\n", body].concat();
        stream.write_all(text.as_bytes()).expect("the server reads");
        BufReader::new(stream)
    }
}

fn read_head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    (status.expect("a status"), headers)
}

/// Reads so many bytes, or all that come.
fn read_body(reader: impl Read, length: Option<u64>) -> String {
    let mut bytes = Vec::new();
    reader.take(length.unwrap_or(u64::MAX)).read_to_end(&mut bytes).expect("a body");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An open event stream.
pub(super) struct Events {
    reader: BufReader<TcpStream>,
    pub headers: Vec<(String, String)>,
}

impl Events {
    /// Reads on until a line starts with `prefix`, and returns the rest of it; none at the end.
    pub(super) fn next(&mut self, prefix: &str) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.reader.read_line(&mut line).expect("the stream ends in order") == 0 {
                return None;
            }
            if let Some(rest) = line.strip_prefix(prefix) {
                return Some(rest.trim_end().to_owned());
            }
        }
    }

    /// Reads the next sample.
    pub(super) fn sample(&mut self) -> serde_json::Value {
        let data = self.next("data: ").expect("the stream goes on");
        serde_json::from_str(&data).expect("an event is JSON")
    }

    /// Reads everything that is left, raw.
    pub(super) fn rest(mut self) -> String {
        let mut rest = String::new();
        // A stream that is cut has no end, with an error or without.
        let _read = self.reader.read_to_string(&mut rest);
        rest
    }
}
