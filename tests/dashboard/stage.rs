//! A project with an agent of its own, a server of it, and a browser that has a session there.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    browser::{Browser, Page},
    client::Server,
    support::Project,
};

/// Says what it was told, works as it is told, and answers. `use a constant` in its order is what a comment asks for.
const AGENT: &str = r#"order=$(cat)
echo "reading the order"
if printf '%s' "$order" | grep -q "use a constant"; then sed -i 's/12/LIMIT/' code.txt; else seq 1 30 > code.txt; fi
printf '\033[32mwritten\033[0m\n'
echo '{"status":"succeeded","summary":"thirty lines"}' > "$ORCH_OUTPUT"
"#;

const WORKFLOWS: &[(&str, &str)] = &[
    (
        "story",
        "name: story\ndescription: Plans, builds with an agent, asks, and ships\n\
         inputs:\n  word: { type: string, required: true, description: What it is about }\n  \
         loud: { type: boolean, default: false }\n  size: { type: string, enum: [small, large], default: small }\n\
         steps:\n  - { id: plan, run: 'sleep 0.3; echo \"planned $ORCH_INPUT_WORD\"' }\n  \
         - { id: build, prompt: 'write', gate: [{ run: 'test -s code.txt' }, { approve: 'Good?' }] }\n  \
         - { id: ship, run: 'cp code.txt shipped.txt; echo shipped' }\n",
    ),
    (
        "asking",
        "name: asking\ndescription: Asks whether to go on\nsteps:\n  - { id: work, run: 'echo made > made.txt' }\n  \
         - { id: go, approve: 'Go on?' }\n  - { id: after, run: 'echo after' }\n",
    ),
    (
        "failing",
        "name: failing\ndescription: Fails until somebody mends it\nsteps:\n  - { id: first, run: 'echo first' }\n  \
         - { id: broken, run: 'echo \"error: no such thing\" >&2; echo tried; test -e mended' }\n",
    ),
    (
        "long",
        "name: long\ndescription: Talks without end\nsteps:\n  \
         - { id: talk, run: 'seq -f \"line %.0f of a long log\" 1000000; n=1000000; while [ ! -e stop ]; do n=$((n + 1)); echo \"line $n of a long log\"; sleep 0.02; done' }\n",
    ),
    (
        "growing",
        "name: growing\ndescription: Talks for a while\nsteps:\n  \
         - { id: talk, run: 'n=0; while [ ! -e stop ]; do n=$((n + 1)); echo \"line $n grows $(date +%s%3N)\"; sleep 0.01; done' }\n",
    ),
    (
        "colours",
        "name: colours\ndescription: Shows all colours\nsteps:\n  - { id: paint, run: 'cat paint.txt; echo warned >&2' }\n",
    ),
];

/// Lines in all sixteen colours, before and behind, and what else programs send to terminals.
fn paint() -> String {
    let mut text = String::new();
    for code in (30..38).chain(90..98).chain(40..48).chain(100..108) {
        text.push_str(&format!("\u{1b}[{code}mcolour {code}\u{1b}[0m\n"));
    }
    text.push_str("\u{1b}[2mdim\u{1b}[22m \u{1b}[1;31mbold red\u{1b}[0m \u{1b}[38;5;208morange\u{1b}[0m \u{1b}[38;2;10;20;30mdark\u{1b}[0m\n");
    text.push_str("\u{1b}]0;a title\u{7}titled \u{1b}[2Jcleared \u{1b}[7mturned\u{1b}[0m \u{1b}]8;;http://evil.example/\u{1b}\\linked\u{1b}]8;;\u{1b}\\\n");
    text.push_str("safe\u{202e}gnp.exe\n");
    text
}

/// All of it; it ends with its value.
pub struct Stage {
    pub project: Project,
    pub server: Server,
    pub page: Page,
    _browser: Browser,
}

impl Stage {
    /// `None` where there is no browser.
    pub fn new() -> Option<Self> {
        Self::of(AGENT, &[], &[])
    }

    /// Whose server answers under one more name.
    pub fn also_under(name: &str) -> Option<Self> {
        Self::of(AGENT, &[], &["--host", name])
    }

