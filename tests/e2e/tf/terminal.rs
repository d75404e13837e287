//! Output and questions on a terminal.

use devops_fakes::state::StateServer;

use super::*;

#[test]
fn a_line_on_the_terminal_tells_what_terraform_works_on() {
    let Some(python) = outside::program("python3") else { return };
    let hook = json!({"resource": {"addr": "fake_thing.a"}, "action": "create"});
    let start = json!({"@level": "info", "@message": "fake_thing.a: x", "type": "apply_start", "hook": hook});
    let apply = format!("echo '{start}'; until [ -e ../seen ]; do sleep 0.05; done");
    let env = fake(&json!({"apply": apply}));
    let mut command = env.program(&python);
    // How long it works is not for a test to say.
    let line = ", 1 running, longest fake_thing.a (";
    command.args(["-c", ON_A_TERMINAL, line, ""]).arg(binary("devops-tf"));
    command.args(["run", "infra", "--auto-approve"]);
    command.env("DEVOPS_TF_BIN", binary("fake-terraform")).env("TERM", "xterm");

    let run = finish(&mut command);

    run.expect_code(0);
    assert!(env.path("seen").exists(), "{}", run.stdout);
    assert!(run.stdout.contains("fake-terraform apply "), "{}", run.stdout);
}

#[test]
fn a_lock_is_shown_and_broken_only_when_a_person_says_so() {
    const ID: &str = "11111111-2222-3333-4444-555555555555";
    let Some(python) = outside::program("python3") else { return };
    let server = StateServer::start().unwrap();
    let Some(stack) = Stack::new(&[&server.backend("s"), ONE].concat()) else { return };
    let info = json!({"ID": ID, "Who": "ada@build-7", "Operation": "OperationTypeApply"});
    let unlock = |args: &[&str], answer: &str| {
        let mut command = stack.env.program(&python);
        command.args(["-c", ON_A_TERMINAL, ASKED, answer]).arg(binary("devops-tf"));
        command.args(["unlock", "infra"]).args(args).env("DEVOPS_TF_BIN", &stack.terraform);
        finish(&mut command)
    };
    server.hold("s", &info.to_string());

    let other = unlock(&["66666666-2222-3333-4444-555555555555"], "yes\n");
    let declined = unlock(&[], "no\n");
    assert!(server.lock("s").is_some());
    let broken = unlock(&[ID], "yes\n");
    assert!(server.lock("s").is_none(), "{}", broken.stdout);
    let free = unlock(&[], "yes\n");

    other.expect_code(11);
    declined.expect_code(11);
    for run in [&declined, &broken] {
        assert!(run.stdout.contains(ID) && run.stdout.contains(ASKED), "{}", run.stdout);
    }
    broken.expect_code(0);
    assert!(broken.stdout.contains(&format!("Broke the lock {ID}.")), "{}", broken.stdout);
    free.expect_code(0);
    assert!(free.stdout.contains("The state is not locked."), "{}", free.stdout);
}
