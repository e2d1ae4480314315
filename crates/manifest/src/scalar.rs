//! What a plain scalar means: the rules of go-yaml v2, which kubectl and the API server's own tools read with.

/// The value of a scalar under kubectl's rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above `i64::MAX`.
    Large(u64),
    Float(f64),
    Text(&'a str),
}

/// Resolves the text of a plain scalar that has no tag.
pub(crate) fn resolve(text: &str) -> Scalar<'_> {
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'~' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') => word(text),
        Some(b'.' | b'+' | b'-' | b'0'..=b'9') => number(text),
        Some(_) => Scalar::Text(text),
    }
}

fn word(text: &str) -> Scalar<'_> {
    match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        _ => Scalar::Text(text),
    }
}

fn number(text: &str) -> Scalar<'_> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        _ => {}
    }
    let plain: String;
    let digits = if text.contains('_') {
        plain = text.replace('_', "");
        plain.as_str()
    } else {
        text
    };
    if let Some(value) = integer(digits) {
        return value;
    }
    if is_decimal_float(digits)
        && let Ok(value) = digits.parse::<f64>()
        && value.is_finite()
    {
        return Scalar::Float(value);
    }
    // go-yaml tries the part after 0b once more, sign included: `0b+1` is 1.
    if let Some(binary) = digits.strip_prefix("0b")
        && let Ok(value) = i64::from_str_radix(binary, 2)
    {
        return Scalar::Int(value);
    }
    Scalar::Text(text)
}

/// Go's `strconv.ParseInt` and `ParseUint` with base 0, underscores taken out before.
fn integer(digits: &str) -> Option<Scalar<'static>> {
    let (negative, signed, rest) = match digits.as_bytes().first()? {
        b'-' => (true, true, &digits[1..]),
        b'+' => (false, true, &digits[1..]),
        _ => (false, false, digits),
    };
    let (radix, rest) = match rest.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &rest[2..]),
        [b'0', b'o' | b'O', ..] => (8, &rest[2..]),
        [b'0', b'b' | b'B', ..] => (2, &rest[2..]),
        [b'0', _, ..] => (8, &rest[1..]),
        _ => (10, rest),
    };
    if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let size = i128::from(u64::from_str_radix(rest, radix).ok()?);
    let value = if negative { -size } else { size };
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Some(Scalar::Int(value)),
        (_, Ok(value)) if !signed => Some(Scalar::Large(value)),
        _ => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the float of go-yaml v2 and of YAML 1.2's core schema.
pub(crate) fn is_decimal_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_is_right = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_is_right = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_is_right && exponent_is_right
}

/// How kubectl writes a scalar that stands as a mapping key; `None` where it refuses.
pub(crate) fn key_of(scalar: Scalar<'_>) -> Option<String> {
    match scalar {
        Scalar::Null | Scalar::Large(_) => None,
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Int(value) => Some(value.to_string()),
        Scalar::Float(value) if value.is_nan() => Some(".nan".to_owned()),
        Scalar::Float(f64::INFINITY) => Some(".inf".to_owned()),
        Scalar::Float(f64::NEG_INFINITY) => Some("-.inf".to_owned()),
        Scalar::Float(value) => Some(short_float(value)),
        Scalar::Text(text) => Some(text.to_owned()),
    }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`.
fn short_float(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "kubectl writes such keys in single precision")]
    let value = value as f32;
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
