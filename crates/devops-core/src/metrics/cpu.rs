//! CPU time: `/proc/stat`, and the percentages between two readings of it.
//!
//! Source of the format: `proc_stat(5)`. Busy is everything but idle and iowait, as psutil has it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::round_percent;

/// What [`CpuUsage::percent`] means, in words.
pub const DEFINITION: &str =
    "share of the interval spent neither idle nor waiting for I/O; stolen time counts as busy";

/// CPU time since boot in clock ticks, field by field.
///
/// The kernel counts `guest` within `user` and `guest_nice` within `nice`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Normal processes.
    pub user: u64,
    /// Processes of low priority.
    pub nice: u64,
    /// The kernel.
    pub system: u64,
    /// Nothing to do.
    pub idle: u64,
    /// Nothing to do but wait for I/O; may go backward.
    pub iowait: u64,
    /// Hardware interrupts.
    pub irq: u64,
    /// Software interrupts.
    pub softirq: u64,
    /// Taken by the hypervisor for others.
    pub steal: u64,
    /// Virtual machines run by this host.
    pub guest: u64,
    /// Virtual machines of low priority.
    pub guest_nice: u64,
}

impl CpuTimes {
    /// Returns every field that adds to the total, with its mode as `node_exporter` names it.
    pub fn modes(&self) -> [(&'static str, u64); 8] {
        [
            ("user", self.user),
            ("nice", self.nice),
            ("system", self.system),
            ("idle", self.idle),
            ("iowait", self.iowait),
            ("irq", self.irq),
            ("softirq", self.softirq),
            ("steal", self.steal),
        ]
    }

    fn total(&self) -> u64 {
        self.modes().iter().fold(0, |sum, (_, ticks)| sum.saturating_add(*ticks))
    }
}

/// One reading of `/proc/stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// All processors together; absent when the line is missing.
    pub total: Option<CpuTimes>,
    /// Each processor by its number; numbers have holes.
    pub cores: BTreeMap<u32, CpuTimes>,
    /// Boot time in seconds of the Unix epoch.
    pub boot_time: Option<u64>,
    /// Context switches since boot.
    pub context_switches: Option<u64>,
    /// Processes started since boot.
    pub forks: Option<u64>,
    /// Processes that can run now.
    pub processes_running: Option<u64>,
    /// Processes that wait for I/O now.
    pub processes_blocked: Option<u64>,
}

impl Stat {
    /// Reads the text of `/proc/stat`; lines it does not know are left out.
    pub fn parse(text: &str) -> Self {
        let mut stat = Self::default();
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let Some(name) = fields.next() else { continue };
            if let Some(number) = name.strip_prefix("cpu") {
                let times = parse_times(fields);
                if number.is_empty() {
                    stat.total = Some(times);
                } else if let Ok(number) = number.parse() {
                    stat.cores.insert(number, times);
                }
                continue;
            }
            let value = || fields.clone().next().and_then(|text| text.parse().ok());
            match name {
                "btime" => stat.boot_time = value(),
                "ctxt" => stat.context_switches = value(),
                "processes" => stat.forks = value(),
                "procs_running" => stat.processes_running = value(),
                "procs_blocked" => stat.processes_blocked = value(),
                _ => {}
            }
        }
        stat
    }
}

/// Old kernels have fewer fields; those read as zero.
fn parse_times<'a>(mut fields: impl Iterator<Item = &'a str>) -> CpuTimes {
    let mut next = || fields.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    CpuTimes {
        user: next(),
        nice: next(),
        system: next(),
        idle: next(),
        iowait: next(),
        irq: next(),
        softirq: next(),
        steal: next(),
        guest: next(),
        guest_nice: next(),
    }
}

/// How the processors spent the time between two readings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CpuUsage {
    /// Busy time of all processors, 0 to 100, to a tenth; none before two readings and across a gap.
    pub percent: Option<f64>,
    /// What `percent` means.
    pub definition: &'static str,
    /// Busy time of each processor.
    pub per_core: Vec<CoreUsage>,
    /// The whole interval split by what the processors did.
    pub modes: Option<ModeShares>,
}

/// Busy time of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoreUsage {
    /// The processor's number.
    pub cpu: u32,
    /// Busy time, 0 to 100; none before two readings and across a gap.
    pub percent: Option<f64>,
}

