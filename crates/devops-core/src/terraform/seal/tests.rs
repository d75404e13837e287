use std::ffi::OsStr;

use time::macros::datetime;

use super::*;
use crate::kind::{HasKind, Kind};

const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

fn around() -> SealedState {
    let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Secret::new(value))]);
    SealedState {
        dir: "/srv/stack".into(),
        workspace: "default".to_owned(),
        terraform_version: Some("1.11.4".to_owned()),
        lock_file_blake3: None,
        backend: Some(map("bucket", "b")),
        apply_args: map("TF_CLI_ARGS", "-parallelism=2"),
    }
}

fn first_plan() -> Plan {
    Plan::parse(r#"{"format_version": "1.2", "planned_values": {}}"#).unwrap()
}

fn key(text: &str) -> SealKey {
    SealKey::derive(&Secret::new(text))
}

fn seal_with(options: &SealOptions) -> Seal {
    Seal::new("ab".to_owned(), around(), NOW, &first_plan(), options).unwrap()
}

fn seal() -> Seal {
    seal_with(&SealOptions::default())
}

#[test]
fn holds_while_nothing_has_changed() {
    assert!(seal().verify("ab", &around(), None, NOW).is_ok());
    // Before terraform is started, its version and the backend may be unknown.
    let early = SealedState { terraform_version: None, backend: None, ..around() };
    assert!(seal().verify("ab", &early, None, NOW).is_ok());
}

#[test]
fn breaks_on_every_part_and_names_it() {
    let broken = |hash: &str, change: fn(&mut SealedState)| {
        let mut now = around();
        change(&mut now);
        seal().verify(hash, &now, None, NOW).unwrap_err().to_string()
    };
    let cases = [
        (broken("cd", |_| ()), "the content of the plan differs"),
        (broken("ab", |now| now.dir = "/x".into()), "the folder was `/srv/stack` and is `/x`"),
        (
            broken("ab", |now| now.workspace = "prod".to_owned()),
            "the workspace was `default` and is `prod`",
        ),
        (
            broken("ab", |now| now.terraform_version = Some("1.12.0".to_owned())),
            "the terraform version was `1.11.4` and is `1.12.0`",
        ),
        (
            broken("ab", |now| now.lock_file_blake3 = Some("12".to_owned())),
            "the dependency lock file is new",
        ),
        (
            broken("ab", |now| now.backend = Some(BTreeMap::new())),
            "the backend's setting `bucket` differs",
        ),
        (
            broken("ab", |now| {
                now.apply_args.insert("TF_CLI_ARGS".to_owned(), Secret::new("-parallelism=3"));
            }),
            "the environment variable `TF_CLI_ARGS` differs",
        ),
        (
            broken("ab", |now| {
                now.apply_args.insert("TF_CLI_ARGS_apply".to_owned(), Secret::new("x"));
            }),
            "the environment variable `TF_CLI_ARGS_apply` differs",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, format!("the seal is broken: {expected}"));
    }
}

#[test]
fn a_key_proves_who_made_the_seal() {
    let keyed = seal_with(&SealOptions { key: Some(key("one\n")), ..SealOptions::default() });
    let verify = |seal: &Seal, key: Option<&SealKey>| seal.verify("ab", &around(), key, NOW);

    assert!(verify(&keyed, Some(&key("one"))).is_ok());
    assert!(matches!(verify(&keyed, None), Err(SealError::NoKey)));
    assert!(matches!(verify(&keyed, Some(&key("two"))), Err(SealError::Key)));
    // A seal made anew brings its own key, which is not ours.
    assert!(matches!(verify(&seal(), Some(&key("one"))), Err(SealError::Key)));
    let forged = Seal { workspace: "prod".to_owned(), ..keyed };
    assert!(matches!(verify(&forged, Some(&key("one"))), Err(SealError::Key)));
    let changed =
        Seal { valid_until: None, summary: Summary { add: 1, ..Summary::default() }, ..seal() };
    assert!(matches!(verify(&changed, None), Err(SealError::Key)));
}

#[test]
fn a_seal_holds_for_its_time() {
    let valid_for = Some(std::time::Duration::from_hours(1));
    let seal = seal_with(&SealOptions { valid_for, ..SealOptions::default() });
    let at = |now| seal.verify("ab", &around(), None, now);

    assert!(at(NOW + Duration::minutes(59)).is_ok());
    let late = at(NOW + Duration::minutes(61)).unwrap_err();
    assert!(late.to_string().ends_with("it was valid until 2026-01-02T04:04:05Z"), "{late}");
    // A clock that was set back does not give more time.
    assert!(at(NOW - Duration::minutes(1)).is_err());
}

#[test]
fn shows_no_setting_in_clear() {
    let text = serde_json::to_string(&seal()).unwrap();

    assert!(text.contains("\"bucket\":"), "{text}");
    assert!(!text.contains("parallelism") && !text.contains("\"b\""), "{text}");
    let text = serde_json::to_string(&seal_with(&SealOptions {
        key: Some(key("the-key")),
        ..SealOptions::default()
    }));
    assert!(!text.unwrap().contains(&key("the-key").to_hex()));
}

#[test]
fn keeps_a_folder_whose_name_is_not_utf8() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan");
    let odd = |name: &'static [u8]| SealedState {
        dir: PathBuf::from(OsStr::from_bytes(name)),
        ..around()
    };
    let options = SealOptions::default();
    let seal = Seal::new("ab".to_owned(), odd(b"/srv/a\xff"), NOW, &first_plan(), &options);
    let seal = seal.unwrap();

    seal.write(&plan, &Recipients::default()).unwrap();

    let read = Seal::read(&plan, &Identities::default()).unwrap();
    assert_eq!(read, seal);
    assert!(read.verify("ab", &odd(b"/srv/a\xff"), None, NOW).is_ok());
    assert!(read.verify("ab", &odd(b"/srv/a\xfe"), None, NOW).is_err());
}

