//! Steps of a run: what they are, what they have printed, changed and left.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use axum::http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    http::{
        api::runs::limit,
        ask::{Answer, Ask},
        problem::Problem,
    },
    service::{Extent, open_kept, serve::read_lines},
};

/// Files that are listed.
const FILES_MAX: usize = 2_000;
/// Bytes of a patch that is sent.
const PATCH_MAX: usize = 2 * 1024 * 1024;
/// Bytes of an artifact that is sent.
const ARTIFACT_MAX: u64 = 64 * 1024 * 1024;

pub(in crate::http) fn list(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let standing = ask.app.place_of(&run)?.standing(&run)?;
    let from = usize::try_from(ask.count("from").unwrap_or_default()).unwrap_or(usize::MAX);
    let limit = limit(ask, 100);
    let wanted = ask.text("step");
    let all = standing.status.steps.iter().filter(|step| wanted.is_none_or(|wanted| step.id == wanted));
    let mut steps: Vec<_> = all.skip(from).take(limit + 1).collect();
    let more = steps.len() > limit;
    steps.truncate(limit);
    let tag = format!("{}-{}", standing.tag.0, standing.tag.1.unwrap_or_default());
    let body = json!({ "steps": steps, "next": more.then_some(from + limit) });
    Ok(Answer::json(&body)?.tagged(ask, &tag))
}

/// The folder of an attempt; its id was checked to be one.
fn attempt_folder(ask: &Ask<'_>, attempt: &str) -> Result<PathBuf, Problem> {
    let run = ask.run()?;
    let folder = ask.app.place_of(&run)?.runs().folder(&run)?.join("attempts").join(attempt);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Problem::missing(format!("run {run} has no attempt {attempt}"), format!("GET /api/v1/runs/{run}/steps")))
}

/// The file of a stream of the attempt that the query names.
fn stream_file(ask: &Ask<'_>) -> Result<PathBuf, Problem> {
    let name = match ask.text("stream") {
        Some("stderr") => "stderr.log",
        Some("answer") => "answer.txt",
        _ => "stdout.log",
    };
    Ok(attempt_folder(ask, ask.text("attempt").unwrap_or_default())?.join(name))
}

/// Opens a file of an attempt, with its size.
fn open(path: &std::path::Path) -> Result<Option<(File, u64)>, Problem> {
    let missing = |error: std::io::Error| Problem::missing(error.to_string(), "GET …/artifacts lists what is there");
    let Some(file) = open_kept(path).map_err(missing)? else { return Ok(None) };
    let size = file.metadata().map_err(missing)?.len();
    Ok(Some((file, size)))
}

pub(in crate::http) fn log(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let (mut from, mut length) = (ask.count("offset").unwrap_or_default(), ask.count("length").unwrap_or(65_536));
    let opened = open(&stream_file(ask)?)?;
    let size = opened.as_ref().map_or(0, |(_, size)| *size);
    let range = ask.header(&header::RANGE);
    if let Some(range) = range {
        let Some((first, last)) = range_of(range, size) else {
            let message = format!("the range is none of the {size} bytes");
            return Err(Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "E0609",
                message,
                "ask for `bytes=FIRST-LAST`",
            ));
        };
        (from, length) = (first, (last - first + 1).min(1_048_576));
    }
    let mut bytes = Vec::new();
    if let Some((mut file, _)) = opened {
        let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.take(length).read_to_end(&mut bytes));
        read.map_err(|error| Problem::missing(error.to_string(), "ask again"))?;
    }
    let end = from.min(size) + bytes.len() as u64;
    let whole = format!("bytes {from}-{}/{size}", end.saturating_sub(1));
    let answer = Answer::bytes("text/plain; charset=utf-8", bytes)
        .with(header::ACCEPT_RANGES, "bytes")
        .with(HeaderName::from_static("orch-size"), &size.to_string())
        .with(HeaderName::from_static("orch-next"), &end.to_string());
    Ok(if range.is_some() {
        answer.status(StatusCode::PARTIAL_CONTENT).with(header::CONTENT_RANGE, &whole)
    } else {
        answer
    })
}

