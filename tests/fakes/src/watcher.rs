//! Whoever is told over HTTP: a healthcheck service, a webhook.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

/// The first line and the body of a request.
pub type Told = (String, String);

/// Answers every request with a status of `statuses`, the last one again and again.
///
/// Returns the address, `http://127.0.0.1:PORT`, and what was asked, which arrives before it is answered.
pub fn watcher(statuses: &'static [u16]) -> (String, Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (sender, told) = channel();
    thread::spawn(move || {
        let mut statuses = statuses.iter();
        let mut status = 200;
        for stream in listener.incoming() {
            status = statuses.next().copied().unwrap_or(status);
            let answered = stream.ok().and_then(|stream| answer(stream, status, &sender));
            if answered.is_none() {
                return;
            }
        }
    });
    (address, told)
}

/// Answers one request; `None` when nobody listens any more.
fn answer(stream: TcpStream, status: u16, told: &Sender<Told>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let line = head.lines().next()?.to_owned();
    told.send((line, String::from_utf8(body).ok()?)).ok()?;
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.get_mut().write_all(answer.as_bytes()).ok()
}
