//! The number of times terraform is started.

use serde_json::json;

use super::{calls, fake, fake_run};

const BUILT_IN: &str = "resource \"terraform_data\" \"one\" {}\n";

#[test]
fn a_plan_starts_terraform_twice_and_once_more_where_something_is_to_be_initialized() {
    let state = |provider: &str| {
        let provider = format!("provider[\"{provider}\"]");
        json!({"version": 4, "resources": [{"provider": provider}]}).to_string()
    };
    for (files, needs_init) in [
        (vec![("main.tf", BUILT_IN.to_owned())], false),
        (vec![("main.tf", BUILT_IN.to_owned()), ("more.tf", "module \"m\" {}".to_owned())], true),
        (vec![("main.tf", BUILT_IN.to_owned()), ("more.tf.json", "{}".to_owned())], true),
        (vec![("main.tf", BUILT_IN.to_owned()), ("a.tftest.hcl", String::new())], true),
        (vec![("main.tf", BUILT_IN.to_owned()), (".terraform.lock.hcl", String::new())], true),
        (
            vec![
                ("main.tf", BUILT_IN.to_owned()),
                ("terraform.tfstate", state("terraform.io/builtin/terraform")),
            ],
            false,
        ),
        (
            vec![
                ("main.tf", BUILT_IN.to_owned()),
                ("terraform.tfstate", state("registry.terraform.io/hashicorp/aws")),
            ],
            true,
        ),
        (vec![], true),
    ] {
        let env = fake(&json!({}));
        for (name, text) in &files {
            env.write(format!("infra/{name}"), text);
        }

        fake_run(&env, &["plan", "infra"]).expect_code(0);

        let calls = calls(&env);
        let (init, rest) = calls.split_at(usize::from(needs_init));
        assert!(init.iter().all(|call| call == "init"), "{files:?}: {calls:?}");
        assert_eq!(rest, ["plan", "show"], "{files:?}");
    }
}
