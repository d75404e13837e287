//! Who may see the figures: names with bcrypt hashes, and tokens.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::web;
use base64::{Engine, prelude::BASE64_STANDARD};
use blake3::Hash;
use devops_cli::{Failure, quote};
use devops_core::{cancel::Cancel, fs, kind::Kind};
use tokio::sync::Semaphore;

const FILE_LIMIT: u64 = 1 << 20;
/// bcrypt is slow on purpose: guessing must not keep every thread busy.
const PARALLEL_HASHES: usize = 1;
/// The number of passwords that may wait for their turn, the one at work included; more are sent away at once.
const MAX_QUEUED: usize = 8;

/// The logins of an auth file.
pub(crate) struct Users {
    hashes: HashMap<String, String>,
    /// Hashes, because comparing them takes the same time wherever they differ.
    tokens: Vec<Hash>,
    /// Passwords found right, as hashes under a key of this process.
    known: Mutex<HashMap<String, Hash>>,
    key: [u8; 32],
    hashing: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// The outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthResult {
    Allowed,
    Refused,
    /// Too many passwords wait already: this one was not looked at.
    Busy,
}

impl From<bool> for AuthResult {
    fn from(is_right: bool) -> Self {
        if is_right { Self::Allowed } else { Self::Refused }
    }
}

impl Users {
    /// Reads an auth file: `NAME:$2y$…` or `token:VALUE` a line, `#` comments.
    pub(crate) fn read(path: &Path, cancel: &Cancel) -> Result<Self, Failure> {
        let text = fs::read_input(path, FILE_LIMIT, cancel)?;
        Self::parse(&text).map_err(|(line, problem)| {
            let place = if line > 0 { format!(", line {line}") } else { String::new() };
            Failure::new(Kind::Configuration, format!("{}{place}: {problem}", quote(path)))
                .hint("a line is `NAME:HASH`, as `htpasswd -nB NAME` prints it, or `token:VALUE`")
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut users = HashMap::new();
        let mut tokens = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let problem = |problem| (index + 1, problem);
            let (name, value) = line.split_once(':').ok_or(problem("there is no colon"))?;
            match (name, value) {
                ("", _) => return Err(problem("the name is empty")),
                (_, "") => return Err(problem("nothing follows the colon")),
                ("token", hash) if hash.starts_with("$2") => {
                    return Err(problem("a user cannot be named `token`"));
                }
                ("token", token) => tokens.push(blake3::hash(token.as_bytes())),
                (name, hash) if hash.parse::<bcrypt::HashParts>().is_ok() => {
                    users.insert(name.to_owned(), hash.to_owned());
                }
                _ => return Err(problem("the hash is not bcrypt")),
            }
        }
        if users.is_empty() && tokens.is_empty() {
            return Err((0, "the file holds no login"));
        }
        let mut key = [0; 32];
        random(&mut key);
        let known = Mutex::new(HashMap::new());
        let hashing = Arc::new(Semaphore::new(PARALLEL_HASHES));
        let queue = Arc::new(Semaphore::new(MAX_QUEUED));
        Ok(Self { hashes: users, tokens, known, key, hashing, queue })
    }

    /// Judges an `Authorization` header; what was found right before is never kept waiting.
    pub(super) async fn judge(&self, header: &str) -> AuthResult {
        let Some((scheme, credentials)) = header.split_once(' ') else {
            return AuthResult::Refused;
        };
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.is_token(credentials).into();
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return AuthResult::Refused;
        }
        let decoded = BASE64_STANDARD.decode(credentials).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        match text.as_deref().and_then(|text| text.split_once(':')) {
            Some((name, password)) => self.judge_password(name, password).await,
            None => AuthResult::Refused,
        }
    }

    fn is_token(&self, token: &str) -> bool {
        let hash = blake3::hash(token.as_bytes());
        // All are compared, so that the time tells nothing about their order.
        self.tokens.iter().fold(false, |found, known| (*known == hash) | found)
    }

