//! What words may become: variables that the text itself sets, braces, and texts that it prints and takes again.
//!
//! Invariant: a value that cannot be known is [`UNKNOWN`], never left out.

use std::collections::{HashMap, HashSet};

use super::{
    decode,
    programs::{base_name, is_assigner},
    shell::{Command, Piece, Pipeline, RedirectKind, Simple, Word},
};

/// Stands in a text for what cannot be known.
pub(super) const UNKNOWN: char = '\u{e0ff}';
/// Quoted characters that would mean something bare are moved to this plane while words are expanded.
const QUOTED: u32 = 0xe000;
/// How many ways to expand one command are looked at.
const WAYS_MAX: usize = 16;
/// The longest expanded command, in bytes.
const LENGTH_MAX: usize = 256 * 1024;

/// What the text gives its variables. Every value that one ever has counts.
#[derive(Debug, Default, Clone)]
pub(super) struct Variables {
    functions: HashSet<String>,
    values: HashMap<String, Vec<Option<String>>>,
    home: String,
    root: String,
}

/// One way to expand the words of a command.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    done: Vec<String>,
    open: Option<String>,
}

impl Variables {
    pub fn new(home: &str, root: &str) -> Self {
        Self { functions: HashSet::new(), values: HashMap::new(), home: home.to_owned(), root: root.to_owned() }
    }

    /// Whether the text itself says what this name does.
    pub fn is_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether names of its functions begin so.
    pub fn has_functions(&self, prefix: &str) -> bool {
        self.functions.iter().any(|name| name.starts_with(prefix))
    }

    /// Collects everything that is assigned anywhere in these commands.
    pub fn collect(&mut self, pipelines: &[Pipeline], depth: u8) {
        if depth > 32 {
            return;
        }
        for command in pipelines.iter().flat_map(|pipeline| &pipeline.stages) {
            match command {
                Command::Group { body, .. } => self.collect(body, depth + 1),
                Command::Function { name, body } => {
                    self.functions.insert(name.clone());
                    self.collect(body, depth + 1);
                }
                Command::Simple(simple) => self.collect_simple(simple, depth),
            }
        }
    }

    fn collect_simple(&mut self, simple: &Simple, depth: u8) {
        for (name, word) in &simple.assignments {
            self.collect_word(word, depth);
            self.assign(name, word);
        }
        for word in simple.words.iter().chain(simple.redirects.iter().map(|redirect| &redirect.target)) {
            self.collect_word(word, depth);
        }
        let Some(program) = simple.words.first().map(|word| base_name(&word.plain())) else { return };
        if !is_assigner(&program) {
            return;
        }
        for word in &simple.words[1..] {
            let plain = word.plain();
            match plain.split_once('=') {
                Some((name, _)) if !name.starts_with('-') => {
                    let mut value = word.clone();
                    cut_name(&mut value, name.len() + 1);
                    self.assign(name, &value);
                }
                _ if matches!(program.as_str(), "read" | "mapfile" | "readarray" | "getopts" | "printf") => {
                    self.put(&plain, None);
                }
                _ => {}
            }
        }
    }

    fn collect_word(&mut self, word: &Word, depth: u8) {
        for piece in &word.pieces {
            match piece {
                Piece::Commands { body, .. } | Piece::Process { body } => self.collect(body, depth + 1),
                Piece::Variable { name, default: Some(default), .. } => {
                    self.collect_word(default, depth + 1);
                    self.assign(name, default);
                }
                Piece::Number { inside, .. } => self.collect_word(inside, depth + 1),
                Piece::Variable { .. } | Piece::Text { .. } => {}
            }
        }
    }

    fn assign(&mut self, name: &str, word: &Word) {
        for way in self.expand(std::slice::from_ref(word)) {
            // What is unknown in it stays marked.
            self.put(name, Some(way.join(" ")));
        }
    }

    fn put(&mut self, name: &str, value: Option<String>) {
        let values = self.values.entry(name.to_owned()).or_default();
        if values.len() < WAYS_MAX {
            if !values.contains(&value) {
                values.push(value);
            }
        } else if !values.contains(&None) {
            values[0] = None;
        }
    }

    /// Every value that a variable may have; `None` is one that nobody knows.
    fn of(&self, name: &str) -> Vec<Option<String>> {
        if let Some(values) = self.values.get(name) {
            return values.clone();
        }
        match name {
            "HOME" => vec![Some(self.home.clone())],
            "PWD" | "ORCH_ROOT" | "CLAUDE_PROJECT_DIR" => vec![Some(self.root.clone())],
            "IFS" => vec![Some(" ".to_owned())],
            "TMPDIR" | "TMP" | "TEMP" => vec![Some("/tmp".to_owned())],
            "PYTHON" => vec![Some("python".to_owned())],
            "CARGO" => vec![Some("cargo".to_owned())],
            "NPM" => vec![Some("npm".to_owned())],
            "NODE" => vec![Some("node".to_owned())],
            "MAKE" => vec![Some("make".to_owned())],
            "CC" | "CXX" => vec![Some("cc".to_owned())],
            "EDITOR" | "VISUAL" => vec![Some("vi".to_owned())],
            "SHELL" => vec![Some("sh".to_owned())],
            "PPID" => vec![Some("PPID".to_owned())],
            // Without arguments they are nothing, which is how a name is broken into harmless pieces.
            "@" | "*" => vec![Some(String::new()), None],
            name if name.bytes().all(|byte| byte.is_ascii_digit()) => vec![Some(String::new()), None],
            _ => vec![None],
        }
    }

