//! Columns of text, as wide as they must be.

use std::io::{self, Write};

use anstyle::Style;

use super::harmless;

/// Between two columns.
const GAP: usize = 3;
/// Stands where there is nothing to say.
const NOTHING: &str = "-";

/// A header and rows of as many cells.
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One line of text and how it looks.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    fn shown(&self) -> String {
        let text = harmless(self.text.trim()).replace('\n', " ");
        if text.is_empty() { NOTHING.to_owned() } else { text }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

impl Table {
    pub(crate) fn new(header: impl IntoIterator<Item = &'static str>) -> Self {
        Self { header: header.into_iter().collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let header: Vec<Cell> = self.header.iter().map(|name| Cell::styled(*name, Style::new().bold())).collect();
        let rows: Vec<Vec<(String, Style)>> = std::iter::once(&header)
            .chain(&self.rows)
            .map(|row| row.iter().map(|cell| (cell.shown(), cell.style)).collect())
            .collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        for row in &rows {
            let last = row.len().saturating_sub(1);
            for (column, ((text, style), width)) in row.iter().zip(&widths).enumerate() {
                write!(out, "{style}{text}{style:#}")?;
                if column < last {
                    let room = width - text.chars().count() + GAP;
                    write!(out, "{:room$}", "")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_rows_stay_rows() {
        let mut table = Table::new(["NAME", "READY", "MESSAGE"]);
        table.row(["shop".into(), Cell::styled("True", crate::output::GOOD), "applied\nand healthy".into()]);
        table.row(["größer-als-alle".into(), "".into(), "\u{1b}[2J".into()]);
        let mut written = Vec::new();
        table.write(&mut anstream::StripStream::new(&mut written)).unwrap();
        let expected = "NAME              READY   MESSAGE\nshop              True    applied and healthy\n\
                        größer-als-alle   -       \u{fffd}[2J\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
