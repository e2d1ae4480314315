//! JSON read while it arrives, so that a long answer is never held whole.

/// What the text says next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `{` or `[`.
    Open(Nest),
    /// `}` or `]`.
    Close,
    /// The name of a member.
    Key(&'a str),
    /// A string that is a value.
    Text(&'a str),
    /// A number, `true`, `false` or `null`.
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nest {
    Object,
    Array,
}

/// Longer strings are nothing that anybody looks for; they are read over and told as [`Token::Word`], or as an empty key.
const LONGEST_TEXT: usize = 16 * 1024;
const DEEPEST: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    Colon,
    CommaOrClose,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Text { escaped: bool, too_long: bool },
    Word,
}

/// The state between two chunks.
pub(crate) struct JsonStream {
    nests: Vec<Nest>,
    expected: Expected,
    inside: Inside,
    /// The string, quotes included, or the word that has begun.
    piece: Vec<u8>,
}

impl JsonStream {
    pub(crate) fn new() -> Self {
        Self { nests: Vec::new(), expected: Expected::Value, inside: Inside::Nothing, piece: Vec::new() }
    }

    /// Reads on; tells `sink` what it finds.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Token<'_>)) -> Result<(), &'static str> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.inside {
                Inside::Nothing => self.begin(byte, sink)?,
                Inside::Text { escaped, too_long } => self.text(byte, escaped, too_long, sink)?,
                Inside::Word if matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => {
                    // The byte is not part of the word: it is looked at once more.
                    self.word_ends(sink)?;
                    continue;
                }
                Inside::Word if self.piece.len() >= 64 => return Err("a number is too long"),
                Inside::Word => self.piece.push(byte),
            }
            at += 1;
        }
        Ok(())
    }

    /// Whether the text was whole.
    pub(crate) fn end(&mut self, sink: &mut impl FnMut(Token<'_>)) -> Result<(), &'static str> {
        if self.inside == Inside::Word {
            self.word_ends(sink)?;
        }
        let whole = self.expected == Expected::Nothing && self.inside == Inside::Nothing;
        if whole { Ok(()) } else { Err("the text ends too early") }
    }

    fn begin(&mut self, byte: u8, sink: &mut impl FnMut(Token<'_>)) -> Result<(), &'static str> {
        use Expected::{Colon, CommaOrClose, Key, KeyOrClose, Value, ValueOrClose};
        match (byte, self.expected) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b'"', Key | KeyOrClose | Value | ValueOrClose) => {
                self.piece.clear();
                self.piece.push(b'"');
                self.inside = Inside::Text { escaped: false, too_long: false };
            }
            (b'{', Value | ValueOrClose) => self.open(Nest::Object, KeyOrClose, sink)?,
            (b'[', Value | ValueOrClose) => self.open(Nest::Array, ValueOrClose, sink)?,
            (b'}', KeyOrClose | CommaOrClose) if self.nests.last() == Some(&Nest::Object) => self.close(sink),
            (b']', ValueOrClose | CommaOrClose) if self.nests.last() == Some(&Nest::Array) => self.close(sink),
            (b':', Colon) => self.expected = Value,
            (b',', CommaOrClose) => {
                self.expected = if self.nests.last() == Some(&Nest::Object) { Key } else { Value };
            }
            (b'-' | b'0'..=b'9' | b'a'..=b'z', Value | ValueOrClose) => {
                self.piece.clear();
                self.piece.push(byte);
                self.inside = Inside::Word;
            }
            _ => return Err("it is no JSON"),
        }
        Ok(())
    }

    fn open(&mut self, nest: Nest, inside: Expected, sink: &mut impl FnMut(Token<'_>)) -> Result<(), &'static str> {
        if self.nests.len() >= DEEPEST {
            return Err("it is nested too deeply");
        }
        self.nests.push(nest);
        self.expected = inside;
        sink(Token::Open(nest));
        Ok(())
    }

    fn close(&mut self, sink: &mut impl FnMut(Token<'_>)) {
        self.nests.pop();
        sink(Token::Close);
        self.value_ended();
    }

    fn value_ended(&mut self) {
        self.expected = if self.nests.is_empty() { Expected::Nothing } else { Expected::CommaOrClose };
    }

    fn text(
        &mut self,
        byte: u8,
        escaped: bool,
        too_long: bool,
        sink: &mut impl FnMut(Token<'_>),
    ) -> Result<(), &'static str> {
        let too_long = too_long || self.piece.len() >= LONGEST_TEXT;
        if !too_long {
            self.piece.push(byte);
        }
        if escaped || byte != b'"' {
            self.inside = Inside::Text { escaped: byte == b'\\' && !escaped, too_long };
            return Ok(());
        }
        self.inside = Inside::Nothing;
        let text = if too_long { Ok(None) } else { serde_json::from_slice::<String>(&self.piece).map(Some) };
        let text = text.map_err(|_| "a string cannot be read")?;
        if matches!(self.expected, Expected::Key | Expected::KeyOrClose) {
            sink(Token::Key(text.as_deref().unwrap_or_default()));
            self.expected = Expected::Colon;
        } else {
            sink(text.as_deref().map_or(Token::Word, Token::Text));
            self.value_ended();
        }
        Ok(())
    }

    fn word_ends(&mut self, sink: &mut impl FnMut(Token<'_>)) -> Result<(), &'static str> {
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.piece).map_err(|_| "it is no JSON")?;
        self.inside = Inside::Nothing;
        sink(Token::Word);
        self.value_ended();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The tokens of a text that arrives in pieces of this size.
    fn tokens(text: &[u8], size: usize) -> Result<Vec<String>, &'static str> {
        let (mut stream, mut found) = (JsonStream::new(), Vec::new());
        let mut sink = |token: Token<'_>| found.push(format!("{token:?}"));
        for chunk in text.chunks(size.max(1)) {
            stream.feed(chunk, &mut sink)?;
        }
        stream.end(&mut sink)?;
        Ok(found)
    }

    fn of_value(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.push(format!("{:?}", Token::Open(Nest::Object)));
                for (key, value) in members {
                    found.push(format!("{:?}", Token::Key(key)));
                    of_value(value, found);
                }
                found.push(format!("{:?}", Token::Close));
            }
            Value::Array(values) => {
                found.push(format!("{:?}", Token::Open(Nest::Array)));
                values.iter().for_each(|value| of_value(value, found));
                found.push(format!("{:?}", Token::Close));
            }
            Value::String(text) => found.push(format!("{:?}", Token::Text(text))),
            _ => found.push(format!("{:?}", Token::Word)),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            "[ -~é\\\\\"\n😀]{0,12}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::vec(("[a-z\"\\\\]{0,4}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn what_is_no_json_is_an_error_wherever_it_is_cut() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "[\"a\" \"b\"]",
            "]",
            "[}",
            "{]",
            "1 2",
            "tru",
            "nul,",
            "\"abc",
            "\"a\nb\"",
            "[01]",
            "+1",
            "{\"a\" 1}",
            "[,1]",
            "\"\\x\"",
            "{}{}",
        ] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
            for size in [1, 2, 100] {
                assert!(tokens(text.as_bytes(), size).is_err(), "{text}");
            }
        }
        assert!(tokens(&[b'[', b'"', 0xff, b'"', b']'], 9).is_err());
        assert!(tokens("[".repeat(1000).as_bytes(), 9).is_err());
    }

    #[test]
    fn a_long_string_is_read_over() {
        let long = "x".repeat(LONGEST_TEXT * 3);
        let text = format!(r#"{{"{long}":["{long}\"","a"]}}"#);
        let expected = ["Open(Object)", "Key(\"\")", "Open(Array)", "Word", "Text(\"a\")", "Close", "Close"];
        assert_eq!(tokens(text.as_bytes(), 7).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn it_says_what_the_whole_text_says(value in any_json(), size in 1_usize..20, pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            let mut expected = Vec::new();
            of_value(&value, &mut expected);
            prop_assert_eq!(tokens(&text, size), Ok(expected));
            let cut = &text[..text.len() - 1];
            prop_assert_eq!(tokens(cut, size).is_ok(), serde_json::from_slice::<Value>(cut).is_ok());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
            let _ = tokens(&bytes, size);
        }
    }
}
