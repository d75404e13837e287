//! The store as a client that is not ours sees it: boto3, or plain HTTP.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use devops_e2e::TestEnv;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::servers::rig::{Place, place};

const PROGRAM: &str = include_str!("client.py");

/// A Python with boto3, which takes a moment to start: one serves all tests.
struct Client {
    _env: TestEnv,
    _child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start(place: &Place) -> Self {
        let env = TestEnv::new();
        let mut child = env
            .program(&place.python)
            .args(["-c", PROGRAM])
            .env("ENDPOINT", &place.endpoint)
            .env("REGION", &place.region)
            .env("ACCESS_KEY", &place.access_key)
            .env("SECRET_KEY", &place.secret_key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of the tests starts");
        let requests = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { _env: env, _child: child, requests, answers }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the client listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the client answers");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("the client died at {request}"))
    }
}

fn ask(request: &Value) -> Value {
    static CLIENT: OnceLock<Mutex<Client>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| Mutex::new(Client::start(place())));
    client.lock().unwrap_or_else(PoisonError::into_inner).ask(request)
}

/// Calls boto3, and returns its answer or `{"error": CODE}`.
pub(crate) fn try_call(name: &str, args: &Value) -> Value {
    ask(&json!({"call": name, "args": args}))
}

/// Calls boto3, which must succeed.
#[track_caller]
pub(crate) fn call(name: &str, args: &Value) -> Value {
    let answer = try_call(name, args);
    assert!(answer.get("error").is_none(), "{name} {args}: {answer}");
    answer
}

/// Sends a request without a signature of its own, and returns the status and the body's digest.
pub(crate) fn http(method: &str, url: &str, body: Option<&[u8]>) -> Value {
    let body = body.map(|bytes| STANDARD.encode(bytes));
    ask(&json!({"http": method, "url": url, "body": body}))
}

/// Stores an object as somebody else would.
pub(crate) fn store(bucket: &str, key: &str, bytes: &[u8]) {
    call("put_object", &json!({"Bucket": bucket, "Key": key, "Body": STANDARD.encode(bytes)}));
}

/// Stores an object as somebody else would, if the server takes such a key; returns whether it is there.
pub(crate) fn store_if_taken(bucket: &str, key: &str, bytes: &[u8]) -> bool {
    let object = json!({"Bucket": bucket, "Key": key, "Body": STANDARD.encode(bytes)});
    if try_call("put_object", &object).get("error").is_some() {
        return false;
    }
    let listed = call("list_objects_v2", &json!({"Bucket": bucket}));
    let listed = listed["Contents"].as_array().cloned().unwrap_or_default();
    listed.iter().any(|object| object["Key"] == key)
}

/// Returns what [`call`] answers as the body of an object with these bytes.
pub(crate) fn digest(bytes: &[u8]) -> Value {
    json!({"size": bytes.len(), "sha256": hex(&Sha256::digest(bytes))})
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("a nibble has a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
