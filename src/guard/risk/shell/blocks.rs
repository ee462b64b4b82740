//! Blocks: brackets, `if`, loops, `case`, functions, tests.

use super::{
    reader::{Reader, ShellFault},
    tree::{Command, Pipeline, Redirect, Simple, Word},
};

impl Reader<'_> {
    /// One stage of a pipeline.
    pub fn command(&mut self) -> Result<Command, ShellFault> {
        if self.rest().starts_with("((") {
            let start = self.at;
            if let Some(number) = self.arithmetic(2)? {
                let span = self.span(start);
                let word = Word { pieces: vec![number], span: span.clone() };
                let colon = Word::text(":".to_owned(), span.clone());
                return Ok(Command::Simple(Simple { words: vec![colon, word], span, ..Simple::default() }));
            }
        }
        if self.byte() == Some(b'(') {
            self.at += 1;
            let body = self.list(&[")"])?;
            self.close(")")?;
            return self.group(body, true);
        }
        match self.peek() {
            "{" => {
                self.at += 1;
                let body = self.list(&["}"])?;
                self.close("}")?;
                self.group(body, false)
            }
            "if" => self.branches("if", &["then", "elif", "else"], "fi"),
            "while" => self.branches("while", &["do"], "done"),
            "until" => self.branches("until", &["do"], "done"),
            "for" | "select" => self.for_each(),
            "case" => self.case(),
            "[[" => self.test(),
            "function" => {
                self.at += "function".len();
                self.blank(false);
                let name = self.word()?.plain();
                self.blank(false);
                if self.rest().starts_with("()") {
                    self.at += 2;
                }
                self.function(name)
            }
            "coproc" => {
                self.at += "coproc".len();
                self.blank(false);
                self.command()
            }
            _ => self.simple(),
        }
    }

    fn close(&mut self, word: &str) -> Result<(), ShellFault> {
        if self.byte().is_none() || !(self.peek() == word || self.rest().starts_with(word)) {
            return Err(self.fault("a block without an end"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The redirections behind a block.
    fn group(&mut self, body: Vec<Pipeline>, is_subshell: bool) -> Result<Command, ShellFault> {
        let mut redirects: Vec<Redirect> = Vec::new();
        loop {
            self.blank(false);
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(Command::Group { body, redirects, is_subshell }),
            }
        }
    }

    fn branches(&mut self, first: &str, between: &[&str], last: &str) -> Result<Command, ShellFault> {
        self.at += first.len();
        let until: Vec<&str> = between.iter().copied().chain([last]).collect();
        let mut body = Vec::new();
        loop {
            body.extend(self.list(&until)?);
            let word = self.peek().to_owned();
            if self.byte().is_none() || !until.contains(&word.as_str()) {
                return Err(self.fault("a block without an end"));
            }
            self.at += word.len();
            if word == last {
                return self.conditional(body);
            }
        }
    }

    /// What is inside may run, or not.
    fn conditional(&mut self, mut body: Vec<Pipeline>) -> Result<Command, ShellFault> {
        for pipeline in &mut body {
            pipeline.may_not_run = true;
        }
        self.group(body, false)
    }

    fn for_each(&mut self) -> Result<Command, ShellFault> {
        self.at += self.peek().len();
        self.blank(false);
        let mut body = Vec::new();
        if self.rest().starts_with("((") {
            let start = self.at;
            let number = self.arithmetic(2)?.ok_or_else(|| self.fault("a loop without an end"))?;
            let word = Word { pieces: vec![number], span: self.span(start) };
            let colon = Word::text(":".to_owned(), self.span(start));
            body.push(alone(Simple { words: vec![colon, word], span: self.span(start), ..Simple::default() }));
        } else {
            let name = self.word()?.plain();
            self.blank(true);
            let mut simple = Simple::default();
            let start = self.at;
            if self.peek() == "in" {
                self.at += 2;
                loop {
                    self.blank(false);
                    match self.byte() {
                        None | Some(b'\n' | b';') => break,
                        Some(b'&' | b'|' | b'(' | b')') => return Err(self.fault("a character that no list has")),
                        Some(_) => {}
                    }
                    self.node()?;
                    let item = self.word()?;
                    simple.assignments.push((name.clone(), item));
                }
            }
            simple.span = self.span(start);
            body.push(alone(simple));
        }
        self.blank(true);
        while self.byte() == Some(b';') {
            self.at += 1;
            self.blank(true);
        }
        let (open, last) = if self.peek() == "{" { ("{", "}") } else { ("do", "done") };
        self.close(open)?;
        body.extend(self.list(&[last])?);
        self.close(last)?;
        self.conditional(body)
    }

    fn case(&mut self) -> Result<Command, ShellFault> {
        let start = self.at;
        self.at += "case".len();
        self.blank(true);
        let subject = self.word()?;
        self.blank(true);
        self.close("in")?;
        // The subject is no program, but its substitutions run.
        let colon = Word::text(":".to_owned(), self.span(start));
        let first = Simple { words: vec![colon, subject], span: self.span(start), ..Simple::default() };
        let mut body = vec![alone(first)];
        loop {
            self.blank(true);
            if self.peek() == "esac" {
                self.at += "esac".len();
                return self.conditional(body);
            }
            if self.byte() == Some(b'(') {
                self.at += 1;
            }
            loop {
                self.blank(true);
                match self.byte() {
                    None => return Err(self.fault("a `case` without an end")),
                    Some(b')') => break,
                    Some(b'|') => self.at += 1,
                    Some(_) => drop(self.word()?),
                }
                self.node()?;
            }
            self.at += 1;
            body.extend(self.list(&[";;", "esac"])?);
            if self.byte() == Some(b';') {
                self.at += if self.rest().starts_with(";;&") { 3 } else { 2 };
            } else if self.peek() != "esac" {
                return Err(self.fault("a `case` without an end"));
            }
        }
    }

    /// `[[ … ]]`: its words are no commands, what is substituted in them is.
    fn test(&mut self) -> Result<Command, ShellFault> {
        let start = self.at;
        self.at += 2;
        let mut words = vec![Word::text("[[".to_owned(), self.span(start))];
        loop {
            self.blank(true);
            if self.byte().is_none() {
                return Err(self.fault("a test without an end"));
            }
            if self.peek() == "]]" {
                self.at += 2;
                let simple = Simple { words, span: self.span(start), ..Simple::default() };
                return Ok(Command::Simple(simple));
            }
            self.node()?;
            if matches!(self.byte(), Some(b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b';')) {
                self.at += 1;
                continue;
            }
            words.push(self.word()?);
        }
    }

    /// The body of a function, which counts as if it ran.
    pub fn function(&mut self, name: String) -> Result<Command, ShellFault> {
        self.blank(true);
        let body = self.deeper(Self::command)?;
        let body = vec![Pipeline { stages: vec![body], after_success: false, may_not_run: true }];
        Ok(Command::Function { name, body })
    }
}

fn alone(simple: Simple) -> Pipeline {
    Pipeline { stages: vec![Command::Simple(simple)], after_success: false, may_not_run: false }
}
