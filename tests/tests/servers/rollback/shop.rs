//! What stands in Git: one workload for each story.

use super::clusters::Cluster;

/// A workload of a cluster, and what its pods cannot run.
pub(super) struct Workload {
    pub(super) cluster: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// Its image is `shop/IMAGE`.
    pub(super) image: &'static str,
    /// Below `lockstep.dev/`.
    annotations: &'static [&'static str],
    /// Behind the image.
    comment: &'static str,
    /// The pod's annotation.
    cannot: &'static str,
    /// More of the container.
    more: &'static str,
    /// A second container, which always runs.
    side: &'static str,
}

const GOVERNED: [&str; 2] = ["automated: \"true\"", "policy: semver:~1.4"];
const REVERT: &[&str] = &["on-failure: revert"];
const CRASHES: &str = r"testkit/crashes: ':1\.4\.3$'";
const CANNOT_PULL: &str = r"testkit/cannot-pull: ':1\.4\.3$'";

const fn deployment(cluster: &'static str, name: &'static str, image: &'static str, cannot: &'static str) -> Workload {
    Workload { cluster, name, kind: "Deployment", image, annotations: REVERT, comment: "", cannot, more: "", side: "" }
}

pub(super) const ALL: [Workload; 22] = [
    // Neither cluster can run it.
    deployment("eu", "bad", "bad", CANNOT_PULL),
    deployment("us", "bad", "bad", CRASHES),
    // Ten get the same tag, and one of them cannot run it.
    deployment("eu", "ten-0", "ten", ""),
    deployment("eu", "ten-1", "ten", ""),
    deployment("eu", "ten-2", "ten", ""),
    deployment("eu", "ten-3", "ten", ""),
    deployment("eu", "ten-4", "ten", ""),
    deployment("eu", "ten-5", "ten", ""),
    deployment("eu", "ten-6", "ten", ""),
    Workload { side: "side", ..deployment("eu", "ten-7", "ten", CRASHES) },
    deployment("eu", "ten-8", "ten", ""),
    deployment("eu", "ten-9", "ten", ""),
    // One of a group cannot run it.
    Workload { annotations: &["on-failure: revert", "group: duo"], ..deployment("eu", "duo", "duo", CRASHES) },
    Workload { annotations: &["on-failure: revert", "group: duo"], ..deployment("us", "duo", "duo", "") },
    // A person changes it before the automator hears that it does not run.
    deployment("eu", "changed", "changed", CRASHES),
    // The only node has room for one of its pods.
    Workload { more: "ports: [{containerPort: 80, hostPort: 8088}]", ..deployment("eu", "port", "port", "") },
    // What comes next is as bad.
    deployment("eu", "crawl", "crawl", r"testkit/crashes: ':1\.4\.[345]$'"),
    // A comment speaks for it.
    Workload {
        comment: " # lockstep: semver:~1.4 [on-failure=revert]",
        annotations: &[],
        ..deployment("eu", "noted", "noted", CANNOT_PULL)
    },
    // Runs, and a person does not want it.
    deployment("eu", "person", "person", ""),
    // Its controller does not replace the broken pod.
    Workload { kind: "StatefulSet", ..deployment("us", "db", "db", CANNOT_PULL) },
    // Nobody said what to do.
    Workload { annotations: &[], ..deployment("eu", "hold", "hold", CRASHES) },
    // A cluster that may not vote.
    deployment("guest", "guest", "guest", CRASHES),
];

impl Workload {
    pub(super) fn file(&self) -> String {
        format!("clusters/{}/{}.yaml", self.cluster, self.name)
    }

    /// As `Lockstep-Place` writes it.
    pub(super) fn place(&self, cluster: &Cluster) -> String {
        format!("{}#{}/{}/{}/main", self.file(), self.kind, cluster.shop, self.name)
    }

    pub(super) fn image(&self, registry: &str, tag: &str) -> String {
        format!("{registry}/shop/{}:{tag}", self.image)
    }

    pub(super) fn manifest(&self, namespace: &str, registry: &str, tag: &str) -> String {
        let Self { name, kind, comment, cannot, more, .. } = self;
        let governed: &[&str] = if comment.is_empty() { &GOVERNED } else { &[] };
        let annotations: String =
            governed.iter().chain(self.annotations).map(|line| format!("    lockstep.dev/{line}\n")).collect();
        let annotations = if annotations.is_empty() { String::new() } else { format!("  annotations:\n{annotations}") };
        let service = if *kind == "StatefulSet" { "  serviceName: db\n" } else { "" };
        let image = self.image(registry, tag);
        let more = if more.is_empty() { String::new() } else { format!("          {more}\n") };
        let side = match self.side {
            "" => String::new(),
            side => format!("        - name: side\n          image: {registry}/shop/{side}:{tag}\n"),
        };
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n{annotations}spec:\n  \
             replicas: 1\n{service}  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata:\n      \
             labels: {{app: {name}}}\n      annotations: {{{cannot}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      \
             containers:\n        - name: main\n          image: {image}{comment}\n{more}{side}"
        )
    }
}
