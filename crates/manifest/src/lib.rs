//! YAML text and the objects in it: one parse gives values and the span of every node.
//!
//! A value means what kubectl makes of it (go-yaml v2: `on`, `y`, `0644`, merge keys in the order they stand), and text
//! that kubectl would read in two ways, such as a key that stands twice, is an error with file, line and field. An edit
//! replaces the bytes of one scalar and proves, by parsing the result, that nothing else changed. Every file is read
//! within a budget of bytes, documents, values and depth.
//!
//! ```text
//! bytes ─text_of─► text ─parse─► tree ─check─► find ─► objects, images, comments
//!                                  └─► place ─► edit, annotate ─► text
//! ```

mod annotate;
mod choose;
mod comments;
mod edit;
mod error;
mod identity;
mod image_place;
mod images;
mod lines;
mod object;
mod overlay;
mod parse;
mod place;
mod quote;
mod say;
mod scalar;
mod text;
mod tree;
mod value;
mod vocabulary;

pub use {annotate::annotate, say::say};

pub use choose::{Selector, canonical_kind, set_image};
pub use edit::{ScalarEdit, edit};
pub use error::{EditError, ManifestError};
pub use identity::{Names, ObjectId, ObjectIdError};
pub use image_place::{Form, ImagePlace, PlaceComment, Spot, Spots};
pub use images::{images, mentions_updates};
pub use object::{Object, documents, objects};
pub use overlay::{Overlay, Overlays};
pub use text::text_of;
pub use vocabulary::{AUTOMATOR_KEYS, MARK_KEYS, SYNCHRONIZER_KEYS};
