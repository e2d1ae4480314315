//! Generated protobuf types of the API between the daemons, and their conversions.
//!
//! The contract is the text under `proto/lockstep/v1`: `Updates` is served by the automator and
//! dialled by the synchronizers, `Syncs` is served by the synchronizer and dialled by people and
//! pipelines. Nothing here is written by hand but the few conversions that need no other type of
//! the workspace; a daemon converts its own domain types at its own edge.
//!
//! ```text
//! proto/lockstep/v1/*.proto ─protox─► descriptors ─tonic-prost─► v1::{updates,syncs}_{client,server}
//!                                        └──► FILE_DESCRIPTOR_SET (reflection)
//! ```
//!
//! | service   | call         | shape                 | meaning                                          |
//! | --------- | ------------ | --------------------- | ------------------------------------------------ |
//! | `Updates` | `Exchange`   | both ways, one stream | states of Syncs go up, new branch heads go down  |
//! | `Updates` | `Scan`       | one answer            | look at the registries now                       |
//! | `Updates` | `ListImages` | one answer            | every place and what was decided for it          |
//! | `Updates` | `Explain`    | one answer            | every tag of a place, and why it is kept or not  |
//! | `Updates` | `History`    | one answer            | who changed which image when, from Git           |
//! | `Updates` | `Change`     | one answer            | a commit that a person asks for                  |
//! | `Syncs`   | `Trigger`    | one answer            | start a turn; with `wait`, answer when it is over |
//! | `Syncs`   | `Get`, `List`| one answer            | the state of one Sync, or of many                |
//! | `Syncs`   | `Watch`      | answers in a stream   | the state now and at each change                 |

mod time;
mod words;

pub use time::{seconds_and_nanos, timestamp};

/// The generated types and services of `lockstep.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the proto files, which carry the documentation"
)]
pub mod v1 {
    tonic::include_proto!("lockstep.v1");
}

/// The encoded `FileDescriptorSet` of `lockstep.v1` and all it imports, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("lockstep.v1");
