//! Ids of objects, told apart by what they name.

use std::fmt;
use std::str::FromStr;

use gix::ObjectId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) ObjectId);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                ObjectId::from_hex(text.as_bytes())
                    .map(Self)
                    .map_err(|_| format!("{text:?} is not a full object id of 40 hexadecimal digits"))
            }
        }
    };
}

id! {
    /// The id of a commit; prints as 40 hexadecimal digits.
    CommitId
}
id! {
    /// The id of a file's content; equal ids are equal bytes.
    BlobId
}
id! {
    /// The id of a folder's content; equal ids are equal folders, down to every file.
    TreeId
}

impl CommitId {
    /// The id that no commit has: forty zeros.
    #[must_use]
    pub fn none() -> Self {
        Self(ObjectId::null(gix::hash::Kind::Sha1))
    }

    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.to_hex_with_len(10).to_string()
    }
}
