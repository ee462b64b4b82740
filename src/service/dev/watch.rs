//! Asks the system to tell of changes in folders. Where it cannot, it is looked once a second.
//!
//! Every folder is watched by itself, by its real path: which folders there are is decided here and not by the
//! library, so that a folder is surely watched before it is read.

use std::time::{Duration, Instant};

use notify::{
    Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};

use crate::service::dev::{
    folders::Folders,
    hints::{Gathered, Hints},
};

/// How often it is looked where the system does not tell.
const POLL: Duration = Duration::from_secs(1);

/// Watches folders.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    hints: Hints,
    watched: Folders,
    /// Why it is looked once a second.
    polls: Option<String>,
    /// When it was last looked.
    looked: Instant,
}

impl Watch {
    /// Watches nothing yet. With `poll` the system is not asked.
    pub fn new(poll: bool) -> Self {
        let hints = Hints::default();
        let mut watch =
            Self { watcher: None, hints: hints.clone(), watched: Folders::new(), polls: None, looked: Instant::now() };
        if poll {
            watch.polls = Some("`--poll` was given".to_owned());
            return watch;
        }
        let handler = move |told: notify::Result<Event>| take(&hints, told);
        match RecommendedWatcher::new(handler, Config::default()) {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.polls = Some(words(&error)),
        }
        watch
    }

    /// How many folders are watched.
    pub fn count(&self) -> usize {
        self.watched.len()
    }

    /// Why it is looked once a second; `None` where the system tells.
    pub fn polls(&self) -> Option<&str> {
        self.polls.as_deref()
    }

    /// Returns when there is something to look at and it is quiet.
    pub async fn quiet(&self) {
        match self.polls {
            None => self.hints.quiet().await,
            // Others may end this wait again and again; the time goes on all the same.
            Some(_) => tokio::time::sleep_until((self.looked + POLL).into()).await,
        }
    }

    /// Takes what was told. What had gone is not watched any more, so that [`Self::cover`] watches what came after it.
    pub fn take(&mut self) -> Gathered {
        let mut gathered = self.hints.take();
        self.looked = Instant::now();
        if let Some(reason) = &gathered.broken {
            self.give_up(reason.clone());
        }
        let is_gone = |folder: &std::path::Path| gathered.gone.iter().any(|gone| folder.starts_with(gone));
        let stale: Vec<_> = self.watched.keys().filter(|folder| gathered.is_lost || is_gone(folder)).cloned().collect();
        gathered.is_shape |= gathered.is_lost || !stale.is_empty();
        for folder in stale {
            self.forget(&folder);
        }
        gathered
    }

    /// Watches exactly these folders.
    pub fn cover(&mut self, wanted: Folders) {
        let old: Vec<_> = self.watched.keys().filter(|folder| !wanted.contains_key(*folder)).cloned().collect();
        for folder in old {
            self.forget(&folder);
        }
        for (folder, mark) in wanted {
            match self.watched.get(&folder) {
                Some(known) if *known == mark => continue,
                Some(_) => self.forget(&folder),
                None => {}
            }
            let Some(watcher) = &mut self.watcher else { return };
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder, mark)),
                // The folder above tells of whatever takes its place.
                Err(error) if is_about_one_folder(&error) => {}
                Err(error) => self.give_up(words(&error)),
            }
        }
    }

    fn forget(&mut self, folder: &std::path::Path) {
        self.watched.remove(folder);
        if let Some(watcher) = &mut self.watcher {
            // What has gone is not watched by the system either.
            drop(watcher.unwatch(folder));
        }
    }

    fn give_up(&mut self, reason: String) {
        self.watcher = None;
        self.watched.clear();
        self.polls.get_or_insert(reason);
    }
}

/// Leaves what the system tells as a hint. Reading is no change.
fn take(hints: &Hints, told: notify::Result<Event>) {
    match told {
        Ok(event) if event.need_rescan() => hints.lost(),
        Ok(event) => {
            if is_shape(&event) {
                hints.shape();
            }
            note(hints, event);
        }
        Err(error) if is_about_one_folder(&error) => hints.lost(),
        Err(error) => hints.broken(words(&error)),
    }
}

/// Whether it may be about a folder or a link; what has gone is known by its name.
fn is_shape(event: &Event) -> bool {
    let is_one = |path: &std::path::PathBuf| {
        path.symlink_metadata().is_ok_and(|found| found.is_dir() || found.file_type().is_symlink())
    };
    match event.kind {
        EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Data(_)) => false,
        EventKind::Create(_) | EventKind::Modify(_) => event.paths.iter().any(is_one),
        EventKind::Any | EventKind::Other => true,
    }
}

fn note(hints: &Hints, event: Event) {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => hints.changed(),
        EventKind::Access(_) => {}
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            for path in event.paths {
                hints.gone(path);
            }
        }
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => hints.changed(),
    }
}

/// Whether the others can still be watched.
fn is_about_one_folder(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound | ErrorKind::WatchNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied)
        }
        ErrorKind::Generic(_) | ErrorKind::InvalidConfig(_) | ErrorKind::MaxFilesWatch => false,
    }
}

fn words(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "the system's limit of watched folders is reached".to_owned(),
        ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_looks_at_everything_and_a_reached_limit_polls() {
        let mut watch = Watch::new(false);
        let folder = tempfile::tempdir().unwrap();
        let wanted = crate::service::dev::folders::folders(&[folder.path().to_path_buf()], &[], &[]);
        watch.cover(wanted.clone());
        assert!(watch.count() > 0 && watch.polls().is_none());
        take(&watch.hints, Ok(Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)));
        assert!(watch.take().is_lost);
        assert_eq!(watch.count(), 0, "all are to be watched anew");
        watch.cover(wanted);
        take(&watch.hints, Err(notify::Error::new(ErrorKind::MaxFilesWatch)));
        watch.take();
        assert_eq!(watch.polls(), Some("the system's limit of watched folders is reached"));
    }

    #[test]
    fn reading_is_no_change() {
        let hints = Hints::default();
        for kind in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read), AccessKind::Read] {
            take(&hints, Ok(Event::new(EventKind::Access(kind))));
        }
        assert_eq!(hints.take().first(), None);
        take(&hints, Ok(Event::new(EventKind::Access(AccessKind::Close(AccessMode::Write)))));
        assert!(hints.take().first().is_some());
    }
}
