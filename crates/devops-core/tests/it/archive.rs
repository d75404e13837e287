//! The archive engine at its public functions, on temporary folders and through an injected file layer.

mod changes;
mod comparing;
mod creating;
mod damage;
mod encrypting;
pub(crate) mod fixture;
mod folder;
mod foreign;
mod fuzzing;
mod healing;
mod hostile;
mod huge_holes;
mod odd_file_systems;
mod older;
mod pruning;
mod restoring;
mod reusing;
mod round_trip;
mod sparse;
mod streaming;
mod versions;
mod walking;
