//! The plan as SVG: one file, no script, readable on light and dark ground.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::plan::{
    draw::{
        escape::{visible, xml},
        layout::{Frame, LINE, Line, Look, PAD, layout},
        words,
    },
    types::{EdgeKind, Plan},
};

const STYLE: &str = "svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}\
text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:currentColor}.id{font-weight:bold;font-size:12px}\
.more{opacity:.75}rect{fill:currentColor;fill-opacity:.05;stroke:currentColor;stroke-opacity:.6}\
.container{fill-opacity:.03;stroke-dasharray:2 3}path.edge{fill:none;stroke:currentColor;stroke-opacity:.7;\
stroke-linejoin:round}.declared{stroke-width:2.2}.inferred{stroke-dasharray:5 4}marker path{fill:currentColor}";

/// Room for the legend.
const LEGEND: f64 = 34.0;
const LEGEND_WIDTH: f64 = 330.0;

/// Draws the plan as SVG. Text takes the colour around it (`currentColor`), so it fits a light and a dark page.
#[must_use]
pub fn svg(plan: &Plan) -> String {
    let layout = layout(plan, Look { is_brief: false, folded: &BTreeSet::new() });
    let (width, height) = (layout.width.max(LEGEND_WIDTH), layout.height + LEGEND);
    let title = xml(&visible(&plan.name));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for frame in &layout.frames {
        draw_frame(frame, &mut text);
    }
    for line in &layout.lines {
        let (from, to) = (&plan.step(line.from).id, &plan.step(line.to).id);
        let why = format!("{} needs {} ({})", visible(to), visible(from), words::edge(line.kind));
        draw_line(line, &xml(&why), &mut text);
    }
    draw_legend(layout.height + PAD, &mut text);
    text.push_str("</svg>\n");
    text
}

fn draw_frame(frame: &Frame, text: &mut String) {
    let class = if frame.container { " class=\"container\"" } else { "" };
    let _ = writeln!(
        text,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\"{class}/>",
        frame.x, frame.y, frame.width, frame.height
    );
    let mut y = frame.y + LINE;
    for (place, line) in frame.lines.iter().enumerate() {
        let class = match place {
            0 => " class=\"id\"",
            1 => "",
            _ => " class=\"more\"",
        };
        let _ = writeln!(text, "<text x=\"{:.1}\" y=\"{y:.1}\"{class}>{}</text>", frame.x + PAD / 2.0 + 2.0, xml(line));
        y += LINE;
    }
}

fn class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Implied => "edge",
        EdgeKind::Declared => "edge declared",
        EdgeKind::Inferred => "edge inferred",
    }
}

fn draw_line(line: &Line, why: &str, text: &mut String) {
    let mut path = String::new();
    for (place, (x, y)) in line.points.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
    }
    let class = class(line.kind);
    let _ = writeln!(text, "<path class=\"{class}\" marker-end=\"url(#end)\" d=\"{path}\"><title>{why}</title></path>");
}

fn draw_legend(y: f64, text: &mut String) {
    for (x, kind) in [(10.0, EdgeKind::Implied), (110.0, EdgeKind::Declared), (220.0, EdgeKind::Inferred)] {
        let class = class(kind);
        let (right, words_x, base) = (x + 24.0, x + 30.0, y + 4.0);
        let _ =
            writeln!(text, "<path class=\"{class}\" marker-end=\"url(#end)\" d=\"M{x:.1} {y:.1}L{right:.1} {y:.1}\"/>");
        let _ = writeln!(text, "<text x=\"{words_x:.1}\" y=\"{base:.1}\">{}</text>", words::edge(kind));
    }
}
