//! Walks the tree of a command and says what each part of it does.
//!
//! Invariants: adding a command to a text never takes a finding away; what cannot be followed is at least asked about;
//! the work is bounded, and what is beyond the bound is refused.

use std::ops::Range;

use super::{
    assess::{Assessment, Finding, RiskContext},
    expand::{UNKNOWN, Variables, is_parameter},
    paths::resolve,
    shell::{self, Command, Piece, Pipeline, Redirect, RedirectKind, ShellFault, Simple, Word},
    targets,
};
use crate::definition::policy::{Level, RiskClass};

/// How many commands, with all ways to expand them, are looked at.
const COMMANDS_MAX: u32 = 5_000;
/// How deep commands may stand inside the words of others.
const DEPTH_MAX: u8 = 12;
/// In how many folders a command may stand at once before nobody knows.
const FOLDERS_MAX: usize = 4;

/// What a command reads.
#[derive(Debug, Clone, Default)]
pub(super) enum Stdin {
    #[default]
    Nothing,
    Text(String),
    /// What nobody knows; whether it comes from the network.
    Unknown {
        from_network: bool,
        is_secret: bool,
    },
}

/// Where a command stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Io {
    pub stdin: Stdin,
    pub span: Range<usize>,
}

pub(super) struct Judge<'c> {
    pub context: &'c RiskContext,
    pub variables: Variables,
    pub folders: Vec<String>,
    findings: Vec<Finding>,
    commands: u32,
    depth: u8,
    /// Inside how many functions.
    functions: u32,
    /// What the command prints goes to a program that does not show it.
    pub is_taken: bool,
    /// Names of files that were fetched from other machines.
    pub fetched: Vec<String>,
    /// The program is one that a function is given; who calls it names it, and is judged.
    pub is_given: bool,
}

impl<'c> Judge<'c> {
    pub fn new(context: &'c RiskContext) -> Self {
        let variables = Variables::new(&context.home, &context.root);
        Self {
            context,
            variables,
            folders: vec![context.root.clone()],
            findings: Vec::new(),
            commands: 0,
            depth: 0,
            functions: 0,
            is_taken: false,
            fetched: Vec::new(),
            is_given: false,
        }
    }

    pub fn done(self) -> Assessment {
        Assessment::of(self.findings)
    }

    pub fn find(
        &mut self,
        level: Level,
        class: RiskClass,
        rule: &'static str,
        why: impl Into<String>,
        instead: &str,
        span: &Range<usize>,
    ) {
        let finding =
            Finding { level, class, rule, reason: why.into(), instead: instead.to_owned(), span: span.clone() };
        // One command a thousand times is one finding.
        if self.findings.last() != Some(&finding) {
            self.findings.push(finding);
        }
    }

    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Where the findings stand now.
    pub fn mark(&self) -> usize {
        self.findings.len()
    }

    /// Whether something that a person must see was found since then.
    pub fn is_serious_since(&self, mark: usize) -> bool {
        self.findings.iter().skip(mark).any(|finding| finding.level >= Level::L3)
    }

    /// Keeps of what was found since then only some.
    pub fn keep_after(&mut self, mark: usize, keep: impl Fn(&Finding) -> bool) {
        let after = self.findings.split_off(mark.min(self.findings.len()));
        self.findings.extend(after.into_iter().filter(keep));
    }

    /// Puts one rule of what was found since then on a lower level.
    pub fn weaken_after(&mut self, mark: usize, level: Level, rule: &str) {
        for finding in self.findings.iter_mut().skip(mark).filter(|finding| finding.rule == rule) {
            finding.level = finding.level.min(level);
        }
    }

    /// What could not be read.
    pub fn fault(&mut self, fault: &ShellFault, span: Range<usize>) {
        match fault {
            ShellFault::TooComplex => self.find(
                Level::L4,
                RiskClass::Opaque,
                "too-complex",
                "the command is longer or deeper than it can be judged",
                "make several commands of it, or keep it in a script that a person has read",
                &span,
            ),
            ShellFault::Unreadable { why, at } => self.find(
                Level::L3,
                RiskClass::Opaque,
                "unreadable",
                format!("the command cannot be read before it runs: {why}"),
                "write it in a plainer way",
                &(if at.end <= span.end && at.start >= span.start { at.clone() } else { span }),
            ),
        }
    }

