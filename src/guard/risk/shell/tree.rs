//! The tree of a command.

use std::ops::Range;

/// Commands joined by pipes.
#[derive(Debug, Clone)]
pub(in crate::guard::risk) struct Pipeline {
    pub stages: Vec<Command>,
    /// Whether it only runs if the one before it has succeeded, which is joined by `&&`.
    pub after_success: bool,
    /// Whether it may not run at all, or runs beside the rest: behind `||`, before `&`.
    pub may_not_run: bool,
}

/// One stage of a pipeline.
#[derive(Debug, Clone)]
pub(in crate::guard::risk) enum Command {
    Simple(Simple),
    /// `( … )`, `{ … }`, `if`, `while`, `for`, `case`.
    Group {
        body: Vec<Pipeline>,
        redirects: Vec<Redirect>,
        is_subshell: bool,
    },
    /// Counted as if it were called.
    Function {
        name: String,
        body: Vec<Pipeline>,
    },
}

/// A program with its words.
#[derive(Debug, Clone, Default)]
pub(in crate::guard::risk) struct Simple {
    pub assignments: Vec<(String, Word)>,
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
    pub span: Range<usize>,
}

/// One word before expansion.
#[derive(Debug, Clone, Default)]
pub(in crate::guard::risk) struct Word {
    pub pieces: Vec<Piece>,
    pub span: Range<usize>,
}

/// A part of a word.
#[derive(Debug, Clone)]
pub(in crate::guard::risk) enum Piece {
    Text {
        text: String,
        quoted: bool,
    },
    /// `is_altered` where the expansion changes the value in a way that is not followed.
    Variable {
        name: String,
        default: Option<Word>,
        is_altered: bool,
        quoted: bool,
    },
    Commands {
        body: Vec<Pipeline>,
        quoted: bool,
    },
    /// `<( … )` and `>( … )`.
    Process {
        body: Vec<Pipeline>,
    },
    /// The value of arithmetic; its commands run all the same. A shell without `((` takes the text as commands.
    Number {
        inside: Word,
        text: String,
    },
}

/// `< file`, `> file` and their kin.
#[derive(Debug, Clone)]
pub(in crate::guard::risk) struct Redirect {
    pub kind: RedirectKind,
    pub target: Word,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard::risk) enum RedirectKind {
    Read,
    Write,
    Append,
    /// The word is the text itself.
    Here,
    /// `2>&1`.
    Duplicate,
}

impl Word {
    /// A word of one quoted text.
    pub fn text(text: String, span: Range<usize>) -> Self {
        Self { pieces: vec![Piece::Text { text, quoted: true }], span }
    }
}
