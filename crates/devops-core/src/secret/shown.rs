//! Texts as they may be shown: addresses without credentials, settings without passwords.

/// The text that replaces a secret.
const STARS: &str = "***";

/// Parts of a name that make its value a secret, wherever they stand.
const WORDS: [&str; 13] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "PRIVATE",
    "APIKEY",
    "COOKIE",
    "WEBHOOK",
    "SIGNATURE",
    "CONNECTIONSTRING",
    "CONNECTION_STRING",
];

/// Words that make a value a secret where one of them is a whole part of the name.
const PARTS: [&str; 19] = [
    "KEY",
    "KEYS",
    "PASS",
    "PW",
    "PWD",
    "PAT",
    "PATS",
    "JWT",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "CRED",
    "CREDS",
    "DSN",
    "SIG",
    "OTP",
    "CONNSTR",
    "CONN",
    "SK",
];

/// Names that look like those of secrets and are none.
const HARMLESS: [&str; 4] = ["PWD", "OLDPWD", "SSH_AUTH_SOCK", "SSH_CONNECTION"];

/// Words that end as the names of keys do.
const NO_KEYS: [&str; 8] =
    ["MONKEY", "TURKEY", "DONKEY", "HOCKEY", "JOCKEY", "WHISKEY", "COMPASS", "BYPASS"];

/// The prefixes of tokens of well-known makers.
const PREFIXES: [&str; 25] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "npm_",
    "pypi-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "sk-ant-",
    "sk-proj-",
    "shpat_",
    "xapp-",
    "dop_v1_",
    "hf_",
    "AIza",
    "hvs.",
    "AGE-SECRET-KEY-",
];

/// Returns whether something with this name is a secret: a variable, a parameter, a key of a table.
pub fn is_secret_name(name: &str) -> bool {
    if HARMLESS.contains(&name) {
        return false;
    }
    let name = name.to_uppercase().replace(['-', '.'], "_");
    let ends_as_key = ["KEY", "PASS"].iter().any(|end| name.ends_with(end));
    WORDS.iter().any(|word| name.contains(word))
        || (ends_as_key && !NO_KEYS.iter().any(|word| name.ends_with(word)))
        || name.split('_').any(|part| PARTS.contains(&part))
}

/// Replaces the secrets in a text by stars: credentials in addresses, signatures of queries,
/// addresses of webhooks, passwords in connection strings, tokens and private keys.
pub fn without_secrets(text: &str) -> String {
    if text.contains("PRIVATE KEY-----") || is_token(text.trim()) {
        return STARS.to_owned();
    }
    without_assigned(&without_credentials(text))
}

fn is_token(text: &str) -> bool {
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    // RFC 7519: three parts in base64, the first of which is an object.
    let is_jwt = text.starts_with("eyJ") && text.split('.').count() == 3;
    let has_scheme = ["Bearer ", "Basic "].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let is_known = PREFIXES.iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 10 && is_word(rest))
    });
    is_known || has_scheme || (is_jwt && text.split('.').all(is_word))
}

/// Hides the part before the `@` of each address, and the path of a webhook.
fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(is_end_of_address).unwrap_or(after.len());
        let (address, behind) = after.split_at(end);
        shown.push_str(&without_user(address));
        rest = behind;
    }
    shown + rest
}

fn is_end_of_address(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '`' | '<' | '>' | '|')
}

fn without_user(address: &str) -> String {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, path) = address.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        Some((_, host)) => ("***@", host),
        None => ("", authority),
    };
    if is_webhook(host, path) {
        format!("{user}{host}/{STARS}")
    } else {
        format!("{user}{host}{path}")
    }
}

/// Returns whether this is the address of a webhook: a holder of it can post as its owner.
fn is_webhook(host: &str, path: &str) -> bool {
    let (host, path) = (host.to_lowercase(), path.to_lowercase());
    path.len() > 1
        && (host.starts_with("hooks.")
            || host.starts_with("hc-ping.")
            || host.contains("webhook")
            || path.contains("webhook")
            || path.contains("/hooks/")
            || (host == "api.telegram.org" && path.starts_with("/bot")))
}

/// Hides the values of `name=value` and `"name": "value"` whose name says that they are secret.
fn without_assigned(text: &str) -> String {
    // Values of connection strings have blanks, and end with a semicolon.
    let has_blanks = text.contains(';');
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        shown.push_str(before);
        shown.push_str(&rest[at..=at]);
        rest = after;
        // `host:port` and `scheme://` are no assignments: a colon makes one behind a quoted name alone.
        let is_assigned = shown.ends_with('=') || before.trim_end().ends_with(['"', '\'']);
        if is_assigned && is_secret_name(last_name(before)) {
            let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
            let n_bytes = value_length(&after[blank..], has_blanks);
            if n_bytes > 0 {
                shown.push_str(&after[..blank]);
                shown.push_str(STARS);
                rest = &after[blank + n_bytes..];
            }
        }
    }
    shown + rest
}

