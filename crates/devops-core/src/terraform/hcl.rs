//! As much of HCL's syntax as the tool needs: words, texts and nesting, without values.
//!
//! Terraform reads the files itself and complains of what is wrong in them; here a file that makes no
//! sense only gives fewer words.

use std::{iter::Peekable, str::CharIndices};

/// A piece of HCL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// A quoted text or a heredoc, its escapes resolved.
    Text(String),
    /// A text with a template in it, as it stands.
    Template(String),
    /// Any other character.
    Sign(char),
    /// The end of a line.
    Newline,
}

/// Splits a text into tokens; comments and spaces are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { text, rest: text.char_indices().peekable() };
    let mut found = Vec::new();
    while let Some(token) = scanner.next_token() {
        found.push(token);
    }
    found
}

/// Writes a text as a quoted string, in which `${` and `%{` begin templates.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => quoted.extend([c, c]),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns whether a text is one list or one object of constants, as a setting that is not a plain value is
/// written.
pub(super) fn is_collection(text: &str) -> bool {
    let tokens = tokens(text);
    let mut closing = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('[') => closing.push(']'),
            Token::Sign('{') => closing.push('}'),
            Token::Sign(c @ (']' | '}')) if closing.pop() != Some(*c) => return false,
            Token::Sign(']' | '}') if closing.is_empty() => {
                return tokens[index + 1..].iter().all(|token| *token == Token::Newline);
            }
            Token::Sign(']' | '}' | '=' | ':' | ',') | Token::Newline | Token::Text(_) => {}
            Token::Word(word) if is_constant(word) || is_key(&tokens, index) => {}
            _ => return false,
        }
        if closing.is_empty() && *token != Token::Newline {
            return false;
        }
    }
    false
}

fn is_constant(word: &str) -> bool {
    matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok()
}

fn is_key(tokens: &[Token], index: usize) -> bool {
    matches!(tokens.get(index + 1), Some(Token::Sign('=' | ':')))
}

/// Returns the blocks that stand directly in a body: what stands before each `{`, and what stands within it.
pub(super) fn blocks_of(tokens: &[Token]) -> impl Iterator<Item = (&[Token], &[Token])> {
    let mut rest = tokens;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (head, body, after) = next_block(rest);
        rest = after;
        Some((head, body))
    })
}

fn next_block(tokens: &[Token]) -> (&[Token], &[Token], &[Token]) {
    let Some(start) = tokens.iter().position(|token| *token == Token::Sign('{')) else {
        return (tokens, &[], &[]);
    };
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&tokens[..start], &tokens[start + 1..index], &tokens[index + 1..]);
        }
    }
    (&tokens[..start], &tokens[start + 1..], &[])
}

/// Returns the names and values of the attributes that stand directly in a body.
pub(super) fn attributes(body: &[Token]) -> Vec<(String, &[Token])> {
    let mut found: Vec<(String, &[Token])> = Vec::new();
    let (mut depth, mut index) = (0, 0);
    while index < body.len() {
        match (&body[index], body.get(index + 1)) {
            (Token::Word(name) | Token::Text(name), Some(Token::Sign('='))) if depth == 0 => {
                let length = value_length(&body[index + 2..]);
                found.push((name.clone(), &body[index + 2..index + 2 + length]));
                index += 2 + length;
                continue;
            }
            (Token::Sign('{' | '[' | '('), _) => depth += 1,
            (Token::Sign('}' | ']' | ')'), _) => depth -= 1,
            _ => {}
        }
        index += 1;
    }
    found
}

