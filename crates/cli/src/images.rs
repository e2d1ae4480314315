//! What is done with images: choose a tag, write a reference, list and explain the places that the automator knows.

mod explain;
mod folder;
mod foreign;
mod list;
mod select;
mod set;
mod tags_file;

pub(crate) use explain::ExplainArguments;
pub(crate) use folder::FolderArguments;
pub(crate) use list::ListArguments;
pub(crate) use select::SelectArguments;
pub(crate) use set::SetArguments;