/// Returns the name that stands at the end of a text; of two words, as in `Shared Key`, the last.
fn last_name(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let start = text.char_indices().rev().take_while(|(_, c)| is_part(*c)).last();
    start.map_or("", |(at, _)| &text[at..])
}

/// Returns the bytes of a value: to its closing quote, or to what ends a parameter or a word.
fn value_length(text: &str, has_blanks: bool) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let is_end = |c: char| "&,;\n".contains(c) || (c.is_whitespace() && !has_blanks);
    match quote {
        Some(quote) => text[1..].find(quote).map_or(text.len(), |end| end + 2),
        None => text.find(is_end).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets() {
        for name in [
            "API_KEY",
            "PGPASSWORD",
            "SSHPASS",
            "GITHUB_PAT",
            "JWT",
            "COOKIE",
            "NPM_AUTH",
            "X-Amz-Signature",
            "sig",
            "access_token",
            "AccountKey",
            "SharedAccessKey",
            "SLACK_WEBHOOK",
            "Pwd",
            "DB_DSN",
            "DOCKER_AUTH_CONFIG",
            "AZURE_STORAGE_CONNECTION_STRING",
            "client-secret",
            "STRIPE_SK",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "KEYBOARD",
            "PWD",
            "OLDPWD",
            "PATH",
            "SSH_AUTH_SOCK",
            "HOME",
            "user",
            "AUTHOR",
            "host",
            "SSH_CONNECTION",
            "PATTERN",
            "LESSKEYIN",
            "MONKEY",
            "WILD_TURKEY",
            "BYPASS",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn addresses_lose_their_credentials() {
        for (text, shown) in [
            ("https://t0ken@git.example/x.git", "https://***@git.example/x.git"),
            ("pg://u:p@ss@db/x", "pg://***@db/x"),
            ("https://db/x?a=@", "https://db/x?a=@"),
            ("git clone https://u:p@h/x && ls", "git clone https://***@h/x && ls"),
            ("http://a:1@h http://b:2@h", "http://***@h http://***@h"),
            (
                "jdbc:mysql://h/db?user=u&password=p&x=1",
                "jdbc:mysql://h/db?user=u&password=***&x=1",
            ),
            (
                "https://b.s3/k?X-Amz-Signature=ab1&X-Amz-Date=2",
                "https://b.s3/k?X-Amz-Signature=***&X-Amz-Date=2",
            ),
            ("https://x.blob/c?sv=1&sig=a%3D&se=2", "https://x.blob/c?sv=1&sig=***&se=2"),
            ("https://h/x?token=a#b", "https://h/x?token=***"),
            ("https://hooks.slack.com/services/T/B/x", "https://hooks.slack.com/***"),
            ("https://discord.com/api/webhooks/1/x", "https://discord.com/***"),
            ("https://hc-ping.com/0b4e", "https://hc-ping.com/***"),
            ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn passwords_in_settings_and_lines_are_hidden() {
        for (text, shown) in [
            ("Server=h;Uid=u;Pwd=p w;Port=1", "Server=h;Uid=u;Pwd=***;Port=1"),
            ("AccountName=n;AccountKey=a==;Suffix=s", "AccountName=n;AccountKey=***;Suffix=s"),
            ("host=h password='a b' user=u", "host=h password=*** user=u"),
            ("{\"user\": \"u\", \"password\": \"p\"}", "{\"user\": \"u\", \"password\": ***}"),
            ("PGPASSWORD=x pg_dump app > a.sql", "PGPASSWORD=*** pg_dump app > a.sql"),
            ("tool --token=x --level=3", "tool --token=*** --level=3"),
            ("localhost:5432", "localhost:5432"),
            ("/usr/bin:/bin", "/usr/bin:/bin"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn tokens_are_known_by_their_form() {
        for text in [
            "ghp_0123456789abcdef",
            "github_pat_0123456789_abc",
            "glpat-0123456789abc",
            "sk_test_0123456789",
            "whsec_0123456789abc",
            "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln",
            "Bearer abc",
            "-----BEGIN PRIVATE KEY-----\nMII",
        ] {
            assert_eq!(without_secrets(text), "***", "{text}");
        }
        for text in ["ghp_short", "eyJust.words", "basic"] {
            assert_eq!(without_secrets(text), text);
        }
    }
}
