//! Servers as child processes.

use std::{
    fs::File,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::shell::shown;

/// A server that is not there after this long will not come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; it is killed when dropped, and what it kept is thrown away by its owner.
pub(crate) struct Server(Child);

impl Server {
    /// Starts a server that writes into `log`, and waits until it takes connections.
    pub(crate) fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self> {
        println!("\n$ {}", shown(command));
        let out = File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child =
            command.spawn().with_context(|| format!("cannot start `{}`", shown(command)))?;
        let mut server = Self(child);
        server.wait_until_it_listens(port).with_context(|| tail(log))?;
        Ok(server)
    }

    #[allow(clippy::disallowed_methods, reason = "nobody tells when a foreign server is ready")]
    fn wait_until_it_listens(&mut self, port: u16) -> Result<()> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("the server does not listen on {address}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Returns a port on loopback that nobody has just now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Returns the end of what a server said.
fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    let _read = File::open(log).and_then(|mut file| file.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    format!("the server said:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
}
