//! What a person is shown of a step's work, whether it is still that when the person has decided, and what is told of the
//! person's comments to whoever did the work. Decides nothing.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    base::Timestamp,
    driver::spaces::{before_name, beside, blocking, last_before, others_since, ready_of, sits_in, writes},
    execute::workspace::{ChangeKind, Oid, Shown, Spaces, Unit, WorkspaceFault},
    plan::Work,
    scheduler::{AttemptId, Comment, InstanceId, PUSHBACKS_MAX, Purpose, Review, Scheduler},
    template::{Nonce, fence},
};

/// Files that a question names.
const NAMED_MAX: usize = 40;
/// Steps that a question names.
const STEPS_MAX: usize = 10;

/// What is to be looked at before a question is put.
#[derive(Debug)]
pub(super) struct Look {
    what: What,
    run: String,
    step: String,
    beside: Vec<String>,
    is_whole: bool,
}

#[derive(Debug)]
enum What {
    /// The files where a step worked, against the state of that name.
    Files { unit: Option<Unit>, before: String, earlier: Option<Oid> },
    /// What a merge would bring.
    Merge { from: Oid, to: Oid },
}

/// What is shown.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// Which files.
    pub review: Option<Box<Review>>,
    /// In words.
    pub text: String,
}

/// What to look at before a person is asked about a step's work; none where it can have changed no files.
pub(super) fn look_of(scheduler: &Scheduler, instance: InstanceId, purpose: Purpose) -> Option<Look> {
    let is_about_work = matches!(purpose, Purpose::Gate(_) | Purpose::Override);
    if !is_about_work || !scheduler.plan().keeps_checkpoints() {
        return None;
    }
    let work = &scheduler.plan_step(instance).1.work;
    let what = match work {
        Work::Merge(_) => {
            let ready = ready_of(&scheduler.envelope(instance)?.output)?;
            What::Merge { from: ready.before, to: ready.commit }
        }
        work if work.is_container() || writes(scheduler, instance, Purpose::Work) => {
            let unit = sits_in(scheduler, instance);
            let before = match &unit {
                Some(unit) if work.is_container() => unit.name(),
                Some(_) | None => before_name(scheduler, instance),
            };
            What::Files { earlier: last_before(scheduler, instance).filter(|_| unit.is_none()), unit, before }
        }
        _ => return None,
    };
    Some(Look {
        what,
        run: scheduler.run_id().map(ToString::to_string).unwrap_or_default(),
        step: scheduler.path(instance).as_str().to_owned(),
        beside: beside(scheduler, instance),
        is_whole: work.is_container(),
    })
}

impl Look {
    /// Looks. Where that cannot be, the question says so and binds nobody to files.
    pub(super) async fn perform(self, spaces: &Arc<Spaces>) -> Reviewed {
        let spaces = Arc::clone(spaces);
        blocking(move || {
            let shown = match &self.what {
                What::Files { unit, before, earlier } => {
                    spaces.show(unit.as_ref(), (before, earlier.as_ref()), &self.step)
                }
                What::Merge { from, to } => spaces.shown(from.clone(), to.clone()),
            };
            match shown {
                Ok(shown) => Reviewed {
                    text: self.words(&shown),
                    review: Some(Box::new(Review { from: shown.from.to_string(), to: shown.to.to_string() })),
                },
                Err(fault) => {
                    Reviewed { text: format!("What it has changed cannot be shown: failed to {fault}"), review: None }
                }
            }
        })
        .await
    }

