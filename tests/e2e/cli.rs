//! What every tool shares: help, versions, config files, errors, closed pipes.
