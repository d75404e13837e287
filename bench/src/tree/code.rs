//! Source code: lines of a few shapes over the names of the file, indented by blocks.

use fastrand::Rng;

use super::{
    content::Content,
    words::{Words, one_of, zipf},
};

/// The shapes of one family of languages.
///
/// `$n` stands for a name, `$t` for a type, `$f` for a function, `$d` for a number, `$w` for words.
struct Language {
    comment: &'static str,
    imports: &'static [&'static str],
    open: &'static [&'static str],
    lines: &'static [&'static str],
    close: &'static str,
}

const BRACES: Language = Language {
    comment: "//",
    imports: &["use crate::$n::{$t, $t};", "use $n::$n::$t;", "use super::$t;"],
    open: &[
        "pub fn $f(&self, $n: &$t) -> Result<$t, $t> {",
        "fn $f($n: $t, $n: usize) -> Option<$t> {",
        "impl $t for $t {",
        "if let Some($n) = self.$n.$f() {",
        "for $n in self.$n.iter() {",
        "match $n.$f() {",
        "pub struct $t {",
        "if $n.len() > $d {",
    ],
    lines: &[
        "let $n = self.$n.$f($n);",
        "let mut $n = Vec::with_capacity($d);",
        "self.$n = $n.$f()?;",
        "return Err($t::new(\"$w\"));",
        "$t::$t => $f($n, $d),",
        "$n.push($t { $n, $n: $d });",
        "assert_eq!($n.$f(), $d);",
        "$n: Option<$t>,",
        "pub $n: $t,",
        "$f($n, &mut self.$n);",
    ],
    close: "}",
};

const COLONS: Language = Language {
    comment: "#",
    imports: &["from $n.$n import $t", "import $n", "from .$n import $f, $t"],
    open: &[
        "def $f(self, $n, $n=None):",
        "class $t($t):",
        "if $n is not None:",
        "for $n in self.$n:",
        "with $f($n) as $n:",
        "try:",
        "elif isinstance($n, $t):",
    ],
    lines: &[
        "$n = self.$n.$f($n)",
        "self.$n = $n",
        "raise $t(\"$w\")",
        "return $f($n, $d)",
        "$n.append({\"$n\": $n, \"$n\": $d})",
        "assert $n == $d",
        "$n, $n = $f($n)",
        "\"\"\"$w.\"\"\"",
    ],
    close: "",
};

const SCRIPT: Language = Language {
    comment: "//",
    imports: &["import { $t, $f } from './$n';", "const $n = require('$n');"],
    open: &[
        "export function $f($n: $t, $n?: number): $t {",
        "export class $t extends $t {",
        "if ($n !== undefined && $n.$n) {",
        "$n.forEach(($n) => {",
        "switch ($n.$n) {",
        "static int $f(struct $n *$n, size_t $n) {",
        "while ($n < $n->$n) {",
    ],
    lines: &[
        "const $n = await this.$f($n);",
        "this.$n = $n ?? $d;",
        "throw new $t('$w');",
        "return $n.map(($n) => $n.$f($d));",
        "case '$n': return $f($n);",
        "$n->$n = $f($n, $d);",
        "if ($n == NULL) return -1;",
        "expect($n.$f()).toEqual($d);",
        "$n: $t,",
    ],
    close: "}",
};

/// As powers of two.
const NAMES: u32 = 6;
const TYPES: u32 = 4;

/// Makes source code of one language.
pub(super) struct Code<'a> {
    rng: Rng,
    words: &'a Words,
    language: &'static Language,
    names: Vec<String>,
    functions: Vec<String>,
    types: Vec<String>,
    depth: usize,
    is_begun: bool,
}

impl<'a> Code<'a> {
    pub(super) fn new(mut rng: Rng, words: &'a Words) -> Self {
        let language = [&BRACES, &COLONS, &SCRIPT][rng.usize(..3)];
        let mut some = |n: usize, name: fn(&mut Rng, &Words) -> String| -> Vec<String> {
            (0..n).map(|_| name(&mut rng, words)).collect()
        };
        let names = some(1 << NAMES, |rng, words| match rng.u8(..3) {
            0 => format!("{}_{}", words.noun(rng), words.noun(rng)),
            _ => words.noun(rng).to_owned(),
        });
        let functions =
            some(1 << NAMES, |rng, words| format!("{}_{}", words.noun(rng), words.noun(rng)));
        let types = some(1 << TYPES, |rng, words| {
            [capitalized(words.noun(rng)), capitalized(words.noun(rng))].concat()
        });
        Self { rng, words, language, names, functions, types, depth: 0, is_begun: false }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        // The same lines stand at the top of all files of a project.
        let mut project = Rng::with_seed(self.rng.u64(..8));
        for _ in 0..project.u8(0..14) {
            let n_words = 6 + project.usize(..6);
            self.comment(&mut project, n_words, out);
        }
        for _ in 0..self.rng.u8(2..12) {
            self.line_of(self.language.imports, out);
        }
        out.push(b'\n');
        self.is_begun = true;
    }

    fn comment(&self, rng: &mut Rng, n_words: usize, out: &mut Vec<u8>) {
        indent(self.depth, out);
        out.extend(self.language.comment.as_bytes());
        for _ in 0..n_words {
            out.push(b' ');
            out.extend(self.words.pick(rng).as_bytes());
        }
        out.push(b'\n');
    }

    fn line_of(&mut self, shapes: &[&str], out: &mut Vec<u8>) {
        let shape = one_of(&mut self.rng, shapes);
        self.line(shape, out);
    }

    fn line(&mut self, shape: &str, out: &mut Vec<u8>) {
        indent(self.depth, out);
        let mut parts = shape.split('$');
        out.extend(parts.next().unwrap_or_default().as_bytes());
        for part in parts {
            let (what, rest) = part.split_at(1);
            self.filled(what, out);
            out.extend(rest.as_bytes());
        }
        out.push(b'\n');
    }

    fn filled(&mut self, what: &str, out: &mut Vec<u8>) {
        let rng = &mut self.rng;
        match what {
            "n" => out.extend(self.names[zipf(rng, NAMES)].as_bytes()),
            "f" => out.extend(self.functions[zipf(rng, NAMES)].as_bytes()),
            "t" => out.extend(self.types[zipf(rng, TYPES)].as_bytes()),
            "d" => out.extend((zipf(rng, 10)).to_string().as_bytes()),
            _ => {
                for n in 0..rng.u8(2..7) {
                    out.extend(if n == 0 { &b""[..] } else { b" " });
                    out.extend(self.words.pick(rng).as_bytes());
                }
            }
        }
    }

    fn block(&mut self, out: &mut Vec<u8>) {
        match self.rng.u8(..16) {
            0..4 if self.depth < 5 => {
                self.line_of(self.language.open, out);
                self.depth += 1;
            }
            4..7 if self.depth > 0 => {
                self.depth -= 1;
                self.line(self.language.close, out);
            }
            7 => {
                let n_words = self.rng.usize(4..12);
                let mut rng = self.rng.fork();
                self.comment(&mut rng, n_words, out);
            }
            _ => self.line_of(self.language.lines, out),
        }
        if self.depth == 0 {
            out.push(b'\n');
        }
    }
}

impl Content for Code<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        if !self.is_begun {
            self.begin(out);
        }
        for _ in 0..32 {
            self.block(out);
        }
    }
}

fn indent(depth: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + 4 * depth, b' ');
}

fn capitalized(word: &str) -> String {
    let mut word = word.to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}
