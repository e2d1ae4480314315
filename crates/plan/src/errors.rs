//! What a failed call to the API server means: try again, look again, or tell a person.

/// What a failure means. Codes alone do not tell: some answers 500 are about the manifest and stay so for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The server or something behind it is not well: try again, with back-off.
    Transient,
    /// Too many requests: try again when `Retry-After` says so.
    Throttled,
    /// The namespace is going: try again until it is gone, other namespaces are not affected.
    NamespaceTerminating,
    /// The credentials were refused: read them again and try once more.
    Unauthorized,
    /// A right is missing. Nothing follows from it about what exists.
    Forbidden,
    /// The object or its kind is not there.
    NotFound,
    /// Somebody wrote in between: read again, decide again.
    Conflict,
    /// The resource version or the continue token is too old: list again.
    Expired,
    /// A field that cannot change was changed.
    Immutable,
    /// An admission webhook or policy said no.
    Denied,
    /// The manifest is wrong, and stays wrong until Git changes.
    Invalid,
}

impl Class {
    /// Whether the same call may succeed later without a new commit.
    pub fn is_transient(self) -> bool {
        !matches!(self, Self::Immutable | Self::Invalid)
    }

    /// A word for metric labels and event reasons.
    pub fn category(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::NamespaceTerminating => "namespace_terminating",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::Immutable => "immutable",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
        }
    }
}

/// Answers 5xx that no repetition changes: the manifest cannot be read as its kind, or is too large for etcd.
const FINAL_TEXTS: [&str; 5] = [
    "failed to create typed patch object",
    "failed to create typed live object",
    "failed to convert new object",
    "etcdserver: request is too large",
    "trying to send message larger than max",
];
/// How validation says that a field is fixed for the life of the object.
const IMMUTABLE_TEXTS: [&str; 12] = [
    "immutable",
    "may not change once set",
    "may not be changed in an update",
    "primary clusterip can not be unset",
    "updates to statefulset spec for fields other than",
    "updates to poddisruptionbudget spec are forbidden",
    "updates to parameters are forbidden",
    "updates to provisioner are forbidden",
    "updates to reclaimpolicy are forbidden",
    "pod updates may not change fields other than",
    "spec is forbidden after creation",
    "cannot change roleref",
];

/// Reads the status of a failed call: its code (0 where there was no answer at all), reason and message.
pub fn classify(code: u16, reason: &str, message: &str) -> Class {
    let lower = message.to_lowercase();
    // A webhook that cannot be reached answers under many codes.
    if lower.contains("failed calling webhook") || (lower.contains("conversion webhook") && lower.contains("failed")) {
        return Class::Transient;
    }
    if lower.contains("denied the request") || (lower.contains("validatingadmissionpolicy") && lower.contains("denied"))
    {
        return if is_immutable(&lower) { Class::Immutable } else { Class::Denied };
    }
    if code == 403 && lower.contains("exceeded quota") {
        return Class::Denied;
    }
    if FINAL_TEXTS.iter().any(|text| lower.contains(text)) {
        return Class::Invalid;
    }
    match (code, reason) {
        (429, _) | (_, "TooManyRequests") => Class::Throttled,
        (401, _) => Class::Unauthorized,
        (403, _) if reason == "NamespaceTerminating" || lower.contains("being terminated") => {
            Class::NamespaceTerminating
        }
        (403 | 422, _) if is_immutable(&lower) => Class::Immutable,
        (403, _) => Class::Forbidden,
        (404, _) => Class::NotFound,
        (409, _) => Class::Conflict,
        (410, _) | (_, "Expired") => Class::Expired,
        (408, _) => Class::Transient,
        (400..=499, _) => Class::Invalid,
        _ => Class::Transient,
    }
}

/// The field that a refusal calls immutable, as the API server names it: `spec.selector`.
pub fn immutable_field(message: &str) -> Option<&str> {
    let (_, problems) = message.split_once(" is invalid: ")?;
    let field = problems.trim_start_matches('[').split_once(": ")?.0;
    (!field.is_empty() && !field.contains(' ')).then_some(field)
}