    async fn judge_password(&self, name: &str, password: &str) -> AuthResult {
        let digest = blake3::keyed_hash(&self.key, password.as_bytes());
        if self.known().get(name) == Some(&digest) {
            return AuthResult::Allowed;
        }
        let user = self.hashes.get(name);
        // A name that nobody has costs the same time.
        let Some(hash) = user.or_else(|| self.hashes.values().next()) else {
            return AuthResult::Refused;
        };
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else {
            return AuthResult::Busy;
        };
        let turn = Arc::clone(&self.hashing).acquire_owned().await;
        let (password, hash) = (password.to_owned(), hash.clone());
        let right = web::block(move || {
            // Held until the hash is made, though the client may have gone meanwhile.
            let _held = (place, turn);
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let allowed = user.is_some() && right.await.unwrap_or(false);
        if allowed {
            self.known().insert(name.to_owned(), digest);
        }
        allowed.into()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Hash>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills the key from the random numbers that the standard library draws for its maps.
fn random(key: &mut [u8; 32]) {
    use std::hash::{BuildHasher, RandomState};
    for chunk in key.chunks_mut(8) {
        let number = RandomState::new().hash_one(0_u8).to_le_bytes();
        chunk.copy_from_slice(&number[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bcrypt of `secret`, of the lowest cost.
    fn hash() -> String {
        bcrypt::hash("secret", 4).unwrap()
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    #[test]
    fn a_password_and_a_token_open_and_nothing_else_does() {
        let text = format!("# people\nann:{}\n\ntoken:t0ken\n", hash());
        let users = Users::parse(&text).unwrap();

        actix_web::rt::System::new().block_on(async {
            for right in [basic("ann:secret"), "Bearer t0ken".into(), "bearer t0ken".into()] {
                assert_eq!(users.judge(&right).await, AuthResult::Allowed, "{right}");
            }
            for wrong in [
                "",
                "Basic",
                "Bearer ",
                "Bearer secret",
                "Basic !!",
                "Digest x",
                "t0ken",
                &basic("ann:wrong"),
                &basic("bob:secret"),
                &basic("ann"),
                &basic("token:t0ken"),
            ] {
                assert_eq!(users.judge(wrong).await, AuthResult::Refused, "{wrong}");
            }
        });
    }

    #[test]
    fn guesses_beyond_a_short_queue_are_sent_away_and_known_logins_are_not() {
        let text = format!("ann:{}\ntoken:t0ken\n", hash());
        let users = std::rc::Rc::new(Users::parse(&text).unwrap());

        actix_web::rt::System::new().block_on(async {
            assert_eq!(users.judge(&basic("ann:secret")).await, AuthResult::Allowed);
            let turn = users.hashing.acquire().await.unwrap();
            let guesses: Vec<_> = (0..MAX_QUEUED)
                .map(|number| {
                    let (users, guess) = (users.clone(), basic(&format!("ann:{number}")));
                    actix_web::rt::spawn(async move { users.judge(&guess).await })
                })
                .collect();
            while users.queue.available_permits() > 0 {
                tokio::task::yield_now().await;
            }

            assert_eq!(users.judge(&basic("ann:one more")).await, AuthResult::Busy);
            assert_eq!(users.judge(&basic("bob:nobody")).await, AuthResult::Busy);
            assert_eq!(users.judge(&basic("ann:secret")).await, AuthResult::Allowed);
            assert_eq!(users.judge("Bearer t0ken").await, AuthResult::Allowed);

            drop(turn);
            for guess in guesses {
                assert_eq!(guess.await.unwrap(), AuthResult::Refused);
            }
            assert_eq!(users.judge(&basic("ann:one more")).await, AuthResult::Refused);
        });
    }

    #[test]
    fn a_line_that_means_nothing_is_named() {
        let problem = |text: &str| Users::parse(text).err().unwrap();

        assert_eq!(problem("# nobody\n"), (0, "the file holds no login"));
        assert_eq!(problem("\nann\n"), (2, "there is no colon"));
        assert_eq!(problem("ann:{SHA}x\n"), (1, "the hash is not bcrypt"));
        assert_eq!(problem("ann:plain\n"), (1, "the hash is not bcrypt"));
        assert_eq!(problem(":x\n"), (1, "the name is empty"));
        assert_eq!(problem("token:\n"), (1, "nothing follows the colon"));
        assert_eq!(problem(&format!("token:{}", hash())).1, "a user cannot be named `token`");
    }
}
