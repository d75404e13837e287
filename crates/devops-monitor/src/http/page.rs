//! The page: a sample in words, and the template that shows them.

use std::time::Duration;

use devops_core::{
    metrics::{Disk, HIGH_PERCENT, Sample, cpu, memory::MemoryUsage},
    units::count,
};
use serde::Serialize;
use tera::{Context, Tera};

use super::format;

const TEMPLATE: &str = "page.html";
/// File systems are normal at fill levels that would be high for memory.
const DISK_HIGH_PERCENT: f64 = 90.0;

/// The compiled template.
pub(crate) struct Page {
    tera: Tera,
    interval: Duration,
}

#[derive(Serialize)]
struct View<'a> {
    /// Seconds between two readings, from which the script knows when the stream is dead.
    interval: f64,
    host: &'a str,
    facts: Vec<String>,
    high: bool,
    message: &'a str,
    layout: String,
    cpu: Row,
    modes: Vec<Row>,
    memory: Row,
    memory_parts: Vec<Row>,
    cores: Vec<Row>,
    system: Vec<Row>,
    disks: Vec<Row>,
    networks: Vec<Row>,
    errors: Vec<String>,
    time: serde_json::Value,
    clock: String,
    definition: &'a str,
}

/// A label with its figure, and the length of its bar.
#[derive(Default, Serialize)]
struct Row {
    key: String,
    label: String,
    text: String,
    value: f64,
    high: bool,
}

impl Row {
    fn text(key: &str, label: &str, text: String) -> Self {
        Self { key: key.to_owned(), label: label.to_owned(), text, ..Self::default() }
    }

    fn bar(self, percent: Option<f64>, limit: f64) -> Self {
        let high = percent.is_some_and(|percent| percent > limit);
        Self { value: percent.unwrap_or(0.0), high, ..self }
    }
}

impl Page {
    /// Compiles the template of the page that is updated every `interval`.
    pub(crate) fn new(interval: Duration) -> Result<Self, tera::Error> {
        let mut tera = Tera::default();
        tera.add_raw_template(TEMPLATE, include_str!("../../../../templates/monitor/page.html"))?;
        Ok(Self { tera, interval })
    }

    pub(super) fn render(&self, sample: &Sample) -> Result<String, tera::Error> {
        self.tera.render(TEMPLATE, &Context::from_serialize(view(sample, self.interval))?)
    }
}

fn view(sample: &Sample, interval: Duration) -> View<'_> {
    let unknown = if sample.interval_seconds.is_none() { "measuring…" } else { "not known" };
    let percent = |percent: Option<f64>| match percent {
        Some(_) => format::percent(percent),
        None => unknown.to_owned(),
    };
    let cores = sample.cpu.per_core.iter().map(|core| {
        let key = core.cpu.to_string();
        let label = format!("CPU {key}");
        Row::text(&key, &label, percent(core.percent)).bar(core.percent, HIGH_PERCENT)
    });
    let memory_percent = sample.memory.percent;
    View {
        interval: interval.as_secs_f64(),
        host: &sample.host,
        facts: facts(sample),
        high: sample.high,
        message: sample.message,
        layout: layout(sample),
        cpu: Row::text("cpu", "", percent(sample.cpu.percent))
            .bar(sample.cpu.percent, HIGH_PERCENT),
        modes: modes(&sample.cpu, percent),
        memory: Row::text("memory", "", format::percent(memory_percent))
            .bar(memory_percent, HIGH_PERCENT),
        memory_parts: memory_parts(&sample.memory),
        cores: cores.collect(),
        system: system(sample),
        disks: shown_disks(sample).map(disk).collect(),
        networks: shown_networks(sample).map(network).collect(),
        errors: sample.errors.iter().map(|e| format!("{}: {}", e.source, e.message)).collect(),
        time: serde_json::to_value(sample.time).unwrap_or_default(),
        clock: clock(sample),
        definition: sample.cpu.definition,
    }
}

fn facts(sample: &Sample) -> Vec<String> {
    let system = &sample.system;
    let processors = count(system.n_cpus, "processor");
    let kernel = system.kernel.as_ref().map(|kernel| format!("Linux {kernel}"));
    [system.os.clone(), kernel, Some(system.architecture.clone()), Some(processors)]
        .into_iter()
        .flatten()
        .collect()
}

fn modes(usage: &cpu::CpuUsage, percent: impl Fn(Option<f64>) -> String) -> Vec<Row> {
    let shares = usage.modes;
    let row = |key, label, share: fn(&cpu::ModeShares) -> f64| {
        Row::text(key, label, percent(shares.as_ref().map(share)))
    };
    vec![
        row("user", "User", |shares| shares.user),
        row("system", "System", |shares| shares.system),
        row("nice", "Nice", |shares| shares.nice),
        row("iowait", "I/O wait", |shares| shares.iowait),
        row("irq", "IRQ", |shares| shares.irq),
        row("softirq", "Soft IRQ", |shares| shares.softirq),
        row("steal", "Stolen", |shares| shares.steal),
        row("idle", "Idle", |shares| shares.idle),
    ]
}

fn memory_parts(memory: &MemoryUsage) -> Vec<Row> {
    let row = |key, label, bytes| Row::text(key, label, format::size(bytes));
    vec![
        row("used", "Used", memory.used_bytes),
        row("available", "Available", memory.available_bytes),
        row("cached", "Page cache", memory.cached_bytes),
        row("total", "Total", memory.total_bytes),
    ]
}