/// Shares of the interval in percent; together 100, rounding apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ModeShares {
    /// Normal processes, virtual machines included.
    pub user: f64,
    /// Processes of low priority.
    pub nice: f64,
    /// The kernel.
    pub system: f64,
    /// Nothing to do.
    pub idle: f64,
    /// Nothing to do but wait for I/O.
    pub iowait: f64,
    /// Hardware interrupts.
    pub irq: f64,
    /// Software interrupts.
    pub softirq: f64,
    /// Taken by the hypervisor for others.
    pub steal: f64,
}

/// Returns how the processors spent the time between two readings.
pub fn usage(previous: Option<&Stat>, current: &Stat) -> CpuUsage {
    let total = match (previous.and_then(|stat| stat.total), current.total) {
        (Some(before), Some(now)) => Delta::between(&before, &now),
        _ => None,
    };
    let per_core = current
        .cores
        .iter()
        .map(|(&cpu, now)| {
            let before = previous.and_then(|stat| stat.cores.get(&cpu));
            let delta = before.and_then(|before| Delta::between(before, now));
            CoreUsage { cpu, percent: delta.map(|delta| delta.busy_percent()) }
        })
        .collect();
    CpuUsage {
        percent: total.map(|delta| delta.busy_percent()),
        definition: DEFINITION,
        per_core,
        modes: total.map(|delta| delta.shares()),
    }
}

/// Ticks spent in each mode between two readings.
#[derive(Clone, Copy)]
struct Delta {
    times: CpuTimes,
    total: u64,
}

/// An idle counter that jumps back by more is a processor that was unplugged, not a small correction.
/// (`node_exporter` uses 3 s; at the usual 100 ticks a second this is that.)
const IDLE_JUMP_TICKS: u64 = 300;

impl Delta {
    /// Returns none where no tick passed or the counters started again.
    fn between(before: &CpuTimes, now: &CpuTimes) -> Option<Self> {
        let restarted =
            now.total() < before.total() || before.idle.saturating_sub(now.idle) >= IDLE_JUMP_TICKS;
        let times = CpuTimes {
            user: now.user.saturating_sub(before.user),
            nice: now.nice.saturating_sub(before.nice),
            system: now.system.saturating_sub(before.system),
            idle: now.idle.saturating_sub(before.idle),
            iowait: now.iowait.saturating_sub(before.iowait),
            irq: now.irq.saturating_sub(before.irq),
            softirq: now.softirq.saturating_sub(before.softirq),
            steal: now.steal.saturating_sub(before.steal),
            guest: now.guest.saturating_sub(before.guest),
            guest_nice: now.guest_nice.saturating_sub(before.guest_nice),
        };
        let total = times.total();
        (!restarted && total > 0).then_some(Self { times, total })
    }

    fn busy_percent(&self) -> f64 {
        let unused = self.times.idle.saturating_add(self.times.iowait);
        self.percent_of(self.total.saturating_sub(unused))
    }

    fn shares(&self) -> ModeShares {
        let share = |ticks| self.percent_of(ticks);
        let times = &self.times;
        ModeShares {
            user: share(times.user),
            nice: share(times.nice),
            system: share(times.system),
            idle: share(times.idle),
            iowait: share(times.iowait),
            irq: share(times.irq),
            softirq: share(times.softirq),
            steal: share(times.steal),
        }
    }

