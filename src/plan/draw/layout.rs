//! Where each step of a plan stands on a plane: rows from top to bottom, containers around their children.
//!
//! Knows nothing of SVG. A step stands below all its needs, so edges only go down; they run in the gaps between rows and
//! in lanes at the left of a body, where no box stands. All lengths are pixels.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
};

use crate::plan::{
    draw::{
        escape::{clip, visible},
        words,
    },
    graph::rows,
    types::{EdgeKind, Plan, StepIx},
};

pub(super) const LINE: f64 = 16.0;
pub(super) const PAD: f64 = 10.0;
/// Pixels of a character.
const LETTER: f64 = 6.8;
/// Boxes beside each other.
const COLUMNS: usize = 4;
const GAP_X: f64 = 22.0;
const GAP_Y_MIN: f64 = 26.0;
const TRACK: f64 = 6.0;
/// Tracks of a gap; more edges share the last.
const TRACKS_MAX: usize = 16;
const LANE: f64 = 8.0;
const LANES_MAX: usize = 40;
const PORT: f64 = 12.0;
/// Lines of text in a box.
const LINES_MAX: usize = 7;

/// How much of a plan is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// Boxes say what a step is, and have room for one more line; rows may be long. Otherwise they say all of it.
    pub(super) is_brief: bool,
    /// Groups whose steps are not drawn.
    pub(super) folded: &'a BTreeSet<StepIx>,
}

impl Look<'_> {
    /// The width of a box.
    fn width(self) -> f64 {
        if self.is_brief { 212.0 } else { 268.0 }
    }

    /// Characters that fit a box.
    fn columns_min(self) -> usize {
        if self.is_brief { 29 } else { 38 }
    }

    /// Boxes beside each other, of so many that could be.
    fn columns(self, of: usize) -> usize {
        // Somewhat broader than high, as screens are.
        if self.is_brief { COLUMNS.max((of * 3 / 4).isqrt() + 1) } else { COLUMNS }
    }
}

/// A step's box.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The id, then what there is to say.
    pub(super) lines: Vec<String>,
    pub(super) container: bool,
    /// Where the steps in it begin, below its upper edge.
    text: f64,
}

/// An edge as corners.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) points: Vec<(f64, f64)>,
    pub(super) kind: EdgeKind,
    pub(super) from: StepIx,
    pub(super) to: StepIx,
}

/// The whole picture.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// By step.
    pub(super) frames: Vec<Frame>,
    pub(super) lines: Vec<Line>,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) fn layout(plan: &Plan, look: Look<'_>) -> Layout {
    let mut layout = Layout { frames: vec![Frame::default(); plan.steps.len()], ..Layout::default() };
    let mut bodies: HashMap<Option<StepIx>, Body> = HashMap::new();
    // Sizes from the inside out.
    for ix in crate::plan::graph::indices(plan).rev() {
        if let Some((frame, body)) = framed(plan, ix, look, &layout.frames) {
            layout.frames[ix.index()] = frame;
            body.and_then(|body| bodies.insert(Some(ix), body));
        }
    }
    let top = Body::new(plan, &plan.roots, look, &layout.frames);
    (layout.width, layout.height) = (top.width + 2.0 * PAD, top.height + 2.0 * PAD);
    top.place(&mut layout, (PAD, PAD));
    // Places from the outside in.
    for ix in crate::plan::graph::indices(plan) {
        if let Some(body) = bodies.remove(&Some(ix)) {
            let frame = &layout.frames[ix.index()];
            let corner = (frame.x + PAD, frame.y + frame.text);
            body.place(&mut layout, corner);
        }
    }
    layout
}

/// The box of a step, and what stands in it; nothing for a step that stands in a folded group.
fn framed(plan: &Plan, ix: StepIx, look: Look<'_>, frames: &[Frame]) -> Option<(Frame, Option<Body>)> {
    let step = plan.step(ix);
    let mut above = step.parent;
    while let Some(parent) = above {
        if look.folded.contains(&parent) {
            return None;
        }
        above = plan.step(parent).parent;
    }
    let lines = lines_of(plan, ix, look);
    let room = usize::from(look.is_brief);
    let text_height = count(lines.len() + room) * LINE + PAD;
    let mut frame = Frame { width: look.width(), height: text_height + PAD / 2.0, ..Frame::default() };
    let children = if look.folded.contains(&ix) { &[] } else { step.work.children() };
    frame.container = !step.work.children().is_empty();
    let body = (!children.is_empty()).then(|| Body::new(plan, children, look, frames));
    if let Some(body) = &body {
        frame.width = (body.width + 2.0 * PAD).max(look.width());
        frame.height = text_height + body.height + PAD;
        frame.text = text_height;
    }
    let columns = pixels_to_columns(frame.width).max(look.columns_min());
    frame.lines = lines.iter().map(|line| clip(line, columns)).collect();
    Some((frame, body))
}

