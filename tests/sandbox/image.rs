//! Podman with a store of its own, and an image made of this machine's busybox and python.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::support::Project;

const IMAGE: &str = "orch-test:1";
const APPLETS: &str = "sh ls cat id sleep touch mkdir env wc head kill rm true";

/// The engine of these tests.
pub struct Engine {
    folder: PathBuf,
}

impl Engine {
    /// Podman, where it works here; says loudly where it does not.
    pub fn real() -> Option<&'static Self> {
        static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| {
            let made = Self::make();
            made.map_err(|why| eprintln!("SKIPPED: no real container is made here: {why}")).ok()
        });
        engine.as_ref()
    }

    fn make() -> Result<Self, String> {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // What earlier tests left: nobody is told when the last test of a process has ended.
        for old in super::support::names_in(place) {
            let owner = old.strip_prefix("containers-").filter(|owner| !Path::new("/proc").join(owner).exists());
            let _ = owner.map(|_| fs::remove_dir_all(place.join(&old)));
        }
        let folder = place.join(format!("containers-{}", std::process::id()));
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).unwrap();
        fs::write(
            folder.join("containers.conf"),
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\n",
        )
        .unwrap();
        let script = format!(
            "#!/bin/sh\nexport CONTAINERS_CONF={0}/containers.conf\nexec /usr/bin/podman --root {0}/root --runroot {0}/runroot --storage-driver vfs \"$@\"\n",
            folder.display()
        );
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("bin/podman"), script).unwrap();
        fs::set_permissions(folder.join("bin/podman"), fs::Permissions::from_mode(0o755)).unwrap();
        let engine = Self { folder };
        let line = format!(
            "set -e; cd '{}'; mkdir -p bin tmp etc proc sys dev run var/tmp lib64 usr/lib; cp -L \"$(command -v busybox)\" bin/busybox; \
             for one in {APPLETS}; do ln -sf busybox bin/$one; done; cp -L /usr/bin/python3 bin/python3; \
             ldd bin/busybox /usr/bin/python3 | grep -o '/[^ ]*[.]so[^ ]*' | sort -u | while read one; do cp -L --parents $one .; done; \
             for one in /lib/*/libffi.so.*; do cp -L --parents $one .; done; \
             home=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))'); mkdir -p .$home; \
             tar -C $home --exclude=test --exclude=__pycache__ --exclude='config-*' --exclude=dist-packages -cf - . | tar -C .$home -xf -; \
             tar -cf ../tree.tar .; '{}/bin/podman' import -q ../tree.tar {IMAGE}; \
             '{}/bin/podman' run --rm --network none --memory 64m --pids-limit 50 {IMAGE} python3 -c 'import ctypes'",
            tree.display(),
            engine.folder.display(),
            engine.folder.display()
        );
        let done = Command::new("sh").args(["-c", &line]).output().map_err(|error| error.to_string())?;
        if done.status.success() { Ok(engine) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
    }

    /// A project with this engine.
    pub fn project(&self) -> Project {
        let path = format!("{}:{}", self.folder.join("bin").display(), std::env::var("PATH").unwrap());
        let settings = format!("[container]\nimage = \"{IMAGE}\"\nengine = \"podman\"\nmemory = \"256M\"\n");
        Project::new().variable("PATH", &path).file("orch.toml", &settings)
    }

    /// The containers that work in a project, by name.
    pub fn left(&self, project: &Project) -> String {
        let words = ["ps", "-a", "--format", "{{.Names}} {{.Mounts}}"];
        let done = Command::new(self.folder.join("bin/podman")).args(words).output().unwrap();
        let listed = String::from_utf8_lossy(&done.stdout).into_owned();
        let root = project.root().display().to_string();
        listed.lines().filter(|line| line.contains(&root)).collect::<Vec<_>>().join("\n")
    }
}
