//! Everything that is printed: results to standard output, the rest to standard error.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use lockstep_daemon::ExitCode;
use serde::Serialize;

use crate::failure::Failure;

mod table;
mod yaml;

pub(crate) use table::{Cell, Table};

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// YAML
    Yaml,
}

/// How a listing is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    Table,
    /// For people with wide screens
    Wide,
    /// One JSON document
    Json,
    /// YAML
    Yaml,
}

/// A format for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Structured {
    Json,
    Yaml,
}

impl Format {
    pub(crate) fn structured(self) -> Option<Structured> {
        match self {
            Self::Table => None,
            Self::Json => Some(Structured::Json),
            Self::Yaml => Some(Structured::Yaml),
        }
    }
}

impl ListFormat {
    pub(crate) fn structured(self) -> Option<Structured> {
        match self {
            Self::Table | Self::Wide => None,
            Self::Json => Some(Structured::Json),
            Self::Yaml => Some(Structured::Yaml),
        }
    }
}

/// Good, doubtful and bad, and what only separates.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// Text without what would move a terminal's cursor or change its colours; line ends stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |letter: char| letter.is_control() && letter != '\n';
    if text.contains(harmful) { Cow::Owned(text.replace(harmful, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// One line of a result.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{}\n", harmless(text)).as_bytes())
}

/// A result as it is, byte for byte.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// A result for programs. The order of keys is the value's own.
pub(crate) fn structured<T: Serialize>(structured: Structured, value: &T) -> Result<(), Failure> {
    let text = match structured {
        Structured::Json => serde_json::to_string_pretty(value).map_err(|error| unprintable(&error))? + "\n",
        Structured::Yaml => yaml::document(value).map_err(|error| unprintable(&error))?,
    };
    bytes(text.as_bytes())
}

/// Many values as one stream of YAML documents.
pub(crate) fn yaml_documents<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<(), Failure> {
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&yaml::document(&value).map_err(|error| unprintable(&error))?);
    }
    bytes(text.as_bytes())
}

fn unprintable(error: &dyn std::fmt::Display) -> Failure {
    Failure::error(format!("cannot print the result: {error}"))
}

/// A result for people.
pub(crate) fn table(table: &Table) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    table.write(&mut stdout)?;
    Ok(stdout.flush()?)
}

/// Lines of a result for people, each with its look.
#[derive(Default)]
pub(crate) struct Lines(Vec<(Style, String)>);

impl Lines {
    pub(crate) fn plain(&mut self, text: &str) {
        self.styled(Style::new(), text);
    }

    pub(crate) fn styled(&mut self, style: Style, text: &str) {
        self.0.push((style, harmless(text).replace('\n', " ")));
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        let mut stdout = anstream::stdout().lock();
        for (style, text) in &self.0 {
            writeln!(stdout, "{style}{text}{style:#}")?;
        }
        Ok(stdout.flush()?)
    }
}

/// What a person may want to know besides the result.
pub(crate) fn note(text: &str) {
    complain("note", DOUBTFUL, text);
}

/// What went wrong.
pub(crate) fn failure(failure: &Failure) {
    let (label, style) = match failure.code() {
        ExitCode::Held => ("held", DOUBTFUL),
        ExitCode::Unhealthy => ("not healthy", BAD),
        _ => ("error", BAD),
    };
    for problem in failure.problems() {
        complain(label, style, problem);
    }
    if let Some(next) = failure.what_next() {
        // A standard error that cannot be written to leaves nobody to tell.
        let _ = writeln!(anstream::stderr().lock(), "{}", harmless(next));
    }
}

fn complain(label: &str, style: Style, text: &str) {
    let style = style.bold();
    let _ = writeln!(anstream::stderr().lock(), "{style}{label}:{style:#} {}", harmless(text));
}

/// Help and version to standard output, what is wrong with the words to standard error.
pub(crate) fn parse_error(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_of_a_terminal() {
        for (given, wanted) in [
            ("plain\ntext", "plain\ntext"),
            ("\u{1b}[31mred\u{1b}]0;title\u{7}", "\u{fffd}[31mred\u{fffd}]0;title\u{fffd}"),
            ("a\rb\u{9b}c", "a\u{fffd}b\u{fffd}c"),
        ] {
            assert_eq!(harmless(given), wanted);
        }
    }
}
