//! What a text may cost at most, as a multiple of its inputs; decides what may be rendered in process.
//!
//! Knows no values. Invariant: where there is a [`Cost`], no value, output or temporary of a rendering is larger than
//! `work` says; what cannot be bounded this way (accumulation in `set` or `namespace`, loops in loops, repetition by a
//! number from the inputs) has none.

use minijinja::machinery::ast::{BinOp, BinOpKind, CallArg, CallType, Compare, Expr, Filter, Stmt, UnaryOpKind};

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

/// What an operation weighs besides its operands.
const OPERATION: u64 = 16;

/// An upper bound of a number of bytes, before the values are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bytes {
    /// For each byte of all inputs.
    whole: u64,
    /// For each byte of the item of a loop; the items of a loop are together no larger than the inputs.
    item: u64,
    /// Whatever the inputs are.
    fixed: u64,
}

impl Bytes {
    fn plus(self, other: Self) -> Self {
        Self {
            whole: self.whole.saturating_add(other.whole),
            item: self.item.saturating_add(other.item),
            fixed: self.fixed.saturating_add(other.fixed),
        }
    }

    fn times(self, by: u64) -> Self {
        Self {
            whole: self.whole.saturating_mul(by),
            item: self.item.saturating_mul(by),
            fixed: self.fixed.saturating_mul(by),
        }
    }

    fn max(self, other: Self) -> Self {
        Self { whole: self.whole.max(other.whole), item: self.item.max(other.item), fixed: self.fixed.max(other.fixed) }
    }
}

/// The work of a rendering, in bytes that are looked at or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cost {
    /// Outside loops.
    once: Bytes,
    /// In one turn of a loop.
    turn: Bytes,
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
        meter.work(size.bytes);
        Some(meter.cost)
    }

    /// Whether inputs of this many bytes, text included, may be rendered in process.
    pub fn fits(self, input_bytes: usize) -> bool {
        let inputs = input_bytes as u64;
        let turns = TURNS_MAX.min(inputs);
        let of_inputs = |each: u64| each.saturating_mul(inputs);
        let turn = of_inputs(self.turn.whole).saturating_add(self.turn.fixed).saturating_mul(turns);
        let items = of_inputs(self.turn.item.saturating_add(self.once.item));
        let once = of_inputs(self.once.whole).saturating_add(self.once.fixed);
        once.saturating_add(items).saturating_add(turn) <= WORK_BYTES_MAX
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
    bytes: Bytes,
    shape: Shape,
}

const SCALAR: Size = Size { bytes: Bytes { whole: 0, item: 0, fixed: ELEMENT }, shape: Shape::Scalar };

fn any(bytes: Bytes) -> Size {
    Size { bytes, shape: Shape::Any }
}

fn list(bytes: Bytes) -> Size {
    Size { bytes, shape: Shape::List }
}

fn fixed(bytes: u64) -> Bytes {
    Bytes { fixed: bytes, ..Bytes::default() }
}

#[derive(Default)]
struct Meter<'a> {
    cost: Cost,
    looping: bool,
    /// Names that stand for one item of the inputs at a time.
    items: Vec<&'a str>,
}

impl<'a> Meter<'a> {
    fn work(&mut self, bytes: Bytes) {
        let place = if self.looping { &mut self.cost.turn } else { &mut self.cost.once };
        *place = place.plus(bytes).plus(fixed(OPERATION));
    }

    fn statements(&mut self, statements: &[Stmt<'a>]) -> Option<()> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'a>) -> Option<()> {
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
                self.work(self.elements(size).bytes);
                if disjoint(&for_loop.iter) {
                    self.bind(&for_loop.target);
                }
                self.looping = true;
                if let Some(filter) = &for_loop.filter_expr {
                    self.expression(filter)?;
                }
                self.statements(&for_loop.body)?;
                self.looping = false;
                self.items.clear();
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

    fn expression(&mut self, expression: &Expr<'a>) -> Option<Size> {
        let size = match expression {
            // Looking a name up shares the value; nothing is copied.
            Expr::Var(name) => {
                let item = self.items.contains(&name.id);
                return Some(any(Bytes { whole: u64::from(!item), item: u64::from(item), fixed: ELEMENT }));
            }
            Expr::GetAttr(attribute) => return self.expression(&attribute.expr).map(|size| any(size.bytes)),
            Expr::Const(constant) => {
                // A literal may be folded from others; what it holds is in the text, which counts as input.
                return Some(match constant.value.as_str() {
                    Some(text) => any(fixed(text.len() as u64 + ELEMENT)),
                    None if constant.value.is_number() => SCALAR,
                    None => any(Bytes { whole: 1, ..fixed(ELEMENT) }),
                });
            }
            Expr::GetItem(item) => {
                self.expression(&item.subscript_expr)?;
                any(self.expression(&item.expr)?.bytes)
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
            Expr::Compare(compare) => self.compare(compare)?,
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
                let bytes = self.expression(&test.expr)?.bytes.plus(self.arguments(&test.args)?);
                // `is defined` looks at the value's kind only.
                if !matches!(test.name, "defined" | "undefined" | "none" | "null") {
                    self.work(bytes);
                }
                return Some(SCALAR);
            }
            Expr::Call(call) => match call.identify_call() {
                CallType::Function("range") => list(fixed(range_length(&call.args)?.saturating_mul(ELEMENT))),
                CallType::Function(_) | CallType::Method(..) | CallType::Object(_) => return None,
            },
            Expr::List(list) => self.sum(list.items.iter())?,
            Expr::Tuple(tuple) => self.sum(tuple.items.iter())?,
            Expr::Map(map) => self.sum(map.keys.iter().chain(&map.values))?,
        };
        self.work(size.bytes);
        Some(size)
    }

    fn compare(&mut self, compare: &Compare<'a>) -> Option<Size> {
        let mut bytes = self.expression(&compare.expr)?.bytes;
        for operand in &compare.ops {
            // An operand in the middle is compared twice.
            bytes = bytes.plus(self.expression(&operand.expr)?.bytes.times(2));
        }
        self.work(bytes);
        Some(SCALAR)
    }

    fn sum<'e>(&mut self, items: impl Iterator<Item = &'e Expr<'a>>) -> Option<Size>
    where
        'a: 'e,
    {
        let mut bytes = fixed(ELEMENT);
        for item in items {
            bytes = bytes.plus(self.expression(item)?.bytes).plus(fixed(ELEMENT));
        }
        Some(list(bytes))
    }

    fn bind(&mut self, target: &Expr<'a>) {
        match target {
            Expr::Var(name) => self.items.push(name.id),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind(item)),
            Expr::List(list) => list.items.iter().for_each(|item| self.bind(item)),
            _ => {}
        }
    }

    fn binary(&mut self, binary: &BinOp<'a>) -> Option<Size> {
        let left = self.expression(&binary.left)?;
        let right = self.expression(&binary.right)?;
        let bytes = left.bytes.plus(right.bytes);
        Some(match binary.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => either(left, right),
            BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte
            | BinOpKind::In => {
                self.work(bytes);
                SCALAR
            }
            // An operator of numbers; on anything else the rendering ends with an error.
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => SCALAR,
            BinOpKind::Add if left.shape == Shape::Scalar && right.shape == Shape::Scalar => SCALAR,
            BinOpKind::Add => any(bytes),
            BinOpKind::Concat => any(bytes.times(JSON)),
            BinOpKind::Mul if left.shape == Shape::Scalar && right.shape == Shape::Scalar => SCALAR,
            BinOpKind::Mul => {
                let times = constant(&binary.left).or_else(|| constant(&binary.right))?;
                any(bytes.times(times))
            }
        })
    }

