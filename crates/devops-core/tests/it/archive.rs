//! The archive engine at its public functions, on temporary folders and through an injected file layer.

mod changes;
mod creating;
mod damage;
mod encrypting;
mod fixture;
mod foreign;
mod fuzzing;
mod hostile;
mod pruning;
mod restoring;
mod reusing;
mod round_trip;
mod sparse;
mod walking;
