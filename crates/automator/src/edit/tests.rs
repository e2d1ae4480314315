use lockstep_manifest::{ObjectId, ScalarEdit};

use crate::places::PlaceId;

use super::*;

fn change(pointer: &str, to: &str) -> Move {
    let object = ObjectId::new("", "Pod", "", "a");
    Move {
        place: PlaceId { file: "pod.yaml".to_owned(), object, container: "web".to_owned() },
        edits: vec![ScalarEdit { document: 0, pointer: pointer.to_owned(), new: to.to_owned() }],
        line: 1,
        from: String::new(),
        to: to.to_owned(),
        tag: String::new(),
        digest: None,
        group: None,
        evidence: Vec::new(),
    }
}

#[test]
fn a_refused_move_keeps_no_other_from_being_made() {
    let head = "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\nx: &a web:1 # shared\r\nshared: *a\r\n";
    let text = format!("{head}quoted: 'web:1'   # quoted\r\nw: web:1\r\n");
    let moves = vec![change("/shared", "web:2"), change("/quoted", "web:2"), change("/w", "web:3")];
    let edited = edit("pod.yaml", text.as_bytes(), moves);
    let expected = format!("{head}quoted: 'web:2'   # quoted\r\nw: web:3\r\n");
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), expected);
    assert_eq!((edited.made.len(), edited.refused.len()), (2, 1));
    let refusal = &edited.refused[0].1.message;
    assert!(refusal.starts_with("pod.yaml:5: the value comes from an alias"), "{refusal}");
}

#[test]
fn a_file_that_is_no_text_is_refused_whole() {
    let bytes = [0xff, 0xfe, b'a', 0];
    let edited = edit("pod.yaml", &bytes, vec![change("/shared", "web:2")]);
    assert_eq!((edited.made.len(), edited.refused.len(), edited.bytes.as_slice()), (0, 1, bytes.as_slice()));
}

#[test]
fn many_moves_in_one_file_are_made_together_and_refused_one_by_one() {
    let line = |number: usize, tag: usize| match number % 100 {
        7 => format!("k{number}: *shared\n"),
        _ => format!("k{number}: web:{tag} # {number}\n"),
    };
    let text = |tag: usize| -> String {
        let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx: &shared web:1\n".to_owned();
        (0..1000).fold(head, |text, number| text + &line(number, tag))
    };
    let moves: Vec<Move> = (0..1000).map(|number| change(&format!("/k{number}"), "web:2")).collect();
    let edited = edit("pod.yaml", text(1).as_bytes(), moves.clone());
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), text(2));
    let (refused, made): (Vec<Move>, Vec<Move>) = moves
        .into_iter()
        .partition(|change| change.edits[0].pointer.ends_with("07") || change.edits[0].pointer == "/k7");
    assert_eq!(edited.made, made, "in their order");
    assert_eq!(edited.refused.iter().map(|(change, _)| change.clone()).collect::<Vec<_>>(), refused);
}
