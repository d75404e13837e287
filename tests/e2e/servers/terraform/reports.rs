//! Reports, judged by the schemas of those who read them.

use std::env;

use devops_e2e::{TestEnv, finish};
use serde_json::{Value, json};

/// Validates `junit.xml` and `sarif.json` of the work folder.
const PROGRAM: &str = include_str!("validate.py");

const EVERY_GUARD: [&str; 11] = [
    "--deny-destroy",
    "--deny-actions",
    "--deny-forget",
    "--max-changes",
    "0",
    "--max-destroy",
    "0",
    "--protect",
    "*",
    "--allow-types",
    "none",
];

fn plan(addresses: &[&str]) -> Value {
    let actions = [
        json!(["create"]),
        json!(["update"]),
        json!(["delete"]),
        json!(["delete", "create"]),
        json!(["forget"]),
    ];
    let changes = addresses.iter().enumerate().map(|(n, address)| {
        json!({"address": address, "type": "lab_thing", "change": {"actions": actions[n % actions.len()]}})
    });
    let check = json!({
        "address": {"to_display": "check.\u{1b}[31m<c>"}, "status": "fail",
        "instances": [{"problems": [{"message": "\u{0}]]> & \"more\"\r\n\u{ffff}"}]}],
    });
    json!({
        "format_version": "1.2", "terraform_version": "1.14.0", "checks": [check],
        "resource_changes": changes.collect::<Vec<_>>(),
        "action_invocations": [{"address": "action.lab_do.it", "type": "lab_do"}],
        "output_changes": {"o": {"actions": ["create"], "after": "x"}},
    })
}

#[test]
fn each_report_is_what_its_schema_says() {
    let setting = |name: &str| env::var(format!("DEVOPS_SERVER_{name}")).unwrap();
    let many: Vec<_> = (0..2000).map(|n| format!("lab_thing.many[{n}]")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let odd =
        ["a.b[\"<&>\\\"\"]", "a.b[\"\u{1b}[31m\"]", "a.b[\"e\u{301}\u{202e}\"]", "a.c", "a.d"];
    for (name, addresses) in [("empty", &[][..]), ("odd names", &odd), ("many", &many)] {
        for guards in [&[][..], &EVERY_GUARD] {
            let env = TestEnv::new();
            env.write("plan.json", plan(addresses).to_string());
            let reports =
                ["junit=junit.xml", "sarif=sarif.json", "gitlab=g.json", "code-quality=q.json"];
            let reports = reports.into_iter().flat_map(|report| ["--report", report]);
            let args = ["report", "plan.json", "--stack", "live/a b"].into_iter().chain(reports);

            let run = env.run("devops-tf", args.chain(guards.iter().copied()));

            run.expect_code(if guards.is_empty() { 0 } else { 11 });
            let mut validate = env.program(setting("PYTHON"));
            validate.args(["-c", PROGRAM, &setting("JUNIT_XSD"), &setting("SARIF_SCHEMA")]);
            let verdict = finish(&mut validate);
            assert_eq!((verdict.code, verdict.stdout.trim()), (0, "valid"), "{name}: {verdict:?}");
        }
    }
}
