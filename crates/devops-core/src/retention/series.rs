//! Decides the archives of one series that stay: one that is not proven counts for no rule, and
//! stays.
//!
//! Pure, and the same for archives here and off-site: the caller proves the archives it is asked
//! to, and asks again.

use time::OffsetDateTime;

use super::{EmptyPolicy, KeepPolicy, KeepReason, plan};
use crate::units::count;

/// An archive whose size alone tells what may be in it must have this share of the median of those before.
const LEAST_SHARE: u64 = 10;
/// The number of archives before it that an archive is weighed against. However many are dated before
/// all others, they do not decide about the newest.
const N_BEFORE: usize = 5;
/// The number of archives that may be removed without `max_delete`, unless half of them are more.
pub const FREE_REMOVALS: u64 = 10;
/// The number of good archives that are left where room is made for the next one.
const N_LEFT: u32 = 2;

/// The facts about an archive of a series that decide which archives stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The time at which it was made, by its own account or its name.
    pub time: OffsetDateTime,
    /// The time at which it came, by the account of the store; else `time`.
    pub arrived: OffsetDateTime,
    /// The size in bytes.
    pub size: u64,
    /// Is set if only its size tells of its content: it is encrypted, or of another tool.
    pub is_weighed: bool,
    /// The state of its proof.
    pub proof: Proof,
}

/// The state of the proof of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is not proven yet; `is_costly` if the proof has to read all of it.
    Unproven {
        /// Is set if only the newest one has to be proven.
        is_costly: bool,
    },
    /// It is what it looks like.
    Proven,
    /// It counts for no rule, for this reason.
    Uncounted(String),
}

/// The decision about an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays for these reasons.
    Keep(Vec<KeepReason>),
    /// It counts for no rule, for this reason, and is left for a person to look at.
    Uncounted(String),
    /// No rule keeps it; it goes in a later run, since only so many may go at once.
    Postponed,
    /// It goes.
    Remove,
}

/// The rules by which a series is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The rules for the archives to keep.
    pub policy: &'a KeepPolicy,
    /// The time it is.
    pub now: OffsetDateTime,
    /// Is set if an archive counts that is much smaller than those before it.
    pub accept_small: bool,
}

/// The decisions about a series, as far as its proofs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The fate of each, in the order of the series.
    pub decisions: Vec<Decision>,
    /// The archives to prove before any is removed, the newest first.
    pub to_prove: Vec<usize>,
}

/// Decides the fates of the archives of a series, the newest first.
///
/// Each that a rule keeps has to be proven before any is removed; if that is costly, only the
/// newest. One dated in the future stays, and proves nothing about the others.
pub fn judge(members: &[Member], rules: &Rules<'_>) -> Result<Ruling, EmptyPolicy> {
    ruling(members, rules, None)
}

/// Decides as [`judge`] would once there is one more archive, made now; the two newest that count stay in
/// any case, and have to be proven.
pub fn judge_before(members: &[Member], rules: &Rules<'_>) -> Result<Ruling, EmptyPolicy> {
    if rules.policy.is_empty() {
        return Err(EmptyPolicy);
    }
    // With the one to come.
    let last = rules.policy.last.max(N_LEFT + 1);
    let policy = KeepPolicy { last, ..rules.policy.clone() };
    ruling(members, &Rules { policy: &policy, ..*rules }, Some(rules.now))
}

/// Decides the fates where one more archive may be about to come.
fn ruling(
    members: &[Member],
    rules: &Rules<'_>,
    next: Option<OffsetDateTime>,
) -> Result<Ruling, EmptyPolicy> {
    let light = light(members, rules);
    let mut decisions: Vec<Decision> = members
        .iter()
        .zip(&light)
        .map(|(member, light)| match (&member.proof, light) {
            (Proof::Uncounted(reason), _) | (_, Some(reason)) => {
                Decision::Uncounted(reason.clone())
            }
            _ => Decision::Remove,
        })
        .collect();
    let counted: Vec<usize> =
        (0..members.len()).filter(|&index| decisions[index] == Decision::Remove).collect();
    let times = counted.iter().map(|&index| members[index].time);
    let times: Vec<_> = times.chain(next).collect();
    for (&index, reasons) in counted.iter().zip(plan(&times, rules.policy, rules.now)?) {
        if !reasons.is_empty() {
            decisions[index] = Decision::Keep(reasons);
        }
    }
    let n_costly = if next.is_some() { N_LEFT } else { 1 };
    let to_prove = to_prove(members, &decisions, rules.now, n_costly);
    Ok(Ruling { decisions, to_prove })
}

