//! Opens the database file: connections, their settings, the schema and its versions.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{
    fault::sort,
    log::{Rot, find_rot},
};
use crate::journal::{
    StoreError,
    folder::{create_private_file, private_file, sync_parent},
};

/// The oldest SQLite whose WAL handling is trusted: 3.51.3 fixed a race that could lose commits.
pub(super) const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// How often a busy lock is asked again; with the pauses below that is more than a minute.
const BUSY_TRIES_MAX: i32 = 20_000;

/// Each entry brings a store from the version of its index to the next one.
/// An entry that was released never changes.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE run(
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        workflow TEXT NOT NULL,
        status TEXT NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER,
        waiting_for TEXT,
        exit_code INTEGER,
        last_seq INTEGER NOT NULL,
        sum BLOB NOT NULL) STRICT;
    CREATE INDEX run_started ON run(started);
    CREATE TABLE plan(
        run INTEGER PRIMARY KEY,
        body BLOB NOT NULL,
        sum BLOB NOT NULL) STRICT;
    -- One row holds the records of one commit; its place is the run's number and the first seq.
    CREATE TABLE record(
        place INTEGER PRIMARY KEY,
        count INTEGER NOT NULL,
        payload BLOB NOT NULL,
        sum BLOB NOT NULL) STRICT;
    -- `consumed` is the last record of the append that applied the decision.
    CREATE TABLE decision(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL,
        body BLOB NOT NULL,
        sum BLOB NOT NULL,
        consumed INTEGER) STRICT;
    CREATE INDEX decision_waiting ON decision(run, id) WHERE consumed IS NULL;
"];

/// An open database.
pub(super) struct Opened {
    /// The connection that writes.
    pub(super) writer: Connection,
    /// Says that this process has the store open, for as long as it is held.
    pub(super) live: File,
}

/// Opens the database at `path`, creates or migrates it where needed, and gives the writer's connection.
///
/// A lock file beside it keeps two processes from doing this at once: SQLite gives
/// up at once, without waiting, when two connections switch a file to WAL together.
pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    let found = rusqlite::version_number();
    if found < SQLITE_VERSION_MIN {
        return Err(StoreError::SqliteTooOld { found: rusqlite::version().to_owned() });
    }
    let doing = || format!("open {}", path.display());
    let gate = private_file(&path.with_extension("open.lock")).map_err(|error| StoreError::io(doing(), error))?;
    gate.lock().map_err(|error| StoreError::io(doing(), error))?;
    // A file that is there must not be opened here: closing any descriptor of it drops all
    // POSIX locks of this process, those of another open store included.
    let live = join(path).map_err(|error| StoreError::io(doing(), error))??;
    match create_private_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io(doing(), error)),
    }
    let mut writer = connect(path)?;
    let wal = |writer: &Connection| writer.query_row("PRAGMA journal_mode=WAL", [], |row| row.get::<_, String>(0));
    let mode = wal(&writer).map_err(|error| sort("open the store", error))?;
    if mode != "wal" {
        return Err(StoreError::damaged(format!("the store's journal mode {mode}")));
    }
    migrate(&mut writer)?;
    // SQLite does not look at the result when it syncs the names of its files, so it is done here again.
    sync_parent(path).map_err(|error| StoreError::io(doing(), error))?;
    Ok(Opened { writer, live })
}

/// Counts this process among those that have the store open; the first of them looks through the log
/// that was left. The caller holds the gate, so no other process joins meanwhile.
fn join(path: &Path) -> io::Result<Result<File, StoreError>> {
    let live = private_file(&path.with_extension("live.lock"))?;
    match live.try_lock() {
        Ok(()) => {
            if let Some(Rot { offset, commits }) = find_rot(path)? {
                return Ok(Err(StoreError::damaged(format!(
                    "{}-wal: byte {offset} and what follows changed after it was written, with {commits} commits in it \
                     (move the file away to go on without them)",
                    path.display()
                ))));
            }
            live.unlock()?;
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    live.lock_shared()?;
    Ok(Ok(live))
}

/// A connection with the settings that every user of the file shares.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| sort("open the store", error))?;
    let settings = "
        PRAGMA synchronous=FULL;
        PRAGMA mmap_size=0;
        PRAGMA trusted_schema=OFF;
        PRAGMA cell_size_check=ON;
        PRAGMA temp_store=MEMORY;
        PRAGMA wal_autocheckpoint=2000;
        PRAGMA journal_size_limit=67108864;
    ";
    let set = |connection: &mut Connection| {
        connection.busy_handler(Some(pause))?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.execute_batch(settings)
    };
    set(&mut connection).map_err(|error| sort("open the store", error))?;
    Ok(connection)
}

/// Waits a little for another process's lock. SQLite's own waiting grows to 100 ms
/// at a time, which is longer than a decision may take to arrive.
fn pause(tries: i32) -> bool {
    // Each process steps through the pauses from another start, so that they do not meet again.
    let spread = (tries.unsigned_abs() + std::process::id()) % 7;
    thread::sleep(Duration::from_millis(u64::from(1 + spread)));
    tries < BUSY_TRIES_MAX
}

fn migrate(writer: &mut Connection) -> Result<(), StoreError> {
    let sorted = |error| sort("open the store", error);
    let known = MIGRATIONS.len();
    let update = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sorted)?;
    update.execute_batch("CREATE TABLE IF NOT EXISTS schema(version INTEGER PRIMARY KEY) STRICT").map_err(sorted)?;
    let found: i64 =
        update.query_row("SELECT coalesce(max(version), 0) FROM schema", [], |row| row.get(0)).map_err(sorted)?;
    let start = usize::try_from(found).map_err(|_| StoreError::damaged("the store's version"))?;
    if start > known {
        return Err(StoreError::NewerVersion { found: start as u64, known: known as u64 });
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS).skip(start) {
        update.execute_batch(migration).map_err(sorted)?;
        update.execute("INSERT INTO schema(version) VALUES (?1)", [version]).map_err(sorted)?;
    }
    if start < known { update.commit().map_err(sorted) } else { update.rollback().map_err(sorted) }
}