    /// A text with all its variables.
    pub fn whole(&mut self, pipelines: &[Pipeline]) {
        self.variables.collect(pipelines, 0);
        self.script(pipelines, &Stdin::Nothing);
    }

    /// A program with its words, outside of any shell.
    pub fn alone(&mut self, argv: &[String]) {
        let length = argv.iter().map(|word| word.len() + 1).sum::<usize>().saturating_sub(1);
        self.argv(argv, &Io { stdin: Stdin::Nothing, span: 0..length });
    }

    /// A text that a command gives to a shell.
    pub fn inner(&mut self, text: &str, stdin: &Stdin, span: &Range<usize>) {
        // What was quoted outside is bare for the shell inside.
        let text = super::expand::unquoted(text);
        match shell::read(&text, Some(span.clone())) {
            Ok(pipelines) => {
                self.variables.collect(&pipelines, 0);
                self.deeper(span, |judge| judge.script(&pipelines, stdin));
            }
            Err(fault) => self.fault(&fault, span.clone()),
        }
    }

    pub fn opaque(&mut self, why: &str, span: &Range<usize>) {
        self.find(Level::L3, RiskClass::Opaque, "opaque", why, "write the command out", span);
    }

    /// Does something one level deeper.
    pub fn deeper(&mut self, span: &Range<usize>, work: impl FnOnce(&mut Self)) {
        if self.depth >= DEPTH_MAX {
            return self.fault(&ShellFault::TooComplex, span.clone());
        }
        self.depth += 1;
        work(self);
        self.depth -= 1;
    }

    fn script(&mut self, pipelines: &[Pipeline], stdin: &Stdin) {
        let mut chain = self.folders.clone();
        for (place, pipeline) in pipelines.iter().enumerate() {
            if !pipeline.after_success {
                chain.clone_from(&self.folders);
            }
            let before = self.folders.clone();
            self.pipeline(pipeline, stdin);
            if pipeline.stages.len() > 1 {
                // Each stage of a pipe has a shell of its own.
                self.folders = before;
            } else if pipeline.may_not_run {
                self.stand_also(before);
            }
            // Only behind `&&` is it sure that the step before has been taken.
            if pipelines.get(place + 1).is_none_or(|next| !next.after_success) {
                self.stand_also(chain.clone());
            }
        }
    }

