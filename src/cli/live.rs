//! Where a run's report goes: plain lines, lines above a small live region, JSON lines, or only the end.
//!
//! Progress is talk and goes to standard error; JSON events are data and go to standard output. A reader that goes
//! away never stops a run.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use anstream::AutoStream;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    base::{Timestamp, coloured, render_duration},
    cli::{
        clean::{fit, one_line},
        ending::Ending,
        report::{Look, Report},
    },
    driver::RunEvent,
    scheduler::StepState,
};

/// Running attempts in the live region.
const REGION_MAX: usize = 8;
/// Lines are gathered for so long before the region is drawn again; a fast run would spend its time on drawing.
const GATHER: Duration = Duration::from_millis(60);

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenKind {
    /// Every event as one line of JSON on standard output.
    Json,
    /// Lines, and a heartbeat when nothing happens.
    Plain,
    /// Lines above a live region.
    Live,
    /// Only the end.
    Quiet,
}

impl ScreenKind {
    /// What fits the flags and the place: a live region only on a terminal.
    #[must_use]
    pub fn choose(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) if io::stderr().is_terminal() => Self::Live,
            (false, false) => Self::Plain,
        }
    }
}

/// Shows one run.
pub struct Screen {
    kind: ScreenKind,
    report: Report,
    talk: AutoStream<io::Stderr>,
    heartbeat: Duration,
    /// When the last line was written.
    wrote: Instant,
    region: Option<Region>,
    is_closed: bool,
}

struct Region {
    multi: MultiProgress,
    bars: Vec<ProgressBar>,
    gathered: String,
    drawn: Instant,
    /// A question stands below the lines; drawing would write over it.
    paused: bool,
}

impl Screen {
    /// A screen of that kind. `heartbeat` is the longest silence of a plain one.
    #[must_use]
    pub fn new(kind: ScreenKind, look: Look, colours: anstream::ColorChoice, heartbeat: Duration) -> Self {
        let region = (kind == ScreenKind::Live).then(|| Region {
            multi: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15)),
            bars: Vec::new(),
            gathered: String::new(),
            drawn: Instant::now(),
            paused: false,
        });
        let talk = AutoStream::new(io::stderr(), colours);
        Self { kind, report: Report::new(look), talk, heartbeat, wrote: Instant::now(), region, is_closed: false }
    }

    /// The columns to show a run in: those of the terminal, from 40 to 160, or 80.
    #[must_use]
    pub fn columns() -> usize {
        let terminal = terminal_columns().filter(|_| io::stderr().is_terminal());
        terminal.map_or(80, |columns| columns.clamp(40, 160))
    }

    /// What the report knows.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Whether the reader of JSON lines has gone away.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Shows one event.
    pub fn tell(&mut self, event: &RunEvent) {
        let lines = self.report.tell(event);
        match self.kind {
            ScreenKind::Json => self.json(event),
            ScreenKind::Plain => self.lines(&lines),
            ScreenKind::Live => {
                if let Some(region) = &mut self.region {
                    region.gathered.push_str(&lines);
                }
                self.draw(event.at, false);
            }
            ScreenKind::Quiet => {}
        }
    }

    /// Time has passed. Call it about four times a second.
    pub fn tick(&mut self, now: Timestamp) {
        match self.kind {
            ScreenKind::Live => self.draw(now, true),
            ScreenKind::Plain if self.wrote.elapsed() >= self.heartbeat => {
                let line = self.report.heartbeat(now);
                self.lines(&line);
            }
            ScreenKind::Plain | ScreenKind::Json | ScreenKind::Quiet => {}
        }
    }

    /// Clears the live region so that a question can be asked below the lines; it comes back when no question waits.
    pub fn pause(&mut self) {
        let Some(region) = &mut self.region else { return };
        region.paused = true;
        let lines = std::mem::take(&mut region.gathered);
        region.multi.clear().ok();
        region.bars.clear();
        self.lines(&lines);
    }

    /// Shows the end of a run, or of this process's part in it.
    pub fn finish(&mut self, ending: &Ending<'_>) {
        self.pause();
        if self.kind != ScreenKind::Json {
            let block = self.report.finish(ending);
            self.lines(&block);
        }
    }

    fn lines(&mut self, lines: &str) {
        if !lines.is_empty() {
            // Nobody listening is no reason to stop a run.
            self.talk.write_all(coloured(lines).as_bytes()).and_then(|()| self.talk.flush()).ok();
            self.wrote = Instant::now();
        }
    }

    fn json(&mut self, event: &RunEvent) {
        if self.is_closed {
            return;
        }
        let mut line = serde_json::to_vec(event).expect("an event is plain data with text keys");
        line.push(b'\n');
        let mut out = io::stdout().lock();
        self.is_closed = out.write_all(&line).and_then(|()| out.flush()).is_err();
    }

    fn draw(&mut self, now: Timestamp, must: bool) {
        let Some(region) = &mut self.region else { return };
        if region.paused && self.report.is_asking() {
            let lines = std::mem::take(&mut region.gathered);
            self.lines(&lines);
            return;
        }
        region.paused = false;
        if !must && region.drawn.elapsed() < GATHER {
            return;
        }
        region.drawn = Instant::now();
        let colours = self.talk.current_choice() != anstream::ColorChoice::Never;
        let lines = std::mem::take(&mut region.gathered);
        let lines = if colours { lines } else { anstream::adapter::strip_str(&lines).to_string() };
        for line in lines.lines() {
            region.multi.println(coloured(line)).ok();
        }
        let wanted = rows(&self.report, now);
        while region.bars.len() > wanted.len() {
            if let Some(bar) = region.bars.pop() {
                bar.finish_and_clear();
                region.multi.remove(&bar);
            }
        }
        while region.bars.len() < wanted.len() {
            let bar = region.multi.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("{msg}").expect("the template has one known key"));
            region.bars.push(bar);
        }
        for (bar, row) in region.bars.iter().zip(wanted) {
            bar.set_message(row);
            bar.tick();
        }
    }
}

/// The rows of the live region: what runs, and one line about the whole.
fn rows(report: &Report, now: Timestamp) -> Vec<String> {
    let width = report.look.width.saturating_sub(1);
    let running = report.running();
    let mut rows: Vec<_> = running
        .iter()
        .take(REGION_MAX)
        .map(|attempt| {
            let time = render_duration(now.since(attempt.since));
            let runtime = attempt.runtime.as_deref().unwrap_or_default();
            let step = one_line(&attempt.step);
            fit(format!("     ··· [{time:>8}] {step:<22}  {}  {runtime}", attempt.purpose).trim_end(), width)
        })
        .collect();
    let more = running.len().saturating_sub(REGION_MAX);
    let done = report.count(StepState::Succeeded);
    let failed = report.count(StepState::Failed);
    let time = render_duration(now.since(report.started));
    let mut words = vec![format!("{} running", running.len()), format!("{done} passed")];
    if failed > 0 {
        words.push(format!("{failed} failed"));
    }
    if !report.waits.is_empty() {
        words.push(format!("{} waiting for you", report.waits.len()));
    }
    if more > 0 {
        words.push(format!("{more} not shown"));
    }
    if report.tokens() > 0 {
        words.push(format!("{} tok", crate::cli::report_words::count_words(report.tokens())));
    }
    rows.push(fit(&format!("         [{time:>8}] {}", words.join(" · ")), width));
    rows
}

fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