fn system(sample: &Sample) -> Vec<Row> {
    let load = sample.load.map_or("not known".to_owned(), |load| {
        format!("{:.2}  {:.2}  {:.2}", load.one, load.five, load.fifteen)
    });
    let uptime = sample.uptime_seconds.map_or("not known".to_owned(), format::duration);
    let swap = match sample.swap.percent {
        None => "none".to_owned(),
        percent => {
            let total = format::size(sample.swap.total_bytes);
            format!("{} of {total}", format::percent(percent))
        }
    };
    vec![
        Row::text("load", "Load over 1, 5, 15 minutes", load),
        Row::text("uptime", "Uptime", uptime),
        Row::text("swap", "Swap", swap),
    ]
}

fn disk(disk: &Disk) -> Row {
    let path = disk.mount.mount_point.to_string_lossy();
    let percent = disk.space.as_ref().ok().and_then(devops_core::metrics::disk::Space::percent);
    let text = match &disk.space {
        Ok(space) => format!(
            "{}: {} used, {} left",
            format::percent(percent),
            format::size(Some(space.used_bytes())),
            format::size(Some(space.available_bytes))
        ),
        Err(error) => error.clone(),
    };
    Row::text(&path, &path, text).bar(percent, DISK_HIGH_PERCENT)
}

fn network(usage: &devops_core::metrics::network::NetworkUsage) -> Row {
    let text = format!(
        "in {}, out {}",
        format::rate(usage.receive_bytes_per_second),
        format::rate(usage.transmit_bytes_per_second)
    );
    Row::text(&usage.interface, &usage.interface, text)
}

/// Memory file systems would crowd the page; the JSON has them.
fn shown_disks(sample: &Sample) -> impl Iterator<Item = &Disk> {
    sample.disks.iter().filter(|disk| disk.mount.filesystem != "tmpfs")
}

fn shown_networks(
    sample: &Sample,
) -> impl Iterator<Item = &devops_core::metrics::network::NetworkUsage> {
    sample.network.iter().filter(|usage| {
        usage.interface != "lo" && usage.receive_bytes.saturating_add(usage.transmit_bytes) > 0
    })
}

/// Returns which rows the page has; the script loads the page again when they change.
fn layout(sample: &Sample) -> String {
    let cores = sample.cpu.per_core.iter().map(|core| format!("core {}", core.cpu));
    let disks = shown_disks(sample)
        .map(|disk| format!("disk {}", disk.mount.mount_point.to_string_lossy()));
    let networks = shown_networks(sample).map(|usage| format!("network {}", usage.interface));
    cores.chain(disks).chain(networks).collect::<Vec<_>>().join("|")
}

fn clock(sample: &Sample) -> String {
    let (hour, minute, second) = sample.time.0.to_utc().as_hms();
    format!("{hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use devops_core::{
        clock::SystemClock,
        metrics::{Host, HostCounters, disk::Space, mounts, sample},
    };

    use super::*;

    fn render(name: &str, change: impl FnOnce(&mut Sample)) -> String {
        let sources = HostCounters::new("/");
        let clock = SystemClock::new(time::UtcOffset::UTC);
        let host = Host { name: name.to_owned(), ..Host::default() };
        let before = sources.read(&clock);
        let mut sample = sample(Some(&before), &sources.read(&clock), &host, Vec::new());
        change(&mut sample);
        Page::new(Duration::from_secs(1)).unwrap().render(&sample).unwrap()
    }

    #[test]
    fn numbers_and_sentences_stand_in_the_html() {
        let html = render("web-1", |sample| {
            sample.cpu.percent = Some(80.1);
            sample.memory.percent = Some(41.0);
            (sample.high, sample.message) = (true, devops_core::metrics::HIGH);
        });

        assert!(html.contains(">CPU Utilization:</h2>"));
        assert!(html.contains(">80.1%</p>"));
        assert!(html.contains(">Memory Utilization:</h2>"));
        assert!(html.contains(">41.0%</p>"));
        assert!(html.contains("High CPU or Memory utilization detected!"));
        assert!(html.contains("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>"));
    }

    #[test]
    fn before_two_readings_the_page_says_so() {
        let html = render("web-1", |sample| {
            sample.cpu.percent = None;
            sample.interval_seconds = None;
        });

        assert!(html.contains("data-text=\"cpu\">measuring…</p>"));
    }

    #[test]
    fn odd_names_cannot_become_html() {
        let mount = mounts::parse(b"1 0 8:1 / /<script>\"x rw - ext4 /dev/sda1 rw\n").remove(0);
        let space = Ok(Space { total_bytes: 1, ..Space::default() });

        let html = render("<b>web</b>", |sample| sample.disks = vec![Disk { mount, space }]);

        assert!(!html.contains("<b>web"));
        assert!(!html.contains("/<script>"));
        assert!(html.contains("&lt;script&gt;&quot;x"));
    }

    #[test]
    fn nothing_is_inline_and_nothing_leaves_the_origin() {
        let html = render("web-1", |_| {});

        for forbidden in ["style=", "<style", " on", "href=\"/", "src=\"/", "//"] {
            let found = html.matches(forbidden).count();
            assert_eq!(found, 0, "`{forbidden}` in the page");
        }
    }
}