/// Returns how many tokens belong to the value that begins here: up to the end of the line outside of brackets.
fn value_length(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{' | '[' | '(') => depth += 1,
            Token::Sign('}' | ']' | ')') => depth -= 1,
            Token::Newline if depth <= 0 => return index,
            _ => {}
        }
    }
    tokens.len()
}

struct Scanner<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl Scanner<'_> {
    fn next_token(&mut self) -> Option<Token> {
        loop {
            let (at, c) = self.rest.next()?;
            let following = self.text[at + c.len_utf8()..].chars().next();
            match (c, following) {
                ('\n', _) => return Some(Token::Newline),
                ('#', _) | ('/', Some('/')) => self.skip_line(),
                ('/', Some('*')) => self.skip_comment(),
                ('"', _) => return Some(self.quoted()),
                ('<', Some('<')) => return Some(self.heredoc(at)),
                _ if c.is_whitespace() => {}
                _ if is_word(c) || (c == '-' && following.is_some_and(|c| c.is_ascii_digit())) => {
                    return Some(self.word(at, c));
                }
                _ => return Some(Token::Sign(c)),
            }
        }
    }

    fn word(&mut self, at: usize, first: char) -> Token {
        let mut end = at + first.len_utf8();
        while let Some((at, c)) = self.rest.next_if(|(_, c)| is_word(*c) || *c == '-') {
            end = at + c.len_utf8();
        }
        Token::Word(self.text[at..end].to_owned())
    }

    fn skip_line(&mut self) {
        while self.rest.next_if(|(_, c)| *c != '\n').is_some() {}
    }

    fn skip_comment(&mut self) {
        self.rest.next();
        let mut before = ' ';
        for (_, c) in self.rest.by_ref() {
            if before == '*' && c == '/' {
                return;
            }
            before = c;
        }
    }

    /// Reads a quoted text to its end; templates may hold further quoted texts.
    fn quoted(&mut self) -> Token {
        let start = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        let (mut value, mut is_template) = (String::new(), false);
        while let Some((at, c)) = self.rest.next() {
            match c {
                '"' if is_template => return Token::Template(self.text[start..at].to_owned()),
                '"' => return Token::Text(value),
                '\\' => value.extend(self.escaped()),
                '$' | '%' => {
                    let mut following = self.text[at + 1..].chars();
                    let pair = (following.next(), following.next());
                    if pair == (Some(c), Some('{')) {
                        value.extend([c, '{']);
                        let _escape = (self.rest.next(), self.rest.next());
                    } else if pair.0 == Some('{') {
                        is_template = true;
                        self.rest.next();
                        self.skip_template();
                    } else {
                        value.push(c);
                    }
                }
                _ => value.push(c),
            }
        }
        Token::Text(value)
    }

    fn escaped(&mut self) -> Option<char> {
        match self.rest.next()?.1 {
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => self.code_point(4),
            'U' => self.code_point(8),
            c => Some(c),
        }
    }

    fn code_point(&mut self, digits: usize) -> Option<char> {
        let digits: String = self.rest.by_ref().take(digits).map(|(_, c)| c).collect();
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    }

    fn skip_template(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next_token() {
                Some(Token::Sign('{')) => depth += 1,
                Some(Token::Sign('}')) => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn heredoc(&mut self, at: usize) -> Token {
        let rest = &self.text[at..];
        let first = rest.lines().next().unwrap_or_default();
        let word = first.trim_start_matches(['<', '-']).trim();
        let mut length = first.len() + 1;
        let mut lines = Vec::new();
        for line in rest.lines().skip(1) {
            length += line.len() + 1;
            if line.trim() == word {
                // The line's end is a token of its own.
                length -= 1;
                break;
            }
            lines.push(line);
        }
        let end = at + length;
        while self.rest.next_if(|(at, _)| *at < end).is_some() {}
        Token::Text(lines.join("\n"))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_plain_string() {
        assert_eq!(quoted("a\"b\\${x}%{y}$z"), r#""a\"b\\$${x}%%{y}$z""#);
    }

    #[test]
    fn reads_what_it_writes() {
        for text in ["a\"b\\${x}%{y}$z", "two\nlines\t", "", "$${", "%%{x}$$", "é\u{200b}"] {
            assert_eq!(tokens(&quoted(text)), [Token::Text(text.to_owned())], "{text}");
        }
    }

    #[test]
    fn splits_words_texts_and_signs() {
        let text =
            "a = \"x ${f(\"}\")} y\" # no = \"z\"\n/* b */ c-d = <<-EOT\n  one\n  EOT\ne = -1.5";

        let word = |word: &str| Token::Word(word.to_owned());
        assert_eq!(
            tokens(text),
            [
                word("a"),
                Token::Sign('='),
                Token::Template("x ${f(\"}\")} y".to_owned()),
                Token::Newline,
                word("c-d"),
                Token::Sign('='),
                Token::Text("  one".to_owned()),
                Token::Newline,
                word("e"),
                Token::Sign('='),
                word("-1.5"),
            ]
        );
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in ["\"", "\"${", "<<", "<<EOT", "/*", "\"\\", "\"\\u12", "\u{feff}{", "${\"}"] {
            let _tokens = tokens(text);
            assert!(!is_collection(text), "{text}");
        }
    }

    #[test]
    fn tells_collections_of_constants_from_plain_values() {
        for text in [
            "{s3=\"http://127.0.0.1:9\"}",
            " [\"1\", 2, true]\n",
            "{ a = [1, {b = null}]\n  \"c\": -2.5 }",
            "[]",
            "{}",
        ] {
            assert!(is_collection(text), "{text}");
        }
        for text in [
            "",
            "plain",
            "true",
            "5",
            "[secret]",
            "{x",
            "[\"a\"] b",
            "[}",
            "{a=b}",
            "\"[]\"",
            "[\"${x}\"]",
            "p[1]",
            "] [",
        ] {
            assert!(!is_collection(text), "{text}");
        }
    }
}
