//! The bytes between the kernel and a file system.

use rustix::io::Errno;

/// The headers of every request and every answer.
const IN_HEADER: usize = 40;
const OUT_HEADER: u32 = 16;
/// The largest write.
const MAX_WRITE: u32 = 128 << 10;

/// A question of the kernel.
pub(super) struct Request<'a> {
    pub(super) opcode: u32,
    pub(super) node: u64,
    unique: u64,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut header = Body(bytes.get(..IN_HEADER)?);
        header.skip(4);
        let (opcode, unique, node) = (header.u32(), header.u64(), header.u64());
        Some(Self { opcode, node, unique, body: &bytes[IN_HEADER..] })
    }

    pub(super) fn body(&self) -> Body<'a> {
        Body(self.body)
    }

    /// Returns the bytes of an answer.
    pub(super) fn answer(&self, answer: Result<Vec<u8>, Errno>) -> Vec<u8> {
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(error) => (-error.raw_os_error(), Vec::new()),
        };
        let length = OUT_HEADER + u32::try_from(body.len()).expect("an answer is small");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(error.to_ne_bytes());
        bytes.extend(self.unique.to_ne_bytes());
        bytes.extend(body);
        bytes
    }
}

/// The fields of a request, one after the other.
pub(super) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn bytes(&mut self, n: u32) -> &'a [u8] {
        let n = usize::try_from(n).expect("it fits");
        let (bytes, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    pub(super) fn skip(&mut self, n: u32) {
        self.bytes(n);
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.bytes(4).try_into().expect("the kernel sends whole fields"))
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.bytes(8).try_into().expect("the kernel sends whole fields"))
    }

    /// Returns a name, which ends with a NUL.
    pub(super) fn name(&mut self) -> &'a [u8] {
        let mut parts = self.0.splitn(2, |&byte| byte == 0);
        let name = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        name
    }
}

/// The answer to the first question: version, and how much may be written at once.
pub(super) fn init() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [7, 31, MAX_WRITE, 0, 0, MAX_WRITE, 1] {
        bytes.extend(u32::to_ne_bytes(number));
    }
    bytes.resize(64, 0);
    bytes
}

/// A disk with room, and names of up to 255 bytes.
pub(super) fn statfs() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20] {
        bytes.extend(u64::to_ne_bytes(number));
    }
    for number in [4096, 255, 4096] {
        bytes.extend(u32::to_ne_bytes(number));
    }
    bytes.resize(80, 0);
    bytes
}
