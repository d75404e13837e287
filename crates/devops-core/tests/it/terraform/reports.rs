//! Writes reports that are valid, within their budgets, and say first what is lost.

use devops_core::terraform::{Guards, Plan, Report, ReportKind, Secrets};
use serde_json::{Value, json};

const KINDS: [&str; 7] = ["markdown", "json", "junit", "sarif", "github", "gitlab", "code-quality"];

fn plan(n: usize) -> Plan {
    let change = |at: usize, actions: Value| {
        json!({"address": format!("a.b[\"<k&|`{at}\\u0001\"]"), "type": "a", "name": "b",
        "change": {"actions": actions, "before": {"pw": "s3cret-value", "text": "x\n```\ny"}, "after": {"pw": "s3cret-value", "text": "is s3cret-value\n"},
        "before_sensitive": {"pw": true}, "after_sensitive": {"pw": true}}})
    };
    let made = (0..n).map(|at| change(at, json!(["update"])));
    let lost = (n..n + n / 2).map(|at| change(at, json!(["delete", "create"])));
    let gone = (2 * n..2 * n + n / 2).map(|at| change(at, json!(["delete"])));
    let plan = json!({"format_version": "1.2", "terraform_version": "1.11.4", "applyable": true,
        "resource_changes": made.chain(lost).chain(gone).collect::<Vec<_>>(),
        "output_changes": {"o": {"actions": ["create"], "after": 1}},
        "action_invocations": [{"address": "action.x.y", "type": "x"}],
        "checks": [{"address": {"to_display": "check.c"}, "status": "fail", "instances": [{"problems": [{"message": "s3cret-value is\n%weak"}]}]}]});
    Plan::parse(plan.to_string()).unwrap()
}

fn report(plan: &Plan) -> Report {
    let guards = Guards::default()
        .deny_destroy(true)
        .max_changes(Some(1))
        .protect("a.b")
        .unwrap()
        .deny_actions(true);
    Report::new("live/a b", plan, &Secrets::default(), &guards.judge(plan))
}

fn json_of(report: &Report, kind: ReportKind) -> Value {
    serde_json::from_str(report.write(kind).get()).unwrap()
}

/// Checks that every element is closed in order and every attribute quoted; returns the elements by name.
fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(
            !text.contains('>') && text.split('&').skip(1).all(|entity| entity.contains(';')),
            "{text}"
        );
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap().to_owned();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!tag.contains('<') && tag.chars().all(|c| !c.is_control()), "{tag}");
        all.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    all
}

#[test]
fn no_report_shows_a_secret_or_a_control_character() {
    for n in [2, 1200] {
        let report = report(&plan(n));
        let written = KINDS.map(|kind| (kind, report.write(kind.parse().unwrap()).into_inner()));
        for (kind, text) in
            written.into_iter().chain([("annotations", report.annotations().into_inner())])
        {
            assert!(!text.contains("s3cret-value"), "{kind:?}");
            assert!(!text.contains('\u{1}'), "{kind:?}");
        }
    }
}

#[test]
fn markdown_fits_and_says_first_what_is_lost() {
    for n in [2, 300, 5000] {
        let report = report(&plan(n));
        let body = report.write(ReportKind::Markdown).into_inner();
        let summary = report.write(ReportKind::Github).into_inner();
        assert!(
            body.len() <= 65_536 && summary.len() <= 1 << 20,
            "{} {}",
            body.len(),
            summary.len()
        );
        let place = |word: &str| body.find(word).unwrap_or(usize::MAX);
        assert!(
            place("| **destroy** |") < place("| **replace** |").min(place("| update |")),
            "{n}"
        );
        assert_eq!(body.matches("<details>").count(), body.matches("</details>").count());
        // The fence is longer than any in the plan.
        assert!(body.contains("\n````diff\n") && body.trim_end().ends_with(['>', '.']), "{n}");
        assert!(n == 2 || body.contains("more, "));
        assert!(body.contains("\n!   resource \"a\" \"b\" {\n!       text = ") || n > 2, "{body}");
        assert!(body.starts_with("### Terraform plan of `live/a b` (refused)"));
        for n_taken in [1 << 19, (1 << 20) - 2000, (1 << 20) - 300, 1 << 20, u64::MAX] {
            let rest = report.step_summary(n_taken).into_inner().len() as u64;
            assert!(rest == 0 || rest + n_taken <= 1 << 20, "{rest} {n_taken}");
        }
        assert!(report.step_summary((1 << 20) - 300).get().is_empty());
    }
    let nothing = Plan::parse(r#"{"format_version": "1.2", "planned_values": {}}"#).unwrap();
    let body = report(&nothing).write(ReportKind::Markdown).into_inner();
    assert!(body.contains("No changes. Your infrastructure matches the configuration."), "{body}");
}

#[test]
fn junit_is_well_formed_and_counts_its_cases() {
    let xml = report(&plan(4)).write(ReportKind::Junit).into_inner();
    let all = elements(&xml);
    let n = |name: &str| all.iter().filter(|one| *one == name).count();
    assert_eq!((n("testsuites"), n("testsuite")), (1, 1));
    // Eight changes, one action, and the limit as a case of its own; the updates are protected.
    assert_eq!((n("testcase"), n("failure")), (10, 10));
    assert!(xml.contains("tests=\"10\" failures=\"10\""), "{xml}");
    let passed =
        Report::new(".", &plan(4), &Secrets::default(), &Guards::default().judge(&plan(4)));
    assert!(passed.write(ReportKind::Junit).get().contains("tests=\"9\" failures=\"0\""));
}

#[test]
fn sarif_has_what_its_schema_demands() {
    let log = json_of(&report(&plan(4)), ReportKind::Sarif);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules: Vec<_> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].clone())
        .collect();
    assert_eq!(run["tool"]["driver"]["name"], "devops-tf");
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        assert!(rules.contains(&result["ruleId"]), "{result}");
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "live/a%20b");
        assert_eq!(place["region"]["startLine"], 1);
        let known = ["ruleId", "level", "message", "locations"];
        assert!(result.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())));
    }
}

