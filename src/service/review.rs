//! Comments of a person on what a question shows, checked against it: a comment on a line that was not shown would be about
//! nothing that anybody has seen.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use crate::{
    base::RunId,
    driver::Loaded,
    execute::workspace::{Oid, Repository},
    scheduler::{AttemptId, Comment, Decision, Review, Side},
    service::{
        changes::files,
        decided::may_push_back,
        hunks::{PatchLine, hunks},
        refusal::Refusal,
        rollback::refused,
        run_settings::RunSettings,
        runs::Runs,
    },
};

/// Comments of one push-back.
pub const COMMENTS_MAX: usize = 100;
/// The longest comment, in bytes.
const TEXT_MAX: usize = 4 * 1024;
/// All comments together, with what they quote, in bytes.
const TOTAL_MAX: usize = 64 * 1024;
/// Lines of the difference that are quoted before and after.
const AROUND: usize = 3;
/// Lines that are quoted of one comment.
const QUOTED_MAX: usize = 40;
/// Files that a refusal names.
const NAMED_MAX: usize = 20;

/// A comment as a program gives it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// About which file.
    #[serde(default)]
    pub path: Option<String>,
    /// About which line.
    #[serde(default)]
    pub line: Option<u32>,
    /// Up to which line.
    #[serde(default)]
    pub to: Option<u32>,
    /// `old` for lines as they were before.
    #[serde(default)]
    pub side: Side,
    /// What.
    pub comment: String,
}

/// Makes push-backs of a run that its own process drives.
pub struct Reviewer {
    root: PathBuf,
    settings: RunSettings,
    run: RunId,
}

impl Reviewer {
    /// The push-back that typed comments on a question make.
    ///
    /// # Errors
    /// As [`Runs::pushback`].
    pub fn pushback(&self, attempt: AttemptId, typed: &[String]) -> Result<Decision, Refusal> {
        // Its own look at the store: the one that drives the run is busy with that.
        let runs = Runs::open(&self.root, self.settings.clone())?;
        runs.pushback_of(&runs.load(&self.run, |_, _, _| {})?, attempt, typed, &[])
    }
}

/// What is shown, file by file.
struct Shown<'a> {
    between: Option<(&'a Repository, Oid, Oid)>,
    files: Vec<String>,
    hunks: BTreeMap<String, Vec<Vec<PatchLine>>>,
}

impl Runs {
    /// For questions that are asked on a terminal.
    #[must_use]
    pub fn reviewer(&self, run: &RunId) -> Reviewer {
        Reviewer { root: self.root.clone(), settings: self.settings.clone(), run: run.clone() }
    }

    /// The push-back that comments make: typed ones (`PATH:LINE: TEXT`, `PATH:LINE-LINE: TEXT`, `PATH:LINE:old: TEXT`,
    /// `PATH: TEXT`, or any text about all of it) and ones of a program.
    ///
    /// # Errors
    /// When nothing is asked that can be pushed back, and every comment that is about nothing that was shown.
    pub fn pushback(
        &self,
        run: &RunId,
        step: Option<&str>,
        typed: &[String],
        said: &[Said],
    ) -> Result<Decision, Refusal> {
        let loaded = self.load(run, |_, _, _| {})?;
        let (attempt, _) = self.question(&loaded, step)?;
        self.pushback_of(&loaded, attempt, typed, said)
    }

    /// The same about a question that is known.
    ///
    /// # Errors
    /// As above.
    pub fn pushback_of(
        &self,
        loaded: &Loaded,
        attempt: AttemptId,
        typed: &[String],
        said: &[Said],
    ) -> Result<Decision, Refusal> {
        may_push_back(loaded, attempt)?;
        let review = loaded.scheduler.question(attempt.instance).and_then(|question| question.review.as_deref());
        // Without files there is nothing to ask git for, and git may not be there.
        let repository = review.map(|_| self.repository()).transpose()?;
        let mut shown = Shown::of(repository.as_ref().zip(review))?;
        let (mut comments, mut faults) = (Vec::new(), Vec::new());
        let typed = typed.iter().map(|text| shown.read(text)).collect::<Vec<_>>();
        for (number, said) in typed.into_iter().chain(said.iter().cloned()).enumerate() {
            match shown.place(said) {
                Ok(comment) => comments.push(comment),
                Err(fault) => faults.push(format!("comment {}: {fault}", number + 1)),
            }
        }
        if comments.is_empty() && faults.is_empty() {
            faults.push("there is no comment".to_owned());
        }
        if comments.len() > COMMENTS_MAX {
            faults.push(format!("there are {} comments, and at most {COMMENTS_MAX} are taken", comments.len()));
        }
        if comments.iter().map(|comment| comment.text.len() + comment.quoted.len()).sum::<usize>() > TOTAL_MAX {
            faults.push(format!("together they have more than {TOTAL_MAX} bytes"));
        }
        if faults.is_empty() {
            return Ok(Decision::Pushback { comments });
        }
        let (run, path) = (&loaded.summary.run, loaded.scheduler.path(attempt.instance));
        let help = format!(
            "`orch diff {run} {}` shows the lines; a comment is PATH:LINE: TEXT, PATH:LINE-LINE: TEXT, PATH: TEXT or TEXT",
            shell_words::quote(path.as_str())
        );
        Err(Refusal::new(2, "E0363", faults.join("; "), help))
    }
}

