//! What must hold on every server.

mod base;
mod existing;
mod keys;
mod lists;
mod put;
mod trees;
mod uploads;
