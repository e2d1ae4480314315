//! What the shop has in Git.

use crate::installation::PATH;

/// The image of the web shop, whose policy is `semver:~1.4`.
pub(super) const WEB: &str = "shop/web";
pub(super) const WEB_FIRST: &str = "1.4.2";

/// The image of the worker, whose tags are build numbers.
pub(super) const WORKER: &str = "shop/worker";
pub(super) const WORKER_FIRST: &str = "build-12";

/// How many entries the catalog has: more than may be pruned without a person's word.
pub(super) const CATALOG: usize = 12;

/// Namespace, two settings, two Deployments, a Service and the catalog.
pub(super) const OBJECTS: usize = 6 + CATALOG;

pub(super) struct Shop {
    pub(super) namespace: String,
    registry: String,
}

impl Shop {
    pub(super) fn new(namespace: &str, registry: &str) -> Self {
        Self { namespace: namespace.to_owned(), registry: registry.to_owned() }
    }

    /// The reference of an image as it stands in a manifest.
    pub(super) fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.registry)
    }

    /// Every file by its path in the repository.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        [
            ("namespace.yaml", self.namespace()),
            ("settings.yaml", self.map("settings", "currency: EUR")),
            ("banner.yaml", self.map("banner", "text: Summer sale")),
            ("catalog.yaml", self.catalog()),
            ("web.yaml", self.web()),
            ("worker.yaml", self.worker()),
        ]
        .map(|(name, text)| (file(name), text))
        .to_vec()
    }

    fn namespace(&self) -> String {
        format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n", self.namespace)
    }

    fn map(&self, name: &str, data: &str) -> String {
        let namespace = &self.namespace;
        format!(
            "apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {namespace}
data:
  {data}
"
        )
    }

    fn catalog(&self) -> String {
        let entries = (1..=CATALOG).map(|number| self.map(&entry(number), &format!("price: \"{number}.00\"")));
        entries.collect::<Vec<_>>().join("---\n")
    }

    fn web(&self) -> String {
        let namespace = &self.namespace;
        format!(
            "{}---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: {namespace}
spec:
  selector:
    app: web
  ports:
    - port: 80
      targetPort: 8080
",
            self.deployment("web", "semver:~1.4", "", &self.image(WEB, WEB_FIRST), 2)
        )
    }

    fn worker(&self) -> String {
        let policy = "'numerical:^(build|bad)-(?P<key>[0-9]+)$'";
        let on_failure = "    lockstep.dev/on-failure: revert\n";
        self.deployment("worker", policy, on_failure, &self.image(WORKER, WORKER_FIRST), 2)
    }

    fn deployment(&self, name: &str, policy: &str, annotations: &str, image: &str, replicas: u32) -> String {
        let namespace = &self.namespace;
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    lockstep.dev/automated: \"true\"
    lockstep.dev/policy: {policy}
{annotations}spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: {name}
          image: {image} # Lockstep keeps this up to date
          ports:
            - containerPort: 8080
"
        )
    }
}

/// The path of a file in the repository.
pub(super) fn file(name: &str) -> String {
    format!("{PATH}/{name}")
}

/// The name of an entry of the catalog, counted from 1.
pub(super) fn entry(number: usize) -> String {
    format!("catalog-{number:02}")
}
