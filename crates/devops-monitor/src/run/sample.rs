//! `sample`: readings on stdout.

use devops_cli::{Failure, Outcome, Session, table};
use devops_core::{
    metrics::{DiskProbe, Host, HostCounters, Sample, sample},
    units::ByteSize,
};

use super::host::{DISK_TIMEOUT, sources};
use crate::{cli, http::format};

pub(super) fn run(args: &cli::Sample, session: &Session) -> Result<Outcome, Failure> {
    let sources = sources(&args.source.root_path)?;
    let host = Host::read(sources.root());
    let mut probe = DiskProbe::new(DISK_TIMEOUT);
    let clock = session.clock();
    let mut before = sources.read(&clock);
    for index in 0..args.count {
        session.cancel().wait(args.interval)?;
        let now = sources.read(&clock);
        let disks = disks(&mut probe, &sources, session);
        let sample = sample(Some(&before), &now, &host, disks);
        if session.json() {
            session.emit(&sample)?;
        } else {
            let blank = if index == 0 { "" } else { "\n" };
            session.line(format!("{blank}{}", describe(&sample)))?;
        }
        if session.stdout_closed() {
            break;
        }
        before = now;
    }
    Ok(Outcome::Done)
}

fn disks(
    probe: &mut DiskProbe,
    sources: &HostCounters,
    session: &Session,
) -> Vec<devops_core::metrics::Disk> {
    match sources.mounts() {
        Ok(mounts) => probe.disks(sources.root(), mounts),
        Err(error) => {
            session.warn(format!("{error}: {}", error.source));
            Vec::new()
        }
    }
}

/// Returns the reading as a few lines for people, the seed's labels first.
fn describe(sample: &Sample) -> String {
    let mut lines = vec![
        sample.message.to_owned(),
        format!("CPU Utilization: {}", format::percent(sample.cpu.percent)),
        format!(
            "Memory Utilization: {} ({} of {})",
            format::percent(sample.memory.percent),
            format::size(sample.memory.used_bytes),
            format::size(sample.memory.total_bytes)
        ),
    ];
    if let Some(load) = sample.load {
        lines.push(format!("Load: {:.2} {:.2} {:.2}", load.one, load.five, load.fifteen));
    }
    if sample.swap.percent.is_some() {
        lines.push(format!("Swap: {}", format::percent(sample.swap.percent)));
    }
    if let Some(uptime) = sample.uptime_seconds {
        lines.push(format!("Uptime: {}", format::duration(uptime)));
    }
    let tables = [
        table(&["MOUNT POINT", "USED", "SIZE", "AVAILABLE"], disk_rows(sample)),
        table(&["INTERFACE", "RECEIVED", "SENT"], network_rows(sample)),
    ];
    lines.extend(tables.iter().map(|table| table.trim_end().to_owned()));
    lines.join("\n")
}

fn disk_rows(sample: &Sample) -> Vec<Vec<String>> {
    let rows = sample.disks.iter().map(|disk| {
        let path = devops_cli::quote(&disk.mount.mount_point);
        match &disk.space {
            Ok(space) => vec![
                path,
                format::percent(space.percent()),
                ByteSize(space.total_bytes).to_string(),
                ByteSize(space.available_bytes).to_string(),
            ],
            Err(error) => vec![path, error.clone(), String::new(), String::new()],
        }
    });
    rows.collect()
}

fn network_rows(sample: &Sample) -> Vec<Vec<String>> {
    let rows = sample.network.iter().map(|usage| {
        vec![
            usage.interface.clone(),
            format::rate(usage.receive_bytes_per_second),
            format::rate(usage.transmit_bytes_per_second),
        ]
    });
    rows.collect()
}
