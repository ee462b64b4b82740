//! Gates where agents judge: one attempt for each of them, one after the other; the middle score decides.
//!
//! Invariants: a judge never goes on with a session of the step's own agent, nor does that agent with one of a judge. What
//! a judge has answered is not asked again. Anything but a valid answer of every judge never passes.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    base::{Envelope, Evidence, Failure, FailureClass, Judgement, Verdict},
    plan::{AgentWork, JudgeWork, Work, defaults},
    scheduler::{
        core::Scheduler,
        event::{InstanceId, Purpose},
        limiter::Line,
        state::{AttemptEnd, Phase},
    },
};

/// The longest text made of all judges' reasons, in bytes.
const REASONS_BYTES_MAX: usize = 12 * 1024;
/// The longest reason in one line, in characters.
const LINE_CHARS_MAX: usize = 300;

/// Where a gate stands whose agents judge.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Judging {
    /// The place of the gate.
    pub place: u16,
    /// What was answered so far.
    pub scores: Vec<Score>,
    /// The session of the judge that is asked now.
    pub session: Option<Arc<str>>,
    /// What was wrong with its answer.
    pub feedback: Option<Arc<str>>,
    /// How often it was told so.
    pub repairs: u32,
    /// How often it was asked again because its service was not there.
    pub tries: u32,
}

/// One judge's answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Score {
    score: f64,
    reasons: Vec<String>,
}

impl Score {
    /// The answer in an envelope; `None` where it is none.
    fn read(envelope: &Envelope) -> Option<Self> {
        let score = envelope.output.get("score")?.as_f64().filter(|score| (0.0..=1.0).contains(score))?;
        let reasons = envelope.output.get("reasons")?.as_array()?;
        let reasons = reasons.iter().map(|reason| reason.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        Some(Self { score, reasons })
    }

    fn words(&self) -> String {
        let reasons: String = self.reasons.join("; ").split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = reasons.chars().take(LINE_CHARS_MAX).collect();
        let more = if short.len() < reasons.len() { "…" } else { "" };
        format!("{:.2}: {short}{more}", self.score)
    }
}

impl Scheduler {
    /// The agent of an attempt, where an agent does it.
    #[must_use]
    pub fn agent_work(&self, instance: InstanceId, purpose: Purpose) -> Option<&AgentWork> {
        let step = self.step_of(instance);
        match (purpose, &step.work) {
            (Purpose::Work, Work::Agent(agent)) => Some(agent),
            (Purpose::Fix, _) => step.on_gate_fail.fixer.as_ref(),
            (Purpose::Gate(place), _) => step.judge_at(place).map(|judge| &judge.agent),
            (Purpose::Work | Purpose::Reconcile | Purpose::Override | Purpose::Take, _) => None,
        }
    }

    /// Stands the next judge of a gate in line.
    pub(super) fn ask_judge(&mut self, instance: InstanceId, place: u16) {
        let judging = self.at_mut(instance).judging.get_or_insert_default();
        if judging.place != place {
            **judging = Judging { place, ..Judging::default() };
        }
        self.queue(instance, Purpose::Gate(place), Line::Begun);
    }

    /// A judge's attempt was lost or stopped: another one is asked in its place, in a session of its own.
    pub(super) fn judge_lost(&mut self, instance: InstanceId) {
        if let Some(judging) = &mut self.at_mut(instance).judging {
            (judging.session, judging.feedback, judging.repairs) = (None, None, 0);
        }
    }

    /// The session of the attempt that runs.
    pub(super) fn running_session(&self, instance: InstanceId) -> Option<Arc<str>> {
        let at = self.at(instance);
        match &at.judging {
            Some(judging) if self.is_judging(instance) => judging.session.clone(),
            _ => at.session.clone(),
        }
    }

    /// Whether a judge is asked, and nobody else.
    pub(super) fn is_judging(&self, instance: InstanceId) -> bool {
        let (Phase::Running(purpose) | Phase::Starting(purpose) | Phase::Queued(purpose)) = self.at(instance).phase
        else {
            return false;
        };
        matches!(purpose, Purpose::Gate(_)) && self.agent_work(instance, purpose).is_some()
    }

    fn judge(&self, instance: InstanceId, place: u16) -> Option<&JudgeWork> {
        self.step_of(instance).judge_at(place)
    }

    /// What a judge's answer leads to: nothing yet where another one is still to be asked.
    fn tally(&self, instance: InstanceId, place: u16, envelope: &Envelope) -> (Vec<Score>, Option<Judgement>) {
        let before = self.at(instance).judging.as_ref().map(|judging| judging.scores.clone());
        let mut scores = before.unwrap_or_default();
        let error = |reason: &str| Judgement {
            verdict: Verdict::Error,
            reason: reason.to_owned(),
            evidence: Evidence::default(),
        };
        let Some(judge) = self.judge(instance, place) else {
            return (scores, Some(error("the gate has nobody who judges")));
        };
        let Some(score) = Score::read(envelope) else {
            return (scores, Some(error("the judge gave no score from 0 to 1 with its reasons")));
        };
        scores.push(score);
        let judged = (scores.len() >= judge.judges.max(1) as usize).then(|| verdict(judge, &scores));
        (scores, judged)
    }