/// The first and the last byte of one range; `None` where it is none of the file.
fn range_of(text: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = size.checked_sub(1)?;
    let (first, last) = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) => (first, last.min(end)),
        (Some(first), None) if last.is_empty() => (first, end),
        (None, Some(count)) if first.is_empty() && count > 0 => (size.saturating_sub(count), end),
        _ => return None,
    };
    (first <= last).then_some((first, last))
}

pub(in crate::http) fn lines(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let file = stream_file(ask)?;
    let (from, count) = (ask.count("from").unwrap_or_default(), ask.count("count").unwrap_or(500));
    let find = ask.text("find").filter(|find| !find.is_empty());
    let read = read_lines(&file, from, usize::try_from(count).unwrap_or(500), find);
    let read = read.map_err(|error| Problem::missing(error.to_string(), "ask again"))?;
    Answer::json(&json!({
        "attempt": ask.text("attempt"), "stream": ask.text("stream").unwrap_or("stdout"),
        "from": read.from, "total": read.total, "bytes": read.bytes, "lines": read.lines,
    }))
}

pub(in crate::http) fn diff(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let run = ask.run()?;
    let extent = ask.text("step").map_or(Extent::Run, |step| Extent::Step(step.to_owned()));
    let changes = ask.app.place_of(&run)?.runs().changes(&run, &extent, &[])?;
    let mut body = serde_json::to_value(&changes).unwrap_or_default();
    if ask.is("patch") {
        let cut = changes.patch.len() > PATCH_MAX;
        let shown = &changes.patch[..changes.patch.len().min(PATCH_MAX)];
        body["patch"] = Value::String(String::from_utf8_lossy(shown).into_owned());
        body["patch_is_cut"] = Value::Bool(cut);
    }
    Answer::json(&body)
}

pub(in crate::http) fn artifacts(ask: &Ask<'_>) -> Result<Answer, Problem> {
    Answer::json(&json!({ "artifacts": files_of(ask)? }))
}

/// The files that attempts have left, of a very large run the first.
pub(in crate::http) fn files_of(ask: &Ask<'_>) -> Result<Vec<Value>, Problem> {
    let run = ask.run()?;
    let folder = ask.app.place_of(&run)?.runs().folder(&run)?.join("attempts");
    let mut files = Vec::new();
    for attempt in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(attempt.path()).into_iter().flatten().flatten() {
            if let Ok(found) = file.metadata()
                && found.is_file()
                && files.len() < FILES_MAX
            {
                files.push(json!({
                    "attempt": attempt.file_name().to_string_lossy(), "name": file.file_name().to_string_lossy(),
                    "bytes": found.len(),
                }));
            }
        }
    }
    files.sort_by_key(|file| (file["attempt"].as_str().map(str::to_owned), file["name"].as_str().map(str::to_owned)));
    Ok(files)
}

pub(in crate::http) fn artifact(ask: &Ask<'_>) -> Result<Answer, Problem> {
    let name = ask.part("file");
    let missing = || Problem::missing(format!("the attempt has left no file `{name}`"), "GET …/artifacts lists them");
    let (file, size) = open(&attempt_folder(ask, ask.part("attempt"))?.join(name))?.ok_or_else(missing)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(ARTIFACT_MAX)).unwrap_or_default());
    file.take(ARTIFACT_MAX).read_to_end(&mut bytes).map_err(|_| missing())?;
    let saved = format!("attachment; filename=\"{name}\"");
    Ok(Answer::bytes("application/octet-stream", bytes).with(header::CONTENT_DISPOSITION, &saved))
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn ranges_are_of_the_file_or_none() {
        assert_eq!(range_of("bytes=0-9", 100), Some((0, 9)));
        assert_eq!(range_of("bytes=90-", 100), Some((90, 99)));
        assert_eq!(range_of("bytes=-10", 100), Some((90, 99)));
        assert_eq!(range_of("bytes=5-500", 100), Some((5, 99)));
        for bad in
            ["bytes=100-", "bytes=9-5", "bytes=-0", "bytes=a-b", "bytes=0-1,2-3", "lines=0-1", "bytes=-", "bytes=0-x"]
        {
            assert_eq!(range_of(bad, 100), None, "{bad}");
        }
        assert_eq!(range_of("bytes=0-0", 0), None);
    }
}
