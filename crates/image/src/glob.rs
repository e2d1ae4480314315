//! Globs over tags: `*`, `?` and `[…]`, always for the whole tag; and those of other tools.

use std::sync::Arc;

use regex::Regex;

/// Turns a glob into an expression for the whole text.
///
/// # Errors
/// A sentence about what is wrong, with its place.
pub(crate) fn compile(pattern: &str) -> Result<Arc<Regex>, String> {
    expression(pattern).and_then(|expression| build(&expression))
}

/// A glob that only `*` is special in, as Flux v1 and Keel read it. The empty one matches only the empty text.
pub(crate) fn stars(pattern: &str) -> Result<Arc<Regex>, String> {
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    build(&format!("^{}$", parts.join(".*")))
}

/// Whether any of several globs matches.
pub(crate) fn any_of(patterns: &[&str]) -> Result<Arc<Regex>, String> {
    let expressions: Result<Vec<String>, String> = patterns.iter().map(|pattern| expression(pattern)).collect();
    build(&expressions?.join("|"))
}

fn build(expression: &str) -> Result<Arc<Regex>, String> {
    Regex::new(expression).map(Arc::new).map_err(|error| error.to_string())
}

fn expression(pattern: &str) -> Result<String, String> {
    if pattern.is_empty() {
        return Err("it is empty; write for example main-*".to_owned());
    }
    let mut expression = String::from("^");
    let mut letters = pattern.chars().enumerate();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => {
                let mut class = String::new();
                loop {
                    match letters.next() {
                        None => return Err(format!("the [ at column {} is not closed", place + 1)),
                        Some((_, ']')) if !class.is_empty() => break,
                        Some((_, '!' | '^')) if class.is_empty() => class.push('^'),
                        Some((_, letter)) if is_tag_letter(letter) => class.push(letter),
                        Some((at, letter)) => return Err(misfit(letter, at)),
                    }
                }
                if class == "^" {
                    return Err(format!("the [] at column {} is empty", place + 1));
                }
                expression.push('[');
                expression.push_str(&class.replace('.', "\\."));
                expression.push(']');
            }
            letter if is_tag_letter(letter) => expression.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
            letter => return Err(misfit(letter, place)),
        }
    }
    expression.push('$');
    Ok(expression)
}

fn is_tag_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

fn misfit(letter: char, place: usize) -> String {
    format!("{letter:?} at column {} cannot be in a tag, and is none of * ? [ ]", place + 1)
}