    /// With another agent, more workflows, and flags of the server.
    pub fn of(agent: &str, more: &[(String, String)], flags: &[&str]) -> Option<Self> {
        let browser = Browser::start()?;
        let project = Project::new().file(".gitignore", ".orch/\nagent.sh\nstop\n").file("old.txt", "a\nb\nc\n");
        project.write("agent.sh", agent);
        project.write("paint.txt", &paint());
        for (name, text) in WORKFLOWS.iter().map(|(name, text)| (*name, *text)) {
            project.write(&format!("workflows/{name}.yaml"), text);
        }
        for (name, text) in more {
            project.write(&format!("workflows/{name}.yaml"), text);
        }
        let command = format!("[runtimes.sh]\ncommand = [\"sh\", \"{}/agent.sh\"]\n", project.root().display());
        project.write("orch.toml", &format!("runtime = \"sh\"\nsandbox = \"off\"\n{command}"));
        for words in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "one"]] {
            project.git(words);
        }
        let server = Server::start(&project, &[&["--rate", "1000000", "--rate-all", "1000000"], flags].concat());
        let page = browser.page();
        page.goto(&server.link);
        page.wait("document.body?.dataset.view === 'runs' && document.readyState === 'complete'");
        Some(Self { project, server, page, _browser: browser })
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Opens a page.
    #[track_caller]
    pub fn open(&self, path: &str) -> std::time::Duration {
        self.page.goto(&self.at(path))
    }

    /// Starts a run without the browser; gives its id.
    pub fn start(&self, name: &str, inputs: &Value) -> String {
        let answer = self.server.post("/api/v1/runs", &json!({ "name": name, "inputs": inputs }));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["run"].as_str().unwrap().to_owned()
    }

    /// Runs to a status.
    pub fn ran(&self, name: &str, inputs: &Value, status: &str) -> String {
        let run = self.start(name, inputs);
        self.server.wait_for(&run, status);
        run
    }

    /// Nothing of the pages has failed, and nothing has gone anywhere else.
    #[track_caller]
    pub fn is_well(&self) {
        let thrown = self.page.heard("Runtime.exceptionThrown");
        assert!(thrown.is_empty(), "{thrown:#?}");
        let own = self.at("/");
        let asked = self.page.heard("Network.requestWillBeSent");
        let urls = asked.iter().map(|event| event["request"]["url"].as_str().unwrap());
        let strange: Vec<_> = urls.filter(|url| !url.starts_with(&own) && !url.starts_with("data:,")).collect();
        assert!(strange.is_empty(), "asked of others: {strange:?}");
    }

    /// Keeps a picture in the folder that `ORCH_PICTURES` names, in all themes and widths, and leaves the page as it was.
    pub fn pictures(&self, name: &str) {
        let Some(folder) = std::env::var_os("ORCH_PICTURES").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).unwrap();
        for (theme, width) in LOOKS {
            self.page.look(width, 900, theme);
            self.page.eval("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))");
            self.page.picture(&folder.join(format!("{name}-{theme}-{width}.png")));
        }
        self.page.look(1200, 900, "light");
    }
}

/// Every theme and width that is held against the bars.
pub const LOOKS: [(&str, u32); 6] =
    [("light", 400), ("light", 800), ("light", 1200), ("dark", 400), ("dark", 800), ("dark", 1200)];

/// Whether what has the focus can be seen to have it.
pub const FOCUS: &str = "(() => { const element = document.activeElement; if (!element || element === document.body) return null; \
    const style = getComputedStyle(element), box = element.getBoundingClientRect(); \
    const own = element.id ? '#' + element.id : element.className ? '.' + String(element.className).split(' ')[0] : ''; \
    const seen = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== 'none' && style.opacity > 0.9 && box.width > 0 && box.height > 0 \
        && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth; \
    return { name: element.tagName + own + ' ' + (element.getAttribute('href') || element.name || element.innerText || '').slice(0, 60), seen, \
        outline: style.outline, box: [box.left, box.top, box.width, box.height].join(' ') }; })()";

impl Stage {
    /// Presses Tab until the focus is there; at every stop it must be seen.
    #[track_caller]
    pub fn tab_to(&self, selector: &str) {
        for _ in 0..200 {
            if self.page.holds(&format!("document.activeElement?.matches({selector:?})")) {
                return;
            }
            self.page.key("Tab");
            self.focus_is_seen();
        }
        panic!("Tab never comes to {selector}");
    }

    /// What has the focus can be seen to have it.
    #[track_caller]
    pub fn focus_is_seen(&self) {
        let focus = self.page.eval(FOCUS);
        assert!(focus.is_null() || focus["seen"] == true, "the focus cannot be seen: {focus:#}");
    }
}
