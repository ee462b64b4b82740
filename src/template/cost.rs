//! What a text may cost at most, as a multiple of its inputs; decides what may be rendered in process.
//!
//! Knows no values. Invariant: where there is a [`Cost`], no value, output or temporary of a rendering is larger than
//! `work` says; what cannot be bounded this way (accumulation in `set` or `namespace`, loops in loops, repetition by a
//! number from the inputs) has none.

use minijinja::machinery::ast::{BinOp, BinOpKind, CallArg, CallType, Expr, Filter, Stmt, UnaryOpKind};

/// Bytes of work that a rendering in process may take; more is for a child, which can be killed.
const WORK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A loop turn takes at least four instructions of the fuel.
const TURNS_MAX: u64 = super::FUEL / 4;
/// What one element of a list weighs, against one byte of the string it may come from.
const ELEMENT: u64 = 32;
/// The indent that is used where none is given, and the newline.
const INDENT: u64 = 5;
/// What writing a byte as JSON may grow it to, with room for separators.
const JSON: u64 = 8;

/// Bytes of work for one byte of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cost {
    /// Outside loops.
    once: u64,
    /// In one turn of a loop.
    turn: u64,
}

impl Cost {
    /// The cost of a template's statements; none where there is no bound.
    pub fn of_template(statements: &[Stmt<'_>]) -> Option<Self> {
        let mut meter = Meter::default();
        meter.statements(statements)?;
        Some(meter.cost)
    }

    /// The cost of an expression; none where there is no bound.
    pub fn of_expression(expression: &Expr<'_>) -> Option<Self> {
        let mut meter = Meter::default();
        let size = meter.expression(expression)?;
        meter.work(size.growth);
        Some(meter.cost)
    }

    /// Whether inputs of this many bytes, text included, may be rendered in process.
    pub fn fits(self, input_bytes: usize) -> bool {
        let bytes = (input_bytes as u64).max(64);
        let turns = TURNS_MAX.min(bytes);
        let work = self.once.saturating_add(self.turn.saturating_mul(turns)).saturating_mul(bytes);
        work <= WORK_BYTES_MAX
    }
}

/// What is known of a value before there is one.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Anything, so it may be a string that falls into characters.
    Any,
    /// A list.
    List,
    /// A number or a boolean.
    Scalar,
}

#[derive(Clone, Copy)]
struct Size {
    /// Bytes for one byte of input.
    growth: u64,
    shape: Shape,
}

const SCALAR: Size = Size { growth: 0, shape: Shape::Scalar };

fn any(growth: u64) -> Size {
    Size { growth, shape: Shape::Any }
}

#[derive(Default)]
struct Meter {
    cost: Cost,
    looping: bool,
}

