//! What must not be reached: files, keys, sockets and a process, all of this test's own making.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use super::support::Project;

/// Files of others, each for one attempt.
const VICTIMS: &[&str] = &[
    "by_path",
    "to_delete",
    "by_symlink",
    "by_folder_symlink",
    "by_hard_link",
    "by_dots",
    "by_self_root",
    "by_self_cwd",
    "by_victim_root",
    "by_victim_cwd",
    "by_init_root",
    "to_replace",
    "to_take",
    "to_chmod",
    "to_truncate",
    "to_touch",
    "by_descriptor",
    "inherited",
];
const OLD: &str = "old\n";

pub struct World {
    pub project: Project,
    outside: PathBuf,
    victim: Child,
    terminal: Child,
    shared: PathBuf,
    settings: String,
    before: BTreeMap<PathBuf, String>,
}

impl World {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("orch-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let project = super::project();
        let root = project.root();
        Command::new("git").args(["init", "-q"]).current_dir(&root).status().unwrap();
        let outside = root.parent().unwrap().join("outside");
        fs::create_dir_all(&outside).unwrap();
        for victim in VICTIMS {
            fs::write(outside.join(victim), OLD).unwrap();
        }
        let home = project.home();
        for (path, text) in [
            (".ssh/id_rsa", "PRIVATE"),
            (".aws/credentials", "AKIA"),
            (".config/gh/hosts.yml", "token"),
            (".mozilla/cookies", "cookie"),
            (".bashrc", OLD),
            (".local/state/orch/cache.key", "secret"),
        ] {
            fs::create_dir_all(home.join(path).parent().unwrap()).unwrap();
            fs::write(home.join(path), text).unwrap();
        }
        // Written by whoever has a network; here nobody has anything to keep.
        for part in orch::guard::sandbox::CACHES.iter().flat_map(|(_, parts)| *parts) {
            fs::create_dir_all(home.join(part)).unwrap();
        }
        let shared = PathBuf::from("/dev/shm").join(&name);
        fs::write(&shared, OLD).unwrap();
        // Only root may; for others the attempt proves nothing.
        let _ = fs::write(PathBuf::from("/run").join(&name), OLD);
        let descriptor = fs::File::options().append(true).open(outside.join("by_descriptor")).unwrap();
        let victim = Command::new("sleep")
            .arg("600")
            .env("VICTIM", "1")
            .current_dir(&outside)
            .stdout(descriptor)
            .spawn()
            .unwrap();
        let (terminal, path) = terminal();
        let service = outside.join("service.sock");
        listen(UnixListener::bind(&service).unwrap());
        listen(UnixListener::bind(home.join(".ssh/agent.sock")).unwrap());
        listen(UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap());
        let (port, port6, udp) = network();
        let world = serde_json::json!({
            "outside": outside, "home": home, "workspace": root, "victim": victim.id(), "shm": name, "abstract": name,
            "service": service, "port": port, "port6": port6, "udp": udp, "terminal": path,
        });
        fs::write(root.join("world.json"), world.to_string()).unwrap();
        fs::write(root.join("attempts.py"), include_str!("attempts.py")).unwrap();
        let settings = project.read("orch.toml");
        let mut world = Self { project, outside, victim, terminal, shared, settings, before: BTreeMap::new() };
        world.before = world.files();
        world
    }

    /// Makes all attempts; gives the word of each.
    pub fn attempts(&self, sandbox: &str) -> BTreeMap<String, String> {
        let step = "run: [python3, attempts.py, world.json, result.json]";
        let text = format!("steps:\n  - id: all\n    {step}\n    sandbox: {sandbox}\n");
        self.project.write(".orch/workflows/attempts.yaml", &text);
        let orch = self.project.command(&["run", "attempts"]);
        // A descriptor of somebody who started `orch`, as a careless shell leaves one open.
        let mut shell = Command::new("sh");
        let inherited = self.outside.join("inherited");
        let line = format!("exec 9>>'{}'; exec \"$0\" \"$@\"", inherited.display());
        shell.args(["-c", &line]).arg(orch.get_program()).args(orch.get_args());
        shell.current_dir(orch.get_current_dir().unwrap()).env_clear();
        shell.envs(orch.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let done = shell.output().unwrap();
        let shown = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{shown}");
        serde_json::from_str(&self.project.read("result.json")).unwrap()
    }

    /// Nothing outside of the workspace is other than it was, and nothing in it that runs later.
    pub fn assert_untouched(&self) {
        assert_eq!(self.files(), self.before);
        let root = self.project.root();
        assert!(!root.join(".git/hooks/pre-commit").exists() && !root.join(".mcp.json").exists());
        assert!(!root.join(".claude").exists() && !root.join(".gemini").exists());
        assert!(!root.join(".orch/workflows/evil.yaml").exists());
        assert_eq!(self.project.read("orch.toml"), self.settings);
        assert!(!self.project.read(".git/config").contains("evil"));
    }

    /// The files outside of the workspace with what stands in them and how they are.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut waiting = vec![self.outside.clone(), self.project.home()];
        while let Some(folder) = waiting.pop() {
            // What `orch` itself keeps there changes with every run.
            if folder.ends_with(".local/state/orch") {
                continue;
            }
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let found = entry.metadata().unwrap();
                if found.is_dir() {
                    waiting.push(entry.path());
                }
                let text = if found.is_file() { fs::read_to_string(entry.path()).unwrap() } else { String::new() };
                files.insert(
                    entry.path(),
                    format!("{:?} {:?} {text}", found.permissions(), found.modified().ok().filter(|_| found.is_file())),
                );
            }
        }
        files.insert(self.shared.clone(), fs::read_to_string(&self.shared).unwrap());
        files
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.victim, &mut self.terminal] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_file(&self.shared);
        let _ = fs::remove_file(PathBuf::from("/run").join(self.shared.file_name().unwrap()));
    }
}

/// A terminal that belongs to somebody else.
fn terminal() -> (Child, String) {
    let text = "import os, time; a, b = os.openpty(); print(os.ttyname(b), flush=True); time.sleep(600)";
    let mut child = Command::new("python3").args(["-c", text]).stdout(Stdio::piped()).spawn().unwrap();
    let mut path = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut path).unwrap();
    (child, path.trim().to_owned())
}

fn listen(listener: UnixListener) {
    thread::spawn(move || listener.incoming().for_each(drop));
}

/// Services of this machine: by IPv4, by IPv6, and one that answers datagrams.
fn network() -> (u16, u16, u16) {
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::1]:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports = (four.local_addr().unwrap().port(), six.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    thread::spawn(move || four.incoming().for_each(drop));
    thread::spawn(move || six.incoming().for_each(drop));
    thread::spawn(move || {
        let mut bytes = [0; 16];
        while let Ok((_, from)) = udp.recv_from(&mut bytes) {
            let _ = udp.send_to(b"answer", from);
        }
    });
    ports
}