impl<'a> Shown<'a> {
    fn of(review: Option<(&'a Repository, &Review)>) -> Result<Self, Refusal> {
        let between = review
            .and_then(|(repository, review)| Some((repository, Oid::parse(&review.from)?, Oid::parse(&review.to)?)));
        let named = match &between {
            Some((repository, from, to)) => files(repository, (from, to), &[]).map_err(|fault| refused(&fault))?,
            None => Vec::new(),
        };
        let files = named.into_iter().map(|file| file.path).collect();
        Ok(Self { between, files, hunks: BTreeMap::new() })
    }

    /// A typed comment. What is no place is text.
    fn read(&self, typed: &str) -> Said {
        let whole = Said { path: None, line: None, to: None, side: Side::New, comment: typed.trim().to_owned() };
        let Some((place, text)) = typed.split_once(": ") else { return whole };
        let (place, side) = match place.strip_suffix(":old") {
            Some(place) => (place, Side::Old),
            None => (place, Side::New),
        };
        let lines = place.rsplit_once(':').and_then(|(path, lines)| {
            let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
            Some((path, first.parse().ok()?, last.parse().ok()?))
        });
        let comment = text.trim().to_owned();
        match lines {
            Some((path, first, last)) => {
                Said { path: Some(path.to_owned()), line: Some(first), to: Some(last), side, comment }
            }
            None if self.files.iter().any(|file| file == place) => {
                Said { path: Some(place.to_owned()), line: None, to: None, side, comment }
            }
            None => whole,
        }
    }

    fn place(&mut self, said: Said) -> Result<Comment, String> {
        let Said { path, line, to, side, comment: text } = said;
        if text.trim().is_empty() {
            return Err("it says nothing".to_owned());
        }
        if text.len() > TEXT_MAX {
            return Err(format!("it has more than {TEXT_MAX} bytes"));
        }
        let Some(path) = path else {
            let has_place = line.or(to).is_some();
            let comment = Comment { path: String::new(), lines: None, side: Side::New, quoted: String::new(), text };
            return if has_place { Err("it names a line and no file".to_owned()) } else { Ok(comment) };
        };
        if !self.files.contains(&path) {
            let named: Vec<_> = self.files.iter().take(NAMED_MAX).map(String::as_str).collect();
            let named = if named.is_empty() { "no file".to_owned() } else { named.join(", ") };
            return Err(format!("`{path}` is not in what is shown, which has {named}"));
        }
        let lines = match (line, to) {
            (None, None) => None,
            (None, Some(_)) => return Err(format!("`{path}`: it names a last line and no first one")),
            (Some(first), last) => Some((first, last.unwrap_or(first))),
        };
        let quoted = match lines {
            None => String::new(),
            Some((first, last)) if first == 0 || last < first => {
                return Err(format!("`{path}:{first}-{last}` are no lines"));
            }
            Some(lines) => self.quote(&path, lines, side)?,
        };
        Ok(Comment { path, lines, side, quoted, text })
    }

    /// The lines of the difference around a place.
    fn quote(&mut self, path: &str, (first, last): (u32, u32), side: Side) -> Result<String, String> {
        let hunks = self.hunks(path)?;
        let number = |line: &PatchLine| if side == Side::Old { line.old } else { line.new };
        let is_meant = |line: &PatchLine| number(line).is_some_and(|number| (first..=last).contains(&number));
        let all = (first..=last).all(|wanted| hunks.iter().flatten().any(|line| number(line) == Some(wanted)));
        let hunk = hunks.iter().find(|hunk| hunk.iter().any(is_meant));
        let Some(hunk) = hunk.filter(|_| all) else {
            let spans = hunks.iter().filter_map(|hunk| {
                let numbers: Vec<_> = hunk.iter().filter_map(number).collect();
                Some(format!("{}-{}", numbers.iter().min()?, numbers.iter().max()?))
            });
            let spans: Vec<_> = spans.take(NAMED_MAX).collect();
            let shown = if spans.is_empty() { "none".to_owned() } else { spans.join(", ") };
            let of = if side == Side::Old { " of the old file" } else { "" };
            let lines = if first == last { format!("line {first}") } else { format!("lines {first}-{last}") };
            return Err(format!("{lines}{of} of `{path}` are not in what is shown, which has {shown}"));
        };
        let start = hunk.iter().position(is_meant).unwrap_or(0).saturating_sub(AROUND);
        let end = hunk.iter().rposition(is_meant).unwrap_or(start) + AROUND + 1;
        let lines = hunk[start..end.min(hunk.len())].iter().take(QUOTED_MAX);
        Ok(lines.fold(String::new(), |quoted, line| quoted + &line.text + "\n"))
    }

    fn hunks(&mut self, path: &str) -> Result<&[Vec<PatchLine>], String> {
        if !self.hunks.contains_key(path) {
            let Some((repository, from, to)) = &self.between else { return Ok(&[]) };
            let full: PathBuf = repository.inner().join(path);
            let patch = repository.patch(from, to, &[full]).map_err(|fault| format!("failed to {fault}"))?;
            self.hunks.insert(path.to_owned(), hunks(&String::from_utf8_lossy(&patch)));
        }
        Ok(self.hunks.get(path).map(Vec::as_slice).unwrap_or_default())
    }
}
