//! One CEL expression: parsed once, evaluated with a bounded cost.
//!
//! CEL has no loops but the macros over lists and maps, so an expression ends. What it costs can still grow with every
//! nesting, and the interpreter does not count. Each range that a macro goes over is therefore wrapped, while compiling,
//! into a call of ours that takes its size from a budget; no name that somebody can write reaches it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr};
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, IdedExpr};
use serde_json::Value;

const LONGEST: usize = 1024;
/// Of brackets and operators in each other; a parse takes that much stack.
const DEEPEST: u16 = 32;
/// In values and 64 bytes of text that the macros of one evaluation may touch. A condition has about ten.
const BUDGET: i64 = 200_000;
const CHARGE: &str = "@charge";
const TOO_COSTLY: &str = "it goes over too many values";

/// The standard functions and macros without regular expressions, times and text formatting: each has its own costs.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

pub(super) struct Expression(IdedExpr);

/// The top-level fields of an object as an expression sees them.
pub(super) struct Variables {
    fields: Vec<(String, cel::Value)>,
    /// What one step over a range is charged: the whole object may be compared in it.
    step: i64,
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        if deepest(text) > usize::from(DEEPEST) {
            return Err(format!("its brackets and operators are nested deeper than {DEEPEST}"));
        }
        let parsed = ENVIRONMENT.parser().max_recursion_depth(DEEPEST).parse(text);
        let mut expression = parsed.map_err(|errors| {
            let first = errors.errors.first();
            first.map_or_else(
                || "it is no CEL expression".to_owned(),
                |error| format!("line {}, column {}: {}", error.pos.0.max(1), error.pos.1.max(0) + 1, error.msg),
            )
        })?;
        charge_ranges(&mut expression);
        Ok(Self(expression))
    }

    /// Whether it is true of the object.
    pub(super) fn holds(&self, variables: &Variables) -> Result<bool, String> {
        let mut context = Context::with_env(ENVIRONMENT.clone());
        for (name, value) in &variables.fields {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
        let left = Arc::new(AtomicI64::new(BUDGET));
        let (budget, step) = (left.clone(), variables.step);
        let charge = move |range: cel::Value| {
            let price = weight(&range).saturating_add(length(&range).saturating_mul(step));
            if budget.fetch_sub(price, Ordering::Relaxed) < price {
                return Err(ExecutionError::function_error(CHARGE, TOO_COSTLY));
            }
            Ok(range)
        };
        context.add_function(CHARGE, charge).map_err(|error| error.to_string())?;
        let value = cel::Value::resolve(&self.0, &context);
        if left.load(Ordering::Relaxed) < 0 {
            return Err(TOO_COSTLY.to_owned());
        }
        match value {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("it is neither true nor false".to_owned()),
            // Other errors show values of the object.
            Err(
                error @ (ExecutionError::NoSuchKey(_)
                | ExecutionError::UndeclaredReference(_)
                | ExecutionError::NoSuchOverload(_)),
            ) => Err(error.to_string()),
            Err(_) => Err("it cannot be evaluated on this object".to_owned()),
        }
    }
}

impl Variables {
    pub(super) fn of(object: &Value) -> Self {
        let mut fields = Vec::new();
        for (name, value) in object.as_object().into_iter().flatten() {
            let mut value = value.clone();
            if let (true, Value::Object(metadata)) = (name == "metadata", &mut value) {
                metadata.remove("managedFields");
            }
            fields.push((name.clone(), convert(&value)));
        }
        let whole: i64 = fields.iter().map(|(_, value)| weight(value)).sum();
        Self { fields, step: 1 + whole / 64 }
    }
}

fn convert(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => cel::Value::Int(number),
            (_, Some(number), _) => cel::Value::UInt(number),
            (_, _, number) => cel::Value::Float(number.unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(values) => cel::Value::List(Arc::new(values.iter().map(convert).collect())),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), convert(value)));
            cel::Value::Map(Map { map: Arc::new(fields.collect::<HashMap<_, _>>()) })
        }
    }
}

fn length(range: &cel::Value) -> i64 {
    let length = match range {
        cel::Value::List(values) => values.len(),
        cel::Value::Map(map) => map.map.len(),
        _ => 0,
    };
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn weight(value: &cel::Value) -> i64 {
    let of_bytes = |bytes: usize| 1 + i64::try_from(bytes / 64).unwrap_or(i64::MAX / 2);
    match value {
        cel::Value::List(values) => values.iter().map(weight).fold(1, i64::saturating_add),
        cel::Value::Map(map) => map.map.values().map(weight).fold(1, i64::saturating_add),
        cel::Value::String(text) => of_bytes(text.len()),
        cel::Value::Bytes(bytes) => of_bytes(bytes.len()),
        _ => 1,
    }
}

/// Brackets in each other, and signs and dots in a row, which nest as well.
fn deepest(text: &str) -> usize {
    let (mut depth, mut row, mut deepest) = (0_usize, 0_usize, 0_usize);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' | '+' | '*' | '/' | '%' | '?' | '.' => row += 1,
            '&' | '|' | ',' => row = 0,
            _ => {}
        }
        deepest = deepest.max(depth + row);
    }
    deepest
}

fn charge_ranges(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Comprehension(comprehension) => {
            let parts = [
                &mut comprehension.iter_range,
                &mut comprehension.accu_init,
                &mut comprehension.loop_cond,
                &mut comprehension.loop_step,
                &mut comprehension.result,
            ];
            parts.into_iter().for_each(charge_ranges);
            let range = std::mem::take(&mut comprehension.iter_range);
            let id = range.id;
            let call = CallExpr { func_name: CHARGE.to_owned(), target: None, args: vec![range] };
            comprehension.iter_range = IdedExpr { id, expr: Expr::Call(call) };
        }
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(charge_ranges),
        Expr::List(list) => list.elements.iter_mut().for_each(charge_ranges),
        Expr::Map(map) => charge_entries(map.entries.iter_mut().map(|entry| &mut entry.expr)),
        Expr::Struct(fields) => charge_entries(fields.entries.iter_mut().map(|entry| &mut entry.expr)),
        Expr::Select(select) => charge_ranges(&mut select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn charge_entries<'a>(entries: impl Iterator<Item = &'a mut EntryExpr>) {
    for entry in entries {
        match entry {
            EntryExpr::StructField(field) => charge_ranges(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                charge_ranges(&mut entry.key);
                charge_ranges(&mut entry.value);
            }
        }
    }
}
