//! Which names a text reads from outside, where, and whether it checks first that they are there.
//!
//! Knows nothing of what the names mean.

use std::collections::HashSet;

use minijinja::machinery::ast::{BinOpKind, CallArg, CallType, Expr, Spanned, Stmt, UnaryOpKind};

use crate::{base::Span, template::allowed};

/// One name that a text reads from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The root name and the attributes as far as the text fixes them: `steps["x"].y[i].z` gives `steps`, `x`, `y`.
    pub path: Vec<String>,
    /// The bytes of that path in the text.
    pub span: Span,
    /// Whether it is read only where `is defined` held for it or for a prefix of it, or has a `default`.
    pub guarded: bool,
}

type Path = Vec<String>;

/// The paths that are defined where a condition is true, and where it is false.
#[derive(Default)]
struct Facts {
    when_true: Vec<Path>,
    when_false: Vec<Path>,
}

#[derive(Default)]
struct Walk<'a> {
    found: Vec<Reference>,
    /// Names that the text itself binds, innermost scope last.
    scopes: Vec<HashSet<&'a str>>,
    guards: Vec<Path>,
}

pub(super) fn of_template(children: &[Stmt<'_>]) -> Vec<Reference> {
    let mut walk = Walk { scopes: vec![HashSet::new()], ..Walk::default() };
    walk.statements(children);
    walk.finish()
}

pub(super) fn of_expression(expression: &Expr<'_>) -> Vec<Reference> {
    let mut walk = Walk { scopes: vec![HashSet::new()], ..Walk::default() };
    walk.expression(expression);
    walk.finish()
}

impl<'a> Walk<'a> {
    fn finish(mut self) -> Vec<Reference> {
        self.found.sort_by_key(|reference| (reference.span.start, reference.span.end));
        self.found
    }

    fn statements(&mut self, statements: &[Stmt<'a>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'a>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(for_loop) => {
                self.expression(&for_loop.iter);
                self.scopes.push(HashSet::from(["loop"]));
                self.bind(&for_loop.target);
                if let Some(filter) = &for_loop.filter_expr {
                    self.expression(filter);
                }
                self.statements(&for_loop.body);
                self.scopes.pop();
                self.scoped(&for_loop.else_body);
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                let facts = facts(&condition.expr);
                let yes = self.branch(&condition.true_body, facts.when_true);
                let no = self.branch(&condition.false_body, facts.when_false);
                // A name is bound after the `if` only where both branches bind it.
                if let Some(scope) = self.scopes.last_mut() {
                    scope.extend(yes.intersection(&no));
                }
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(HashSet::new());
                for (target, value) in &with.assignments {
                    self.expression(value);
                    self.bind(target);
                }
                self.statements(&with.body);
                self.scopes.pop();
            }
            Stmt::Set(set) => {
                self.expression(&set.expr);
                self.bind(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.scoped(&set.body);
                if let Some(filter) = &set.filter {
                    self.expression(filter);
                }
                self.bind(&set.target);
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled);
                self.scoped(&escape.body);
            }
            Stmt::FilterBlock(filter) => {
                self.expression(&filter.filter);
                self.scoped(&filter.body);
            }
            Stmt::Do(call) => {
                self.expression(&call.call.expr);
                self.arguments(&call.call.args);
            }
        }
    }

    fn scoped(&mut self, statements: &[Stmt<'a>]) {
        self.scopes.push(HashSet::new());
        self.statements(statements);
        self.scopes.pop();
    }

    /// Walks one branch of an `if` and gives the names that it binds.
    fn branch(&mut self, statements: &[Stmt<'a>], facts: Vec<Path>) -> HashSet<&'a str> {
        let before = self.guards.len();
        self.guards.extend(facts);
        self.scopes.push(HashSet::new());
        self.statements(statements);
        self.guards.truncate(before);
        self.scopes.pop().unwrap_or_default()
    }

    fn bind(&mut self, target: &Expr<'a>) {
        match target {
            Expr::Var(name) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.insert(name.id);
                }
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.bind(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind(item)),
            // `set ns.x` reads `ns`.
            _ => self.expression(target),
        }
    }

    fn under(&mut self, facts: Vec<Path>, walk: impl FnOnce(&mut Self)) {
        let before = self.guards.len();
        self.guards.extend(facts);
        walk(self);
        self.guards.truncate(before);
    }

    fn expression(&mut self, expression: &Expr<'a>) {
        match expression {
            Expr::Const(_) => {}
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.lookup(expression),
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expression(part);
                }
            }
            Expr::UnaryOp(unary) => self.expression(&unary.expr),
            Expr::BinOp(binary) => {
                self.expression(&binary.left);
                let known = match binary.op {
                    BinOpKind::ScAnd => facts(&binary.left).when_true,
                    BinOpKind::ScOr => facts(&binary.left).when_false,
                    _ => Vec::new(),
                };
                self.under(known, |walk| walk.expression(&binary.right));
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|operand| self.expression(&operand.expr));
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                let facts = facts(&choice.test_expr);
                self.under(facts.when_true, |walk| walk.expression(&choice.true_expr));
                if let Some(otherwise) = &choice.false_expr {
                    self.under(facts.when_false, |walk| walk.expression(otherwise));
                }
            }
            Expr::Filter(filter) => {
                if let Some(value) = &filter.expr {
                    let known = if matches!(filter.name, "default" | "d") { path_of(value) } else { None };
                    self.under(known.into_iter().collect(), |walk| walk.expression(value));
                }
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                let known = if matches!(test.name, "defined" | "undefined") { path_of(&test.expr) } else { None };
                self.under(known.into_iter().collect(), |walk| walk.expression(&test.expr));
                self.arguments(&test.args);
            }
            Expr::Call(call) => {
                let function =
                    matches!(call.identify_call(), CallType::Function(name) if allowed::FUNCTIONS.contains(&name));
                if !function {
                    self.expression(&call.expr);
                }
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expression(item)),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'a>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    /// Records a name with its attributes, and walks the parts of it that are not fixed.
    fn lookup(&mut self, expression: &Expr<'a>) {
        let Some(chain) = Chain::of(expression) else {
            match expression {
                Expr::GetAttr(attribute) => self.expression(&attribute.expr),
                Expr::GetItem(item) => {
                    self.expression(&item.expr);
                    self.expression(&item.subscript_expr);
                }
                _ => {}
            }
            return;
        };
        chain.dynamic.iter().for_each(|subscript| self.expression(subscript));
        if chain.root == "null" || self.scopes.iter().any(|scope| scope.contains(chain.root)) {
            return;
        }
        let guarded = self.guards.iter().any(|guard| chain.path.starts_with(guard));
        self.found.push(Reference { path: chain.path, span: chain.span, guarded });
    }
}

/// A root name, the attributes on it, and the subscripts that only a rendering can know.
struct Chain<'e, 'a> {
    root: &'a str,
    path: Path,
    span: Span,
    dynamic: Vec<&'e Expr<'a>>,
    /// Whether `path` is all of it.
    fixed: bool,
}

impl<'e, 'a> Chain<'e, 'a> {
    fn of(expression: &'e Expr<'a>) -> Option<Self> {
        let mut links = Vec::new();
        let mut dynamic = Vec::new();
        let mut at = expression;
        let root = loop {
            match at {
                Expr::Var(name) => break name,
                Expr::GetAttr(attribute) => {
                    links.push((Some(attribute.name.to_owned()), end(attribute)));
                    at = &attribute.expr;
                }
                Expr::GetItem(item) => {
                    let key = match &item.subscript_expr {
                        Expr::Const(key) => key.value.as_str().map(str::to_owned),
                        subscript => {
                            dynamic.push(subscript);
                            None
                        }
                    };
                    links.push((key, end(item)));
                    at = &item.expr;
                }
                _ => return None,
            }
        };
        let start = root.span().start_offset as usize;
        let fixed = links.iter().all(|(key, _)| key.is_some());
        let span = Span::new(start..end(root));
        let mut chain = Self { root: root.id, path: vec![root.id.to_owned()], span, dynamic, fixed };
        for (key, end) in links.into_iter().rev() {
            let Some(key) = key else { break };
            chain.path.push(key);
            chain.span.end = end;
        }
        Some(chain)
    }
}

fn end<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().end_offset as usize
}

/// The whole path of a name, if every part of it is fixed.
fn path_of(expression: &Expr<'_>) -> Option<Path> {
    let chain = Chain::of(expression)?;
    chain.fixed.then_some(chain.path)
}

/// What a condition says about which paths are defined.
fn facts(condition: &Expr<'_>) -> Facts {
    match condition {
        Expr::Test(test) if test.name == "defined" => {
            Facts { when_true: path_of(&test.expr).into_iter().collect(), ..Facts::default() }
        }
        Expr::Test(test) if test.name == "undefined" => {
            Facts { when_false: path_of(&test.expr).into_iter().collect(), ..Facts::default() }
        }
        Expr::UnaryOp(unary) if matches!(unary.op, UnaryOpKind::Not) => {
            let Facts { when_true, when_false } = facts(&unary.expr);
            Facts { when_true: when_false, when_false: when_true }
        }
        Expr::BinOp(binary) => {
            let (mut left, right) = (facts(&binary.left), facts(&binary.right));
            match binary.op {
                BinOpKind::ScAnd => left.when_true.extend(right.when_true),
                BinOpKind::ScOr => left.when_false.extend(right.when_false),
                _ => return Facts::default(),
            }
            match binary.op {
                BinOpKind::ScAnd => left.when_false.clear(),
                _ => left.when_true.clear(),
            }
            left
        }
        _ => Facts::default(),
    }
}
