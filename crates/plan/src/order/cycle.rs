//! Objects that wait for each other, in words.

use super::graph::Graph;
use super::{Wave, kinds::Rank};
use crate::render::{RenderError, Rendered};

/// So many circles are told; the rest appears when these are undone.
const TOLD: usize = 10;

/// The circles in the graph of all objects of a commit.
pub(super) fn cycles(graph: &Graph, objects: &[Rendered]) -> Vec<RenderError> {
    let mut left = stuck(graph);
    let mut errors = Vec::new();
    while errors.len() < TOLD
        && let Some(start) = (0..left.len()).filter(|node| left[*node]).min_by_key(|node| name(objects, *node))
    {
        let cycle = walk(graph, objects, &left, start);
        errors.push(told(graph, objects, &cycle));
        cycle.iter().for_each(|node| left[*node] = false);
        release(graph, &mut left);
    }
    errors
}

fn name(objects: &[Rendered], node: usize) -> (bool, Option<&lockstep_manifest::ObjectId>) {
    let id = objects.get(node).map(|rendered| &rendered.object.id);
    (id.is_none(), id)
}

/// The nodes that never become ready.
fn stuck(graph: &Graph) -> Vec<bool> {
    let mut left = vec![true; graph.waits_for.len()];
    release(graph, &mut left);
    left
}

/// Takes out what waits for nothing that is left, again and again.
fn release(graph: &Graph, left: &mut [bool]) {
    let open = |left: &[bool], node: usize| graph.waits_for[node].iter().filter(|needed| left[**needed]).count();
    let mut counts: Vec<usize> = (0..left.len()).map(|node| open(left, node)).collect();
    let mut ready: Vec<usize> = (0..left.len()).filter(|node| left[*node] && counts[*node] == 0).collect();
    let waiting = graph.waiting();
    while let Some(node) = ready.pop() {
        left[node] = false;
        for next in &waiting[node] {
            counts[*next] = counts[*next].saturating_sub(1);
            if left[*next] && counts[*next] == 0 {
                ready.push(*next);
            }
        }
    }
}

/// From a node that is stuck to what it waits for, until a node comes again.
fn walk(graph: &Graph, objects: &[Rendered], left: &[bool], start: usize) -> Vec<usize> {
    let mut way = vec![start];
    loop {
        let node = way[way.len() - 1];
        let needed = graph.waits_for[node].iter().copied().filter(|needed| left[*needed]);
        // What is stuck waits for something that is stuck.
        let Some(next) = needed.min_by_key(|node| name(objects, *node)) else { return way };
        if let Some(first) = way.iter().position(|known| *known == next) {
            way.drain(..first);
            // Begins with an object, not with a wave.
            let turn = way.iter().position(|node| *node < objects.len()).unwrap_or_default();
            way.rotate_left(turn);
            return way;
        }
        way.push(next);
    }
}

fn told(graph: &Graph, objects: &[Rendered], cycle: &[usize]) -> RenderError {
    let members: Vec<usize> = cycle.iter().copied().filter(|node| *node < objects.len()).collect();
    let steps: Vec<String> = members
        .iter()
        .zip(members.iter().cycle().skip(1))
        .map(|(at, needed)| {
            let (this, other) = (place(&objects[*at]), place(&objects[*needed]));
            match relation(graph, objects, *at, *needed) {
                Relation::Dependency => format!("{this} depends on {other}"),
                Relation::Inside => format!("{this} is in {other}"),
                Relation::Kind => format!("{this} needs its definition {other}"),
                Relation::Wave => {
                    let (mine, theirs) = (number(graph.waves[*at]), number(graph.waves[*needed]));
                    format!("{this} of {mine} comes after {other} of {theirs}")
                }
            }
        })
        .collect();
    let first = &objects[members[0]].object;
    RenderError::Cycle {
        object: Box::new(first.id.clone()),
        file: first.file.clone(),
        line: first.line,
        cycle: steps.join(", "),
    }
}

enum Relation {
    Dependency,
    Inside,
    Kind,
    Wave,
}

fn relation(graph: &Graph, objects: &[Rendered], at: usize, needed: usize) -> Relation {
    if graph.dependencies[at].contains(&needed) {
        Relation::Dependency
    } else if !graph.waits_for[at].contains(&needed) {
        Relation::Wave
    } else if Rank::of(&objects[needed].object.id) == Rank::Namespace {
        Relation::Inside
    } else {
        Relation::Kind
    }
}

fn place(rendered: &Rendered) -> String {
    format!("{} ({}:{})", rendered.object.id.short(), rendered.object.file, rendered.object.line)
}

fn number(wave: Wave) -> String {
    match wave {
        Wave::Number(number) => format!("wave {number}"),
        Wave::Free => "no wave".to_owned(),
        Wave::Last => "the last wave".to_owned(),
    }
}