    fn percent_of(&self, ticks: u64) -> f64 {
        round_percent(ticks, self.total).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(text: &str) -> Stat {
        Stat::parse(text)
    }

    fn percent_between(before: &str, now: &str) -> Option<f64> {
        usage(Some(&stat(before)), &stat(now)).percent
    }

    #[test]
    fn one_reading_gives_no_percentage() {
        let usage = usage(None, &stat("cpu 10 0 10 80 0\ncpu0 10 0 10 80 0\n"));

        assert_eq!(usage.percent, None);
        assert_eq!(usage.modes, None);
        assert_eq!(usage.per_core, [CoreUsage { cpu: 0, percent: None }]);
    }

    #[test]
    fn idle_and_iowait_are_not_busy_but_steal_is() {
        let usage =
            usage(Some(&stat("cpu 0 0 0 0 0 0 0 0 0 0")), &stat("cpu 10 5 5 40 20 5 5 10 10 5"));
        let modes = usage.modes.unwrap();

        assert_eq!(usage.percent, Some(40.0));
        assert_eq!((modes.user, modes.idle, modes.iowait, modes.steal), (10.0, 40.0, 20.0, 10.0));
    }

    #[test]
    fn guest_time_is_counted_once() {
        assert_eq!(
            percent_between("cpu 0 0 0 0 0 0 0 0 0 0", "cpu 50 0 0 50 0 0 0 0 50 0"),
            Some(50.0)
        );
    }

    #[test]
    fn processors_are_known_by_number_across_holes() {
        let usage = usage(
            Some(&stat("cpu 0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\ncpu4 0 0 0 0\n")),
            &stat("cpu 150 0 0 150\ncpu0 100 0 0 0\ncpu4 50 0 0 50\ncpu5 0 0 0 100\n"),
        );

        assert_eq!(
            usage.per_core,
            [
                CoreUsage { cpu: 0, percent: Some(100.0) },
                CoreUsage { cpu: 4, percent: Some(50.0) },
                CoreUsage { cpu: 5, percent: None },
            ]
        );
    }

    #[test]
    fn iowait_that_goes_backward_counts_as_none() {
        assert_eq!(percent_between("cpu 0 0 0 0 90", "cpu 50 0 0 50 80"), Some(50.0));
    }

    #[test]
    fn a_total_that_goes_backward_is_a_gap_and_then_a_new_baseline() {
        let readings = ["cpu 1000 0 0 9000 0", "cpu 10 0 0 90 0", "cpu 35 0 0 165 0"];

        assert_eq!(percent_between(readings[0], readings[1]), None);
        assert_eq!(percent_between(readings[1], readings[2]), Some(25.0));
    }

    #[test]
    fn an_idle_counter_that_falls_far_is_a_gap() {
        assert_eq!(percent_between("cpu 0 0 0 1000 0", "cpu 5000 0 0 100 0"), None);
    }

    #[test]
    fn zeros_and_a_standing_clock_give_no_percentage() {
        assert_eq!(percent_between("cpu 0 0 0 0", "cpu 0 0 0 0"), None);
        assert_eq!(percent_between("cpu 5 0 0 5", "cpu 5 0 0 5"), None);
        assert_eq!(percent_between("", ""), None);
    }

    #[test]
    fn absurd_counters_do_not_overflow() {
        let max = u64::MAX;
        let now = format!("cpu {max} {max} {max} {max} {max} {max} {max} {max}");

        let percent = percent_between("cpu 0 0 0 0", &now).unwrap();

        assert!((0.0..=100.0).contains(&percent));
    }

    #[test]
    fn reads_what_else_the_file_holds() {
        let stat = stat("intr 5 1 1\nctxt 7\nbtime 1700000000\nprocesses 9\nprocs_running 2\n");

        assert_eq!(stat.boot_time, Some(1_700_000_000));
        assert_eq!(stat.context_switches, Some(7));
        assert_eq!(stat.forks, Some(9));
        assert_eq!(stat.processes_running, Some(2));
        assert_eq!(stat.processes_blocked, None);
    }

    fn any_times() -> impl proptest::strategy::Strategy<Value = CpuTimes> {
        use proptest::prelude::*;
        proptest::array::uniform8(prop_oneof![0..1000_u64, any::<u64>()]).prop_map(|ticks| {
            let [user, nice, system, idle, iowait, irq, softirq, steal] = ticks;
            CpuTimes {
                user,
                nice,
                system,
                idle,
                iowait,
                irq,
                softirq,
                steal,
                ..CpuTimes::default()
            }
        })
    }

    proptest::proptest! {
        #[test]
        fn any_two_readings_give_a_percentage_or_none(before in any_times(), now in any_times()) {
            let stat = |total| Stat { total: Some(total), ..Stat::default() };

            let usage = usage(Some(&stat(before)), &stat(now));

            proptest::prop_assert!(usage.percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
            proptest::prop_assert_eq!(usage.percent.is_none(), usage.modes.is_none());
        }
    }
}
