//! Objects in S3-compatible stores: put them, prove them, get them back.
