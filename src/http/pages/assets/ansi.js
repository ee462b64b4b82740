// One line of a log as parts of text with classes: of all escapes only colours and styles are shown, everything else of them
// is dropped, and signs that turn or hide text are written out. Bounded: a line has so many parts.
"use strict";
orch.ansi = (() => {
  const PARTS_MAX = 400;
  // Colours; other sequences; titles and links up to their end; what is left of a broken one.
  const ESCAPE = /\u001b\[([0-9;:]{0,200})m|\u001b\[[0-?]{0,200}[ -/]{0,20}[@-~]|\u001b[\]PX^_][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)?|\u001b[ -/]{0,4}[0-~]?|\u009b[0-?]{0,200}[@-~]?/g;
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
  const plain = (text) => text.replace(HIDDEN, (sign) => {
    const code = sign.codePointAt(0);
    if (code < 32) return String.fromCodePoint(0x2400 + code);
    return `\\u{${code.toString(16)}}`;
  });

  // The nearest of the sixteen: the exact shade is the theme's, so that every one can be read.
  const nearest = (red, green, blue) => {
    const most = Math.max(red, green, blue), least = Math.min(red, green, blue);
    if (most - least < 40) return most < 60 ? 0 : most < 140 ? 8 : most < 210 ? 7 : 15;
    const middle = (most + least) / 2;
    return (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0) + (most > 200 ? 8 : 0);
  };
  const ofCube = (number) => {
    if (number < 16) return number;
    if (number >= 232) { const grey = (number - 232) * 10 + 8; return nearest(grey, grey, grey); }
    const level = (value) => (value ? value * 40 + 55 : 0), at = number - 16;
    return nearest(level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6));
  };

  const apply = (state, words) => {
    const codes = words.split(/[;:]/).map((word) => Math.min(Number(word) || 0, 999));
    for (let at = 0; at < codes.length && at < 32; at += 1) {
      const code = codes[at];
      if (code === 0) Object.assign(state, { fg: null, bg: null, bold: false, dim: false, italic: false, under: false, struck: false, turned: false });
      else if (code === 1) state.bold = true;
      else if (code === 2) state.dim = true;
      else if (code === 3) state.italic = true;
      else if (code === 4) state.under = true;
      else if (code === 7) state.turned = true;
      else if (code === 9) state.struck = true;
      else if (code === 22) state.bold = state.dim = false;
      else if (code === 23) state.italic = false;
      else if (code === 24) state.under = false;
      else if (code === 27) state.turned = false;
      else if (code === 29) state.struck = false;
      else if (code >= 30 && code <= 37) state.fg = code - 30;
      else if (code === 39) state.fg = null;
      else if (code >= 40 && code <= 47) state.bg = code - 40;
      else if (code === 49) state.bg = null;
      else if (code >= 90 && code <= 97) state.fg = code - 82;
      else if (code >= 100 && code <= 107) state.bg = code - 92;
      else if (code === 38 || code === 48) {
        const key = code === 38 ? "fg" : "bg";
        if (codes[at + 1] === 5) { state[key] = ofCube(Math.min(codes[at + 2] || 0, 255)); at += 2; }
        else if (codes[at + 1] === 2) { state[key] = nearest(codes[at + 2] || 0, codes[at + 3] || 0, codes[at + 4] || 0); at += 4; }
      }
    }
  };

  const classes = (state) => {
    const names = [];
    // A background brings its own colour of letters: any other pair could be hard to read.
    const back = state.turned ? state.fg ?? 7 : state.bg;
    if (back !== null) names.push(`b${back}`); else if (state.fg !== null) names.push(`f${state.fg}`); else if (state.dim) names.push("dim");
    for (const name of ["bold", "italic", "under", "struck"]) if (state[name]) names.push(name);
    return names.join(" ");
  };

  // Gives pairs of classes and text.
  const parts = (line) => {
    const state = { fg: null, bg: null, bold: false, dim: false, italic: false, under: false, struck: false, turned: false };
    const found = [];
    const add = (text) => { if (text) found.push([classes(state), plain(text)]); };
    let from = 0;
    for (const escape of line.matchAll(ESCAPE)) {
      add(line.slice(from, escape.index));
      from = escape.index + escape[0].length;
      if (found.length >= PARTS_MAX) break;
      if (escape[1] !== undefined) apply(state, escape[1]);
    }
    add(found.length >= PARTS_MAX ? line.slice(from).replace(ESCAPE, "") : line.slice(from));
    return found;
  };
  const text = (line) => parts(line).map(([, part]) => part).join("");
  return { parts, text };
})();