    /// Every way to expand these words, at most [`WAYS_MAX`]; what is beyond is unknown.
    pub fn expand(&self, words: &[Word]) -> Vec<Vec<String>> {
        let mut ways = vec![Fields::default()];
        for word in words {
            for way in &mut ways {
                way.end();
            }
            for piece in &word.pieces {
                let (values, splits) = self.piece(piece);
                ways = joined(ways, &values, splits);
            }
        }
        ways.into_iter().map(Fields::finish).collect()
    }

    /// The values of a piece, and whether they are cut into words.
    fn piece(&self, piece: &Piece) -> (Vec<String>, bool) {
        let unknown = || vec![UNKNOWN.to_string()];
        match piece {
            Piece::Text { text, quoted: true } => (vec![guarded(text)], false),
            Piece::Text { text, quoted: false } => (vec![text.clone()], false),
            Piece::Process { .. } => (vec![format!("/dev/fd/{UNKNOWN}")], false),
            Piece::Number { .. } => (unknown(), false),
            Piece::Commands { body, quoted } => match self.printed(body) {
                Some(text) => (vec![if *quoted { guarded(text.trim_end()) } else { text }], !quoted),
                None => (unknown(), false),
            },
            Piece::Variable { is_altered: true, .. } => (unknown(), false),
            Piece::Variable { name, default, quoted, .. } => {
                let mut values: Vec<String> = Vec::new();
                let mut add = |value: String| {
                    if !values.contains(&value) {
                        values.push(value);
                    }
                };
                for value in self.of(name) {
                    match value {
                        Some(value) => add(if *quoted { guarded(&value) } else { value }),
                        None => add(UNKNOWN.to_string()),
                    }
                }
                for way in default.iter().flat_map(|default| self.expand(std::slice::from_ref(default))) {
                    add(way.join(" "));
                }
                (values, !quoted)
            }
        }
    }

    /// What commands print, where that can be known: a text that goes through a few well-known programs.
    pub fn printed(&self, body: &[Pipeline]) -> Option<String> {
        let [pipeline] = body else { return None };
        let mut text: Option<String> = None;
        for (place, stage) in pipeline.stages.iter().enumerate() {
            text = Some(self.stage(stage, text, place == 0)?);
        }
        text
    }

    /// What one stage prints of a text.
    pub fn stage(&self, stage: &Command, stdin: Option<String>, is_first: bool) -> Option<String> {
        let Command::Simple(simple) = stage else { return None };
        let mut ways = self.expand(&simple.words);
        if ways.len() != 1 {
            return None;
        }
        let words = ways.pop()?;
        let here = simple.redirects.iter().find(|redirect| redirect.kind == RedirectKind::Here);
        let stdin = match here {
            Some(redirect) => Some(self.expand(std::slice::from_ref(&redirect.target)).pop()?.join(" ")),
            None => stdin,
        };
        if stdin.is_none() && !is_first {
            return None;
        }
        let (program, rest) = words.split_first()?;
        let has = |flags: &[&str]| rest.iter().any(|word| flags.contains(&word.as_str()));
        let text = match base_name(program).as_str() {
            "echo" => {
                let flags = rest.iter().take_while(|word| matches!(word.as_str(), "-n" | "-e" | "-ne" | "-en" | "-E"));
                let skipped = flags.clone().count();
                let text = rest[skipped..].join(" ");
                if flags.clone().any(|flag| flag.contains('e')) { decode::escapes(&text) } else { text }
            }
            "printf" => {
                let rest = if rest.first().is_some_and(|word| word == "--") { &rest[1..] } else { rest };
                decode::printf(rest.first()?, &rest[1..])
            }
            "base64" | "gbase64" | "base64url" if has(&["-d", "-D", "--decode", "-di"]) => decode::base64(&stdin?)?,
            "openssl" if has(&["base64", "-base64", "enc"]) && has(&["-d"]) => decode::base64(&stdin?)?,
            "xxd" if has(&["-r", "-rp", "-p"]) => decode::hex(&stdin?)?,
            "rev" => stdin?.lines().map(|line| line.chars().rev().collect::<String>()).collect::<Vec<_>>().join("\n"),
            "cat" | "tee" if rest.iter().all(|word| word == "-") => stdin?,
            "which" | "command" | "type" => rest.iter().rfind(|word| !word.starts_with('-'))?.clone(),
            "pwd" => self.root.clone(),
            "git" if rest == ["rev-parse", "--show-toplevel"] => self.root.clone(),
            "mktemp" => format!("/tmp/made-{UNKNOWN}"),
            "basename" | "dirname" => return None,
            _ => return None,
        };
        Some(text)
    }
}

