//! JSON, CSV and settings, and logs: the same fields again and again, with values that differ a little.

use std::io::Write;

use fastrand::Rng;

use super::{
    content::Content,
    words::{Words, zipf},
};

/// How the value of a field is drawn.
#[derive(Clone, Copy)]
enum Value {
    Count,
    Price,
    Time,
    Id,
    Word,
    Text,
    Flag,
}

const VALUES: [Value; 7] =
    [Value::Count, Value::Price, Value::Time, Value::Id, Value::Word, Value::Text, Value::Flag];

#[derive(Clone, Copy)]
enum Form {
    Json,
    Csv,
    Settings,
}

/// Makes records of one table.
pub(super) struct Records<'a> {
    rng: Rng,
    words: &'a Words,
    form: Form,
    fields: Vec<(String, Value)>,
    time: u64,
    is_begun: bool,
}

/// Milliseconds since 1970, about where times begin.
const EPOCH_MS: u64 = 1_600_000_000_000;

impl<'a> Records<'a> {
    pub(super) fn new(mut rng: Rng, words: &'a Words) -> Self {
        let form = [Form::Json, Form::Json, Form::Csv, Form::Settings][rng.usize(..4)];
        let fields = (0..rng.u8(4..14))
            .map(|_| {
                let name = format!("{}_{}", words.noun(&mut rng), words.pick(&mut rng));
                (name, VALUES[rng.usize(..VALUES.len())])
            })
            .collect();
        let time = EPOCH_MS + rng.u64(..100_000_000_000);
        Self { rng, words, form, fields, time, is_begun: false }
    }

    fn record(&mut self, out: &mut Vec<u8>) {
        let fields = std::mem::take(&mut self.fields);
        self.time += self.rng.u64(..90_000);
        for (n, (name, value)) in fields.iter().enumerate() {
            match self.form {
                Form::Json => {
                    out.extend(if n == 0 { &b"  {\n    \""[..] } else { b",\n    \"" });
                    out.extend(name.as_bytes());
                    out.extend(b"\": ");
                }
                Form::Csv if n > 0 => out.push(b','),
                Form::Csv => {}
                Form::Settings => {
                    out.extend(name.as_bytes());
                    out.extend(b" = ");
                }
            }
            let is_quoted = !matches!(self.form, Form::Csv)
                && !matches!(value, Value::Count | Value::Price | Value::Flag);
            out.extend(if is_quoted { &b"\""[..] } else { b"" });
            self.value(*value, out);
            out.extend(if is_quoted { &b"\""[..] } else { b"" });
            out.extend(if matches!(self.form, Form::Settings) { &b"\n"[..] } else { b"" });
        }
        out.extend(if matches!(self.form, Form::Json) { &b"\n  },\n"[..] } else { b"\n" });
        self.fields = fields;
    }

    fn value(&mut self, value: Value, out: &mut Vec<u8>) {
        let rng = &mut self.rng;
        match value {
            Value::Count => out.extend(zipf(rng, 14).to_string().as_bytes()),
            Value::Price => put(out, format_args!("{}.{:02}", zipf(rng, 12), rng.u8(..100))),
            Value::Time => time(self.time, out),
            Value::Id => put(out, format_args!("{:08x}-{:04x}", rng.u32(..), rng.u16(..))),
            Value::Word => out.extend(self.words.noun(rng).as_bytes()),
            Value::Flag => out.extend(if rng.u8(..4) == 0 { &b"false"[..] } else { b"true" }),
            Value::Text => {
                for n in 0..rng.u8(2..12) {
                    out.extend(if n == 0 { &b""[..] } else { b" " });
                    out.extend(self.words.pick(rng).as_bytes());
                }
            }
        }
    }
}

impl Content for Records<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        if !self.is_begun {
            self.is_begun = true;
            if matches!(self.form, Form::Csv) {
                let names: Vec<_> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
                out.extend(names.join(",").as_bytes());
                out.push(b'\n');
            } else if matches!(self.form, Form::Json) {
                out.extend(b"[\n");
            }
        }
        for _ in 0..16 {
            self.record(out);
        }
    }
}

/// As a power of two.
const MESSAGES: u32 = 7;

/// Makes the log of one program.
pub(super) struct Log<'a> {
    rng: Rng,
    words: &'a Words,
    /// `#` stands for a number, `@` for an address, `%` for a word.
    messages: Vec<String>,
    time: u64,
}

impl<'a> Log<'a> {
    pub(super) fn new(mut rng: Rng, words: &'a Words) -> Self {
        let levels = ["INFO", "INFO", "DEBUG", "WARN", "ERROR"];
        let messages = (0..1 << MESSAGES)
            .map(|_| {
                let level = levels[zipf(&mut rng, 2)];
                let module = words.noun(&mut rng).to_owned();
                let mut message = format!("{level} {module}:");
                for _ in 0..rng.u8(3..12) {
                    message.push(' ');
                    match rng.u8(..12) {
                        0 => message.push('#'),
                        1 => {
                            message.push_str(words.noun(&mut rng));
                            message.push_str("=%");
                        }
                        _ => message.push_str(words.pick(&mut rng)),
                    }
                }
                message.push_str(if rng.bool() { " from @" } else { "" });
                message
            })
            .collect();
        let time = EPOCH_MS + rng.u64(..100_000_000_000);
        Self { rng, words, messages, time }
    }
}

impl Content for Log<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        for _ in 0..64 {
            let rng = &mut self.rng;
            self.time += rng.u64(..4_000);
            time(self.time, out);
            out.push(b' ');
            for part in self.messages[zipf(rng, MESSAGES)].split_inclusive(['#', '@', '%']) {
                let text = part.trim_end_matches(['#', '@', '%']);
                out.extend(text.as_bytes());
                match &part[text.len()..] {
                    "#" => put(out, format_args!("{}", zipf(rng, 20))),
                    "@" => {
                        put(out, format_args!("10.{}.{}.{}", rng.u8(..4), rng.u8(..), rng.u8(..)));
                    }
                    "%" => out.extend(self.words.noun(rng).as_bytes()),
                    _ => {}
                }
            }
            out.push(b'\n');
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes every byte");
}

/// Writes a time like RFC 3339; months have 30 days here.
fn time(ms: u64, out: &mut Vec<u8>) {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = (1970 + days / 360, 1 + days / 30 % 12, 1 + days % 30);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    put(out, format_args!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"));
}
