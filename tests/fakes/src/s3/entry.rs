//! One request as the server saw it.

/// One request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// S3's name of the operation.
    pub operation: String,
    /// The bucket and key, as in the path.
    pub path: String,
    /// The part's number, in requests that have one.
    pub part: Option<u32>,
    /// The headers that begin with `x-amz-` or `if-`, sorted.
    pub headers: Vec<(String, String)>,
    /// The status of the answer; nothing while it is under way or when none was given.
    pub status: Option<u16>,
    /// The faults that were applied.
    pub faults: Vec<String>,
    /// The number of requests of this operation were under way with it.
    pub alongside: usize,
    /// The bytes of its body that the service took, once the request is over.
    pub received: u64,
    /// The names of all its headers and parameters.
    pub asked: Vec<String>,
    /// The names of the headers and elements of its answer, where the server was told to note them.
    pub told: Vec<String>,
}

impl Entry {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
