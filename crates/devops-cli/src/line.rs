//! One line of standard input, and not a byte more: the rest is for the next question, or the script around us.

use std::{
    io::{self, Read},
    os::fd::AsFd,
};

use devops_core::{
    cancel::Cancel,
    fs::{Input, IoResultExt},
    kind::Kind,
};

use crate::failure::Failure;

/// The longest line that is an answer.
const MAX_LINE: usize = 1 << 20;

/// Reads a line of stdin and returns it without its end, or nothing at the end of input.
pub(crate) fn read(cancel: &Cancel) -> Result<Option<String>, Failure> {
    let stdin = io::stdin().as_fd().try_clone_to_owned().at("standard input", "read")?;
    read_from(&mut Input::new(stdin, cancel))
}

/// Reads byte by byte, since bytes cannot be put back into a pipe.
fn read_from(input: &mut impl Read) -> Result<Option<String>, Failure> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    loop {
        match input.read(&mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() == MAX_LINE => {
                return Err(Failure::usage("the line on stdin is longer than 1 MiB"));
            }
            Ok(_) => line.push(byte[0]),
            Err(error) => return Err(unread(error)),
        }
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    let text = String::from_utf8(line);
    text.map(Some).map_err(|_| Failure::usage("the line on stdin is not UTF-8"))
}

fn unread(error: io::Error) -> Failure {
    match Kind::of_io(&error) {
        Kind::Interrupted => Failure::io(error),
        _ => Failure::new(Kind::Failed, format!("cannot read stdin: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Result<Option<String>, Kind>> {
        let mut input = bytes;
        let mut next = || read_from(&mut input).map_err(|failure| failure.kind);
        let first = next();
        vec![first, next()]
    }

    #[test]
    fn a_line_ends_at_its_line_feed_and_leaves_the_rest() {
        let text = |line: &str| Ok(Some(line.to_owned()));

        assert_eq!(lines(b"one\r\ntwo\n"), [text("one"), text("two")]);
        assert_eq!(lines(b"\nlast"), [text(""), text("last")]);
        assert_eq!(lines(b"a\rb"), [text("a\rb"), Ok(None)]);
    }

    #[test]
    fn a_line_that_is_no_answer_is_wrong_input() {
        let longest = "x".repeat(MAX_LINE);

        assert_eq!(lines(b"\xff\xfe\nok\n"), [Err(Kind::Usage), Ok(Some("ok".to_owned()))]);
        assert_eq!(lines(longest.as_bytes())[0], Ok(Some(longest.clone())));
        assert_eq!(lines([longest.as_bytes(), b"x\n"].concat().as_slice())[0], Err(Kind::Usage));
    }
}
