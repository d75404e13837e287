//! A proxy in front of the server: it counts what passes, and holds it from some byte on.

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
    /// To the server.
    sent: Way,
    /// From the server.
    given: Way,
    holds: AtomicBool,
}

/// One direction of all connections.
struct Way {
    passed: AtomicU64,
    limit: AtomicU64,
}

impl Way {
    fn until(limit: u64) -> Self {
        Self { passed: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    fn let_go(&self) {
        self.limit.store(u64::MAX, Ordering::SeqCst);
        self.passed.store(0, Ordering::SeqCst);
    }
}

impl Proxy {
    /// Stands before `server` (an HTTP address) and lets this many bytes pass to it.
    pub(crate) fn holding_after(server: &str, limit: u64) -> Self {
        Self::new(server, Way::until(limit), Way::until(u64::MAX))
    }

    /// Stands before `server` (an HTTP address) and lets this many bytes of its answers pass.
    pub(crate) fn giving_until(server: &str, limit: u64) -> Self {
        Self::new(server, Way::until(u64::MAX), Way::until(limit))
    }

    fn new(server: &str, sent: Way, given: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = server.trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared { server, sent, given, holds: AtomicBool::new(false) });
        let taken = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&taken);
                thread::spawn(move || shared.pass(&client));
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
        self.shared.sent.let_go();
        self.shared.given.let_go();
    }

    /// Returns how many bytes were sent to the server.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.passed.load(Ordering::SeqCst)
    }

    /// Returns how many bytes the server gave.
    pub(crate) fn given(&self) -> u64 {
        self.shared.given.passed.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn pass(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(&self.server) else { return };
        thread::scope(|scope| {
            scope.spawn(|| {
                self.carry(&self.given, &server, client);
                // Whoever hangs up first ends it.
                let _ended = client.shutdown(Shutdown::Both);
            });
            self.carry(&self.sent, client, &server);
            let _ended = server.shutdown(Shutdown::Both);
        });
    }

    fn carry(&self, way: &Way, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        let limit = way.limit.load(Ordering::SeqCst);
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            // What was on its way from or to a client that was killed is nobody's any more.
            if way.limit.load(Ordering::SeqCst) != limit {
                return;
            }
            let passed = way.passed.fetch_add(n as u64, Ordering::SeqCst) + n as u64;
            if passed > limit {
                self.holds.store(true, Ordering::SeqCst);
                wait_until("the proxy lets go", || way.limit.load(Ordering::SeqCst) != limit);
                return;
            }
            if to.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    }
}
