//! A slip of one letter gets the right word as a suggestion: 200 slips in keys, names, values and references.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot be set up must stop; figures are printed"
)]

mod support;

use std::fmt::Write as _;

use support::Project;

const SLIPS: usize = 200;
/// Suggestions that must be right, of a hundred.
const RIGHT_MIN: usize = 95;

/// `«word»` is a word that can be slipped; all other text stays.
const WORKFLOW: &str = "\
«description»: Build and prove a change
«inputs»:
  feature: { «type»: «string», «required»: true, «positional»: true, «description»: What to build }
  depth: { type: «integer», «default»: 3 }
«models»:
  strategic: { any: large }
«budget»: { «usd»: 5, «tokens»: 2M, «agents»: 20, «on_limit»: «pause» }
«limits»: { «parallel»: 4, «per_runtime»: { shell: 2 } }
«on_failure»: «drain»
«steps»:
  - id: requirements
    «agent»: «requirements-analyzer»
    «prompt»: \"List what {{ «inputs».«feature» }} must do, in {{ inputs.«depth» }} points\"
    «model»: «strategic»
    «output»: { goals: [«string»], acceptance: [{ check: string }], «clean»: «boolean» }
    «context_budget»: 20k
    «skills»: [«evidence»]
    «timeout»: 10m
    «idle_timeout»: 5m
    «retry»: { «tries»: 2, «delay»: 1s, «max_delay»: 10s }
  - id: design
    agent: «architect»
    prompt: \"Design for {{ «requirements».«goals» | «join»(', ') }}\"
    «context»: fork:«requirements»
    output: { modules: [{ name: string }] }
    «gate»:
      - «files»: [docs/design.md]
      - «check»: this.«modules» | «length» > 0
      - «approve»: \"Build it?\"
    «on_gate_fail»: { «feedback»: true, tries: 2, «then»: «fail» }
  - id: build
    «each»: «design».«modules»
    «max_parallel»: 1
    «max_items»: 20
    steps:
      - id: code
        agent: «backend-developer»
        prompt: \"Build {{ item.name }} after {{ «design».«result».«summary» }}\"
        «workspace»: «shared»
        gate: [{ «changed»: { «max_files»: 20 } }, «project-tests»]
  - id: polish
    «loop»: { «max»: 3, «until»: «measure».«clean», «on_max»: «continue» }
    steps:
      - { id: improve, agent: «performance-analyzer», prompt: \"Improve\" }
      - { id: measure, «run»: ./bench.sh, output: { clean: boolean }, «recovery»: retry }
  - id: proof
    run: make proof
    «when»: «requirements».«clean»
    «needs»: [«build», «polish»]
    «optional»: true
«outputs»: { summary: \"{{ «design».«result».«summary» }}\" }
";

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // The constants of Knuth's MMIX generator.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// One edit: a letter is lost, doubled, swapped with the next, or another one.
fn slip(word: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = dice.below(letters.len());
    match dice.below(4) {
        0 if letters.len() > 2 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        2 if at + 1 < letters.len() && letters[at] != letters[at + 1] => letters.swap(at, at + 1),
        _ => letters[at] = if letters[at] == 'x' { 'y' } else { 'x' },
    }
    letters.into_iter().collect()
}

/// The workflow with one of its marked words slipped: the text, the word, what it became.
fn slipped(dice: &mut Dice) -> (String, String, String) {
    let words = WORKFLOW.matches('«').count();
    let chosen = dice.below(words);
    let (mut text, mut was, mut is) = (String::new(), String::new(), String::new());
    for (number, part) in WORKFLOW.split('«').enumerate() {
        let Some((word, rest)) = part.split_once('»') else {
            text.push_str(part);
            continue;
        };
        let written = if number == chosen + 1 {
            was = word.to_owned();
            is = slip(word, dice);
            is.clone()
        } else {
            word.to_owned()
        };
        write!(text, "{written}{rest}").unwrap();
    }
    (text, was, is)
}

#[test]
fn a_slip_of_one_letter_gets_the_right_word() {
    let project = Project::new();
    let whole: String = WORKFLOW.chars().filter(|letter| !matches!(letter, '«' | '»')).collect();
    project.write("workflows/whole.yaml", &whole);
    let clean = project.run(&["check", "--strict", "--json", "workflows/whole.yaml"]).json(0);
    assert_eq!(clean["diagnostics"].as_array().unwrap().len(), 0);

    let mut dice = Dice(11);
    let slips: Vec<_> = (0..SLIPS).map(|_| slipped(&mut dice)).collect();
    for (number, (text, ..)) in slips.iter().enumerate() {
        project.write(&format!("workflows/w{number}.yaml"), text);
    }
    let found = project.run(&["check", "--json"]).json(10);
    let mut wrong = Vec::new();
    for (number, (_, was, is)) in slips.iter().enumerate() {
        let path = format!("workflows/w{number}.yaml");
        let mine = found["diagnostics"].as_array().unwrap().iter().filter(|fault| fault["path"] == path.as_str());
        let said: Vec<String> = mine.map(|fault| format!("{}: {}", fault["message"], fault["help"])).collect();
        if !said.iter().any(|line| line.contains(&format!("`{was}`"))) {
            wrong.push(format!("{was} -> {is}: {said:?}"));
        }
    }
    println!("{SLIPS} slips, {} suggestions right, {} not", SLIPS - wrong.len(), wrong.len());
    println!("{}", wrong.join("\n"));
    assert!((SLIPS - wrong.len()) * 100 >= SLIPS * RIGHT_MIN, "{} wrong", wrong.len());
}