    /// Later commands may stand in these folders as well.
    fn stand_also(&mut self, folders: Vec<String>) {
        for folder in folders {
            if !self.folders.contains(&folder) {
                self.folders.push(folder);
            }
        }
        if self.folders.len() > FOLDERS_MAX {
            self.folders.truncate(FOLDERS_MAX - 1);
            self.folders.push(UNKNOWN.to_string());
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, outer: &Stdin) {
        let mut stdin = outer.clone();
        for (place, stage) in pipeline.stages.iter().enumerate() {
            self.is_taken = pipeline.stages.get(place + 1).is_some_and(takes_in);
            self.command(stage, &stdin);
            self.is_taken = false;
            if place + 1 < pipeline.stages.len() {
                stdin = self.printed(stage, &stdin, place == 0);
            }
        }
    }

    /// What the next stage reads.
    fn printed(&self, stage: &Command, stdin: &Stdin, is_first: bool) -> Stdin {
        let text = match stdin {
            Stdin::Text(text) => Some(text.clone()),
            Stdin::Nothing | Stdin::Unknown { .. } => None,
        };
        if let Some(text) = self.variables.stage(stage, text, is_first)
            && !text.contains(UNKNOWN)
        {
            return Stdin::Text(text);
        }
        let mut programs = Vec::new();
        programs_of(stage, &mut programs, 0);
        let was = matches!(stdin, Stdin::Unknown { from_network: true, .. });
        let was_secret = matches!(stdin, Stdin::Unknown { is_secret: true, .. });
        let from_network = was || programs.iter().any(|name| super::programs::is_network(name));
        let tells =
            ["env", "printenv", "set", "export", "declare", "history", "tar", "zip", "gzip", "pg_dump", "mysqldump"];
        let is_secret = was_secret || programs.iter().any(|name| tells.contains(&name.as_str()));
        Stdin::Unknown { from_network, is_secret }
    }

    fn command(&mut self, command: &Command, stdin: &Stdin) {
        match command {
            Command::Simple(simple) => self.simple(simple, stdin),
            Command::Group { body, redirects, is_subshell } => {
                let span = redirects.first().map_or(0..0, |redirect| redirect.target.span.clone());
                self.redirects(redirects, &span);
                let stdin = self.read_from(redirects).unwrap_or_else(|| stdin.clone());
                let before = self.folders.clone();
                self.deeper(&span, |judge| judge.script(body, &stdin));
                if *is_subshell {
                    self.folders = before;
                }
            }
            Command::Function { name, body } => {
                let mut called = Vec::new();
                body.iter().flat_map(|pipeline| &pipeline.stages).for_each(|stage| programs_of(stage, &mut called, 0));
                if called.iter().filter(|other| *other == name).count() > 1 {
                    self.find(
                        Level::L4,
                        RiskClass::Process,
                        "fork-bomb",
                        format!("the function `{name}` starts itself twice, without end"),
                        "write a loop",
                        &(0..0),
                    );
                }
                self.functions += 1;
                self.deeper(&(0..0), |judge| judge.script(body, stdin));
                self.functions -= 1;
            }
        }
    }

    fn simple(&mut self, simple: &Simple, stdin: &Stdin) {
        let words = simple.words.iter().chain(simple.assignments.iter().map(|(_, word)| word));
        for word in words.chain(simple.redirects.iter().map(|redirect| &redirect.target)) {
            self.substitutions(word);
        }
        for (name, word) in &simple.assignments {
            self.assignment(name, word, &simple.span);
        }
        self.redirects(&simple.redirects, &simple.span);
        let stdin = self.read_from(&simple.redirects).unwrap_or_else(|| stdin.clone());
        let io = Io { stdin, span: simple.span.clone() };
        self.lost(simple);
        let is_given = self.functions > 0 && simple.words.first().is_some_and(is_parameter);
        for way in self.variables.expand(&simple.words) {
            self.is_given = is_given;
            self.argv(&way, &io);
        }
    }

    /// Counts a command; false where there have been too many.
    pub fn counts(&mut self, span: &Range<usize>) -> bool {
        self.commands += 1;
        if self.commands == COMMANDS_MAX {
            self.fault(&ShellFault::TooComplex, span.clone());
        }
        self.commands < COMMANDS_MAX
    }

    /// What redirections give to a command to read.
    fn read_from(&self, redirects: &[Redirect]) -> Option<Stdin> {
        let redirect = redirects.iter().rfind(|one| matches!(one.kind, RedirectKind::Here | RedirectKind::Read))?;
        if redirect.kind == RedirectKind::Read {
            return Some(Stdin::Unknown { from_network: networked(&redirect.target), is_secret: false });
        }
        let text = self.variables.expand(std::slice::from_ref(&redirect.target)).pop().unwrap_or_default().join(" ");
        Some(Stdin::Text(text))
    }

    fn redirects(&mut self, redirects: &[Redirect], span: &Range<usize>) {
        for redirect in redirects {
            let place = if redirect.target.span.is_empty() { span } else { &redirect.target.span };
            let place = place.clone();
            for way in self.variables.expand(std::slice::from_ref(&redirect.target)) {
                let path = way.join(" ");
                match redirect.kind {
                    RedirectKind::Write | RedirectKind::Append => self.writes(&path, &place),
                    RedirectKind::Read => {
                        self.reads(&path, &place);
                        if path.ends_with(".sql") {
                            self.destroying_file(&path, &place);
                        }
                    }
                    RedirectKind::Here | RedirectKind::Duplicate => {}
                }
            }
        }
    }

    /// The commands inside a word.
    fn substitutions(&mut self, word: &Word) {
        for piece in &word.pieces {
            match piece {
                Piece::Commands { body, .. } | Piece::Process { body } => {
                    let before = self.folders.clone();
                    self.deeper(&word.span, |judge| judge.script(body, &Stdin::Nothing));
                    self.folders = before;
                }
                Piece::Number { inside, text } => {
                    self.deeper(&word.span, |judge| judge.substitutions(inside));
                    if text.contains(char::is_alphabetic) {
                        self.only_serious(&word.span, |judge| judge.inner(text, &Stdin::Nothing, &word.span));
                    }
                }
                Piece::Variable { default: Some(inside), .. } => {
                    self.deeper(&word.span, |judge| judge.substitutions(inside));
                }
                Piece::Variable { .. } | Piece::Text { .. } => {}
            }
        }
    }

    /// A file that is written, from every folder the command may stand in.
    pub fn writes(&mut self, path: &str, span: &Range<usize>) {
        for folder in self.folders.clone() {
            let finding = targets::write(path, &folder, self.context).at(span.clone());
            self.findings.push(finding);
        }
    }

    /// A file that is read.
    pub fn reads(&mut self, path: &str, span: &Range<usize>) {
        for folder in self.folders.clone() {
            if let Some(touch) = targets::read(path, &folder, self.context) {
                self.findings.push(touch.at(span.clone()));
            }
        }
    }

    /// A file or a folder that is deleted.
    pub fn deletes(&mut self, path: &str, recursive: bool, span: &Range<usize>) {
        for folder in self.folders.clone() {
            let finding = targets::delete(path, &folder, recursive, self.context).at(span.clone());
            self.findings.push(finding);
        }
    }

    /// `cd`: later commands stand there.
    pub fn stand(&mut self, path: Option<&str>) {
        let home = self.context.home.clone();
        let target = path.unwrap_or("~");
        let mut folders: Vec<String> = Vec::new();
        for folder in &self.folders {
            let place = if target == "-" { UNKNOWN.to_string() } else { resolve(target, folder, &home).path };
            if !folders.contains(&place) {
                folders.push(place);
            }
        }
        self.folders = folders;
    }
}

/// Whether a stage of a pipe takes what it reads and shows nothing of it.
fn takes_in(stage: &Command) -> bool {
    let mut names = Vec::new();
    programs_of(stage, &mut names, 0);
    let counts = ["wc", "md5sum", "sha1sum", "sha256sum", "shasum", "b2sum", "cksum"];
    names.first().is_some_and(|name| counts.contains(&name.as_str()) || !super::programs::is_reader(name))
}

/// The names of all programs in a command.
pub(super) fn programs_of(command: &Command, names: &mut Vec<String>, depth: u8) {
    if depth > 32 || names.len() > 256 {
        return;
    }
    match command {
        Command::Simple(simple) => {
            names.extend(simple.words.iter().map(|word| super::programs::base_name(&word.plain())).take(3));
        }
        Command::Group { body, .. } | Command::Function { body, .. } => {
            body.iter().flat_map(|pipeline| &pipeline.stages).for_each(|stage| programs_of(stage, names, depth + 1));
        }
    }
}

/// Whether a word holds commands that speak to the network.
pub(super) fn networked(word: &Word) -> bool {
    word.pieces.iter().any(|piece| match piece {
        Piece::Commands { body, .. } | Piece::Process { body } => {
            let mut names = Vec::new();
            body.iter().flat_map(|pipeline| &pipeline.stages).for_each(|stage| programs_of(stage, &mut names, 0));
            names.iter().any(|name| super::programs::is_network(name))
        }
        Piece::Number { .. } | Piece::Variable { .. } | Piece::Text { .. } => false,
    })
}