fn is_immutable(lower: &str) -> bool {
    IMMUTABLE_TEXTS.iter().any(|text| lower.contains(text)) && !lower.contains("not immutable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_classified_by_text_where_the_code_misleads() {
        let table = [
            (0, "", "connection refused", Class::Transient),
            (500, "InternalError", "etcdserver: leader changed", Class::Transient),
            (500, "", "etcdserver: request timed out", Class::Transient),
            (504, "Timeout", "request did not complete within requested timeout", Class::Transient),
            (503, "ServiceUnavailable", "the server is currently unable to handle the request", Class::Transient),
            (
                500,
                "",
                "failed to create typed patch object (a/x; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
                Class::Invalid,
            ),
            (
                500,
                "InternalError",
                "failed to convert new object (a/x; /v1, Kind=Secret) to smd typed: illegal base64 data at input byte 3",
                Class::Invalid,
            ),
            (500, "", "etcdserver: request is too large", Class::Invalid),
            (
                500,
                "",
                "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3145728 vs. 2097152)",
                Class::Invalid,
            ),
            (
                500,
                "",
                "conversion webhook for example.com/v1, Kind=Widget failed: Post \"https://x\": connect: connection refused",
                Class::Transient,
            ),
            (
                500,
                "InternalError",
                "Internal error occurred: failed calling webhook \"x.example.com\": connect: connection refused",
                Class::Transient,
            ),
            (403, "Forbidden", "admission webhook \"x.example.com\" denied the request: no", Class::Denied),
            (
                400,
                "BadRequest",
                "admission webhook \"x.example.com\" denied the request: the spec is immutable",
                Class::Immutable,
            ),
            (422, "Invalid", "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no", Class::Denied),
            (403, "NamespaceTerminating", "", Class::NamespaceTerminating),
            (
                403,
                "Forbidden",
                "unable to create new content in namespace a because it is being terminated",
                Class::NamespaceTerminating,
            ),
            (403, "Forbidden", "configmaps is forbidden: User \"x\" cannot patch", Class::Forbidden),
            (401, "Unauthorized", "Unauthorized", Class::Unauthorized),
            (404, "NotFound", "namespaces \"a\" not found", Class::NotFound),
            (409, "Conflict", "the object has been modified", Class::Conflict),
            (410, "Expired", "too old resource version", Class::Expired),
            (429, "TooManyRequests", "please try again later", Class::Throttled),
            (
                422,
                "Invalid",
                "Deployment.apps \"x\" is invalid: spec.selector: Invalid value: …: field is immutable",
                Class::Immutable,
            ),
            (
                422,
                "Invalid",
                "spec.clusterIPs[0]: Invalid value: []string{\"10.0.0.2\"}: may not change once set",
                Class::Immutable,
            ),
            (
                422,
                "Invalid",
                "StatefulSet.apps \"x\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
                Class::Immutable,
            ),
            (
                422,
                "Invalid",
                "the ImmutableSinceFirstWrite \"test1\" is invalid: value: Invalid value: \"string\": Value is immutable",
                Class::Immutable,
            ),
            (422, "Invalid", "spec.x: Invalid value: is not immutable", Class::Invalid),
            (
                422,
                "Invalid",
                "RoleBinding.rbac.authorization.k8s.io \"a\" is invalid: roleRef: Invalid value: …: cannot change roleRef",
                Class::Immutable,
            ),
            (
                422,
                "Invalid",
                "StorageClass.storage.k8s.io \"a\" is invalid: parameters: Forbidden: updates to parameters are forbidden.",
                Class::Immutable,
            ),
            (
                422,
                "Invalid",
                "PriorityClass.scheduling.k8s.io \"a\" is invalid: value: Forbidden: may not be changed in an update.",
                Class::Immutable,
            ),
            (
                422,
                "Invalid",
                "PersistentVolumeClaim \"a\" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests",
                Class::Immutable,
            ),
            (
                403,
                "Forbidden",
                "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
                Class::Denied,
            ),
            (
                409,
                "Conflict",
                "Operation cannot be fulfilled on configmaps \"a\": the UID in the precondition (x) does not match the UID in record (y). The object might have been deleted and then recreated",
                Class::Conflict,
            ),
            (409, "Conflict", "Apply failed with 1 conflict: conflict with \"kubectl\": .data.a", Class::Conflict),
            (409, "AlreadyExists", "configmaps \"a\" already exists", Class::Conflict),
            (429, "TooManyRequests", "storage is (re)initializing", Class::Throttled),
            (
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result",
                Class::Expired,
            ),
            (
                500,
                "InternalError",
                "Internal error occurred: failed calling webhook \"x.example.com\": failed to call webhook: Post \"https://x\": context deadline exceeded",
                Class::Transient,
            ),
            (
                500,
                "",
                "failed to create typed patch object (a/x; apps/v1, Kind=Deployment): errors:\n  .spec.template.spec.containers: duplicate entries for key [name=\"a\"]",
                Class::Invalid,
            ),
            (
                422,
                "Invalid",
                "ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes",
                Class::Invalid,
            ),
            (504, "Timeout", "Timeout: Too large resource version: 9, current: 5", Class::Transient),
            (405, "MethodNotAllowed", "the server does not allow this method", Class::Invalid),
            (413, "RequestEntityTooLarge", "limit is 3145728", Class::Invalid),
            (400, "BadRequest", "strict decoding error", Class::Invalid),
        ];
        for (code, reason, message, expected) in table {
            assert_eq!(classify(code, reason, message), expected, "{code} {reason} {message}");
        }
    }

    #[test]
    fn the_field_that_cannot_change_is_named() {
        for (message, field) in [
            (
                "Job.batch \"a\" is invalid: spec.template: Invalid value: {…}: field is immutable",
                Some("spec.template"),
            ),
            (
                "Service \"a\" is invalid: [spec.clusterIPs[0]: Invalid value: x: may not change once set, y: z]",
                Some("spec.clusterIPs[0]"),
            ),
            ("admission webhook \"x\" denied the request: the spec is immutable", None),
            ("X \"a\" is invalid: the whole of it: no", None),
        ] {
            assert_eq!(immutable_field(message), field, "{message}");
        }
    }

    #[test]
    fn only_what_git_must_change_is_final() {
        for class in [Class::Immutable, Class::Invalid] {
            assert!(!class.is_transient());
        }
        for class in [Class::Transient, Class::Denied, Class::Forbidden, Class::NotFound, Class::Conflict] {
            assert!(class.is_transient());
        }
        assert_eq!(Class::NamespaceTerminating.category(), "namespace_terminating");
    }
}