/// Returns which of those that stay have to be proven; where that is costly, only the newest `n_costly`.
fn to_prove(
    members: &[Member],
    decisions: &[Decision],
    now: OffsetDateTime,
    n_costly: u32,
) -> Vec<usize> {
    if !decisions.contains(&Decision::Remove) {
        return Vec::new();
    }
    let kept = (0..members.len()).filter(|&index| {
        matches!(decisions[index], Decision::Keep(_)) && members[index].time <= now
    });
    let must = |(place, index): (u32, usize)| match members[index].proof {
        Proof::Unproven { is_costly } => (place < n_costly || !is_costly).then_some(index),
        Proof::Proven | Proof::Uncounted(_) => None,
    };
    (0..).zip(kept).filter_map(must).collect()
}

/// Says of each that is weighed whether it is too small beside those before it that count: in the order in
/// which they came, which their author cannot choose, and in the order of their dates.
fn light(members: &[Member], rules: &Rules<'_>) -> Vec<Option<String>> {
    let mut light = vec![None; members.len()];
    if rules.accept_small {
        return light;
    }
    let is_asked = |&index: &usize| {
        let Member { proof, time, .. } = &members[index];
        !matches!(proof, Proof::Uncounted(_)) && *time <= rules.now
    };
    let by_date: Vec<usize> = (0..members.len()).rev().filter(is_asked).collect();
    let mut by_arrival = by_date.clone();
    by_arrival.sort_by_key(|&index| members[index].arrived);
    for order in [by_arrival, by_date] {
        weigh(members, &order, &mut light);
    }
    light
}

/// Says of archives, in this order, which are too small beside those before them.
fn weigh(members: &[Member], order: &[usize], light: &mut [Option<String>]) {
    let mut sizes = Vec::with_capacity(order.len());
    for &index in order {
        if light[index].is_some() {
            continue;
        }
        let Member { size, is_weighed, .. } = members[index];
        match median_of_last(&sizes) {
            Some(median) if is_weighed && size < median / LEAST_SHARE => {
                let reason = format!(
                    "it has {}, and the archives before it about {median}",
                    count(size, "byte")
                );
                light[index] = Some(reason);
            }
            _ => sizes.push(size),
        }
    }
}

/// Returns the median of the last sizes, of an even number the greater one.
fn median_of_last(sizes: &[u64]) -> Option<u64> {
    let mut last = sizes[sizes.len().saturating_sub(N_BEFORE)..].to_vec();
    last.sort_unstable();
    last.get(last.len() / 2).copied()
}

