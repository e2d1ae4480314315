//! What can be wrong with the objects of a commit.

use std::sync::Arc;

use lockstep_manifest::{Object, ObjectId};

use crate::instructions::Problems;

/// An object that cannot be applied. No message holds a value of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Two places declare one object.
    #[error("{file}:{line}: {object} is declared a second time, first in {first_file}:{first_line}; keep one of them")]
    Duplicate {
        /// The object.
        object: Box<ObjectId>,
        /// File of the second declaration.
        file: Arc<str>,
        /// Line of the second declaration.
        line: usize,
        /// File of the first declaration.
        first_file: Arc<str>,
        /// Line of the first declaration.
        first_line: usize,
    },
    /// A field has a type or a content that the API server would refuse.
    #[error("{file}:{line}: {object}: {field} {problem}")]
    Field {
        /// The object.
        object: Box<ObjectId>,
        /// The file that declares it.
        file: Arc<str>,
        /// The line on which the object begins.
        line: usize,
        /// Path of the field.
        field: String,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
    /// Annotations that say how to apply or delete the object cannot be read.
    #[error("{file}:{line}: {object}: {}", problems.join("; "))]
    Annotations {
        /// The object.
        object: Box<ObjectId>,
        /// The file that declares it.
        file: Arc<str>,
        /// The line on which the object begins.
        line: usize,
        /// Each annotation, and what it must be.
        problems: Vec<String>,
    },
    /// The object depends on one that the commit does not have.
    #[error(
        "{file}:{line}: {object} depends on {dependency}, which is not in this Sync; add it, or take the dependency away"
    )]
    DependencyMissing {
        /// The object.
        object: Box<ObjectId>,
        /// The file that declares it.
        file: Arc<str>,
        /// The line on which the object begins.
        line: usize,
        /// What it depends on.
        dependency: Box<ObjectId>,
    },
    /// Objects that wait for each other.
    #[error("{file}:{line}: no order can be found: {cycle}")]
    Cycle {
        /// One of the objects.
        object: Box<ObjectId>,
        /// The file that declares it.
        file: Arc<str>,
        /// The line on which the object begins.
        line: usize,
        /// All of them with their places, each with what it waits for.
        cycle: String,
    },
}

impl RenderError {
    /// A word for metric labels and event reasons.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "duplicate",
            Self::Field { .. } => "field",
            Self::Annotations { .. } => "annotations",
            Self::DependencyMissing { .. } => "dependency_missing",
            Self::Cycle { .. } => "cycle",
        }
    }

    /// The object that is to blame, with its file and line.
    pub fn place(&self) -> (&ObjectId, &str, usize) {
        match self {
            Self::Duplicate { object, file, line, .. }
            | Self::Field { object, file, line, .. }
            | Self::Annotations { object, file, line, .. }
            | Self::DependencyMissing { object, file, line, .. }
            | Self::Cycle { object, file, line, .. } => (object, file, *line),
        }
    }
}

/// What is wrong with a field, before it is known in which object.
pub(super) type FieldProblem = (String, &'static str);

/// What is wrong with an object, before it is said with which.
pub(super) enum Flaw {
    Field(FieldProblem),
    Annotations(Problems),
}

impl From<FieldProblem> for Flaw {
    fn from(problem: FieldProblem) -> Self {
        Self::Field(problem)
    }
}

impl Flaw {
    pub(super) fn of(self, object: &Object) -> RenderError {
        let (id, file, line) = (Box::new(object.id.clone()), object.file.clone(), object.line);
        match self {
            Self::Field((field, problem)) => RenderError::Field { object: id, file, line, field, problem },
            Self::Annotations(problems) => RenderError::Annotations { object: id, file, line, problems },
        }
    }
}
