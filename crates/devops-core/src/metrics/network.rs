//! Network traffic: `/proc/net/dev`, and the rates between two readings of it.
//!
//! Source of the format: `proc_pid_net(5)`.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// What an interface has counted since it came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Incoming traffic.
    pub receive: DirectionCounters,
    /// Outgoing traffic.
    pub transmit: DirectionCounters,
}

/// What an interface has counted in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounters {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with an error.
    pub errors: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// Reads the text of `/proc/net/dev`; lines that are not an interface are left out.
pub fn parse(text: &str) -> BTreeMap<String, InterfaceCounters> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, InterfaceCounters)> {
    // An alias such as `eth0:1` has a colon in its name.
    let (name, counters) = line.rsplit_once(':')?;
    let numbers: Vec<u64> =
        counters.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [receive, transmit] = [numbers.get(0..4)?, numbers.get(8..12)?]
        .map(|n| DirectionCounters { bytes: n[0], packets: n[1], errors: n[2], dropped: n[3] });
    Some((name.trim().to_owned(), InterfaceCounters { receive, transmit }))
}

/// Traffic of one interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkUsage {
    /// The interface's name.
    pub interface: String,
    /// Incoming bytes a second; none before two readings and when the counter started again.
    pub receive_bytes_per_second: Option<f64>,
    /// Outgoing bytes a second; none before two readings and when the counter started again.
    pub transmit_bytes_per_second: Option<f64>,
    /// Incoming bytes since the interface came up.
    pub receive_bytes: u64,
    /// Outgoing bytes since the interface came up.
    pub transmit_bytes: u64,
}

/// Returns the traffic of every interface between two readings that are `elapsed` apart.
pub fn usage(
    previous: Option<(&BTreeMap<String, InterfaceCounters>, Duration)>,
    current: &BTreeMap<String, InterfaceCounters>,
) -> Vec<NetworkUsage> {
    current
        .iter()
        .map(|(name, now)| {
            let before =
                previous.and_then(|(interfaces, elapsed)| Some((interfaces.get(name)?, elapsed)));
            NetworkUsage {
                interface: name.clone(),
                receive_bytes_per_second: before
                    .and_then(|(b, elapsed)| rate(b.receive.bytes, now.receive.bytes, elapsed)),
                transmit_bytes_per_second: before
                    .and_then(|(b, elapsed)| rate(b.transmit.bytes, now.transmit.bytes, elapsed)),
                receive_bytes: now.receive.bytes,
                transmit_bytes: now.transmit.bytes,
            }
        })
        .collect()
}

/// Returns the growth of a counter a second; none when it fell or no time passed.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
pub fn rate(before: u64, now: u64, elapsed: Duration) -> Option<f64> {
    let growth = now.checked_sub(before)?;
    let seconds = elapsed.as_secs_f64();
    (seconds > 0.0).then(|| (growth as f64 / seconds * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0:1000 10 1 2 0 0 0 0 500 5 3 4 0 0 0 0
";

    #[test]
    fn reads_interfaces_and_leaves_headers_out() {
        let interfaces = parse(BEFORE);

        assert_eq!(interfaces.keys().collect::<Vec<_>>(), ["eth0", "lo"]);
        assert_eq!(
            interfaces["eth0"].receive,
            DirectionCounters { bytes: 1000, packets: 10, errors: 1, dropped: 2 }
        );
        assert_eq!(
            interfaces["eth0"].transmit,
            DirectionCounters { bytes: 500, packets: 5, errors: 3, dropped: 4 }
        );
    }

    #[test]
    fn rates_are_growth_over_the_time_that_really_passed() {
        let now = parse(
            "eth0: 6000 0 0 0 0 0 0 0 1500 0 0 0 0 0 0 0\nnew0: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0",
        );

        let usage = usage(Some((&parse(BEFORE), Duration::from_secs(2))), &now);

        assert_eq!(usage[0].receive_bytes_per_second, Some(2500.0));
        assert_eq!(usage[0].transmit_bytes_per_second, Some(500.0));
        assert_eq!(usage[1].interface, "new0");
        assert_eq!(usage[1].receive_bytes_per_second, None);
    }

    #[test]
    fn a_counter_that_started_again_is_a_gap() {
        assert_eq!(rate(1000, 10, Duration::from_secs(1)), None);
        assert_eq!(rate(10, 1000, Duration::ZERO), None);
    }

    #[test]
    fn the_first_reading_has_totals_but_no_rates() {
        let usage = usage(None, &parse(BEFORE));

        assert_eq!(usage[0].receive_bytes, 1000);
        assert_eq!(usage[0].receive_bytes_per_second, None);
    }
}
