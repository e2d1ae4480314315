//! What the fuzz targets assert of any bytes whatever. Each function panics where a promise is broken.

use lockstep_manifest::{
    EditError, ImagePlace, ScalarEdit, annotate as set_annotations, documents, edit as edit_scalars, images, objects,
    text_of,
};

/// A text that a person may have saved; the first byte chooses the file's name.
fn file_of(data: &[u8]) -> Option<(&'static str, &str)> {
    let (first, rest) = data.split_first()?;
    let file = match first % 3 {
        0 => "file.yaml",
        1 => "kustomization.yaml",
        _ => "values.yaml",
    };
    Some((file, text_of(file, rest).ok()?))
}

/// Reading never panics, and what has objects has documents.
pub fn parse(data: &[u8]) {
    let Some((file, text)) = file_of(data) else { return };
    let (objects, documents) = (objects(file, text), documents(file, text));
    if let Ok(objects) = objects {
        assert!(documents.is_ok(), "objects without documents");
        for object in &objects {
            assert!(object.line >= 1 && object.line <= 1 + text.len(), "an object beyond the file");
            assert!(object.value.is_object(), "an object that is none");
        }
    }
}

/// Every scalar of every image is where it is said to be.
pub fn locate(data: &[u8]) {
    let Some((file, text)) = file_of(data) else { return };
    let Ok(places) = images(file, text) else { return };
    for place in &places {
        assert!(place.spots.each().any(|spot| spot.pointer == place.pointer), "a place beside its scalars");
        for spot in place.spots.each() {
            // Writing what stands there changes nothing, or the scalar cannot be edited at all.
            match edit_scalars(file, text, &[change(place, spot.pointer.clone(), spot.text.clone())]) {
                Ok(same) => assert_eq!(same, text, "{spot:?} is something else"),
                Err(EditError { reason, .. }) => {
                    assert!(!reason.starts_with("nothing stands at"), "{spot:?}: {reason}")
                }
            }
        }
    }
}

/// A new tag changes the lines of its image and no other, and reads back as it was meant.
pub fn edit(data: &[u8]) {
    let Some((file, text)) = file_of(data) else { return };
    let Ok(places) = images(file, text) else { return };
    let digest = format!("sha256:{}", "d".repeat(64));
    for (number, place) in places.iter().enumerate().take(8) {
        let tag = ["1.10", "on", "v2.0.0-rc.1", "2024-01-02", "0x1f", "null", "1e3", "latest"][number];
        let digest = place.text.contains('@').then_some(digest.as_str());
        let (Ok(wanted), Ok(edits)) = (place.with(tag, digest), place.rewrite(tag, digest)) else { continue };
        let Ok(edited) = edit_scalars(file, text, &edits) else { continue };
        let lines: Vec<usize> = place.spots.each().map(|spot| spot.line).collect();
        let (before, after): (Vec<&str>, Vec<&str>) = (text.split('\n').collect(), edited.split('\n').collect());
        assert_eq!(before.len(), after.len(), "lines come or go\n{text}\n{edited}");
        for (index, (before, after)) in before.iter().zip(&after).enumerate() {
            // A carriage return alone ends a line too, so that lines may count for less here.
            assert!(
                before == after || text.contains('\r') || lines.contains(&(index + 1)),
                "line {}\n{text}\n{edited}",
                index + 1
            );
        }
        let again = images(file, &edited).unwrap_or_else(|errors| panic!("{errors:?}\n{text}\n{edited}"));
        assert_eq!(again.len(), places.len(), "places come or go\n{text}\n{edited}");
        assert_eq!(again[number].text, wanted.to_string(), "{text}\n{edited}");
        for (other, (before, after)) in places.iter().zip(&again).enumerate() {
            assert!(other == number || before.text == after.text || overlap(before, place), "{text}\n{edited}");
        }
    }
}

fn overlap(one: &ImagePlace, other: &ImagePlace) -> bool {
    one.document == other.document
        && one.spots.each().any(|spot| other.spots.each().any(|its| its.pointer == spot.pointer))
}

/// An annotation comes and goes and leaves the values as they were.
pub fn annotate(data: &[u8]) {
    let Some((file, text)) = file_of(data) else { return };
    let Ok(objects) = objects(file, text) else { return };
    let values = |text: &str| -> Vec<_> {
        documents(file, text)
            .unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    };
    for object in objects.iter().take(4) {
        let set = [("lockstep.dev/locked".to_owned(), Some("by: hand".to_owned()))].into();
        let Ok(Some(with)) = set_annotations(file, text, &object.id, &set) else { continue };
        let unset = [("lockstep.dev/locked".to_owned(), None)].into();
        if object.value.pointer("/metadata/annotations/lockstep.dev~1locked").is_none()
            && object
                .value
                .pointer("/metadata/annotations")
                .is_some_and(|map| map.as_object().is_some_and(|map| !map.is_empty()))
            && let Ok(Some(without)) = set_annotations(file, &with, &object.id, &unset)
        {
            assert_eq!(values(&without), values(text), "{text}\n{with}\n{without}");
        }
    }
}

fn change(place: &ImagePlace, pointer: String, new: String) -> ScalarEdit {
    ScalarEdit { document: place.document, pointer, new }
}
