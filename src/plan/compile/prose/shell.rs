//! Makes the command of an injection: placeholders become variables of its environment.
//!
//! Home tools paste the arguments into the text of the command. Here they are values that the shell reads, so that
//! `x; rm -rf ~` is a word and never a command. Knows nothing of steps. Invariant: the text holds nothing that is given
//! to a run, so it is the same for every run and can be trusted by its digest.

use crate::{definition::Style, plan::compile::prose::tokens::Token};

/// A command and the variables that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Injection {
    /// For `bash -c`.
    pub(super) text: String,
    /// Name and template text.
    pub(super) env: Vec<(String, String)>,
}

/// Where the shell stands between quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// The command that these tokens are; `named` are the templates of named words, `folder` that of `${CLAUDE_SKILL_DIR}`.
pub(super) fn injection(tokens: &[Token], style: Style, variable: &dyn Fn(&str) -> String) -> Injection {
    let mut made = Injection::default();
    let mut quote = Quote::None;
    for token in tokens {
        match token {
            Token::Text(text) => {
                quote = after(quote, text);
                made.text.push_str(text);
            }
            Token::All => made.value(quote, style, "ORCH_INPUT_ARGUMENTS"),
            Token::Word(place, written) => {
                // In single quotes a word that is not given is most likely a field of awk, and stays what it is.
                let literal = quote == Quote::Single && style == Style::Claude;
                let name = if literal { format!("ORCH_FIELD_{place}") } else { format!("ORCH_WORD_{place}") };
                let missing = if literal { written.as_str() } else { "" };
                made.value(quote, style, &name);
                made.set(name, format!("{{{{ (inputs.arguments | words)[{place}] | default({missing:?}) }}}}"));
            }
            Token::Rest(place) => {
                let name = format!("ORCH_REST_{place}");
                made.value(quote, style, &name);
                made.set(name, format!("{{{{ (inputs.arguments | words)[{place}:] | join(\" \") }}}}"));
            }
            Token::Named(place) => {
                let name = format!("ORCH_WORD_{place}");
                made.value(quote, style, &name);
                made.set(name, format!("{{{{ (inputs.arguments | words)[{place}] | default(\"\") }}}}"));
            }
            Token::Variable(name) => made.expression(quote, &variable(name)),
            Token::Input(name, _) => made.value(quote, style, &format!("ORCH_INPUT_{}", name.to_uppercase())),
            Token::File(path) => made.text.push_str(&format!("@{{{path}}}")),
            Token::Shell(_) => {}
        }
    }
    made
}

impl Injection {
    fn set(&mut self, name: String, template: String) {
        if self.env.iter().all(|(other, _)| *other != name) {
            self.env.push((name, template));
        }
    }

    /// The value of a variable, cut into words as pasted text would be; in Gemini it is one word.
    fn value(&mut self, quote: Quote, style: Style, name: &str) {
        let quote = if style == Style::Gemini && quote == Quote::None { None } else { Some(quote) };
        match quote {
            None => self.text.push_str(&format!("\"${{{name}}}\"")),
            Some(quote) => self.expression(quote, &format!("${{{name}}}")),
        }
    }

    /// What the shell expands, also between single quotes.
    fn expression(&mut self, quote: Quote, expression: &str) {
        match quote {
            Quote::None | Quote::Double => self.text.push_str(expression),
            Quote::Single => self.text.push_str(&format!("'\"{expression}\"'")),
        }
    }
}

/// Where the shell stands after a text.
fn after(mut quote: Quote, text: &str) -> Quote {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        quote = match (quote, letter) {
            (Quote::None | Quote::Double, '\\') => {
                letters.next();
                quote
            }
            (Quote::None, '\'') => Quote::Single,
            (Quote::None, '"') => Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => Quote::None,
            (quote, _) => quote,
        };
    }
    quote
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::{
        definition::{Arguments, Base},
        plan::compile::prose::tokens::Cutter,
    };

    fn made(style: Style, text: &str) -> Injection {
        let arguments = Arguments { style, base: Base::Zero, named: vec!["issue".to_owned()] };
        let cut = Cutter { arguments: &arguments, variables: &["CLAUDE_PROJECT_DIR"] }.cut(text);
        let Token::Shell(tokens) = &cut[0].token else { panic!("{cut:?}") };
        injection(tokens, style, &|_| "${PWD}".to_owned())
    }

    #[test]
    fn values_are_variables() {
        let made =
            made(Style::Claude, "!`gh pr view $0 --json \"$1\" -q '.x | $ARGUMENTS' $issue ${CLAUDE_PROJECT_DIR}`");
        assert_eq!(
            made.text,
            "gh pr view ${ORCH_WORD_0} --json \"${ORCH_WORD_1}\" -q '.x | '\"${ORCH_INPUT_ARGUMENTS}\"'' ${ORCH_WORD_0} ${PWD}"
        );
        assert_eq!(made.env.len(), 2);
        assert_eq!(made.env[1].1, "{{ (inputs.arguments | words)[1] | default(\"\") }}");
    }

    #[test]
    fn a_field_of_awk_stays_where_no_word_is_given() {
        let made = made(Style::Claude, "!`ps | awk '{print $2}'`");
        assert_eq!(made.text, "ps | awk '{print '\"${ORCH_FIELD_2}\"'}'");
        assert_eq!(
            made.env,
            [("ORCH_FIELD_2".to_owned(), "{{ (inputs.arguments | words)[2] | default(\"$2\") }}".to_owned())]
        );
    }

    #[test]
    fn gemini_quotes_what_it_pastes() {
        assert_eq!(made(Style::Gemini, "!{grep -r {{args}} .}").text, "grep -r \"${ORCH_INPUT_ARGUMENTS}\" .");
        assert_eq!(made(Style::Gemini, "!{grep \"{{args}}\" .}").text, "grep \"${ORCH_INPUT_ARGUMENTS}\" .");
    }
}