impl Meter {
    fn work(&mut self, growth: u64) {
        let place = if self.looping { &mut self.cost.turn } else { &mut self.cost.once };
        *place = place.saturating_add(growth);
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) -> Option<()> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Option<()> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(_) => Some(()),
            Stmt::EmitExpr(emit) => {
                // What is written counts against the cap of the output, so it is no work here.
                self.expression(&emit.expr).map(|_| ())
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr)?;
                self.statements(&condition.true_body)?;
                self.statements(&condition.false_body)
            }
            Stmt::ForLoop(for_loop) if !self.looping && !for_loop.recursive => {
                let size = self.expression(&for_loop.iter)?;
                let list = self.elements(size);
                self.work(list.growth);
                self.looping = true;
                if let Some(filter) = &for_loop.filter_expr {
                    self.expression(filter)?;
                }
                self.statements(&for_loop.body)?;
                self.looping = false;
                self.statements(&for_loop.else_body)
            }
            Stmt::ForLoop(_)
            | Stmt::WithBlock(_)
            | Stmt::Set(_)
            | Stmt::SetBlock(_)
            | Stmt::AutoEscape(_)
            | Stmt::FilterBlock(_)
            | Stmt::Do(_) => None,
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) -> Option<Size> {
        let size = match expression {
            // Looking a name up shares the value; nothing is copied.
            Expr::Var(_) => return Some(any(1)),
            Expr::GetAttr(attribute) => return self.expression(&attribute.expr).map(|size| any(size.growth)),
            Expr::Const(constant) => {
                return Some(if constant.value.is_number() { SCALAR } else { any(1) });
            }
            Expr::GetItem(item) => {
                self.expression(&item.subscript_expr)?;
                any(self.expression(&item.expr)?.growth)
            }
            Expr::Slice(slice) => {
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expression(part)?;
                }
                self.expression(&slice.expr)?
            }
            Expr::UnaryOp(unary) => {
                let size = self.expression(&unary.expr)?;
                match unary.op {
                    UnaryOpKind::Not => SCALAR,
                    UnaryOpKind::Neg => size,
                }
            }
            Expr::BinOp(binary) => self.binary(binary)?,
            Expr::Compare(compare) => {
                let mut growth = self.expression(&compare.expr)?.growth;
                for operand in &compare.ops {
                    growth = growth.saturating_add(self.expression(&operand.expr)?.growth);
                }
                self.work(growth);
                SCALAR
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr)?;
                let yes = self.expression(&choice.true_expr)?;
                let no = match &choice.false_expr {
                    Some(otherwise) => self.expression(otherwise)?,
                    None => SCALAR,
                };
                return Some(either(yes, no));
            }
            Expr::Filter(filter) => self.filter(filter)?,
            Expr::Test(test) => {
                let growth = self.expression(&test.expr)?.growth.saturating_add(self.arguments(&test.args)?);
                // `is defined` looks at the value's kind only.
                if !matches!(test.name, "defined" | "undefined" | "none" | "null") {
                    self.work(growth);
                }
                return Some(SCALAR);
            }
            Expr::Call(call) => match call.identify_call() {
                CallType::Function("range") => Size { growth: range_length(&call.args)?, shape: Shape::List },
                CallType::Function(_) | CallType::Method(..) | CallType::Object(_) => return None,
            },
            Expr::List(list) => self.sum(list.items.iter())?,
            Expr::Tuple(tuple) => self.sum(tuple.items.iter())?,
            Expr::Map(map) => self.sum(map.keys.iter().chain(&map.values))?,
        };
        self.work(size.growth);
        Some(size)
    }

    fn sum<'e, 'a: 'e>(&mut self, items: impl Iterator<Item = &'e Expr<'a>>) -> Option<Size> {
        let mut growth = 1_u64;
        for item in items {
            growth = growth.saturating_add(self.expression(item)?.growth);
        }
        Some(Size { growth, shape: Shape::List })
    }

    fn binary(&mut self, binary: &BinOp<'_>) -> Option<Size> {
        let left = self.expression(&binary.left)?;
        let right = self.expression(&binary.right)?;
        let growth = left.growth.saturating_add(right.growth);
        Some(match binary.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => either(left, right),
            BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte
            | BinOpKind::In => {
                self.work(growth);
                SCALAR
            }
            // An operator of numbers; on anything else the rendering ends with an error.
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => SCALAR,
            BinOpKind::Add if left.shape == Shape::Scalar && right.shape == Shape::Scalar => SCALAR,
            BinOpKind::Add => any(growth),
            BinOpKind::Concat => any(growth.saturating_add(1).saturating_mul(JSON)),
            BinOpKind::Mul if left.shape == Shape::Scalar && right.shape == Shape::Scalar => SCALAR,
            BinOpKind::Mul => {
                let times = constant(&binary.left).or_else(|| constant(&binary.right))?;
                any(growth.saturating_mul(times))
            }
        })
    }

    fn filter(&mut self, filter: &Filter<'_>) -> Option<Size> {
        let value = self.expression(filter.expr.as_ref()?)?;
        let arguments = self.arguments(&filter.args)?;
        self.work(value.growth.saturating_add(arguments));
        let grown = |by: u64| any(value.growth.saturating_mul(by));
        Some(match filter.name {
            "length" | "count" | "abs" | "int" | "float" | "round" => {
                // Their defaults may be any value.
                if filter.args.is_empty() { SCALAR } else { any(arguments) }
            }
            "default" | "d" => any(value.growth.saturating_add(arguments)),
            "first" | "last" | "min" | "max" => {
                self.work(self.elements(value).growth);
                any(value.growth)
            }
            "upper" | "lower" | "title" | "capitalize" => grown(3),
            "trim" => any(value.growth),
            "string" => grown(JSON),
            // An indent is any number of blanks.
            "tojson" if filter.args.is_empty() => grown(JSON),
            "list" | "sort" | "unique" | "reverse" | "split" | "lines" | "select" | "reject" | "selectattr"
            | "rejectattr" => self.elements(value),
            "items" | "keys" | "values" => Size { growth: value.growth.saturating_mul(3), shape: Shape::List },
            // A filter named in a string would need its own bound.
            "map" if filter.args.iter().all(|arg| matches!(arg, CallArg::Kwarg("attribute" | "default", _))) => {
                let list = self.elements(value);
                Size { growth: list.growth.saturating_mul(arguments.saturating_add(1)), shape: Shape::List }
            }
            "join" => grown(JSON.saturating_add(literal_bytes(&filter.args, 0)?)),
            "replace" => grown(literal_bytes(&filter.args, 1)?.saturating_add(1)),
            "indent" => grown(numbers(&filter.args)?.saturating_add(INDENT)),
            // Includes `sum`, which adds strings and lists as well as numbers.
            _ => return None,
        })
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Option<u64> {
        let mut growth = 0_u64;
        for argument in arguments {
            match argument {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => {
                    growth = growth.saturating_add(self.expression(value)?.growth);
                }
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => return None,
            }
        }
        Some(growth)
    }

    fn elements(&self, size: Size) -> Size {
        let growth = match size.shape {
            Shape::Any => size.growth.saturating_mul(ELEMENT + 1),
            Shape::List | Shape::Scalar => size.growth,
        };
        Size { growth, shape: Shape::List }
    }
}

