//! The way into a session: what the agent can do, whether somebody is logged in, the session, its model.

use serde_json::{Value, json};

use crate::{
    base::FailureClass,
    runtime::{
        adapter::Seen,
        classify::classify_trouble,
        program::{
            acp::talk::{Stage, Talk, trouble},
            json::{one_line, text},
            transcript::Trouble,
        },
    },
};

/// The version of the protocol that is spoken here.
const VERSION: u64 = 1;
/// The error that says that somebody must log in.
const AUTH_REQUIRED: i64 = -32000;
/// The longest id of a session, in bytes.
const SESSION_BYTES_MAX: usize = 500;
/// Names that are told of what an agent offers.
const SHOWN_MAX: usize = 8;

impl Talk {
    pub(super) fn greeted(&mut self, answer: Result<Value, Value>) -> Vec<Seen> {
        let result = match answer {
            Ok(result) => result,
            Err(error) => return self.refused(&error),
        };
        let version = &result["protocolVersion"];
        if version.as_u64() != Some(VERSION) {
            let words = format!(
                "it speaks version {} of the protocol, and orch speaks {VERSION}",
                one_line(&version.to_string())
            );
            return self.give_up("", &words);
        }
        self.logins = result["authMethods"].as_array().cloned().unwrap_or_default();
        if self.session.is_some() && result["agentCapabilities"]["loadSession"] != true {
            return self.enter_anew("it takes up no sessions");
        }
        self.enter()
    }

    /// Takes the session up where the agent can, else begins one. The prompt holds the whole order either way.
    fn enter(&mut self) -> Vec<Seen> {
        let servers: Vec<Value> = self
            .servers
            .iter()
            .map(|server| {
                let env: Vec<Value> =
                    server.env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
                let (command, args) = server.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
                json!({ "name": server.name, "command": command, "args": args, "env": env })
            })
            .collect();
        let cwd = self.workspace.display().to_string();
        self.is_loaded = self.session.is_some();
        if self.is_loaded {
            let params = json!({ "sessionId": self.session, "cwd": cwd, "mcpServers": servers });
            return self.ask(Stage::Entering, "session/load", &params);
        }
        self.ask(Stage::Entering, "session/new", &json!({ "cwd": cwd, "mcpServers": servers }))
    }

    /// Begins a session in the place of one that cannot go on. What was wrong with the last attempt is told as text; where
    /// only the session knows what came before, the scheduler tells that to a new one.
    fn enter_anew(&mut self, why: &str) -> Vec<Seen> {
        if !self.has_feedback {
            return self.give_up("session not found", &format!("its session cannot go on: {why}"));
        }
        let mut seen = vec![Seen::Warning(one_line(&format!("a new session, because the last cannot go on: {why}")))];
        self.session = None;
        seen.extend(self.enter());
        seen
    }

    pub(super) fn entered(&mut self, answer: Result<Value, Value>) -> Vec<Seen> {
        let result = match answer {
            Ok(result) => result,
            Err(error) if error["code"] == AUTH_REQUIRED => return self.prove(&error),
            Err(error) if self.is_loaded && is_unclear(&trouble(&error)) => {
                // Agents say in their own words that a session is gone, and some lose one while they take it up.
                return self.enter_anew(&trouble(&error).text);
            }
            Err(error) => return self.refused(&error),
        };
        if !self.is_loaded {
            let id = text(&result, "sessionId");
            if id.is_empty() || id.len() > SESSION_BYTES_MAX || id.chars().any(char::is_control) {
                return self.give_up("", "it has given its session no id that can be used");
            }
            self.session = Some(id.to_owned());
        }
        let session = self.session.clone().unwrap_or_default();
        let mut seen: Vec<Seen> = self.transcript.in_session(&session).into_iter().collect();
        seen.extend(self.choose(&result));
        seen
    }

