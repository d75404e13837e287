//! Readings of the host: CPU, memory, disks, network.