fn either(left: Size, right: Size) -> Size {
    let shape = if left.shape == right.shape { left.shape } else { Shape::Any };
    Size { growth: left.growth.max(right.growth), shape }
}

/// A number written in the text, as a count.
fn constant(expression: &Expr<'_>) -> Option<u64> {
    match expression {
        Expr::Const(constant) if constant.value.is_number() => {
            // A number that is no count cannot repeat anything.
            let value = &constant.value;
            value.as_i64().map(i64::unsigned_abs).or_else(|| value.as_usize().is_none().then_some(1))
        }
        _ => None,
    }
}

/// The largest number among arguments that are all numbers, which bounds the length of `range`.
fn range_length(arguments: &[CallArg<'_>]) -> Option<u64> {
    arguments.iter().try_fold(0_u64, |most, argument| match argument {
        CallArg::Pos(value) => Some(most.saturating_add(constant(value)?)),
        CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
    })
}

/// The sum of the numbers among arguments that are all literals.
fn numbers(arguments: &[CallArg<'_>]) -> Option<u64> {
    arguments.iter().try_fold(0_u64, |sum, argument| match argument {
        CallArg::Pos(Expr::Const(constant)) | CallArg::Kwarg(_, Expr::Const(constant)) => {
            let count = if constant.value.is_number() { constant.value.as_i64()?.unsigned_abs() } else { 0 };
            Some(sum.saturating_add(count))
        }
        CallArg::Pos(_) | CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
    })
}

/// The bytes of string literals from argument `from` on; none where an argument is no literal.
fn literal_bytes(arguments: &[CallArg<'_>], from: usize) -> Option<u64> {
    arguments.iter().enumerate().try_fold(0_u64, |sum, (index, argument)| match argument {
        CallArg::Pos(Expr::Const(constant)) | CallArg::Kwarg(_, Expr::Const(constant)) => {
            let bytes = constant.value.as_str().map_or(1, str::len);
            Some(if index < from { sum } else { sum.saturating_add(bytes as u64) })
        }
        CallArg::Pos(_) | CallArg::Kwarg(..) | CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
    })
}
