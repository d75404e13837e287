//! `devops-monitor` as a user runs it.

mod browser;
mod client;
mod commands;
mod page;
mod server;

use std::{cell::Cell, fs};

use devops_e2e::{Running, TestEnv};
use serde_json::Value;

use self::client::{Answer, Client};

/// Name `ann`, password `secret`: bcrypt of the lowest cost.
const AUTH_FILE: &str =
    "ann:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\ntoken:t0ken\n";

/// A running server.
struct Server {
    running: Running,
    url: String,
    client: Client,
}

impl Server {
    /// Starts a server on a free port, with these further arguments.
    fn start(env: &TestEnv, args: &[&str]) -> Self {
        let mut all = vec!["serve", "--bind", "127.0.0.1:0"];
        all.extend(args);
        let mut running = env.start("devops-monitor", all);
        let line = running.wait_for("listening on ");
        let url = line.rsplit(' ').next().expect("the line ends with the address").to_owned();
        let client = Client::new(&url);
        Self { running, url, client }
    }

    fn get(&self, path: &str) -> Answer {
        self.client.get(path, &[])
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/v1/status").body).expect("the status is JSON")
    }
}

/// A host made of files, whose figures a test chooses.
struct FakeHost {
    root: String,
    env_path: std::path::PathBuf,
    /// Busy and idle ticks since boot.
    ticks: Cell<(u64, u64)>,
}

impl FakeHost {
    /// Makes a host with 1000 kB of memory, half of it available.
    fn new(env: &TestEnv) -> Self {
        let root = env.path("host");
        let host =
            Self { root: root.display().to_string(), env_path: root, ticks: Cell::default() };
        host.set("sys/kernel/hostname", "fake-host\n");
        host.set("loadavg", "0.50 0.25 0.10 1/2 3\n");
        host.set("uptime", "180061.50 1.0\n");
        host.set("net/dev", "eth0: 1000 0 0 0 0 0 0 0 500 0 0 0 0 0 0 0\n");
        host.set("1/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        host.spend_cpu(0, 0);
        host.set_memory_used(500);
        host
    }

    /// Lets the one processor spend this many ticks.
    fn spend_cpu(&self, more_busy: u64, more_idle: u64) {
        let (busy, idle) = self.ticks.get();
        let (busy, idle) = (busy + more_busy, idle + more_idle);
        self.ticks.set((busy, idle));
        let times = format!("{busy} 0 0 {idle} 0 0 0 0 0 0");
        self.set("stat", &format!("cpu  {times}\ncpu0 {times}\nbtime 1700000000\n"));
    }

    /// Chooses how much of 1000 kB is not available.
    fn set_memory_used(&self, used: u64) {
        let available = 1000 - used;
        self.set("meminfo", &format!("MemTotal: 1000 kB\nMemAvailable: {available} kB\n"));
    }

    /// Replaces a file at once, so that no reading sees half of it.
    #[allow(clippy::disallowed_methods, reason = "test input needs no durable replacement")]
    fn set(&self, name: &str, text: &str) {
        let path = self.env_path.join("proc").join(name);
        let folder = path.parent().expect("a file has a folder");
        fs::create_dir_all(folder).expect("a folder");
        let new = folder.join(".new");
        fs::write(&new, text).expect("a file");
        fs::rename(&new, &path).expect("a file");
    }
}
