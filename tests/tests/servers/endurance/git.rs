//! What people commit in a day: objects that come, change and go, mistakes, and what is taken back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    dice::Dice,
    oracle::{Declared, place},
    stand::{Stand, config_map, definition, deployment, namespace, widget},
};

/// So many commits can be gone back to.
const REMEMBERED: usize = 8;

/// The files of the repository, each with one object.
#[derive(Clone, Default)]
pub(crate) struct Files(BTreeMap<String, Value>);

/// The repository.
pub(crate) struct Git {
    shop: String,
    files: Files,
    past: Vec<Files>,
    is_broken: bool,
    /// Makes no two versions of anything the same.
    count: usize,
    pub(crate) head: String,
}

impl Git {
    pub(crate) fn new(shop: &str) -> Self {
        let (files, past) = (Files::default(), Vec::new());
        Self { shop: shop.to_owned(), files, past, is_broken: false, count: 0, head: String::new() }
    }

    /// What the files describe; nothing can be said of a commit with a broken file.
    pub(crate) fn declared(&self) -> Declared {
        self.files.0.values().map(|object| (place(object), object.clone())).collect()
    }

    /// Every kind that there may ever be objects of.
    pub(crate) fn kinds(&self) -> BTreeSet<(String, String)> {
        let custom = format!("{}.example.com/v1", self.shop);
        [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("v1", "Service"),
            ("v1", "ServiceAccount"),
            ("v1", "Namespace"),
            ("apps/v1", "Deployment"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            (&custom, "Widget"),
        ]
        .map(|(version, kind)| (version.to_owned(), kind.to_owned()))
        .into()
    }

    /// The first commit of the day.
    pub(crate) fn open(&mut self, stand: &Stand, dice: &mut Dice) {
        self.put(namespace(&self.shop.clone()));
        self.put(definition(&self.shop.clone()));
        for _ in 0..40 {
            self.change_one(dice);
        }
        self.commit(stand, "open the shop");
    }

    /// One commit; says what it is.
    pub(crate) fn step(&mut self, stand: &Stand, dice: &mut Dice) -> String {
        let was_broken = std::mem::take(&mut self.is_broken);
        if was_broken {
            stand.human.remove("broken.yaml").unwrap();
        }
        let what = match dice.below(50) {
            0 => {
                self.files = Files::default();
                "empty the folder".to_owned()
            }
            1 | 2 => {
                stand
                    .human
                    .write("broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n name: x\n")
                    .unwrap();
                self.is_broken = true;
                format!("{} and break a file", self.change_one(dice))
            }
            3..=6 if !self.past.is_empty() => {
                let before = dice.below(self.past.len());
                self.files = self.past[before].clone();
                format!("go back by {} commits", self.past.len() - before)
            }
            7 => self.toggle_definition(),
            _ => {
                let changes: Vec<String> = (0..=dice.below(3)).map(|_| self.change_one(dice)).collect();
                changes.join(", ")
            }
        };
        self.commit(stand, &what);
        what
    }

    /// The last commit of the day: whole, with everything in it that there can be.
    pub(crate) fn close(&mut self, stand: &Stand, dice: &mut Dice) {
        if std::mem::take(&mut self.is_broken) {
            stand.human.remove("broken.yaml").unwrap();
        }
        let gone = self.files.0.is_empty();
        self.put(namespace(&self.shop.clone()));
        for _ in 0..if gone { 20 } else { 3 } {
            self.change_one(dice);
        }
        self.commit(stand, "close the shop");
    }

    fn put(&mut self, object: Value) {
        self.files.0.insert(format!("all/{}.yaml", place(&object).replace('/', "-").to_lowercase()), object);
    }

    fn take(&mut self, is_it: impl Fn(&Value) -> bool) {
        self.files.0.retain(|_, object| !is_it(object));
    }

    /// The definition goes with all objects of its kind, or comes back.
    fn toggle_definition(&mut self) -> String {
        let definition = definition(&self.shop);
        if self.declared().contains_key(&place(&definition)) {
            self.take(|object| object["kind"] == "Widget" || object["kind"] == "CustomResourceDefinition");
            "take the kind away".to_owned()
        } else {
            self.put(definition);
            "bring the kind".to_owned()
        }
    }

    fn change_one(&mut self, dice: &mut Dice) -> String {
        self.count += 1;
        let object = self.object(dice);
        let place = place(&object);
        // What is in the shop needs the shop.
        self.put(namespace(&self.shop.clone()));
        if self.declared().contains_key(&place) && dice.once_in(3) {
            self.take(|known| super::oracle::place(known) == place);
            format!("-{place}")
        } else {
            self.put(object);
            format!("+{place}={}", self.count)
        }
    }

    fn object(&self, dice: &mut Dice) -> Value {
        let (shop, count) = (&self.shop, self.count);
        let metadata = |name: String| json!({"name": name, "namespace": shop});
        let has_kind = self.declared().contains_key(&place(&definition(shop)));
        match dice.below(20) {
            0 | 1 => deployment(shop, &format!("web-{}", dice.below(4)), count),
            2 | 3 => {
                let name = format!("front-{}", dice.below(4));
                let ports = json!([{"name": "http", "port": 80, "targetPort": 1024 + count}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
                json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(name), "spec": {"selector": {"app": "web"}, "ports": ports}})
            }
            4 | 5 => {
                let value = ["MQ==", "Mg==", "Mw=="][dice.below(3)];
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(format!("s-{}", dice.below(5))), "data": {"k": value}})
            }
            6 => {
                let spec = json!({"podSelector": {"matchLabels": {"app": format!("web-{}", dice.below(4))}}, "policyTypes": ["Ingress"]});
                json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(format!("n-{}", dice.below(3))), "spec": spec})
            }
            7 => {
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(format!("a-{}", dice.below(4)))})
            }
            8..=10 if has_kind => widget(shop, &format!("w-{}", dice.below(6)), count),
            _ => {
                let name = format!("c-{}", dice.below(30));
                let mut map = config_map(shop, &name, json!({"v": count.to_string()}));
                if dice.once_in(2) {
                    map["data"]["sometimes"] = json!("here");
                }
                if dice.once_in(8) {
                    map["metadata"]["annotations"] = json!({"lockstep.dev/wave": "1"});
                }
                map
            }
        }
    }

    fn commit(&mut self, stand: &Stand, message: &str) {
        let before = self.past.last().cloned().unwrap_or_default();
        for path in before.0.keys().filter(|path| !self.files.0.contains_key(*path)) {
            stand.human.remove(path).unwrap();
        }
        for (path, object) in self.files.0.iter().filter(|(path, object)| before.0.get(*path) != Some(object)) {
            stand.human.write(path, &object.to_string()).unwrap();
        }
        if self.past.len() >= REMEMBERED {
            self.past.remove(0);
        }
        self.past.push(self.files.clone());
        // A commit that takes back what was only just written may change nothing.
        stand.human.write("count", &format!("{} {message}\n", self.count)).unwrap();
        self.head = match stand.human.commit(message) {
            Ok(commit) => commit,
            Err(_) => stand.human.commit_empty(message).unwrap(),
        };
    }
}
