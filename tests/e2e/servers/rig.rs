//! One test's bucket on the server, and the tool pointed at it.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use devops_e2e::{Run, TestEnv, finish};
use serde_json::{Value, json};

pub(crate) use crate::s3push::bytes;
use crate::servers::{
    client::{call, digest, try_call},
    traits::traits,
};

pub(crate) const MIB: usize = 1 << 20;

/// Where the server is, as `cargo xtask test --servers` says.
pub(crate) struct Place {
    /// `garage`, `moto` and so on.
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    /// A role that the key may assume, where the server has such.
    pub(crate) role: Option<String>,
    /// A Python that has boto3.
    pub(crate) python: PathBuf,
}

/// Returns where the server is; without it no test here means anything.
pub(crate) fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    let read = |name: &str| {
        let name = format!("DEVOPS_SERVER_{name}");
        env::var(&name).unwrap_or_else(|_| panic!("no `{name}`; run `cargo xtask test --servers`"))
    };
    PLACE.get_or_init(|| Place {
        name: read("NAME"),
        endpoint: read("ENDPOINT"),
        region: read("REGION"),
        access_key: read("ACCESS_KEY"),
        secret_key: read("SECRET_KEY"),
        role: env::var("DEVOPS_SERVER_ROLE").ok(),
        python: read("PYTHON").into(),
    })
}

/// A work folder and a bucket of its own.
pub(crate) struct Rig {
    pub(crate) env: TestEnv,
    pub(crate) bucket: String,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with_bucket(&json!({}))
    }

    /// Makes the bucket with more arguments for `create_bucket`.
    pub(crate) fn with_bucket(more: &Value) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let bucket = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut args = more.clone();
        args["Bucket"] = bucket.clone().into();
        call("create_bucket", &args);
        Self { env: TestEnv::new(), bucket }
    }

    /// Returns the address of a key in the bucket.
    pub(crate) fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Returns the tool with the server's credentials.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare_command(args);
        let place = place();
        command
            .env("AWS_ACCESS_KEY_ID", &place.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &place.secret_key)
            .env("AWS_REGION", &place.region)
            .env("DEVOPS_S3PUSH_ENDPOINT_URL", &place.endpoint);
        command
    }

    /// Returns the tool without credentials and endpoint.
    pub(crate) fn bare_command(&self, args: &[&str]) -> Command {
        let mut command = self.env.tool("devops-s3push");
        command.env("AWS_EC2_METADATA_DISABLED", "true").args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finish(&mut self.command(args))
    }

    /// Puts a file with these bytes under a key, and returns the run.
    pub(crate) fn put(&self, key: &str, bytes: &[u8], flags: &[&str]) -> Run {
        let path = self.env.write("source.bin", bytes);
        let path = path.to_str().expect("the folder's name is text");
        self.run(&[&["put", path, &self.uri(key)][..], flags].concat())
    }

    /// Asks boto3 for something about a key.
    #[track_caller]
    pub(crate) fn ask(&self, name: &str, key: &str) -> Value {
        call(name, &json!({"Bucket": self.bucket, "Key": key}))
    }

    /// Returns the HEAD of an object with its checksums.
    #[track_caller]
    pub(crate) fn head(&self, key: &str) -> Value {
        let args = json!({"Bucket": self.bucket, "Key": key, "ChecksumMode": "ENABLED"});
        call("head_object", &args)
    }

    /// Checks with the other client that an object has these bytes.
    #[track_caller]
    pub(crate) fn check(&self, key: &str, bytes: &[u8]) {
        assert_eq!(self.ask("get_object", key)["Body"], digest(bytes), "{key}");
    }

    /// Returns the keys that the other client lists.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut args = json!({"Bucket": self.bucket});
        loop {
            let page = call("list_objects_v2", &args);
            let objects = page["Contents"].as_array().cloned().unwrap_or_default();
            keys.extend(
                objects.iter().filter_map(|object| object["Key"].as_str().map(str::to_owned)),
            );
            match page.get("NextContinuationToken") {
                Some(token) => args["ContinuationToken"] = token.clone(),
                None => return keys,
            }
        }
    }

    /// Returns the unfinished multipart uploads, or nothing where the server does not tell them.
    pub(crate) fn uploads(&self) -> Vec<Value> {
        if !traits().lists_uploads {
            return Vec::new();
        }
        let answer = try_call("list_multipart_uploads", &json!({"Bucket": self.bucket}));
        // So rclone says that there are none.
        let is_none = answer["error"] == "NoSuchUpload";
        assert!(answer.get("error").is_none() || is_none, "{answer}");
        answer["Uploads"].as_array().cloned().unwrap_or_default()
    }

    /// Returns whether the key is free.
    pub(crate) fn is_free(&self, key: &str) -> bool {
        let answer = try_call("head_object", &json!({"Bucket": self.bucket, "Key": key}));
        answer["error"] == "404"
    }
}

/// Returns the event of this type in a run's JSON lines.
#[track_caller]
pub(crate) fn event(run: &Run, kind: &str) -> Value {
    let mut events = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = events.find(|event| event["type"] == kind);
    found.unwrap_or_else(|| panic!("no event `{kind}`\n{}\n{}", run.stdout, run.stderr))
}
