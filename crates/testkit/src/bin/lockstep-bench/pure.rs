//! Pure work: the manifests of a large repository, parsed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use lockstep_manifest::{ScalarEdit, objects};
use lockstep_plan::{Ownership, Scope, place, render};

use crate::stage::{name, one};
use crate::table::{Row, Table, middle};

const OBJECTS: usize = 10_000;
const ROUNDS: usize = 5;

/// Parses and hashes 10,000 objects, small and larger ones, beside the bare events of the parser.
pub(crate) fn parse(table: &mut Table) -> Result<()> {
    for (what, padding) in [("small", 0), ("larger", 800)] {
        let filler = "x".repeat(padding);
        let files: Vec<String> = (0..OBJECTS / 10)
            .map(|file| {
                let object = |number: usize| one(&name(file * 10 + number), &format!("first{filler}"));
                (0..10).map(object).collect()
            })
            .collect();
        let bytes: usize = files.iter().map(String::len).sum();
        let ours = times(|| parse_all(&files))?;
        let bare = times(|| events(&files))?;
        let ratio = ours.as_secs_f64() / bare.as_secs_f64();
        let megabytes = bytes as f64 / 1e6;
        table.add(
            Row::new(&format!("parse and hash {OBJECTS} {what} objects ({megabytes:.1} MB), one core"), OBJECTS)
                .value(ours)
                .limit(bare)
                .budget("1.5 × the limit", ratio <= 1.5),
        );
    }
    Ok(())
}

/// Changes one image in the middle of a file of one megabyte, beside the parse of that file alone.
pub(crate) fn edit(table: &mut Table) -> Result<()> {
    const SIZE: usize = 1_000_000;
    let mut text = String::from("apiVersion: x.example/v1\nkind: Large\nmetadata: {name: large}\nspec:\n  list:\n");
    let mut count = 0;
    while text.len() < SIZE {
        text.push_str(&format!(
            "  - name: web-{count}\n    image: ghcr.io/acme/web-{count}:1.2.{count} # ours\n    resources: {{limits: {{cpu: 100m, memory: 128Mi}}}}\n"
        ));
        count += 1;
    }
    let middle = ScalarEdit {
        document: 0,
        pointer: format!("/spec/list/{}/image", count / 2),
        new: "ghcr.io/acme/web:2.0.0".to_owned(),
    };
    let edits = [middle];
    let edited = times(|| Ok(lockstep_manifest::edit("file.yaml", &text, &edits)?.len()))?;
    let parsed = times(|| Ok(objects("file.yaml", &text).map_err(|errors| anyhow!("{errors:?}"))?.len()))?;
    let ratio = edited.as_secs_f64() / parsed.as_secs_f64();
    table.add(
        Row::new("change one image in a file of 1 MB, beside its parse", 1)
            .value(edited)
            .limit(parsed)
            .budget("2 × the limit", ratio <= 2.0),
    );
    let files = [text];
    let bare = times(|| events(&files))?;
    let ratio = edited.as_secs_f64() / bare.as_secs_f64();
    table.add(
        Row::new("change one image in a file of 1 MB, beside the bare events of the parser", 1)
            .value(edited)
            .limit(bare)
            .budget("2 × the limit", ratio <= 2.0),
    );
    Ok(())
}

/// The usual time of the work.
pub(crate) fn times(mut work: impl FnMut() -> Result<usize>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(work()?);
        times.push(start.elapsed());
    }
    Ok(middle(&times))
}

fn parse_all(files: &[String]) -> Result<usize> {
    let ownership = Ownership { sync: "bench".into(), sync_namespace: "bench".into() };
    let mut bytes = 0;
    for text in files {
        for object in objects("file.yaml", text).map_err(|errors| anyhow!("{errors:?}"))? {
            let placed = place(object, Scope::Namespaced).object;
            bytes += render(placed, &ownership)?.hash.len();
        }
    }
    Ok(bytes)
}

/// The bare events of the parser.
pub(crate) fn events(files: &[String]) -> Result<usize> {
    let mut events = 0;
    for text in files {
        for event in granit_parser::Parser::new_from_str(text) {
            event.map_err(|error| anyhow!("{error}"))?;
            events += 1;
        }
    }
    Ok(events)
}
