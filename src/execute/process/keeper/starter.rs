//! Starts one program. Uses no code between fork and exec, so the standard library takes its fast path.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};

use super::super::{
    confine,
    message::{Fault, Order, Pipes},
};

/// What `execvp` searches without a `PATH`.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// Starts the order in a process group of its own and gives its pid.
pub(super) fn start(order: &Order, pipes: Pipes, null: &File) -> Result<i32, Fault> {
    let name = order.argv.first().ok_or(Fault::NotFound)?;
    let program = find(name, order).map_err(|error| match error {
        Errno::ENOENT => Fault::NotFound,
        other => Fault::Start(other as i32),
    })?;
    let stdin = match pipes.stdin {
        Some(pipe) => pipe,
        None => OwnedFd::from(null.try_clone().map_err(|error| start_fault(&error))?),
    };
    let mut command = if order.confinement.is_empty() {
        let mut command = Command::new(&program);
        command.arg0(name).args(&order.argv[1..]);
        command.env_clear().envs(order.env.iter().map(|(name, value)| (name, value)));
        command
    } else {
        // This very program, even when another one has taken its name.
        confine::command(Path::new("/proc/self/exe"), &order.confinement, &program, &order.argv, &order.env)
    };
    command.current_dir(&order.cwd).process_group(0);
    command.stdin(stdin).stdout(pipes.stdout).stderr(pipes.stderr);
    match command.spawn() {
        Ok(child) => Ok(i32::try_from(child.id()).expect("a pid fits in 31 bits")),
        Err(error) => Err(folder_fault(&order.cwd).unwrap_or_else(|| start_fault(&error))),
    }
}

fn start_fault(error: &io::Error) -> Fault {
    // Without a number the standard library itself refused: a NUL byte.
    Fault::Start(error.raw_os_error().unwrap_or(Errno::EINVAL as i32))
}

fn folder_fault(cwd: &OsStr) -> Option<Fault> {
    match std::fs::metadata(cwd) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some(Fault::Folder(Errno::ENOTDIR as i32)),
        Err(error) => Some(Fault::Folder(error.raw_os_error().unwrap_or(Errno::ENOENT as i32))),
    }
}

/// Looks a program up as `execvp` does, in the child's own `PATH` and from its own folder.
fn find(name: &OsStr, order: &Order) -> Result<PathBuf, Errno> {
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    if name.as_bytes().contains(&b'/') {
        let path = Path::new(&order.cwd).join(name);
        // A missing folder has an own message, which only starting finds.
        return if path.exists() || folder_fault(&order.cwd).is_some() { Ok(path) } else { Err(Errno::ENOENT) };
    }
    let path = order.env.iter().rfind(|(name, _)| name == "PATH");
    let path = path.map_or_else(|| OsString::from(PATH_DEFAULT), |(_, value)| value.clone());
    let mut fault = Errno::ENOENT;
    for folder in path.as_bytes().split(|byte| *byte == b':') {
        let found = Path::new(&order.cwd).join(OsString::from_vec(folder.to_vec())).join(name);
        match access(&found, AccessFlags::X_OK) {
            Ok(()) if found.is_file() => return Ok(found),
            Ok(()) => {}
            Err(Errno::EACCES) if found.exists() => fault = Errno::EACCES,
            Err(_) => {}
        }
    }
    Err(fault)
}

/// One open `/dev/null` for all commands.
pub(super) fn open_null() -> io::Result<File> {
    File::options().read(true).open("/dev/null")
}