/// What a box says.
fn lines_of(plan: &Plan, ix: StepIx, look: Look<'_>) -> Vec<String> {
    let step = plan.step(ix);
    let mut lines = vec![visible(&step.id), words::kind(plan, step)];
    if look.is_brief {
        return lines;
    }
    lines.extend(words::text(step));
    lines.extend(step.when.as_ref().map(|when| format!("when {}", visible(&when.text))));
    lines.extend(step.gates.iter().map(|gate| format!("gate {}", words::gate(plan, gate))));
    let hidden = lines.len().saturating_sub(LINES_MAX);
    if hidden > 0 {
        lines.truncate(LINES_MAX - 1);
        lines.push(format!("and {} more", hidden + 1));
    }
    lines
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines and boxes are small")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "widths are positive and small")]
fn pixels_to_columns(width: f64) -> usize {
    ((width - PAD) / LETTER) as usize
}

/// Siblings and the edges between them, placed relative to their corner.
struct Body {
    places: Vec<(StepIx, f64, f64)>,
    lines: Vec<Line>,
    width: f64,
    height: f64,
}

/// An edge while it is routed.
struct Route {
    from: StepIx,
    to: StepIx,
    kind: EdgeKind,
    rows: (usize, usize),
    lane: Option<usize>,
    port_out: f64,
    port_in: f64,
}

impl Body {
    fn new(plan: &Plan, body: &[StepIx], look: Look<'_>, frames: &[Frame]) -> Self {
        let rows: Vec<Vec<StepIx>> = rows(plan, body)
            .iter()
            .flat_map(|row| row.chunks(look.columns(row.len())).map(<[StepIx]>::to_vec).collect::<Vec<_>>())
            .collect();
        let row_of: HashMap<StepIx, usize> =
            rows.iter().enumerate().flat_map(|(place, row)| row.iter().map(move |ix| (*ix, place))).collect();
        let mut routes = routes(plan, body, &row_of);
        let lanes = assign_lanes(&mut routes);
        assign_ports(&mut routes, frames);
        let lane_width = count(lanes.min(LANES_MAX)) * LANE;
        // Edges that use the gap above each row, and the one below the last, which stays empty.
        let mut users = vec![0usize; rows.len() + 1];
        for route in &routes {
            users[route.rows.0 + 1] += 1;
            if route.lane.is_some() {
                users[route.rows.1] += 1;
            }
        }
        let row_widths: Vec<f64> =
            rows.iter().map(|row| row.iter().map(|ix| frames[ix.index()].width + GAP_X).sum::<f64>() - GAP_X).collect();
        let widest = row_widths.iter().copied().fold(0.0, f64::max);
        let mut places = Vec::with_capacity(body.len());
        let mut tops = Vec::with_capacity(rows.len());
        let mut y = 0.0;
        for (place, row) in rows.iter().enumerate() {
            if place > 0 {
                y += GAP_Y_MIN + count(users[place].min(TRACKS_MAX)) * TRACK;
            }
            let mut x = lane_width + (widest - row_widths[place]) / 2.0;
            let height = row.iter().map(|ix| frames[ix.index()].height).fold(0.0, f64::max);
            for ix in row {
                places.push((*ix, x, y));
                x += frames[ix.index()].width + GAP_X;
            }
            tops.push((y, height));
            y += height;
        }
        let width = lane_width + widest;
        let at: HashMap<StepIx, (f64, f64)> = places.iter().map(|(ix, x, y)| (*ix, (*x, *y))).collect();
        let lines = draw_routes(&routes, frames, &at, &tops);
        Self { places, lines, width, height: y }
    }

    fn place(self, layout: &mut Layout, corner: (f64, f64)) {
        for (ix, x, y) in self.places {
            let frame = &mut layout.frames[ix.index()];
            (frame.x, frame.y) = (corner.0 + x, corner.1 + y);
        }
        for mut line in self.lines {
            for point in &mut line.points {
                *point = (point.0 + corner.0, point.1 + corner.1);
            }
            layout.lines.push(line);
        }
    }
}

fn routes(plan: &Plan, body: &[StepIx], row_of: &HashMap<StepIx, usize>) -> Vec<Route> {
    let mut routes = Vec::new();
    for to in body {
        for need in &plan.step(*to).needs {
            let rows = (row_of[&need.step], row_of[to]);
            routes.push(Route {
                from: need.step,
                to: *to,
                kind: need.edge,
                rows,
                lane: None,
                port_out: 0.0,
                port_in: 0.0,
            });
        }
    }
    routes
}

/// Gives each edge that passes a row a lane of its own while it does; gives the number of lanes.
fn assign_lanes(routes: &mut [Route]) -> usize {
    let mut long: Vec<&mut Route> = routes.iter_mut().filter(|route| route.rows.1 > route.rows.0 + 1).collect();
    long.sort_by_key(|route| (route.rows, route.from, route.to));
    let mut busy: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    let mut free: BinaryHeap<Reverse<usize>> = BinaryHeap::new();
    let mut lanes = 0;
    for route in long {
        while let Some(Reverse((end, lane))) = busy.peek().copied() {
            if end > route.rows.0 {
                break;
            }
            busy.pop();
            free.push(Reverse(lane));
        }
        let lane = free.pop().map_or(lanes, |Reverse(lane)| lane);
        lanes = lanes.max(lane + 1);
        busy.push(Reverse((route.rows.1, lane)));
        route.lane = Some(lane);
    }
    lanes
}

/// Spreads the edges of a box over its width.
fn assign_ports(routes: &mut [Route], frames: &[Frame]) {
    let mut leaving: HashMap<StepIx, Vec<usize>> = HashMap::new();
    let mut arriving: HashMap<StepIx, Vec<usize>> = HashMap::new();
    for (place, route) in routes.iter().enumerate() {
        leaving.entry(route.from).or_default().push(place);
        arriving.entry(route.to).or_default().push(place);
    }
    for (ix, edges) in leaving {
        for (place, edge) in edges.iter().enumerate() {
            routes[*edge].port_out = port(frames[ix.index()].width, place, edges.len());
        }
    }
    for (ix, edges) in arriving {
        for (place, edge) in edges.iter().enumerate() {
            routes[*edge].port_in = port(frames[ix.index()].width, place, edges.len());
        }
    }
}

fn port(width: f64, place: usize, of: usize) -> f64 {
    let step = PORT.min((width - 2.0 * PAD) / count(of.max(1)));
    width / 2.0 + (count(place) - count(of - 1) / 2.0) * step
}

fn draw_routes(routes: &[Route], frames: &[Frame], at: &HashMap<StepIx, (f64, f64)>, tops: &[(f64, f64)]) -> Vec<Line> {
    let mut used = vec![0usize; tops.len() + 1];
    // The height of the next free track in the gap above a row.
    let mut track = |row: usize| {
        let bottom = tops[row - 1].0 + tops[row - 1].1;
        let place = used[row].min(TRACKS_MAX - 1);
        used[row] += 1;
        bottom + GAP_Y_MIN / 2.0 + count(place) * TRACK
    };
    let mut lines = Vec::with_capacity(routes.len());
    for route in routes {
        let (from_x, from_y) = at[&route.from];
        let (to_x, to_y) = at[&route.to];
        let start = (from_x + route.port_out, from_y + frames[route.from.index()].height);
        let end = (to_x + route.port_in, to_y);
        let first = track(route.rows.0 + 1);
        let mut points = vec![start, (start.0, first)];
        match route.lane {
            None => points.push((end.0, first)),
            Some(lane) => {
                let x = count(lane.min(LANES_MAX - 1)) * LANE;
                let second = track(route.rows.1);
                points.extend([(x, first), (x, second), (end.0, second)]);
            }
        }
        points.push(end);
        lines.push(Line { points, kind: route.kind, from: route.from, to: route.to });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_used_again() {
        let route = |from, to| Route {
            from: StepIx(from),
            to: StepIx(to),
            kind: EdgeKind::Declared,
            rows: (from as usize, to as usize),
            lane: None,
            port_out: 0.0,
            port_in: 0.0,
        };
        let mut routes = vec![route(0, 2), route(0, 4), route(2, 4), route(1, 2)];
        assert_eq!(assign_lanes(&mut routes), 2);
        assert_eq!(routes[3].lane, None);
        assert_ne!(routes[0].lane, routes[1].lane);
        assert_eq!(routes[0].lane, routes[2].lane);
    }
}