    /// Asks for the model where one is wanted and another one answers.
    fn choose(&mut self, result: &Value) -> Vec<Seen> {
        let options = result["configOptions"].as_array().into_iter().flatten();
        let option =
            options.clone().find(|option| text(option, "category") == "model" || text(option, "id") == "model");
        let now = option
            .map(|option| text(option, "currentValue"))
            .unwrap_or_else(|| text(&result["models"], "currentModelId"));
        self.transcript.model = Some(now.to_owned()).filter(|now| !now.is_empty());
        let Some(wanted) = self.model.clone().filter(|wanted| wanted != now) else { return self.prompt() };
        let mut offered = Vec::new();
        if let Some(option) = option {
            values(&option["options"], &mut offered);
            if offered.contains(&wanted) {
                let params = json!({ "sessionId": self.session, "configId": text(option, "id"), "value": wanted });
                return self.ask(Stage::Choosing, "session/set_config_option", &params);
            }
        }
        let models = result["models"]["availableModels"].as_array().into_iter().flatten();
        let models: Vec<String> = models.map(|model| text(model, "modelId").to_owned()).collect();
        if models.contains(&wanted) {
            let params = json!({ "sessionId": self.session, "modelId": wanted });
            return self.ask(Stage::Choosing, "session/set_model", &params);
        }
        offered.extend(models);
        offered.truncate(SHOWN_MAX);
        let offers = if offered.is_empty() {
            "it lets nobody choose one, so name none".to_owned()
        } else {
            format!("it offers {}", one_line(&offered.join(", ")))
        };
        self.give_up("model_not_found", &format!("it has no model `{}`: {offers}", one_line(&wanted)))
    }

    pub(super) fn chose(&mut self, answer: Result<Value, Value>) -> Vec<Seen> {
        match answer {
            Ok(_) => {
                self.transcript.model.clone_from(&self.model);
                self.prompt()
            }
            Err(error) => {
                let words = trouble(&error).text;
                self.give_up("model_not_found", &format!("it does not take the model: {words}"))
            }
        }
    }

    /// Logs in where that needs no person: a key that the settings give. Once.
    fn prove(&mut self, error: &Value) -> Vec<Seen> {
        let has = |name: &str| self.settings.env.get(name).is_some_and(|value| !value.is_empty());
        let has_key = self.settings.env.keys().any(|name| name.ends_with("_API_KEY") && has(name));
        let needs_nobody = |login: &&Value| {
            let names: Vec<&str> =
                login["vars"].as_array().into_iter().flatten().map(|row| text(row, "name")).collect();
            let by_variables =
                text(login, "type") == "env_var" && !names.is_empty() && names.iter().all(|name| has(name));
            by_variables || (login["_meta"]["api-key"].is_object() && has_key)
        };
        let login = self.logins.iter().find(needs_nobody).map(|login| text(login, "id").to_owned());
        match login.filter(|_| !self.has_proved) {
            Some(id) => {
                self.has_proved = true;
                self.ask(Stage::Proving, "authenticate", &json!({ "methodId": id }))
            }
            None => self.logged_out(&trouble(error).text),
        }
    }

    pub(super) fn proved(&mut self, answer: Result<Value, Value>) -> Vec<Seen> {
        match answer {
            Ok(_) => self.enter(),
            Err(error) => self.logged_out(&trouble(&error).text),
        }
    }

    /// Nobody is logged in, and only a person can.
    fn logged_out(&mut self, words: &str) -> Vec<Seen> {
        let names = self.logins.iter().map(|login| {
            let how = text(login, "description");
            if how.is_empty() { text(login, "name") } else { how }
        });
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).take(SHOWN_MAX).collect();
        let ways = if names.is_empty() { String::new() } else { format!(" ({})", one_line(&names.join("; "))) };
        let fix =
            format!("log in once with its own program{ways}, or give its key in `env` of [runtimes.{}]", self.name);
        self.give_up("authentication_failed", &format!("nobody is logged in: {fix}. It says: {}", one_line(words)))
    }

    fn refused(&mut self, error: &Value) -> Vec<Seen> {
        let found = trouble(error);
        let seen = self.give_up("", "");
        self.transcript.trouble = Some(found);
        seen
    }
}

/// Whether nobody knows what kind of trouble it is.
fn is_unclear(trouble: &Trouble) -> bool {
    let class = classify_trouble(trouble.status, &trouble.kind, &trouble.text);
    matches!(class, None | Some(FailureClass::Permanent | FailureClass::Recoverable))
}

/// The values of an option, which may stand in groups.
fn values(options: &Value, all: &mut Vec<String>) {
    for option in options.as_array().into_iter().flatten() {
        match option.get("value").and_then(Value::as_str) {
            Some(value) => all.push(value.to_owned()),
            None => all.extend(
                option["options"].as_array().into_iter().flatten().map(|inner| text(inner, "value").to_owned()),
            ),
        }
    }
}
