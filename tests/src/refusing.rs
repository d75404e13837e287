//! An address that surely refuses connections.

use std::net::{SocketAddr, TcpListener, TcpStream};

/// An address that refuses every connection, as long as this lives.
pub struct Refusing {
    /// The two ends of a connection, which keep the port from everybody else.
    _held: [TcpStream; 2],
    address: SocketAddr,
}

impl Default for Refusing {
    fn default() -> Self {
        Self::new()
    }
}

impl Refusing {
    /// Takes a port on which nothing listens.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let here = TcpStream::connect(address).expect("somebody listens");
        let (there, _) = listener.accept().expect("somebody connects");
        let port = here.local_addr().expect("it is bound").port();
        // At the address of the held end itself a connection might come from the same port, and meet itself.
        let address = SocketAddr::from(([127, 0, 0, 2], port));
        Self { _held: [here, there], address }
    }

    /// Returns the address as the endpoint of a store.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}