    fn filter(&mut self, filter: &Filter<'a>) -> Option<Size> {
        let value = self.expression(filter.expr.as_ref()?)?;
        let arguments = self.arguments(&filter.args)?;
        self.work(value.bytes.plus(arguments));
        let grown = |by: u64| any(value.bytes.times(by));
        Some(match filter.name {
            "length" | "count" | "abs" | "int" | "float" | "round" => {
                // Their defaults may be any value.
                if filter.args.is_empty() { SCALAR } else { any(arguments) }
            }
            "default" | "d" => any(value.bytes.plus(arguments)),
            "first" | "last" | "min" | "max" => {
                self.work(self.elements(value).bytes);
                any(value.bytes)
            }
            "upper" | "lower" | "title" | "capitalize" => grown(3),
            "trim" => any(value.bytes),
            "string" => grown(JSON),
            // An indent is any number of blanks.
            "tojson" if filter.args.is_empty() => grown(JSON),
            "list" | "sort" | "unique" | "reverse" | "split" | "lines" | "words" | "select" | "reject"
            | "selectattr" | "rejectattr" => self.elements(value),
            "items" | "keys" | "values" => list(value.bytes.times(3)),
            // A filter named in a string would need its own bound.
            "map" if filter.args.iter().all(|arg| matches!(arg, CallArg::Kwarg("attribute" | "default", _))) => {
                let elements = self.elements(value).bytes;
                // The default may stand for every element.
                let default = match (filter.args.len(), arguments) {
                    (0 | 1, _) => 0,
                    (_, Bytes { whole: 0, item: 0, fixed }) => fixed,
                    (_, Bytes { .. }) => return None,
                };
                list(elements.times(default.saturating_add(1)))
            }
            "join" => grown(JSON.saturating_add(literal_bytes(&filter.args, 0)?)),
            "replace" => grown(literal_bytes(&filter.args, 1)?.saturating_add(1)),
            "indent" => grown(numbers(&filter.args)?.saturating_add(INDENT)),
            // Includes `sum`, which adds strings and lists as well as numbers.
            _ => return None,
        })
    }

    fn arguments(&mut self, arguments: &[CallArg<'a>]) -> Option<Bytes> {
        let mut bytes = Bytes::default();
        for argument in arguments {
            match argument {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => {
                    bytes = bytes.plus(self.expression(value)?.bytes);
                }
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => return None,
            }
        }
        Some(bytes)
    }

    fn elements(&self, size: Size) -> Size {
        list(match size.shape {
            Shape::Any => size.bytes.times(ELEMENT + 1),
            Shape::List | Shape::Scalar => size.bytes,
        })
    }
}

fn either(left: Size, right: Size) -> Size {
    let shape = if left.shape == right.shape { left.shape } else { Shape::Any };
    Size { bytes: left.bytes.max(right.bytes), shape }
}

/// Whether the elements of a value are separate parts of the inputs, each of them once.
fn disjoint(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::Var(_) => true,
        Expr::GetAttr(attribute) => disjoint(&attribute.expr),
        Expr::GetItem(item) => disjoint(&item.expr),
        Expr::Filter(filter) => {
            let picks = matches!(
                filter.name,
                "items"
                    | "keys"
                    | "values"
                    | "list"
                    | "sort"
                    | "unique"
                    | "reverse"
                    | "select"
                    | "reject"
                    | "selectattr"
                    | "rejectattr"
            );
            picks && filter.expr.as_ref().is_some_and(disjoint)
        }
        _ => false,
    }
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