impl Fields {
    fn end(&mut self) {
        if let Some(open) = self.open.take() {
            self.done.push(open);
        }
    }

    fn push(&mut self, value: &str, splits: bool) {
        if !splits {
            self.open.get_or_insert_default().push_str(value);
            return;
        }
        let mut parts = value.split([' ', '\t', '\n']);
        if let Some(first) = parts.next() {
            if !first.is_empty() || self.open.is_some() {
                self.open.get_or_insert_default().push_str(first);
            }
            for part in parts {
                self.end();
                if !part.is_empty() {
                    self.open = Some(part.to_owned());
                }
            }
        }
    }

    fn length(&self) -> usize {
        self.done.iter().chain(&self.open).map(String::len).sum()
    }

    fn finish(mut self) -> Vec<String> {
        self.end();
        let mut all = Vec::with_capacity(self.done.len());
        for field in self.done {
            braces(&field, &mut all, 0);
        }
        all.into_iter().map(|field| bare(&field)).collect()
    }
}

fn joined(ways: Vec<Fields>, values: &[String], splits: bool) -> Vec<Fields> {
    let unknown = [UNKNOWN.to_string()];
    let is_too_long = ways.iter().any(|way| way.length() > LENGTH_MAX);
    let values = if ways.len() * values.len() > WAYS_MAX || is_too_long { &unknown[..] } else { values };
    if let [value] = values {
        let mut ways = ways;
        for way in &mut ways {
            way.push(value, splits);
        }
        return ways;
    }
    let each = |value: &String| {
        let mut ways = ways.clone();
        for way in &mut ways {
            way.push(value, splits);
        }
        ways
    };
    values.iter().flat_map(each).collect()
}

/// `{a,b}` makes two words.
fn braces(field: &str, all: &mut Vec<String>, depth: u8) {
    const FIELDS_MAX: usize = 256;
    let parts = (depth < 6 && all.len() < FIELDS_MAX).then(|| alternatives(field)).flatten();
    match parts {
        Some((before, parts, after)) => {
            for part in parts {
                braces(&format!("{before}{part}{after}"), all, depth + 1);
            }
        }
        None => all.push(field.to_owned()),
    }
}

/// The parts of the first list in braces.
fn alternatives(field: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut from = 0;
    while let Some(found) = field[from..].find('{') {
        let start = from + found;
        let (mut open, mut cuts) = (0, vec![start + 1]);
        for (at, letter) in field[start..].char_indices() {
            match letter {
                '{' => open += 1,
                ',' if open == 1 => cuts.push(start + at + 1),
                '}' => {
                    open -= 1;
                    if open == 0 && cuts.len() > 1 {
                        cuts.push(start + at + 1);
                        let parts = cuts.windows(2).map(|pair| &field[pair[0]..pair[1] - 1]).collect();
                        return Some((&field[..start], parts, &field[start + at + 1..]));
                    }
                    if open == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        from = start + 1;
    }
    None
}

fn is_special(letter: char) -> bool {
    matches!(letter, '{' | '}' | ',' | '*' | '?' | '[' | ']' | '~')
}

/// A quoted text, in which braces and patterns mean nothing.
fn guarded(text: &str) -> String {
    let mark = |letter: char| match letter {
        letter if is_special(letter) => char::from_u32(QUOTED + u32::from(letter)).unwrap_or(letter),
        letter => letter,
    };
    if text.contains(is_special) { text.chars().map(mark).collect() } else { text.to_owned() }
}

/// The field as the program gets it; a quoted `~` stays marked, because it is no home.
fn bare(field: &str) -> String {
    let open = |letter: char| {
        let code = u32::from(letter).wrapping_sub(QUOTED);
        match char::from_u32(code) {
            Some('~') => letter,
            Some(inner) if code < 0x80 && is_special(inner) => inner,
            _ => letter,
        }
    };
    field.chars().map(open).collect()
}

/// Whether a word is what a function is given: `"$@"`, `$1`.
pub(super) fn is_parameter(word: &Word) -> bool {
    match word.pieces.as_slice() {
        [Piece::Text { text, .. }, rest @ ..] if text.is_empty() => rest.len() == 1 && is_parameter_piece(&rest[0]),
        [one] => is_parameter_piece(one),
        _ => false,
    }
}

fn is_parameter_piece(piece: &Piece) -> bool {
    matches!(piece, Piece::Variable { name, .. } if matches!(name.as_str(), "@" | "*" | "1" | "2" | "3"))
}

/// A text that another program reads anew, for which no character of it is quoted.
pub(super) fn unquoted(text: &str) -> String {
    text.chars().map(|letter| if u32::from(letter) == QUOTED + u32::from('~') { '~' } else { letter }).collect()
}

fn cut_name(word: &mut Word, mut bytes: usize) {
    for piece in &mut word.pieces {
        if let Piece::Text { text, .. } = piece {
            let cut = bytes.min(text.len());
            *text = text.get(cut..).unwrap_or("").to_owned();
            bytes -= cut;
        }
    }
}
