//! Child processes: started, drained, signalled and reaped in one place.