    fn words(&self, shown: &Shown) -> String {
        let since = if self.is_whole { " since the run began, or since the steps in it did" } else { "" };
        let count = shown.files.len();
        if count == 0 {
            return format!("Changed{since}: no file");
        }
        let sum = |pick: fn((u64, u64)) -> u64| shown.files.iter().filter_map(|file| file.lines).map(pick).sum::<u64>();
        let (added, removed) = (sum(|lines| lines.0), sum(|lines| lines.1));
        let files = if count == 1 { "file" } else { "files" };
        let mut text = format!("Changed{since}: {count} {files}, +{added} -{removed}");
        for file in shown.files.iter().take(NAMED_MAX) {
            let sign = match file.kind {
                ChangeKind::Added => 'A',
                ChangeKind::Modified => 'M',
                ChangeKind::Deleted => 'D',
            };
            let lines = file.lines.map_or("no text".to_owned(), |(added, removed)| format!("+{added} -{removed}"));
            let _ = write!(text, "\n  {sign} {}  {lines}", plain_path(&file.path.to_string_lossy()));
        }
        if count > NAMED_MAX {
            let _ = write!(text, "\n  and {} more", count - NAMED_MAX);
        }
        if !self.beside.is_empty() {
            let named: Vec<_> = self.beside.iter().take(STEPS_MAX).map(String::as_str).collect();
            let _ = write!(
                text,
                "\nOther steps worked in the same folder, so some of it may be theirs: {}",
                named.join(", ")
            );
        }
        let _ = write!(text, "\nAll of it: orch diff {} {}", self.run, word(&self.step));
        text
    }
}

/// A step's path as a shell takes it.
fn word(path: &str) -> String {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_@-.".contains(&byte));
    if is_plain { path.to_owned() } else { format!("'{}'", plain_path(path).replace('\'', "'\\''")) }
}

/// A path on one line, whatever is in it.
fn plain_path(path: &str) -> String {
    path.chars()
        .flat_map(|sign| {
            if sign.is_control() { sign.escape_default().to_string() } else { sign.to_string() }
                .chars()
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether the files that a question is about are still as they were shown.
#[derive(Debug)]
pub struct Check {
    unit: Option<Unit>,
    from: Oid,
    to: Oid,
    has_others: bool,
}

/// What has to be checked before a decision about a question counts; none where it is about no files, or about those of a
/// merge, which are taken as they were shown whatever happens.
#[must_use]
pub fn check_of(scheduler: &Scheduler, attempt: AttemptId) -> Option<Check> {
    let instance = attempt.instance;
    let review = scheduler.question(instance)?.review.as_ref()?;
    if matches!(scheduler.plan_step(instance).1.work, Work::Merge(_)) {
        return None;
    }
    let asked: Timestamp = scheduler.view(instance).history.last()?.started;
    let unit = sits_in(scheduler, instance);
    let has_others = others_since(scheduler, instance, unit.as_ref(), asked);
    Some(Check { unit, from: Oid::parse(&review.from)?, to: Oid::parse(&review.to)?, has_others })
}

impl Check {
    /// The files that are no longer as they were shown.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn perform(&self, spaces: &Spaces) -> Result<Vec<String>, WorkspaceFault> {
        let changed = spaces.changed_since(self.unit.as_ref(), (&self.from, &self.to), self.has_others)?;
        Ok(changed.iter().map(|path| plain_path(&path.to_string_lossy())).collect())
    }
}

/// The order that comments of a person make. The person is trusted; the lines that are quoted are not.
pub(super) fn comments_words(comments: &[Comment], round: u32, nonce: Option<&Nonce>) -> String {
    let mut text = format!(
        "A person has looked at what you did and wants it changed before it is taken (round {round} of {PUSHBACKS_MAX}).\n"
    );
    for (number, comment) in comments.iter().enumerate() {
        let _ = write!(text, "\n{}. {comment}\n", number + 1);
        if !comment.quoted.is_empty() {
            text.push_str("The lines that this is about, as data:\n");
            match nonce {
                Some(nonce) => text.push_str(&fence(&comment.quoted, nonce)),
                None => text.push_str(&comment.quoted),
            }
        }
    }
    text.push_str("\nChange what the comments ask for and nothing else. Then report as before.\n");
    text
}