#[test]
fn github_gets_ten_annotations_of_each_level() {
    let text = report(&plan(300)).annotations().into_inner();
    let n = |command: &str| text.lines().filter(|line| line.starts_with(command)).count();
    assert_eq!((n("::error title="), n("::warning title=")), (10, 10));
    assert_eq!(text.lines().count(), 20);
    assert!(text.contains("and 593 more"), "{text}");
    let few = report(&plan(2)).annotations().into_inner();
    assert!(
        few.contains(
            "::warning title=terraform plan%3A check::check.c: (sensitive value) is%0A%25weak"
        ),
        "{few}"
    );
}

#[test]
fn gitlab_counts_a_replacement_twice_and_names_findings_once() {
    let report = report(&plan(4));
    assert_eq!(
        json_of(&report, ReportKind::Gitlab),
        json!({"create": 2, "update": 4, "delete": 4})
    );
    let quality = json_of(&report, ReportKind::CodeQuality);
    let issues = quality.as_array().unwrap();
    let prints: std::collections::BTreeSet<_> =
        issues.iter().map(|issue| issue["fingerprint"].to_string()).collect();
    assert_eq!(prints.len(), issues.len());
    for issue in issues {
        assert!(
            ["info", "minor", "major", "critical", "blocker"]
                .contains(&issue["severity"].as_str().unwrap())
        );
        assert!(
            issue["location"]["path"].is_string() && issue["location"]["lines"]["begin"].is_u64()
        );
        assert!(issue["description"].is_string() && issue["check_name"].is_string());
    }
}

#[test]
fn json_tells_what_changes_and_why_it_is_refused() {
    let report = json_of(&report(&plan(2)), ReportKind::Json);
    assert_eq!(report["refused"], true);
    assert_eq!(report["summary"]["destroy"], 1);
    assert_eq!(report["changes"][0]["change"], "destroy");
    assert_eq!(report["changes"][3]["attributes"], json!(["text"]));
    let rules: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap().to_owned())
        .collect();
    for rule in
        ["deny-destroy", "protect", "deny-actions", "max-changes", "destroy", "replace", "check"]
    {
        assert!(rules.iter().any(|one| one == rule), "{rule}");
    }
}

fn markdown_of(addresses: &[&str]) -> String {
    let change = |address: &&str| json!({"address": address, "change": {"actions": ["delete"]}});
    let changes: Vec<_> = addresses.iter().map(change).collect();
    let plan = json!({"format_version": "1.2", "resource_changes": changes});
    report(&Plan::parse(plan.to_string()).unwrap()).write(ReportKind::Markdown).into_inner()
}

#[test]
fn markdown_keeps_markup_in_names_within_code() {
    for (address, row, objection) in [
        ("a.b", "| `a.b` |", "> - `a.b` would be destroyed\n"),
        (
            "a.b[\"``<img src=x>`` @all\"]",
            "| ``` a.b[\"``<img src=x>`` @all\"] ``` |",
            "> - ``` `a.b[\"``<img src=x>`` @all\"]` would be destroyed ```\n",
        ),
        (
            "a.b[\"x` [y](http://evil) `\"]",
            "| `` a.b[\"x` [y](http://evil) `\"] `` |",
            "> - `` `a.b[\"x` [y](http://evil) `\"]` would be destroyed ``\n",
        ),
        ("a.b[\"|\"]", "| `a.b[\"\\|\"]` |", "> - `a.b[\"|\"]` would be destroyed\n"),
        ("a.b[\"\\|\"]", "| `a.b[\"\\ \\|\"]` |", "> - `a.b[\"\\|\"]` would be destroyed\n"),
    ] {
        let body = markdown_of(&[address]);
        assert!(body.contains(row) && body.contains(objection), "{body}");
    }
}

#[test]
fn a_name_that_is_too_long_takes_the_place_of_no_other() {
    let long = format!("a.b[\"{}\"]", "\u{e4}".repeat(35_000));
    let body = markdown_of(&[&long, "a.c"]);

    assert!(body.contains("| **destroy** | `a.c` |") && body.contains("\u{2026}"), "{body}");
    assert!(body.contains("# a.c will be destroyed") && !body.contains("more, "), "{body}");
    let many: Vec<_> = std::iter::repeat_n(long.as_str(), 100).chain(["a.c"]).collect();
    assert!(markdown_of(&many).contains("| **destroy** | `a.c` |"));
}
