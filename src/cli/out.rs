//! Standard output and standard error. A closed pipe is a quiet end, never a panic.

use std::io::{self, IsTerminal as _, Stderr, Stdout, Write as _};

use anstream::{AutoStream, ColorChoice};

use crate::{base::coloured, cli::failure::Failure};

/// Where data and talk go.
pub struct Out {
    data: AutoStream<Stdout>,
    talk: AutoStream<Stderr>,
    choice: ColorChoice,
}

impl Out {
    /// Streams with that choice of colours; `Auto` looks at the terminal, `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE`.
    #[must_use]
    pub fn new(choice: ColorChoice) -> Self {
        Self { data: AutoStream::new(io::stdout(), choice), talk: AutoStream::new(io::stderr(), choice), choice }
    }

    /// Whether data goes out with colours.
    #[must_use]
    pub fn has_colours(&self) -> bool {
        self.data.current_choice() != ColorChoice::Never
    }

    /// The choice it was made with.
    #[must_use]
    pub fn choice(&self) -> ColorChoice {
        self.choice
    }

    /// Writes data. Nothing but colours reaches a terminal as an order; ANSI styles in it are dropped where there are no colours.
    ///
    /// # Errors
    /// When the output is closed (a quiet end) or cannot be written.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.data.write_all(coloured(text).as_bytes()).and_then(|()| self.data.flush())?)
    }

    /// Whether a person looks at the data.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes data byte by byte, for programs.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut data = io::stdout().lock();
        Ok(data.write_all(bytes).and_then(|()| data.flush())?)
    }

    /// Writes one JSON value and a line end.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(value).map_err(|error| Failure::bug(&error))?;
        text.push('\n');
        self.data(&text)
    }

    /// Writes one JSON value on one line.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn json_line(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string(value).map_err(|error| Failure::bug(&error))?;
        text.push('\n');
        self.data(&text)
    }

    /// Says something to a person. Nobody listening is no fault.
    pub fn talk(&mut self, text: &str) {
        self.talk.write_all(coloured(text).as_bytes()).and_then(|()| self.talk.flush()).ok();
    }
}
