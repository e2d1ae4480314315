//! The functions of the fuzz targets, over their seeds, the golden documents and mutations of both.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the test reads its own seeds")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the crate of the fuzz targets")]
mod targets;

/// As many mutations of each seed are tried.
const MUTATIONS: usize = 30;

const DICTIONARY: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    ": ",
    "- ",
    "#",
    " # lockstep: semver:~1",
    " # {\"$imagepolicy\": \"a:b\"}",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    ">\n",
    "'",
    "\"",
    "---\n",
    "...\n",
    "!!str ",
    "? ",
    "\u{feff}",
    "é",
    "\u{85}",
    "\u{2028}",
    "~",
    "null",
    "image: a:1",
    "tag: 1",
    "name: ",
    "metadata:",
    "annotations:",
    "items:",
    "{{",
    "@sha256:",
    ":",
    "\\",
    "%YAML 1.2\n",
];

/// Xorshift64 (Marsaglia, 2003): the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn mutate(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(3) {
            let (from, length) = (self.below(bytes.len()), self.below(12));
            let to = (from + length).min(bytes.len());
            match self.below(5) {
                0 => drop(bytes.drain(from..to)),
                1 => {
                    let piece = bytes[from..to].to_vec();
                    let at = self.below(bytes.len());
                    bytes.splice(at..at, piece);
                }
                2 if !bytes.is_empty() => bytes[from] = self.below(128) as u8,
                3 => bytes.truncate(bytes.len() - self.below(bytes.len() / 4)),
                _ => {
                    let word = DICTIONARY[self.below(DICTIONARY.len())];
                    bytes.splice(from..from, word.bytes());
                }
            }
        }
        bytes
    }
}

fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files: Vec<PathBuf> =
        fs::read_dir(root.join("fuzz/seeds")).unwrap().map(|file| file.unwrap().path()).collect();
    let golden = fs::read_dir(root.join("tests/golden/edit")).unwrap();
    files.extend(golden.map(|folder| folder.unwrap().path().join("original.yaml")));
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn all(target: fn(&[u8])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let seeds = seeds();
    assert!(seeds.len() >= 40, "only {} seeds", seeds.len());
    for seed in &seeds {
        for name in 0..3_u8 {
            let mut data = vec![name];
            data.extend_from_slice(seed.as_bytes());
            target(&data);
        }
        for _ in 0..MUTATIONS {
            let mut data = vec![random.below(3) as u8];
            data.extend(random.mutate(seed));
            target(&data);
        }
    }
}

#[test]
fn parse() {
    all(targets::parse);
}

#[test]
fn locate() {
    all(targets::locate);
}

#[test]
fn edit() {
    all(targets::edit);
}

#[test]
fn annotate() {
    all(targets::annotate);
}
