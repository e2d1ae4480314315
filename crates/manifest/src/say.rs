//! Writing what a comment says about an image: the comment changes, and no value does.

use std::collections::BTreeMap;

use crate::edit::{first, refusal};
use crate::error::EditError;
use crate::image_place::{Form, ImagePlace, PlaceComment};
use crate::images::{comment_of, images};
use crate::lines::line_after;
use crate::object::documents;
use crate::parse::{Comments, parse};
use crate::place::Place;

/// The text with the policy and these options in the comment of the image, options removed where they are `None`; nothing
/// where it says so already. A comment is begun where there is none.
///
/// # Errors
///
/// The edit is refused where the comment is another tool's or somebody's own words, where it stands in a text within the
/// file, and where it would not be read back as it was meant.
pub fn say(
    file: &str,
    text: &str,
    place: &ImagePlace,
    policy: Option<&str>,
    options: &BTreeMap<String, Option<String>>,
) -> Result<Option<String>, EditError> {
    let old = place.comment.as_ref();
    let line = old.map_or(place.line, |comment| comment.line);
    let refuse = |reason: &str| Err(refusal(file, line, reason));
    if place.form == Form::Setter {
        return refuse("the comment there is a setter of Flux; change its ImagePolicy");
    }
    let begun = PlaceComment { policy: String::new(), options: BTreeMap::new(), line };
    let mut wanted = old.cloned().unwrap_or(begun);
    if let Some(policy) = policy {
        policy.trim().clone_into(&mut wanted.policy);
    }
    for (key, value) in options {
        match value {
            Some(value) => wanted.options.insert(key.clone(), value.clone()),
            None => wanted.options.remove(key),
        };
    }
    if old == Some(&wanted) {
        return Ok(None);
    }
    let Some(written) = comment_of(&wanted.policy, &wanted.options) else {
        return refuse(
            "this cannot stand in a comment: leave out line breaks, quotes, and brackets that look like options",
        );
    };
    let tree = parse(file, text, Comments::Kept)?;
    let comment = tree.comments.iter().find(|comment| comment.line == line);
    let result = match (comment, old) {
        (Some(comment), Some(_)) => {
            let span = comment.span.clone();
            let content = text[span.clone()].trim_start_matches('#').trim_start();
            let start = span.end - content.len();
            format!("{}{written}{}", &text[..start], &text[start + content.trim_end().len()..])
        }
        (Some(_), None) => return refuse("another comment stands there; write ours by hand"),
        (None, Some(_)) => return refuse("the comment stands in a text within the file; change it by hand"),
        (None, None) => {
            let root = Place::root(&tree, place.document).and_then(|root| root.pointer(&tree, &place.pointer));
            let Some((scalar, "")) = root else {
                return refuse("the image stands in a text within the file; write the comment by hand");
            };
            let end = tree.node(scalar.node).span().end;
            let rest = line_after(text, end);
            if scalar.flow || !text[end..rest.content_end].trim().is_empty() {
                return refuse("no comment can stand behind the value there; write it on a line of its own");
            }
            format!("{} # {written}{}", &text[..end], &text[end..])
        }
    };
    prove(file, text, &result, place, &wanted)?;
    Ok(Some(result))
}

/// Refuses a result whose values are others, or whose comment says something else.
fn prove(file: &str, text: &str, result: &str, place: &ImagePlace, wanted: &PlaceComment) -> Result<(), EditError> {
    let wrong = |errors| first(file, errors);
    let values = documents(file, text).map_err(wrong)? == documents(file, result).map_err(wrong)?;
    let same = |other: &&ImagePlace| {
        other.document == place.document && other.container == place.container && other.object == place.object
    };
    let images = images(file, result).map_err(wrong)?;
    let read = images.iter().find(same).and_then(|place| place.comment.as_ref());
    if values && read == Some(wanted) {
        Ok(())
    } else {
        Err(refusal(file, wanted.line, "the comment would not be read back; write it by hand"))
    }
}