#[test]
fn a_missing_broken_or_older_seal_does_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan");
    let error = || Seal::read(&plan, &Identities::default()).unwrap_err();

    assert!(error().to_string().contains("has no seal"));
    fs::replace(&seal_path(&plan), b"{}", 0o600).unwrap();
    assert_eq!(error().kind(), Kind::Seal);
    fs::replace(&seal_path(&plan), b"{\"version\": 1}", 0o600).unwrap();
    assert!(error().to_string().contains("version 1"), "{}", error());
    seal().write(&plan, &Recipients::default()).unwrap();
    assert!(Seal::read(&plan, &Identities::default()).is_ok());
    assert!(seal().folder().unwrap_err().to_string().contains("there is no folder `/srv/stack`"));
}

#[test]
fn an_approval_holds_in_one_place() {
    let options = SealOptions::default();
    let moved = |change: fn(&mut SealedState)| {
        let mut now = around();
        change(&mut now);
        match seal().compare_in(&now, &first_plan(), &options).unwrap() {
            Comparison::Differs(lines) => lines,
            same => panic!("{same:?}"),
        }
    };

    let same = seal().compare_in(&around(), &first_plan(), &options).unwrap();
    assert_eq!(same, Comparison::Same);
    assert_eq!(moved(|now| now.dir = "/x".into()), ["the folder was `/srv/stack` and is `/x`"]);
    assert_eq!(
        moved(|now| now.workspace = "prod".to_owned()),
        ["the workspace was `default` and is `prod`"]
    );
    let other = moved(|now| now.backend = Some(BTreeMap::new()));
    assert_eq!(other, ["the backend's setting `bucket` differs"]);
}

#[test]
fn a_seal_that_ends_beyond_all_dates_ends() {
    let valid_for = Some(std::time::Duration::MAX);
    assert!(Seal::end(NOW, std::time::Duration::MAX).is_none());
    assert!(seal_with(&SealOptions { valid_for, ..SealOptions::default() }).valid_until.is_some());
}
