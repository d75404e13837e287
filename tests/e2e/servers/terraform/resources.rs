//! Resources that take long, that fail, and that copy a secret without a mark.

use rustix::process::Signal;

use super::lab::Lab;

#[test]
fn an_interrupt_while_a_resource_is_created_ends_cleanly() {
    let config = "resource \"lab_thing\" \"slow\" {\n  name = \"slow\"\n  waits_for = \"go\"\n}\n\
                  resource \"lab_thing\" \"next\" {\n  name = lab_thing.slow.id\n}\n";
    let Some(lab) = Lab::new(config) else { return };
    let mut running = lab.stack.start(&["run", "infra", "--auto-approve"]);
    running.wait_for("lab_thing.slow: Creating...");

    running.signal(Signal::TERM);
    running.wait_for("terraform stops cleanly");
    lab.stack.env.write("lab/go", "");
    let run = running.finish();

    run.expect_code(143);
    lab.stack.assert_unlocked();
    assert!(!lab.file("next").exists(), "{}", run.stderr);
    assert!(!lab.stack.path("errored.tfstate").exists(), "{}", run.stderr);
    lab.stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
    assert_eq!(lab.stack.resources().len(), 2);
}

#[test]
fn a_failed_resource_keeps_what_was_made_and_quotes_no_secret() {
    let config = "variable \"pw\" { sensitive = true }\n\
                  resource \"lab_thing\" \"good\" { name = \"good\" }\n\
                  resource \"lab_thing\" \"bad\" {\n  name = \"bad\"\n  fail = true\n  secret = var.pw\n  \
                  depends_on = [lab_thing.good]\n}\n";
    let Some(lab) = Lab::new(config) else { return };

    let run = lab.stack.run(&["run", "infra", "--auto-approve", "--var", "pw=hunter2-hunter2"]);

    run.expect_code(1);
    assert!(run.stderr.contains("the lab refuses"), "{}", run.stderr);
    assert!(run.stderr.contains("no bad with (sensitive value)"), "{}", run.stderr);
    assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
    assert_eq!(lab.stack.resources(), [("good".to_owned(), false)]);
}

#[test]
fn a_secret_that_a_provider_copies_is_hidden_where_it_has_no_mark() {
    let config = "variable \"size\" { default = \"small\" }\n\
                  resource \"lab_thing\" \"a\" {\n  name = \"a\"\n  size = var.size\n  \
                  secret = \"hunter2-hunter2\"\n}\n\
                  output \"copy\" { value = lab_thing.a.copy }\n";
    let Some(lab) = Lab::applied(config) else { return };

    for args in [
        &["plan", "infra", "--var", "size=large", "--out", "p"][..],
        &["show", "p"],
        &["show", "infra"],
        &["show", "p", "--json"],
        &["show", "infra", "--json"],
        &["show", "p", "--native"],
        &["run", "infra", "--auto-approve", "--var", "size=large"],
    ] {
        let run = lab.stack.run(args);

        run.expect_code(0);
        assert!(run.stdout.contains("lab_thing"), "{args:?}: {}", run.stdout);
        assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
    }
}
