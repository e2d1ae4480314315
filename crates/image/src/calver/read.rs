//! Reads the text of a format. Errors are the column where reading stopped, and what is wrong there.

use super::{Format, Padding, Piece, Token};

/// Spellings, the longer before those that they begin with.
const TOKENS: [(&str, Token); 12] = [
    ("YYYY", Token::FullYear),
    ("YY", Token::ShortYear(Padding::None)),
    ("0Y", Token::ShortYear(Padding::Zero)),
    ("MAJOR", Token::Major),
    ("MINOR", Token::Minor),
    ("MICRO", Token::Micro),
    ("MM", Token::Month(Padding::None)),
    ("0M", Token::Month(Padding::Zero)),
    ("WW", Token::Week(Padding::None)),
    ("0W", Token::Week(Padding::Zero)),
    ("DD", Token::Day(Padding::None)),
    ("0D", Token::Day(Padding::Zero)),
];
const MODIFIER: &str = "MODIFIER";

pub(super) fn format(text: &str) -> Result<Format, (usize, String)> {
    let (dated, has_modifier) = match text.strip_suffix(MODIFIER) {
        // The separator is there only where a modifier is, and a prerelease brings its own.
        Some(rest) => (rest.strip_suffix(['-', '.', '_']).unwrap_or(rest), true),
        None => (text, false),
    };
    let mut pieces: Vec<Piece> = Vec::new();
    let mut tokens: Vec<Token> = Vec::new();
    let mut place = 0;
    while let Some(letter) = dated[place..].chars().next() {
        let rest = &dated[place..];
        let fail = |problem: String| Err((place + 1, problem));
        if let Some((spelling, token)) = TOKENS.into_iter().find(|(spelling, _)| rest.starts_with(spelling)) {
            if tokens.iter().any(|known| known.is_the_part_of(token)) {
                return fail(format!("{spelling} says again what stands before it"));
            }
            tokens.push(token);
            match pieces.last_mut() {
                Some(Piece::Run(run)) => {
                    if token.width().is_none() && run.iter().any(|known| known.width().is_none()) {
                        return fail(format!("{spelling} needs a separator before it: two numbers of any length"));
                    }
                    run.push(token);
                }
                _ => pieces.push(Piece::Run(vec![token])),
            }
            place += spelling.len();
            continue;
        }
        match letter {
            'Y' | 'M' | 'W' | 'D' | '0'..='9' => {
                return fail(
                    "a token should stand here: YYYY YY 0Y MM 0M WW 0W DD 0D MAJOR MINOR MICRO, MODIFIER at the end"
                        .to_owned(),
                );
            }
            '.' | '-' | '_' | 'a'..='z' | 'A'..='Z' => {}
            other => return fail(format!("{other:?} cannot be in a tag")),
        }
        match pieces.last_mut() {
            Some(Piece::Literal(literal)) => literal.push(letter),
            _ => pieces.push(Piece::Literal(letter.to_string())),
        }
        place += letter.len_utf8();
    }
    let has = |wanted: fn(&Token) -> bool| tokens.iter().any(wanted);
    let year = has(|token| matches!(token, Token::FullYear | Token::ShortYear(_)));
    let month = has(|token| matches!(token, Token::Month(_)));
    let week = has(|token| matches!(token, Token::Week(_)));
    let day = has(|token| matches!(token, Token::Day(_)));
    let problem = if !year {
        "a year is missing: YYYY, YY or 0Y"
    } else if day && !month {
        "a day needs a month: MM or 0M"
    } else if month && week {
        "a month and a week do not go together"
    } else {
        let before_date = tokens.iter().take_while(|token| !token.is_date()).count();
        return Ok(Format { text: text.to_owned(), pieces, before_date, has_modifier });
    };
    Err((text.len() + 1, problem.to_owned()))
}

impl Token {
    /// Whether both say the same part of a date, or the same number.
    fn is_the_part_of(self, other: Self) -> bool {
        let years = |token| matches!(token, Self::FullYear | Self::ShortYear(_));
        (years(self) && years(other)) || std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}
