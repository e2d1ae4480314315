//! What an image is called, and which tag is newest under a policy.
//!
//! Everything here is a function of its arguments: no network, no clock, no files. A decision is made
//! from the tags that a registry listed, what is known about each, and the rule that a person wrote:
//!
//! ```text
//! text ─► Reference            text ─► Policy ─► Rule ─┐
//!                              tags ─► Candidate ──────┼─► select ─► Selection; explain ─► a verdict per tag too
//!                              place ─► Question ──────┘
//! ```
//!
//! ```
//! use lockstep_image::{Candidate, Outcome, Policy, Question, Rule, select};
//!
//! let rule = Rule::new(Policy::parse("semver:~1.4", Some("1.4.2"))?);
//! let tags = ["1.4.2", "1.4.10", "1.4.10-alpine", "1.5.0"].map(Candidate::new);
//! let question = Question { current: Some("1.4.2"), candidates: &tags, ..Question::default() };
//! assert_eq!(select(&rule, &question).outcome, Outcome::Selected("1.4.10".to_owned()));
//! # Ok::<(), lockstep_image::PolicyError>(())
//! ```

mod platform;
mod reference;

mod number;
mod prerelease;
mod tag;

mod calver;
mod range;

mod duration;
mod glob;
mod policy;
mod question;
mod rule;

mod foreign;

mod clock;
mod eligible;
mod reason;
mod select;

pub mod compat;

pub use calver::FormatError;
pub use duration::{DurationError, parse_duration};
pub use platform::{Platform, PlatformError};
pub use policy::{Policy, PolicyError};
pub use question::{Candidate, Explanation, Judged, Outcome, Question, Selection, Verified, Want};
pub use range::{Range, RangeError};
pub use reference::{Reference, ReferenceError};
pub use rule::{FilterError, Rule, TagFilter};
pub use select::{explain, select};
pub use tag::Tag;
