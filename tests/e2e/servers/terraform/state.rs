//! Interrupts with states in `PostgreSQL` and in S3: no lock stays, and no state is left unsaved.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
};

use devops_e2e::{TestEnv, finish, wait_until};

use crate::{
    servers::rig::{Rig, place},
    tf::{
        Stack,
        unsaved::{STEPS, interrupt},
    },
};

/// A handful: each backend has its own way to lock.
const N_ROUNDS: usize = 12;

fn stack(backend: &str) -> Option<Stack> {
    Stack::new(&format!("terraform {{\n{backend}\n}}\n{STEPS}"))
}

/// Runs a query of `PostgreSQL`.
fn query(database: &str, text: &str) -> String {
    let server = env::var("DEVOPS_SERVER_POSTGRES").expect("xtask says where PostgreSQL is");
    let psql = env::var("DEVOPS_SERVER_PSQL").expect("xtask says where psql is");
    let env = TestEnv::new();
    let mut command = env.program(psql);
    let run = finish(command.args(["-Atc", text]).arg(format!("{server}/{database}")));
    run.expect_code(0);
    run.stdout.trim().to_owned()
}

#[test]
fn no_interrupt_costs_a_lock_or_a_state_in_postgresql() {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let Some(mut stack) = stack("  backend \"pg\" {}") else { return };
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let database = format!("states_{}_{n}", std::process::id());
    query("postgres", &format!("create database {database}"));
    let server = env::var("DEVOPS_SERVER_POSTGRES").expect("xtask says where PostgreSQL is");
    let url = format!("{server}/{database}?sslmode=disable");
    stack.variables.insert("PG_CONN_STR", url.into());

    interrupt(&stack, N_ROUNDS, &|| {
        let holders = "select pid from pg_locks join pg_database d on d.oid = database \
                       where locktype = 'advisory' and d.datname = current_database()";
        // The server takes a moment to see that a client has gone.
        wait_until("no lock is held", || query(&database, holders).is_empty());
        None
    });
}

#[test]
fn no_interrupt_costs_a_lock_or_a_state_in_s3() {
    let rig = Rig::new();
    let block = format!(
        "  backend \"s3\" {{\n    bucket = \"{}\"\n    key = \"s\"\n    use_lockfile = true\n    \
         use_path_style = true\n    skip_requesting_account_id = true\n    \
         skip_credentials_validation = true\n    skip_metadata_api_check = true\n  }}",
        rig.bucket
    );
    let Some(mut stack) = stack(&block) else { return };
    let place = place();
    for (name, value) in [
        ("AWS_ENDPOINT_URL_S3", &place.endpoint),
        ("AWS_REGION", &place.region),
        ("AWS_ACCESS_KEY_ID", &place.access_key),
        ("AWS_SECRET_ACCESS_KEY", &place.secret_key),
    ] {
        stack.variables.insert(name, value.into());
    }

    interrupt(&stack, N_ROUNDS, &|| rig.keys().into_iter().find(|key| key.ends_with(".tflock")));
}