/// Returns how many of `n_counted` archives may go at once: as many as were asked for, else ten or half
/// of them, whichever is more.
pub fn most_removals(n_counted: usize, max_delete: Option<u64>) -> usize {
    let most = max_delete.unwrap_or_else(|| FREE_REMOVALS.max(n_counted as u64 / 2));
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Returns which of those that are to go, given by their times, have to wait where only `budget` may go:
/// the oldest go first.
pub fn postponed(times: &[OffsetDateTime], budget: usize) -> Vec<usize> {
    let mut oldest_first: Vec<usize> = (0..times.len()).collect();
    oldest_first.sort_by_key(|&index| times[index]);
    oldest_first.into_iter().skip(budget).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::datetime};

    use super::{Proof::*, *};

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);
    const PENDING: Proof = Unproven { is_costly: false };
    const COSTLY: Proof = Unproven { is_costly: true };

    fn last(n: u32) -> KeepPolicy {
        KeepPolicy { last: n, ..KeepPolicy::default() }
    }

    /// A series with an archive a day, the newest of today first.
    fn series(members: &[(u64, bool, Proof)]) -> Vec<Member> {
        let ages = (0..).map(Duration::days);
        let member = |(age, (size, is_weighed, proof)): (_, &(u64, bool, Proof))| Member {
            time: NOW - age,
            arrived: NOW - age,
            size: *size,
            is_weighed: *is_weighed,
            proof: proof.clone(),
        };
        ages.zip(members).map(member).collect()
    }

    fn judged(members: &[Member], policy: &KeepPolicy) -> Ruling {
        judge(members, &Rules { policy, now: NOW, accept_small: false }).unwrap()
    }

    /// Returns a letter for each: kept, uncounted, removed.
    fn letters(ruling: &Ruling) -> String {
        let letter = |decision: &Decision| match decision {
            Decision::Keep(_) => 'k',
            Decision::Uncounted(_) => 'u',
            Decision::Postponed => 'p',
            Decision::Remove => 'r',
        };
        ruling.decisions.iter().map(letter).collect()
    }

    #[test]
    fn what_does_not_count_stays_and_lets_the_rules_keep_others() {
        let refused = || Uncounted("why".to_owned());
        let proof = |proof: Proof| (100, false, proof);
        for (proofs, n, letters_wanted) in [
            (vec![Proven, Proven, Proven], 1, "krr"),
            (vec![refused(), Proven, Proven], 1, "ukr"),
            (vec![refused(), refused(), refused(), Proven, Proven, Proven], 3, "uuukkk"),
            (vec![Proven, refused(), Proven, Proven], 2, "kukr"),
            (vec![refused(), refused()], 1, "uu"),
            (vec![], 1, ""),
        ] {
            let members: Vec<_> = proofs.into_iter().map(proof).collect();
            let ruling = judged(&series(&members), &last(n));

            assert_eq!(letters(&ruling), letters_wanted);
            assert!(ruling.to_prove.is_empty());
        }
    }

    #[test]
    fn what_a_rule_keeps_proves_itself_before_anything_goes() {
        for (proofs, n, to_prove) in [
            (vec![PENDING, PENDING, PENDING], 3, vec![]),
            (vec![PENDING, PENDING, PENDING], 2, vec![0, 1]),
            (vec![Proven, PENDING, PENDING], 2, vec![1]),
            (vec![COSTLY, COSTLY, COSTLY], 2, vec![0]),
            (vec![Proven, COSTLY, COSTLY], 2, vec![]),
            (vec![Uncounted(String::new()), COSTLY, COSTLY], 1, vec![1]),
        ] {
            let members: Vec<_> = proofs.into_iter().map(|proof| (100, false, proof)).collect();

            assert_eq!(judged(&series(&members), &last(n)).to_prove, to_prove);
        }
    }

    #[test]
    fn one_dated_in_the_future_stays_and_proves_nothing() {
        let mut members = series(&[(1, true, PENDING), (100, true, PENDING), (100, true, PENDING)]);
        members[0].time = NOW + Duration::days(9);

        let ruling = judged(&members, &last(1));

        assert_eq!((letters(&ruling).as_str(), ruling.to_prove), ("kkr", vec![1]));
        assert_eq!(ruling.decisions[0], Decision::Keep(vec![KeepReason::Future]));
    }

    #[test]
    fn what_is_much_smaller_than_those_before_it_does_not_count() {
        let weighed = |sizes: &[u64]| -> Vec<_> {
            // Written from the oldest to the newest, as they came.
            let members: Vec<_> = sizes.iter().rev().map(|&size| (size, true, Proven)).collect();
            series(&members)
        };
        for (sizes, wanted) in [
            (vec![1], "k"),
            (vec![1000, 99], "ku"),
            (vec![1000, 100], "rk"),
            (vec![1000, 1000, 1000, 22, 22, 22], "rrkuuu"),
            // The small ones do not make the next one large.
            (vec![1000, 22, 22, 22, 99], "kuuuu"),
            // A few large ones do not make the usual ones small.
            (vec![100, 100, 100, 9000, 100], "rrrrk"),
            (vec![0, 0, 0], "rrk"),
        ] {
            let letters: String =
                letters(&judged(&weighed(&sizes), &last(1))).chars().rev().collect();

            assert_eq!(letters, wanted, "{sizes:?}");
        }
        let members = weighed(&[1000, 1000, 22]);
        let policy = last(1);
        let rules = Rules { policy: &policy, now: NOW, accept_small: true };
        assert_eq!(letters(&judge(&members, &rules).unwrap()), "krr");
    }

    #[test]
    fn room_for_the_next_archive_is_what_the_rules_would_not_keep_beside_it() {
        let before = |members: &[Member], policy: &KeepPolicy| {
            judge_before(members, &Rules { policy, now: NOW, accept_small: false }).unwrap()
        };
        let night = |proof: Proof| (100, false, proof);
        for (proofs, n, wanted, to_prove) in [
            (vec![Proven; 3], 3, "kkr", vec![]),
            (vec![Proven; 4], 3, "kkrr", vec![]),
            (vec![Proven; 3], 4, "kkk", vec![]),
            // Never below two, whatever the rules say.
            (vec![Proven; 3], 1, "kkr", vec![]),
            (vec![Proven; 2], 1, "kk", vec![]),
            (vec![Uncounted("why".to_owned()), Proven, Proven, Proven], 1, "ukkr", vec![]),
            (vec![PENDING; 3], 1, "kkr", vec![0, 1]),
            (vec![COSTLY; 5], 4, "kkkrr", vec![0, 1]),
        ] {
            let members: Vec<_> = proofs.into_iter().map(night).collect();

            let ruling = before(&series(&members), &last(n));

            assert_eq!((letters(&ruling).as_str(), ruling.to_prove), (wanted, to_prove), "{n}");
        }
        let members: Vec<_> = (0..9).map(|_| night(Proven)).collect();
        let weekly = KeepPolicy { weekly: 2, ..KeepPolicy::default() };
        // 2026-11-25 is a Wednesday: of this week the next one takes the place of the newest.
        assert_eq!(letters(&before(&series(&members), &weekly)), "kkrkrrrrr");
        assert_eq!(
            judge_before(
                &[],
                &Rules { policy: &KeepPolicy::default(), now: NOW, accept_small: false }
            ),
            Err(EmptyPolicy)
        );
    }

    #[test]
    fn small_ones_dated_before_all_others_do_not_let_small_ones_count() {
        let dated = |(age, size): (i64, u64)| Member {
            time: NOW - Duration::days(age),
            arrived: NOW - Duration::days(age),
            size,
            is_weighed: true,
            proof: Proven,
        };
        for n_small in [1, 5, 50] {
            let good = [0, 4, 3, 2, 1].map(|age| (age, if age == 0 { 40 } else { 60_000 }));
            let old = (0..n_small).map(|n| (10_000 + n, 40));
            let mut members: Vec<_> = good.into_iter().chain(old).map(dated).collect();
            members.sort_by_key(|member| std::cmp::Reverse(member.time));

            let wanted = format!("ukrrr{}", "r".repeat(usize::try_from(n_small).unwrap()));
            assert_eq!(letters(&judged(&members, &last(1))), wanted);

            // One good archive is enough where the store knows that it came first.
            members.drain(2..5);
            members[1].arrived = NOW - Duration::days(20_000);
            let wanted = format!("uk{}", "u".repeat(usize::try_from(n_small).unwrap()));
            assert_eq!(letters(&judged(&members, &last(1))), wanted);
        }
    }

    #[test]
    fn an_archive_that_proves_itself_may_be_small() {
        let members = series(&[(1, false, PENDING), (1000, false, PENDING)]);

        assert_eq!(letters(&judged(&members, &last(1))), "kr");
    }

    #[test]
    fn ten_or_half_may_go_unless_asked_for_otherwise() {
        for (n, asked, most) in [
            (3, None, 10),
            (20, None, 10),
            (21, None, 10),
            (22, None, 11),
            (1000, None, 500),
            (1000, Some(3), 3),
            (3, Some(0), 0),
            (3, Some(u64::MAX), usize::MAX),
        ] {
            assert_eq!(most_removals(n, asked), most, "{n} {asked:?}");
        }
    }

    #[test]
    fn the_oldest_go_first_where_only_so_many_may() {
        let times = [NOW, NOW - Duration::days(2), NOW - Duration::days(1)];

        assert!(postponed(&times, 3).is_empty());
        assert_eq!(postponed(&times, 1), [2, 0]);
        assert_eq!(postponed(&times, 0), [1, 2, 0]);
    }

    fn members() -> impl Strategy<Value = Vec<Member>> {
        let proof = prop_oneof![
            Just(Proven),
            Just(PENDING),
            Just(COSTLY),
            Just(Uncounted("why".to_owned()))
        ];
        let member = (-50..5000_i64, 0..5000_u64, any::<bool>(), proof);
        let member = member.prop_map(|(hours, size, is_weighed, proof)| Member {
            time: NOW - Duration::hours(hours),
            arrived: NOW - Duration::hours(hours),
            size,
            is_weighed,
            proof,
        });
        prop::collection::vec(member, 0..30).prop_map(|mut members| {
            members.sort_by_key(|member| std::cmp::Reverse(member.time));
            members
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_goes_unless_something_counts_and_stays(members in members(), n in 1..5_u32) {
            let ruling = judged(&members, &last(n));

            for (member, decision) in members.iter().zip(&ruling.decisions) {
                let is_uncounted = matches!(member.proof, Uncounted(_));
                prop_assert!(!is_uncounted || matches!(decision, Decision::Uncounted(_)));
                prop_assert!(member.time <= NOW || *decision != Decision::Remove);
            }
            if ruling.decisions.contains(&Decision::Remove) {
                let newest = (0..members.len()).find(|&index| {
                    matches!(ruling.decisions[index], Decision::Keep(_)) && members[index].time <= NOW
                });
                let newest = newest.expect("something stays");
                let is_proven = members[newest].proof == Proven;
                prop_assert!(is_proven || ruling.to_prove.contains(&newest));
            }
        }
    }
}
