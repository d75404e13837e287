//! The archive engine at its public functions, on temporary folders and through an injected file layer.

mod changes;
mod creating;
mod damage;
mod fixture;
mod foreign;
mod hostile;
mod pruning;
mod restoring;
mod round_trip;
