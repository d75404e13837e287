//! A proxy in front of the server: it counts what is sent, and holds it from some byte on.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use devops_e2e::wait_until;

/// Takes connections until it is dropped; those that are held end when it is let go.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    sent: AtomicU64,
    limit: AtomicU64,
    holds: AtomicBool,
}

impl Proxy {
    /// Stands before `server` (an HTTP address) and lets this many bytes pass.
    pub(crate) fn holding_after(server: &str, limit: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = server.trim_start_matches("http://").to_owned();
        let (sent, limit) = (AtomicU64::new(0), AtomicU64::new(limit));
        let shared = Arc::new(Shared { server, sent, limit, holds: AtomicBool::new(false) });
        let taken = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&taken);
                thread::spawn(move || shared.pass(client));
            }
        });
        Self { address, shared }
    }

    /// Returns the address for `--endpoint-url`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until something is held.
    pub(crate) fn wait_until_it_holds(&self) {
        wait_until("the proxy holds", || self.shared.holds.load(Ordering::SeqCst));
    }

    /// Lets everything pass from now on, and counts from nothing; what was held is lost.
    pub(crate) fn let_go(&self) {
        self.shared.limit.store(u64::MAX, Ordering::SeqCst);
        self.shared.sent.store(0, Ordering::SeqCst);
    }

    /// Returns how many bytes were sent to the server.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn pass(&self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.server) else { return };
        let back = (server.try_clone(), client.try_clone());
        let (Ok(mut from), Ok(mut to)) = back else { return };
        let answers = thread::spawn(move || {
            // Whoever hangs up first ends it.
            let _copied = std::io::copy(&mut from, &mut to);
            let _ended = to.shutdown(Shutdown::Both);
        });
        self.send(client, &server);
        let _ended = server.shutdown(Shutdown::Both);
        let _joined = answers.join();
    }

    fn send(&self, mut client: TcpStream, mut server: &TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        let limit = self.limit.load(Ordering::SeqCst);
        while let Ok(n @ 1..) = client.read(&mut buffer) {
            // What a client that was killed left on its way is not for the server any more.
            if self.limit.load(Ordering::SeqCst) != limit {
                return;
            }
            let sent = self.sent.fetch_add(n as u64, Ordering::SeqCst) + n as u64;
            if sent > limit {
                self.holds.store(true, Ordering::SeqCst);
                wait_until("the proxy lets go", || self.limit.load(Ordering::SeqCst) != limit);
                return;
            }
            if server.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    }
}
