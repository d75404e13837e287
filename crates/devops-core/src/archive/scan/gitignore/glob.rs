//! One glob of gitignore(5).

/// A glob, as the tokens that match one byte each and those that match many.
#[derive(Clone, Debug)]
pub(in crate::archive) struct Glob {
    /// The beginning of a text: each token one byte.
    head: Vec<Token>,
    /// The rest, which begins with a token for many bytes, if there is one.
    middle: Vec<Token>,
    /// The end of a text: each token one byte.
    tail: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?` and `[…]`: one byte of a set, but no slash.
    Set(ByteSet),
    /// `*`: any bytes but slashes.
    Star,
    /// `**` at the end, and before an escaped slash: any bytes.
    All,
    /// `**/`: nothing, or any bytes that end with a slash.
    Folders,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByteSet([u128; 2]);

impl ByteSet {
    const EMPTY: Self = Self([0; 2]);

    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 7)] |= 1 << (byte & 0x7f);
    }

    fn has(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 7)] & 1 << (byte & 0x7f) != 0
    }

    /// Returns the bytes that a set in a glob matches: never a slash.
    fn of_glob(self, is_negated: bool) -> Self {
        let mut set = if is_negated { Self(self.0.map(|half| !half)) } else { self };
        set.0[0] &= !(1 << b'/');
        set
    }
}

impl Token {
    /// Returns whether it matches one byte, and this one.
    fn takes(self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => own == byte,
            Self::Set(set) => set.has(byte),
            Self::Star => byte != b'/',
            Self::All | Self::Folders => true,
        }
    }

    fn is_many(self) -> bool {
        matches!(self, Self::Star | Self::All | Self::Folders)
    }
}

impl Glob {
    /// Reads a pattern without what says where it holds; `None` if it matches nothing at all.
    pub(in crate::archive) fn new(pattern: &[u8]) -> Option<Self> {
        if pattern.is_empty() {
            return None;
        }
        let mut tokens = Parser { pattern, at: 0 }.tokens()?;
        let is_many = |token: &Token| token.is_many();
        let middle_at = tokens.iter().position(is_many).unwrap_or(tokens.len());
        let mut middle = tokens.split_off(middle_at);
        let tail = middle.split_off(middle.iter().rposition(is_many).map_or(0, |last| last + 1));
        Some(Self { head: tokens, middle, tail })
    }

    /// Returns whether it matches all of a text.
    pub(in crate::archive) fn matches(&self, text: &[u8]) -> bool {
        let Some((head, rest)) = text.split_at_checked(self.head.len()) else { return false };
        let Some(at) = rest.len().checked_sub(self.tail.len()) else { return false };
        let (middle, tail) = rest.split_at(at);
        takes_each(&self.head, head)
            && takes_each(&self.tail, tail)
            && match self.middle.as_slice() {
                [] => middle.is_empty(),
                [Token::Star] => !middle.contains(&b'/'),
                tokens => simulate(tokens, middle),
            }
    }
}

fn takes_each(tokens: &[Token], bytes: &[u8]) -> bool {
    tokens.iter().zip(bytes).all(|(token, &byte)| token.takes(byte))
}

/// Matches by following all ways through the tokens at once.
fn simulate(tokens: &[Token], text: &[u8]) -> bool {
    // Whether the tokens before each place match the text so far.
    let mut reached = vec![false; tokens.len() + 1];
    // Whether `**/` at each place has taken some of the text.
    let mut within = vec![false; tokens.len()];
    reach(tokens, &mut reached, 0);
    for &byte in text {
        let mut next = vec![false; tokens.len() + 1];
        for (place, &token) in tokens.iter().enumerate() {
            if token == Token::Folders {
                within[place] |= reached[place];
                if within[place] && byte == b'/' {
                    reach(tokens, &mut next, place + 1);
                }
            } else if reached[place] && token.takes(byte) {
                reach(tokens, &mut next, if token.is_many() { place } else { place + 1 });
            }
        }
        reached = next;
    }
    reached[tokens.len()]
}

/// Marks a place, and those behind it that nothing of the text is needed for.
fn reach(tokens: &[Token], reached: &mut [bool], place: usize) {
    reached[place] = true;
    let n_many = tokens[place..].iter().take_while(|token| token.is_many()).count();
    reached[place..=place + n_many].fill(true);
}

/// Reads a pattern.
struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn tokens(mut self) -> Option<Vec<Token>> {
        let n_plain = self.pattern.iter().take_while(|&&byte| !is_special(byte)).count();
        let mut tokens = Vec::new();
        while let Some(byte) = self.next() {
            tokens.push(match byte {
                b'?' => Token::Set(ByteSet::EMPTY.of_glob(true)),
                b'*' => self.stars(n_plain),
                b'[' => Token::Set(self.set()?),
                b'\\' => Token::Byte(self.next()?),
                byte => Token::Byte(byte),
            });
        }
        Some(tokens)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.pattern.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn rest(&self) -> &'a [u8] {
        &self.pattern[self.at..]
    }

    /// Reads stars, the first of which is behind; two or more mean folders between slashes only.
    ///
    /// Git compares the `n_plain` bytes that a pattern begins with by themselves, so that stars behind
    /// them are to it at the beginning.
    fn stars(&mut self, n_plain: usize) -> Token {
        let first = self.at - 1;
        self.at += self.rest().iter().take_while(|&&byte| byte == b'*').count();
        let is_between = first == n_plain || self.pattern[first - 1] == b'/';
        if self.at == first + 1 || !is_between {
            return Token::Star;
        }
        match self.rest() {
            [] | [b'\\', b'/', ..] => Token::All,
            [b'/', ..] => {
                self.at += 1;
                Token::Folders
            }
            _ => Token::Star,
        }
    }

    /// Reads a set, the bracket of which is behind; `None` if it is not closed.
    fn set(&mut self) -> Option<ByteSet> {
        let is_negated = matches!(self.rest().first(), Some(b'!' | b'^'));
        self.at += usize::from(is_negated);
        let mut set = ByteSet::EMPTY;
        // The byte that a range may begin with.
        let mut start = None;
        loop {
            let byte = self.next()?;
            start = if byte == b'\\' {
                Some(self.next()?)
            } else if byte == b'-'
                && let Some(start) = start
                && self.rest().first().is_some_and(|&end| end != b']')
            {
                let end = self.escaped()?;
                (start..=end).for_each(|byte| set.add(byte));
                None
            } else if byte == b'['
                && let Some(name) = self.class()
            {
                (0..=u8::MAX).filter(class(name)?).for_each(|byte| set.add(byte));
                None
            } else {
                Some(byte)
            };
            if let Some(byte) = start {
                set.add(byte);
            }
            // A bracket that comes first is one of the set.
            if self.rest().first() == Some(&b']') {
                self.at += 1;
                return Some(set.of_glob(is_negated));
            }
        }
    }

    /// Reads a byte that may have a backslash in front.
    fn escaped(&mut self) -> Option<u8> {
        match self.next()? {
            b'\\' => self.next(),
            byte => Some(byte),
        }
    }

    /// Reads `:NAME:]`; `None` if something else comes.
    fn class(&mut self) -> Option<&'a [u8]> {
        let name = self.rest().strip_prefix(b":")?;
        let name = &name[..name.iter().position(|&byte| byte == b']')?];
        let class = name.strip_suffix(b":")?;
        self.at += 1 + name.len() + 1;
        Some(class)
    }
}

/// Returns whether a byte makes a pattern more than plain bytes.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

/// Returns the class of a name, by git's own tables: bytes beyond ASCII are in none.
fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern.as_bytes()).is_some_and(|glob| glob.matches(text.as_bytes()))
    }

    #[test]
    fn patterns_match_as_by_git() {
        for (pattern, yes, no) in [
            ("a*b?c", "axxbyc", "ab/bxc"),
            ("*.py[cod]", "a.pyc", "a.py"),
            ("a[!/]b", "axb", "a/b"),
            ("a/*", "a/b", "a/b/c"),
            ("a/**", "a/b/c", "a"),
            ("**/b", "b", "ab"),
            ("**/b", "a/c/b", "a/cb"),
            ("a/**/b", "a/b", "a/xb"),
            ("a/**/b", "a/x/y/b", "ab"),
            ("a/***/b", "a/x/y/b", "ab"),
            ("x/a**b", "x/acb", "x/a/b"),
            ("x/**b", "x/cb", "x/c/b"),
            // The plain bytes come first, and the stars then begin the pattern.
            ("a**/b", "ax/y/b", "b"),
            ("a**/b", "ab", "x/b"),
            ("?**/b", "ax/b", "a/x/b"),
            ("**\\/b", "a/c/b", "b"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no), "{pattern} {no}");
        }
    }

    #[test]
    fn sets_hold_what_they_do_for_git() {
        for (set, members) in [
            ("[abc]", "abc"),
            ("[a-c]", "abc"),
            ("[]-]", "]-"),
            ("[!]a]", "bcxyzABZ019-_[:\\ ~"),
            ("[^a-z]", "ABZ]019-_[:\\ ~"),
            ("[a-]", "a-"),
            ("[-a]", "-a"),
            ("[\\]a]", "]a"),
            ("[\\a-c]", "abc"),
            ("[a-\\c]", "abc"),
            ("[c-a]", "c"),
            ("[a-c-z]", "abc-z"),
            ("[[:alpha:]]", "abcxyzABZ"),
            ("[[:digit:]_-]", "019_-"),
            ("[[:upper:][:space:]]", "ABZ "),
            ("[[:digit:]-a]", "019-a"),
            ("[[:a]", "[:a"),
            ("[[]", "["),
        ] {
            let all = "abcxyzABZ]019-_[:\\ ~".chars();
            let found: String = all.filter(|byte| matches(set, &byte.to_string())).collect();

            let sorted = [members, &found].map(|text| {
                let mut bytes: Vec<_> = text.bytes().collect();
                bytes.sort_unstable();
                bytes
            });
            assert_eq!(sorted[0], sorted[1], "{set}");
        }
    }

    #[test]
    fn a_set_without_an_end_or_of_an_unknown_class_matches_nothing() {
        for pattern in ["[", "[a", "[]", "[!", "[\\", "[a-", "[[:alpha:]", "[[:nonsense:]]", "a\\"]
        {
            assert!(Glob::new(pattern.as_bytes()).is_none(), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(2000) + "b*";
        let text = "a".repeat(4000);

        assert!(!matches(&pattern, &text));
    }
}