    /// How a judge's attempt that brought back an answer stands in the history.
    pub(super) fn judge_end(&self, instance: InstanceId, place: u16, envelope: &Envelope) -> (AttemptEnd, Arc<str>) {
        match self.tally(instance, place, envelope) {
            (_, Some(judged)) => (AttemptEnd::Judged(judged.verdict), Arc::from(judged.reason.as_str())),
            (scores, None) => {
                let words = scores.last().map(Score::words).unwrap_or_default();
                (AttemptEnd::Succeeded, Arc::from(format!("judge {} gives {words}", scores.len())))
            }
        }
    }

    /// A judge has answered: its score counts.
    pub(super) fn judge_answered(&mut self, instance: InstanceId, place: u16, envelope: &Envelope) {
        let (scores, judged) = self.tally(instance, place, envelope);
        match judged {
            Some(judged) => self.judged(instance, place, judged),
            None => {
                self.at_mut(instance).judging = Some(Box::new(Judging { place, scores, ..Judging::default() }));
                self.ask_judge(instance, place);
            }
        }
    }

    /// A judge has failed: it mends its answer, or is asked again where its service was not there. All else is no verdict.
    pub(super) fn judge_failed(&mut self, instance: InstanceId, place: u16, failure: Failure) {
        let tries = self.step_of(instance).retry.tries;
        let is_draining = self.frame(self.at(instance).frame).draining;
        if let Some(judging) = self.at_mut(instance).judging.as_mut().filter(|_| !is_draining) {
            match failure.class {
                FailureClass::Invalid if judging.repairs < defaults::REPAIRS => {
                    judging.repairs += 1;
                    judging.session = failure.session.as_deref().map(Arc::from).or(judging.session.take());
                    judging.feedback = Some(Arc::from(failure.reason.as_str()));
                    return self.ask_judge(instance, place);
                }
                FailureClass::Transient { .. } | FailureClass::Quota { .. } if judging.tries < tries => {
                    judging.tries += 1;
                    (judging.session, judging.feedback, judging.repairs) = (None, None, 0);
                    return self.ask_judge(instance, place);
                }
                FailureClass::Invalid
                | FailureClass::Transient { .. }
                | FailureClass::Quota { .. }
                | FailureClass::Recoverable
                | FailureClass::Model
                | FailureClass::TimedOut
                | FailureClass::Missing
                | FailureClass::Permanent => {}
            }
        }
        let reason = format!("the judge failed: {}", failure.reason);
        self.judged(instance, place, Judgement { verdict: Verdict::Error, reason, evidence: failure.evidence });
    }
}

/// The verdict of all judges together.
fn verdict(judge: &JudgeWork, scores: &[Score]) -> Judgement {
    let middle = median(scores.iter().map(|score| score.score).collect());
    let verdict = if middle >= judge.min { Verdict::Pass } else { Verdict::Fail };
    let all = scores.iter().map(|score| format!("{:.2}", score.score)).collect::<Vec<_>>().join(", ");
    let of = if scores.len() > 1 { format!(" (the middle of {all})") } else { String::new() };
    let nearest = scores.iter().min_by(|a, b| (a.score - middle).abs().total_cmp(&(b.score - middle).abs()));
    let why = nearest.map(|score| score.words().split_once(": ").map_or(String::new(), |(_, why)| why.to_owned()));
    let why = why.unwrap_or_default();
    let reason = format!("score {middle:.2}{of}, {:.2} passes: {why}", judge.min);
    let mut last_lines = String::new();
    for (number, score) in scores.iter().enumerate() {
        let _ = writeln!(last_lines, "judge {}: {:.2}", number + 1, score.score);
        for reason in &score.reasons {
            let _ = writeln!(last_lines, "- {reason}");
        }
    }
    last_lines.truncate(last_lines.floor_char_boundary(REASONS_BYTES_MAX));
    Judgement { verdict, reason, evidence: Evidence { last_lines, ..Evidence::default() } }
}

/// The middle one; between the two in the middle of an even number.
fn median(mut scores: Vec<f64>) -> f64 {
    scores.sort_by(f64::total_cmp);
    let half = scores.len() / 2;
    match scores.len() {
        0 => 0.0,
        count if count % 2 == 1 => scores[half],
        _ => f64::midpoint(scores[half - 1], scores[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_score_counts() {
        for (scores, middle) in
            [(vec![0.5], 0.5), (vec![0.9, 0.1, 0.8], 0.8), (vec![1.0, 0.5], 0.75), (vec![0.0, 0.0, 1.0, 1.0], 0.5)]
        {
            assert!((median(scores.clone()) - middle).abs() < 1e-9, "{scores:?}");
        }
    }

    #[test]
    fn only_a_score_with_reasons_is_an_answer() {
        let read = |output| Score::read(&Envelope { output, ..Envelope::default() });
        assert!(read(serde_json::json!({ "score": 1, "reasons": ["all there"] })).is_some());
        for output in [
            serde_json::json!(null),
            serde_json::json!({ "score": 1.01, "reasons": ["x"] }),
            serde_json::json!({ "score": -0.1, "reasons": ["x"] }),
            serde_json::json!({ "score": "1", "reasons": ["x"] }),
            serde_json::json!({ "score": 1 }),
            serde_json::json!({ "reasons": ["x"] }),
            serde_json::json!({ "score": 1, "reasons": "x" }),
        ] {
            assert_eq!(read(output.clone()), None, "{output}");
        }
    }
}
