//! A driver of headless Chromium over the pipe of its DevTools protocol: pages, keys, pictures, and all that it tells of.
//!
//! Knows nothing of the dashboard. A browser has a profile of its own and ends with its value, also when a test panics; one is
//! open at a time, so that tests do not slow each other down.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS: &[&str] = &[
    "--remote-debugging-pipe",
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,MediaRouter",
    "--password-store=basic",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
];

static TURN: Mutex<()> = Mutex::new(());

/// The program: the one that is named, or the first on the `PATH`.
pub fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ORCH_CHROMIUM") {
        return Some(PathBuf::from(named)).filter(|named| named.is_file());
    }
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

/// What a page has told of, in order.
type Heard = Arc<Mutex<Vec<Value>>>;

struct Pipe {
    input: Mutex<ChildStdin>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::Sender<Value>>>,
    pages: Mutex<HashMap<String, Heard>>,
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipe {
    fn send(&self, method: &str, params: &Value, session: Option<&str>) -> mpsc::Receiver<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (told, answer) = mpsc::channel();
        locked(&self.waiting).insert(id, told);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut input = locked(&self.input);
        input.write_all(format!("{message}\0").as_bytes()).and_then(|()| input.flush()).unwrap();
        answer
    }

    fn call(&self, method: &str, params: &Value, session: Option<&str>) -> Value {
        let answer = self.send(method, params, session).recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {method} {params:.300}"));
        assert!(answer.get("error").is_none(), "{method} {params:.300}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// Hands on what the browser says, until it ends.
    fn listen(&self, output: impl std::io::Read) {
        for message in BufReader::with_capacity(1 << 20, output).split(0) {
            let Ok(message) = message else { return };
            let Ok(message) = serde_json::from_slice::<Value>(&message) else { continue };
            if let Some(id) = message["id"].as_u64() {
                if let Some(told) = locked(&self.waiting).remove(&id) {
                    told.send(message).ok();
                }
                continue;
            }
            let Some(session) = message["sessionId"].as_str() else { continue };
            if message["method"] == "Page.javascriptDialogOpening" {
                drop(self.send("Page.handleJavaScriptDialog", &json!({ "accept": true }), Some(session)));
            }
            if let Some(heard) = locked(&self.pages).get(session) {
                locked(heard).push(message);
            }
        }
    }
}

/// A browser that ends with the test.
pub struct Browser {
    child: Child,
    pipe: Arc<Pipe>,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one; `None`, said aloud, where there is none.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("!!! SKIPPED: there is no Chromium on the PATH, or ORCH_CHROMIUM names none");
            return None;
        };
        let turn = locked(&TURN);
        let profile = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        // The protocol is spoken over descriptors 3 and 4.
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"]).arg(program).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.env("HOME", profile.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let pipe = Arc::new(Pipe {
            input: Mutex::new(input),
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            pages: Mutex::default(),
        });
        let listening = Arc::clone(&pipe);
        thread::spawn(move || listening.listen(output));
        Some(Self { child, pipe, _profile: profile, _turn: turn })
    }

    /// Opens a tab that tells of everything.
    pub fn page(&self) -> Page {
        let target = self.pipe.call("Target.createTarget", &json!({ "url": "about:blank" }), None);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.pipe.call("Target.attachToTarget", &attach, None)["sessionId"].as_str().unwrap().to_owned();
        let heard = Heard::default();
        locked(&self.pipe.pages).insert(session.clone(), Arc::clone(&heard));
        let page = Page { pipe: Arc::clone(&self.pipe), session, heard };
        for domain in ["Page", "Runtime", "Network", "Log", "Performance"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.look(1200, 900, "light");
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

/// One tab.
pub struct Page {
    pipe: Arc<Pipe>,
    session: String,
    heard: Heard,
}

impl Page {
    pub fn call(&self, method: &str, params: &Value) -> Value {
        self.pipe.call(method, params, Some(&self.session))
    }

    /// The events of one name so far.
    pub fn heard(&self, method: &str) -> Vec<Value> {
        let heard = locked(&self.heard);
        heard.iter().filter(|event| event["method"] == method).map(|event| event["params"].clone()).collect()
    }

    /// The value of an expression; a promise is awaited.
    #[track_caller]
    pub fn eval(&self, script: &str) -> Value {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let told = self.call("Runtime.evaluate", &params);
        assert!(told.get("exceptionDetails").is_none(), "{script:.300}: {}", told["exceptionDetails"]);
        told["result"]["value"].clone()
    }

    /// Whether that holds now; on a page that is just being left, nothing does.
    pub fn holds(&self, script: &str) -> bool {
        let params = json!({ "expression": format!("Boolean({script})"), "returnByValue": true });
        self.call("Runtime.evaluate", &params)["result"]["value"] == true
    }

    /// Waits until that holds; gives how long it took.
    #[track_caller]
    pub fn wait(&self, script: &str) -> Duration {
        let begun = Instant::now();
        while !self.holds(script) {
            if begun.elapsed() > PATIENCE {
                let shown = self.eval("location.href + '\\n' + document.body.innerText.slice(0, 3000)");
                panic!("never: {script}\n{}", shown.as_str().unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(15));
        }
        begun.elapsed()
    }

    /// Goes to an address; gives how long it took until everything was loaded.
    #[track_caller]
    pub fn goto(&self, address: &str) -> Duration {
        let before = self.heard("Page.loadEventFired").len();
        let begun = Instant::now();
        let told = self.call("Page.navigate", &json!({ "url": address }));
        // Where only the fragment changes, nothing is loaded.
        while told.get("loaderId").is_some() && self.heard("Page.loadEventFired").len() == before {
            assert!(begun.elapsed() < PATIENCE, "{address} never loads: {told}");
            thread::sleep(Duration::from_millis(5));
        }
        begun.elapsed()
    }

    /// How wide and high the page is, and in which theme.
    pub fn look(&self, width: u32, height: u32, theme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        self.media(&[("prefers-color-scheme", theme)]);
    }

    pub fn media(&self, features: &[(&str, &str)]) {
        let features: Vec<_> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Presses a key: a sign, or one of the names below.
    pub fn key(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" | "Shift+Tab" => (9, ""),
            "Escape" => (27, ""),
            " " => (32, " "),
            "PageUp" => (33, ""),
            "PageDown" => (34, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowUp" => (38, ""),
            "ArrowDown" => (40, ""),
            sign => (sign.to_uppercase().bytes().next().map_or(0, i32::from), sign),
        };
        let (key, modifiers) = key.strip_prefix("Shift+").map_or((key, 0), |key| (key, 8));
        let mut press = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
        if !text.is_empty() {
            press["text"] = json!(text);
        }
        if key.len() > 1 {
            press["code"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", &press);
        press["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &press);
    }

    /// Types a text as a person does.
    pub fn type_in(&self, text: &str) {
        text.chars().for_each(|sign| self.key(&sign.to_string()));
    }

    /// Keeps a picture of what is seen.
    pub fn picture(&self, path: &Path) {
        let told = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        std::fs::write(path, from_base64(told["data"].as_str().unwrap())).unwrap();
    }
}

/// Pictures come in letters.
fn from_base64(text: &str) -> Vec<u8> {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for sign in text.bytes().take_while(|sign| *sign != b'=') {
        let value = SIGNS.iter().position(|other| *other == sign).unwrap();
        held = (held << 6) | u32::try_from(value).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap());
        }
    }
    bytes
}
