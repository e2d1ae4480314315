//! Files that a person names; `-` is standard input.

use std::fs::File;
use std::io::{self, Read};

use camino::Utf8Path;

use crate::failure::Failure;

const STANDARD_INPUT: &str = "-";

/// Bytes, and what errors call the place that they came from.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn is_standard_input(path: &Utf8Path) -> bool {
    path == STANDARD_INPUT
}

impl Input {
    pub(crate) fn read(path: &Utf8Path) -> Result<Self, Failure> {
        let standard_input = is_standard_input(path);
        let name = if standard_input { "<stdin>" } else { path.as_str() };
        let mut bytes = Vec::new();
        let read = if standard_input {
            io::stdin().lock().read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
        };
        read.map_err(|error| Failure::error(format!("cannot read {name}: {error}")))?;
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// The text, with its byte-order mark if there is one.
    pub(crate) fn text(&self) -> Result<&str, Failure> {
        lockstep_manifest::text_of(&self.name, &self.bytes).map_err(Failure::error)
    }
}
