//! What `devops-s3push` leaves for those who watch many hosts.

use std::fs;

use crate::s3push::S3TestEnv;

#[test]
fn how_it_went_is_written_for_the_textfile_collector() {
    let setting = S3TestEnv::new();
    setting.file("a.bin", 1000);
    let metrics = setting.env.path("s3push.prom");
    let args = ["put", "a.bin", "s3://backups/x/", "--metrics-file", "s3push.prom"];

    setting.run(&args).expect_code(0);
    let good = fs::read_to_string(&metrics).unwrap();
    setting.server.put("backups", "x/a.bin", b"other");
    setting.run(&args).expect_code(1);
    let bad = fs::read_to_string(&metrics).unwrap();

    let line = |text: &str, name: &str| {
        let line =
            text.lines().find(|line| line.starts_with(&format!("devops_s3push_last_{name}{{")));
        line.map(str::to_owned)
    };
    let label = r#"{destination="s3://backups/x/"}"#;
    assert_eq!(
        line(&good, "sent_bytes"),
        Some(format!("devops_s3push_last_sent_bytes{label} 1000"))
    );
    assert_eq!(line(&good, "exit_code"), Some(format!("devops_s3push_last_exit_code{label} 0")));
    assert_eq!(line(&bad, "exit_code"), Some(format!("devops_s3push_last_exit_code{label} 1")));
    let success = "success_timestamp_seconds";
    assert!(line(&good, success).is_some());
    assert_eq!(line(&bad, success), line(&good, success));
}
